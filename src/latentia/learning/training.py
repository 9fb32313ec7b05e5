"""The loop around compiled epochs: progress, early stopping, checkpoints, and Ctrl-C."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions.given import inputs
from latentia.latents import AbstractVectorPrior
from latentia.model import LatentVariableModel
from latentia.precision import on_host

from .bound_fit import BoundFit, BoundFitInterrupted, Ending, Epoch
from .checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from .epochs import (
    Schedule,
    Sums,
    TrainingState,
    begin,
    binary,
    bound_leaves,
    free_leaves,
    held_out,
    no_sums,
    run_steps,
)
from .feeding import AbstractFeed, Chunk, digest_of
from .placing import placing
from .progress import shown

# A coordinate with a rate below this many nats is not used.
ACTIVE = 0.01
# Compiled calls last about this long, so that Ctrl-C is answered.
_SECONDS = 0.5
_HELD_AT_ONCE = 256


class Training:
    """One training from its start, or from a checkpoint, to its end.

    Args:
        learner: a ``StochasticGradient``.
        model: with all parameters set.
        feed: the data to learn from.
        held: rows ``[N, *shape]`` and weights ``[N]`` that are held out; maybe none.
        seed: decides every random choice.
        mesh: of the devices that share every batch, if there are several.
    """

    def __init__(
        self, learner: Any, model: Any, feed: AbstractFeed, held: Any, seed: int, mesh: Any = None
    ) -> None:
        self.learner, self.seed, self.feed = learner, seed, feed
        self.place = placing(mesh)
        self.like = self.place(model)
        fixed = not free_leaves(model.prior)
        self.schedule = Schedule(
            learner.objective, learner.batch, feed.steps, feed.steps * learner.epochs,
            learner.learning_rate, learner.clip, learner.redraw, fixed,
            learner.compute == "bfloat16", mesh,
        )  # fmt: skip
        self.coordinates = model.prior.dim if isinstance(model.prior, AbstractVectorPrior) else 1
        self.key = jax.random.key(seed)
        count = inputs(model.likelihood)
        blocks = _in_blocks(held[0], held[1], learner.redraw, count) if len(held[0]) else None
        self.held, self.held_digest = self.place(blocks), digest_of(*held)
        self.state: TrainingState = self.place(begin(self.like, self.schedule))
        self.best_free = [np.array(leaf) for leaf in self.state.free]
        self.best, self.epochs, self.pace = -1, [], 1
        if learner.checkpoint and os.path.exists(learner.checkpoint):
            self._resume(learner.checkpoint)

    def run(self, watch: Callable[[Epoch], Any] | None) -> BoundFit:
        """Train to the end.

        Raises:
            BoundFitInterrupted: at Ctrl-C, with the best weights of whole epochs.
            OSError: if a checkpoint cannot be written.
        """
        if self.learner.progress:
            with shown(self.learner.epochs, watch) as both:
                return self._run(both)
        return self._run(watch)

    def _run(self, watch: Callable[[Epoch], Any] | None) -> BoundFit:
        status = self._ended()
        try:
            while status is Ending.RUNNING:
                row = self._one_epoch()
                status = self._ended()
                if watch is not None and watch(row) and status is Ending.RUNNING:
                    status = Ending.STOPPED
        except KeyboardInterrupt:
            raise BoundFitInterrupted(self._fit(Ending.INTERRUPTED)) from None
        return self._fit(status)

    def _one_epoch(self) -> Epoch:
        start, epoch = time.perf_counter(), len(self.epochs)
        before, sums = self.state, None
        try:
            for chunk in self.feed.chunks(self.key, epoch):
                if sums is None:
                    sums = self.place(no_sums(self.coordinates, chunk.data[0].dtype))
                done = 0
                while done < len(chunk.order):
                    done, sums = self._some_steps(done, sums, chunk)
        except KeyboardInterrupt:
            self.state = before
            raise
        row = self._told(epoch, sums, time.perf_counter() - start)
        self.epochs.append(row)
        measure = row.held_out if self.held is not None else row.bound
        if int(self.state.bad) < 0 and self._better(measure):
            self.best, self.best_free = epoch, [np.array(leaf) for leaf in self.state.free]
        if self.learner.checkpoint and int(self.state.bad) < 0:
            self._save(self.learner.checkpoint)
        return row

    def _some_steps(self, done: int, sums: Sums, chunk: Chunk) -> tuple[int, Sums]:
        last = min(done + self.pace, len(chunk.order))
        begun = time.perf_counter()
        self.state, sums = jax.block_until_ready(
            run_steps(
                self.state, sums, self.like, chunk.data, chunk.order, self.key,
                jnp.asarray(done), jnp.asarray(last), schedule=self.schedule,
            )
        )  # fmt: skip
        spent = max(time.perf_counter() - begun, 1e-6)
        # The first call compiles, and says nothing of the pace of the others.
        self.pace = max(1, min(4 * self.pace, int(self.pace * _SECONDS / spent) or 1, 100_000))
        return last, sums

    def _better(self, measure: float) -> bool:
        if not np.isfinite(measure):
            return False
        # Without data held out nothing but chance tells epochs apart, and the last is the best.
        return self.best < 0 or self.held is None or measure > self.epochs[self.best].held_out

    def _told(self, epoch: int, sums: Any, seconds: float) -> Epoch:
        total = [np.asarray(part, np.float64) / float(sums.weight) for part in sums[1:]]
        held = float("nan")
        if self.held is not None:
            found = held_out(
                self.state.free, self.like, self.held, jax.random.fold_in(self.key, 2**31 - 1),
                schedule=self.schedule,
            )  # fmt: skip
            held = float(found.bound) / float(found.weight)
        units = total[3]
        active = -1 if np.isnan(units).all() else int((units > ACTIVE).sum())
        return Epoch(
            epoch, float(total[0]), float(total[1]), float(total[2]), held, active, seconds
        )

    def _ended(self) -> Ending:
        count = len(self.epochs)
        if int(self.state.bad) >= 0:
            return Ending.NON_FINITE
        # A weight that rises over epochs makes early ones look better than they are.
        warm = getattr(self.learner.objective, "warm_up", 0)
        waited = count - 1 - max(self.best, int(warm))
        if self.held is not None and count and waited >= self.learner.patience:
            return Ending.NO_BETTER
        return Ending.LAST_EPOCH if count >= self.learner.epochs else Ending.RUNNING

    def _fit(self, status: Ending) -> BoundFit:
        model = bound_leaves([jnp.asarray(leaf) for leaf in self.best_free], self.like)
        prior = model.prior
        if isinstance(prior, AbstractVectorPrior):
            prior = prior.settled(model.inference.propose)
        model = LatentVariableModel(prior, model.likelihood, model.inference)
        bad, where = int(self.state.bad), ""
        if bad >= 0:
            epoch, step = divmod(bad, self.schedule.steps)
            where = f"epoch {epoch + 1}, step {step + 1} of {self.schedule.steps}"
        objective = self.learner.objective
        return BoundFit(
            on_host(model), objective.describe(), tuple(self.epochs), max(self.best, 0), status,
            where, self.feed.weight, objective.is_bound,
        )  # fmt: skip

    def _facts(self) -> dict[str, Any]:
        """What has to be the same for a training to be the same."""
        plain = replace(self.learner, held_out=None, progress=False)
        held = self.held_digest
        return {"learner": repr(plain), "seed": self.seed, "data": self.feed.digest, "held": held,
                "rows": self.feed.rows}  # fmt: skip

    def _save(self, path: str) -> None:
        leaves = [*jax.tree.leaves(self.state), *self.best_free]
        facts = {**self._facts(), "best": self.best, "epochs": [list(row) for row in self.epochs]}
        write_checkpoint(path, leaves, facts, "epoch")

    def _resume(self, path: str) -> None:
        arrays, facts = read_checkpoint(path)
        state, structure = jax.tree.flatten(self.state)
        same = all(facts.get(name) == value for name, value in self._facts().items())
        shapes = [np.shape(leaf) for leaf in [*state, *self.best_free]]
        if not same or [array.shape for array in arrays] != shapes:
            raise CheckpointError(
                f"checkpoint {path!r} is of another training: of other data, another model, seed "
                "or learner; name another file, or remove this one."
            )
        leaves = [jnp.asarray(a) for a in arrays[: len(state)]]
        self.state = self.place(jax.tree.unflatten(structure, leaves))
        self.best_free = arrays[len(state) :]
        self.best = int(facts["best"])
        self.epochs = [Epoch(*row) for row in facts["epochs"]]


def _in_blocks(rows: np.ndarray, weight: np.ndarray, redraw: bool, inputs: int) -> tuple[Any, Any]:
    """Held-out rows ``[M, B, *shape]`` and weights ``[M, B]``, filled up with weight zero."""
    if redraw:
        # Once for all, so that epochs are compared on the same pixels.
        rows = np.asarray(binary(jax.random.key(0), jnp.asarray(rows), inputs))
    size = min(_HELD_AT_ONCE, len(rows))
    count = -(-len(rows) // size)
    spare = count * size - len(rows)
    rows = np.concatenate([rows, np.repeat(rows[:1], spare, axis=0)])
    weight = np.concatenate([weight, np.zeros(spare)]).astype(rows.dtype)
    return jnp.asarray(rows.reshape(count, size, *rows.shape[1:])), jnp.asarray(
        weight.reshape(count, size)
    )
