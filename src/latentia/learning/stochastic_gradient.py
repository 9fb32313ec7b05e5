"""Stochastic gradient ascent on a lower bound: how models with an encoder are learned."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from latentia.distributions.given import inputs
from latentia.inference.amortized_answers import narrowed, read_rows
from latentia.latents import AbstractVectorPrior
from latentia.likelihoods import Coded, Neural, PerStep
from latentia.model import LatentVariableModel
from latentia.precision import precision_of

from .bound_fit import BoundFit, Epoch
from .objectives import ELBO, AbstractObjective
from .row_streams import Streamed, gives_any_rows

Watch = Callable[[Epoch], Any]


class StochasticGradient(eqx.Module):
    """Adam on a lower bound of the log-likelihood, in batches; model and encoder together.

    The rate of learning rises for a moment and then falls as a cosine to a hundredth. A share of
    the data is held out: training stops when the bound on them has not risen for ``patience``
    epochs, and the weights of the best epoch are kept (without such data, those of the last). The
    same seed gives the same bits.

    Args:
        objective: ``ELBO()`` or ``ImportanceBound(k)``, with their options.
        epochs: the most passes over the data.
        batch: how many data a step sees; at most as many as there are.
        learning_rate: the highest rate of Adam.
        held_out: the share of the data that is held out, or data of their own (of a conditional
            model a pair of data and covariates); 0 for none. Of data that are streamed these are
            whole blocks, at most about ``rows_at_once`` rows.
        patience: how many epochs without a better held-out bound end the training.
        clip: the largest norm of a gradient; larger ones are shortened.
        redraw: whether pixels are drawn anew in each step, black or white, with the grey values of
            the data as probabilities (dynamic binarisation).
        checkpoint: a file that holds the state of the training after each epoch. If it exists,
            training goes on from there, and ends with the same bits as one without a break.
        compute: "float32", or "bfloat16" for the networks in training: parameters, densities,
            bounds and what is held out stay in float32. Quicker where the device has units for it.
        devices: among how many devices every batch is shared, 0 for all that JAX sees; ``batch``
            should be a multiple. Each keeps a copy of the data. The numbers are the same up to
            rounding.
        rows_at_once: of data that are streamed, how many rows are in memory together. These are
            blocks of consecutive rows from random places, and are mixed.
        progress: whether a bar on the terminal tells bound, distortion, rate and active coordinates
            after each epoch.
        start: whether offset, units and family start from the data ("data"), or as given ("given").
    """

    objective: AbstractObjective = ELBO()
    epochs: int = eqx.field(static=True, default=100)
    batch: int = eqx.field(static=True, default=128)
    learning_rate: float = eqx.field(static=True, default=1e-3)
    held_out: Any = 0.1
    patience: int = eqx.field(static=True, default=20)
    clip: float = eqx.field(static=True, default=100.0)
    redraw: bool = eqx.field(static=True, default=False)
    checkpoint: str | None = eqx.field(static=True, default=None)
    start: str = eqx.field(static=True, default="data")
    compute: str = eqx.field(static=True, default="float32")
    devices: int = eqx.field(static=True, default=1)
    rows_at_once: int = eqx.field(static=True, default=8192)
    progress: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        for name in ("epochs", "batch", "patience", "rows_at_once"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(
                    f"{name} of StochasticGradient should be a whole number of at least 1, but is "
                    f"{value!r}."
                )
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(
                    f"{name} of StochasticGradient should be a number above 0, but is "
                    f"{getattr(self, name)!r}."
                )
        if not isinstance(self.objective, AbstractObjective):
            raise TypeError(
                "objective of StochasticGradient should be ELBO(...) or ImportanceBound(...), but "
                f"is {self.objective!r}."
            )
        if self.start not in ("data", "given"):
            raise ValueError(f'start should be "data" or "given", but is {self.start!r}.')
        if self.compute not in ("float32", "bfloat16"):
            raise ValueError(f'compute should be "float32" or "bfloat16", but is {self.compute!r}.')
        if not isinstance(self.devices, int) or self.devices < 0:
            raise ValueError(
                f"devices should be a whole number of at least 0, but is {self.devices!r}."
            )

    def fit(
        self,
        model: Any,
        data: Any,
        weights: Any,
        seed: int,
        watch: Watch | None = None,
        given: Any = None,
    ) -> BoundFit:
        """Learn a model with an encoder; see ``latentia.fit``.

        Args:
            watch: called after each epoch; a true answer ends the training.
        """
        # Loaded here, since optax takes a second that no other model needs.
        from .feeding import MemoryFeed
        from .placing import mesh_of, placing
        from .training import Training

        model = narrowed(model)
        mesh = mesh_of(self.devices, self.batch)
        if gives_any_rows(data):
            return self._streamed(model, data, seed, mesh, watch)
        rows, _ = read_rows(model, data, given, "data")
        weight = np.ones(len(rows)) if weights is None else weights
        (rows, weight), held = self._split(model, rows, weight, seed)
        if self.start == "data":
            model = started(model, rows, weight, seed)
        self._require_batch(len(rows))
        with precision_of(model):
            feed = MemoryFeed(rows, weight, self.batch, placing(mesh))
            return Training(self, model, feed, held, seed, mesh).run(watch)

    def _streamed(self, model: Any, source: Any, seed: int, mesh: Any, watch: Any) -> BoundFit:
        """Learn from data that are read in chunks."""
        from .feeding import StreamFeed
        from .placing import placing
        from .training import Training

        stream = Streamed(model, source, self.held_out, self.rows_at_once, seed)
        self._require_batch(stream.rows)
        if self.start == "data":
            model = started(model, *stream.first(), seed)
        with precision_of(model):
            feed = StreamFeed(
                stream.take, stream.blocks, stream.at_once, self.batch, seed, placing(mesh)
            )
            return Training(self, model, feed, stream.held(), seed, mesh).run(watch)

    def _require_batch(self, rows: int) -> None:
        if self.batch > rows:
            raise ValueError(
                f"batch should be at most {rows}, the number of data to learn from, but is "
                f"{self.batch}: lower it."
            )

    def _split(self, model: Any, rows: np.ndarray, weight: np.ndarray, seed: int) -> Any:
        """Rows and weights to learn from, and those held out."""
        if not np.isscalar(self.held_out):
            pair: Any = self.held_out if inputs(model.likelihood) else (self.held_out, None)
            held, _ = read_rows(model, pair[0], pair[1], "held_out")
            return (rows, weight), (held, np.ones(len(held)))
        share = float(self.held_out)  # pyright: ignore[reportArgumentType]
        if not 0 <= share < 1:
            raise ValueError(
                "held_out should be a share of the data from 0 up to 1, or data of their own, but "
                f"is {self.held_out!r}."
            )
        order = np.random.default_rng([seed, 1]).permutation(len(rows))
        count = int(share * len(rows))
        last = order[:count]
        first = np.sort(order[count:])
        return (rows[first], weight[first]), (rows[last], weight[last])


def started(model: Any, rows: np.ndarray, weight: np.ndarray, seed: int) -> Any:
    """The model with offset, units, family, prior and the encoder's units taken from the data,
    where they are not set yet."""
    likelihood, inference = begun(model.likelihood, model.inference, rows, weight)
    prior = model.prior
    if isinstance(prior, AbstractVectorPrior):
        shown = rows.reshape(len(rows), -1)[:, : likelihood.dim].reshape(-1, *likelihood.shape)
        prior = prior.started(shown, np.random.default_rng([seed, 2]))
    return narrowed(LatentVariableModel(prior, likelihood, inference))


def begun(likelihood: Any, inference: Any, rows: np.ndarray, weight: np.ndarray) -> Any:
    """The likelihood and the encoder, with what is not set yet taken from the data."""
    if isinstance(likelihood, PerStep):
        each = np.repeat(weight, rows.shape[1])
        steps = rows.reshape(-1, *likelihood.emission.shape)
        emission, inference = begun(likelihood.emission, inference, steps, each)
        return PerStep(emission, likelihood.drivers), inference
    if isinstance(likelihood, Coded):
        decoder, inference = begun(likelihood.decoder, inference, rows, weight)
        return likelihood.with_decoder(decoder), inference
    if not isinstance(likelihood, Neural):
        mean, variance = _moments(rows, weight)
        return likelihood, inference.started(mean, np.where(variance > 0, np.sqrt(variance), 1.0))
    family = likelihood.family
    flat = rows.reshape(len(rows), -1)
    rows = flat[:, : likelihood.dim].reshape(-1, *likelihood.shape)
    covariates = flat[:, likelihood.dim :]
    centre, squares = _moments(covariates, weight)
    standard = np.stack([centre, np.where(squares > 0, np.sqrt(squares), 1.0)])
    mean, variance = _moments(rows, weight)
    pooled = float(np.sqrt(np.mean(variance)))
    table = len(likelihood.shape) == 1 and family.scalable
    spread = np.where(variance > 0, np.sqrt(variance), 1.0) if table else np.ones_like(mean)
    unit = np.where(np.isnan(likelihood.unit), spread, likelihood.unit)
    first = family.begin(mean / unit, variance / unit**2)
    offset = np.where(np.isnan(likelihood.offset), first, likelihood.offset)
    if np.isnan(likelihood.offset).any():
        inner = float(np.sqrt(np.mean(variance / unit**2)))
        family = family.started(inner)
    shown = spread if table else np.full_like(mean, pooled if pooled > 0 else 1.0)
    likelihood = Neural(
        likelihood.network,
        family,
        likelihood.shape,
        likelihood.latent_dim,
        offset=offset,
        unit=unit,
        inputs=likelihood.inputs,
        standard=np.where(np.isnan(likelihood.standard), standard, likelihood.standard),
    )
    return likelihood, inference.started(mean, shown)


def _moments(rows: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each entry over the data, missing ones left out."""
    seen = ~np.isnan(rows)
    heavy = weight.reshape(-1, *(1,) * (rows.ndim - 1)) * seen
    total = np.maximum(heavy.sum(axis=0), 1e-30)
    mean = (heavy * np.where(seen, rows, 0.0)).sum(axis=0) / total
    gap = np.where(seen, rows - mean, 0.0)
    return mean, (heavy * gap**2).sum(axis=0) / total
