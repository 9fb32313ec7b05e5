"""The compiled part of training: any number of steps of an epoch in one call."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding, PartitionSpec

from latentia.constraints import constrained_leaves
from latentia.distributions.given import inputs
from latentia.inference.amortized import parts_of_model, prepared
from latentia.inference.encoded import Parts
from latentia.networks import AbstractNetwork, Lowered

from .objectives import AbstractObjective

# Keys of orders are apart from those of steps by this, which no number of a step reaches.
_ORDERING = 2**31 + 1


class Schedule(NamedTuple):
    """What a compiled step has to know, all of it fixed."""

    objective: AbstractObjective
    batch: int
    steps: int  # of one epoch
    total: int  # of all epochs
    rate: float
    clip: float
    redraw: bool
    fixed_prior: bool
    low: bool  # whether networks compute in bfloat16
    mesh: Any  # of devices that share every batch; None for one device

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam (Kingma and Ba 2015), its rate rising for a moment and then falling as a cosine."""
        warm = max(1, min(self.total // 20, 500))
        rate = optax.warmup_cosine_decay_schedule(
            0.1 * self.rate, self.rate, warm, max(self.total, warm + 1), 0.01 * self.rate
        )
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(rate))


class TrainingState(NamedTuple):
    """``free``, the parameters in free coordinates; that of the optimizer; how many steps were
    made; and the first step, if any, whose numbers were not finite (-1 for none)."""

    free: Any
    optimizer: Any
    step: jax.Array
    bad: jax.Array


class Sums(NamedTuple):
    """Weighted sums over some data of bound, distortion, rate and the rates of coordinates."""

    weight: jax.Array
    bound: jax.Array
    distortion: jax.Array
    rate: jax.Array
    units: jax.Array


def free_leaves(model: Any) -> list[jax.Array]:
    """The learned parameters of a model in free coordinates."""
    return [
        constraint.free(jnp.asarray(leaf))
        for constraint, leaf in constrained_leaves(model)
        if constraint is not None
    ]


def bound_leaves(free: list[jax.Array], like: Any) -> Any:
    """The model with these free coordinates, and in all else as ``like``."""
    rest = iter(free)
    leaves = [
        leaf if constraint is None else constraint.bind(next(rest), jnp.asarray(leaf))
        for constraint, leaf in constrained_leaves(like)
    ]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


@partial(jax.jit, static_argnames="schedule")
def begin(model: Any, schedule: Schedule) -> TrainingState:
    """The state before the first step."""
    free = free_leaves(model)
    count = jnp.zeros((), jnp.int32)
    return TrainingState(free, schedule.optimizer.init(free), count, count - 1)


@partial(jax.jit, static_argnames=("rows", "batch"))
def order_of(key: Any, epoch: jax.Array, *, rows: int, batch: int) -> jax.Array:
    """The rows in the order of an epoch, ``[steps, batch]``; -1 fills up the last batch."""
    key = jax.random.fold_in(jax.random.fold_in(key, _ORDERING), epoch)
    order = jax.random.permutation(key, rows)
    return jnp.pad(order, (0, -rows % batch), constant_values=-1).reshape(-1, batch)


@partial(jax.jit, static_argnames="schedule")
def run_steps(
    state: TrainingState, sums: Sums, like: Any, data: Any, order: jax.Array, key: Any,
    first: jax.Array, last: jax.Array, *, schedule: Schedule,
) -> tuple[TrainingState, Sums]:  # fmt: skip
    """Steps ``first`` to ``last`` of an epoch.

    Args:
        sums: over the epoch so far.
        like: the model, for all that is not learned.
        data: rows ``[N, *shape]`` and their weights ``[N]``.
        order: from ``order_of``.
        key: decides all draws, with the number of the step.
    """
    optimizer = schedule.optimizer
    kept = prepared(like) if schedule.fixed_prior else None

    def objective(free: Any, rows: jax.Array, weight: jax.Array, key: Any, epoch: Any) -> Any:
        model = bound_leaves(free, like)
        parts = parts_of_model(lowered(model) if schedule.low else model)
        parts = parts if kept is None else parts._replace(prior=kept)
        first, second = jax.random.split(key)
        x = binary(first, rows, inputs(like.likelihood)) if schedule.redraw else rows
        terms = schedule.objective.terms(parts, x, second)
        share = weight / jnp.maximum(jnp.sum(weight), 1e-30)
        return -schedule.objective.value(terms, share, epoch), terms

    def step(index: Any, carry: tuple[TrainingState, Sums]) -> tuple[TrainingState, Sums]:
        state, sums = carry
        chosen = order[index]
        weight = jnp.where(chosen < 0, 0.0, data[1][chosen])
        epoch = state.step / schedule.steps
        (loss, terms), slope = jax.value_and_grad(objective, has_aux=True)(
            state.free, *shared((data[0][chosen], weight), schedule.mesh),
            jax.random.fold_in(key, state.step), epoch,
        )  # fmt: skip
        change, optimizing = optimizer.update(slope, state.optimizer, state.free)
        size = sum(jnp.sum(part**2) for part in slope)
        fine = jnp.isfinite(loss) & jnp.isfinite(size) & (state.bad < 0)
        moved = optax.apply_updates(state.free, change), optimizing
        # Once a number is not finite, nothing moves any more: the last good state is kept.
        free, optimizing = jax.tree.map(
            lambda new, old: jnp.where(fine, new, old), moved, (state.free, state.optimizer)
        )
        bad = jnp.where(fine | (state.bad >= 0), state.bad, state.step)
        return TrainingState(free, optimizing, state.step + 1, bad), added(sums, terms, weight)

    return jax.lax.fori_loop(first, last, step, (state, sums))


def shared(batch: Any, mesh: Any) -> Any:
    """A batch of which each device works on its share: all that follows is split likewise, and the
    one sum over data goes round the devices."""
    if mesh is None:
        return batch
    along = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
    return jax.lax.with_sharding_constraint(batch, along)


def lowered(model: Any) -> Any:
    """The model with the decoder and the encoder in bfloat16; densities and bounds stay as wide as
    they are, since their sums would lose the digits that matter."""

    def is_network(part: Any) -> bool:
        return isinstance(part, AbstractNetwork)

    def low(part: Any) -> Any:
        return Lowered(part) if is_network(part) else part

    parts = model.likelihood, model.inference
    likelihood, inference = jax.tree.map(low, parts, is_leaf=is_network)
    return eqx.tree_at(lambda m: (m.likelihood, m.inference), model, (likelihood, inference))


def no_sums(dim: int, dtype: Any) -> Sums:
    """The sums over nothing."""
    zero = jnp.zeros((), dtype)
    return Sums(zero, zero, zero, zero, jnp.zeros(dim, dtype))


def added(sums: Sums, terms: Any, weight: jax.Array) -> Sums:
    """The sums with those of one more batch."""
    totals = (weight @ terms.bound, weight @ terms.distortion, weight @ terms.rate,
              weight @ terms.units)  # fmt: skip
    return Sums(
        sums.weight + jnp.sum(weight), *(s + t for s, t in zip(sums[1:], totals, strict=True))
    )


@partial(jax.jit, static_argnames="schedule")
def held_out(free: Any, like: Any, data: Any, key: Any, *, schedule: Schedule) -> Sums:
    """The same sums over held-out data in blocks ``[M, B, *shape]`` with weights ``[M, B]``."""
    model = bound_leaves(free, like)
    parts: Parts = parts_of_model(model)

    def block(sums: Sums, entry: Any) -> tuple[Sums, None]:
        index, rows, weight = entry
        terms = schedule.objective.terms(parts, rows, jax.random.fold_in(key, index))
        return added(sums, terms, weight), None

    rows, weight = data
    start = no_sums(parts.prior.dim, rows.dtype)
    return jax.lax.scan(block, start, (jnp.arange(len(rows)), rows, weight))[0]


def binary(key: Any, grey: jax.Array, inputs: int) -> jax.Array:
    """Black and white pixels, drawn with the grey values as probabilities; missing stays so, and
    so do covariates, the last entries of a row."""
    if inputs:
        pixels = binary(key, grey[:, :-inputs], 0)
        return jnp.concatenate([pixels, grey[:, -inputs:]], axis=1)
    drawn = jax.random.uniform(key, grey.shape, grey.dtype) < grey
    return jnp.where(jnp.isnan(grey), grey, drawn.astype(grey.dtype))
