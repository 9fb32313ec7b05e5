"""A generalised linear map of a latent vector: logistic, ordinal and Poisson factor models."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions import Limits
from latentia.distributions.parameters import as_parameter
from latentia.typing import Datum, Form, Key, LatentVector, Loadings, Rows, Scalar, Weights

from .features import FeaturePotential, GridTotals, imagined_nodes, table_of
from .interface import AbstractLearnableLikelihood, Prepared
from .item_newton import Block, climb
from .regression import principal_axes
from .responses import AbstractResponse

SLOPES = ("free", "common", "fixed")


class GeneralizedLinear(AbstractLearnableLikelihood):
    """Columns whose distribution depends on z through ``loadings z``; independent given z.

    The response says how: ``BinaryResponse`` for logistic factor models and the Rasch and 2PL
    models of item response, ``GuessedResponse`` for 3PL, ``GradedResponse`` and ``PartialCredit``
    for ordered levels, ``CountResponse`` for Poisson factor models.

    Args:
        response: the distribution of the columns given their predictors.
        loadings: ``[D, L]``, the slopes.
        latent_dim: L, in place of the loadings, if they are to be learned.
        slopes: "free"; "common" if all columns share one slope for each dimension, as in the Rasch
            model; or "fixed" at the given loadings.
        pattern: ``[D, L]``, true where a loading is free and false where it is zero. Without one,
            several dimensions can be rotated, and are reported on their principal axes.
        bound: the largest size of a slope and an intercept. The likelihood may have no maximum: if
            all answers to an item are alike, its intercept grows for ever.
    """

    response: AbstractResponse
    loadings: Loadings
    slopes: str = eqx.field(static=True)
    pattern: tuple[tuple[bool, ...], ...] | None = eqx.field(static=True)
    bound: float = eqx.field(static=True)

    def __init__(
        self,
        response: AbstractResponse,
        loadings: Any = None,
        *,
        latent_dim: int = 1,
        slopes: str = "free",
        pattern: Any = None,
        bound: float = 40.0,
    ) -> None:
        if not isinstance(response, AbstractResponse):
            raise TypeError(
                f"response of GeneralizedLinear should be a response, but is {response!r}: write "
                "BinaryResponse(dim=5), for instance."
            )
        given = loadings is not None
        if loadings is None:
            loadings = np.full((response.dim, latent_dim), np.nan)
        self.response = response
        self.loadings = as_parameter(loadings, "loadings")
        self.slopes = slopes
        self.pattern = _read_pattern(pattern, self.loadings.shape)
        self.bound = float(bound)
        if slopes not in SLOPES or (slopes == "fixed" and not given):
            raise ValueError(
                f"slopes should be one of {', '.join(SLOPES)}, and with 'fixed' the loadings have "
                f"to be given, but slopes is {slopes!r}."
            )
        if self.loadings.ndim < 2 or self.loadings.shape[-2] != response.dim:
            raise ValueError(
                f"loadings of GeneralizedLinear should have shape ({response.dim}, L), a row for "
                f"each column of the response, but have {self.loadings.shape}."
            )

    def _like(self, response: Any, loadings: Any) -> Self:
        return eqx.tree_at(lambda m: (m.response, m.loadings), self, (response, loadings))

    @property
    def dim(self) -> int:
        return self.response.dim

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def latent_dim(self) -> int:
        """L."""
        return self.loadings.shape[-1]

    @property
    def states(self) -> int:
        return 1

    @property
    def quadratic(self) -> bool:
        return False

    def sample(self, key: Key, z: LatentVector) -> Datum:
        return self.response.draw(key, self.loadings @ z)

    def log_prob(self, x: Datum, z: LatentVector) -> Scalar:
        return self.potential(x)(z)

    def potential(self, x: Datum) -> FeaturePotential:
        return FeaturePotential(
            likelihood=self, features=self.response.features(x), base=self.response.base(x)
        )

    def prepare(self, form: Form) -> Prepared:
        return _Prepared(self)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(False)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> GridTotals:
        """``moments`` are weights on nodes that all rows share, as ``Quadrature`` makes them."""
        features = self.response.features(x)
        flat = features.reshape(x.shape[0], -1) * weight[:, None]
        counts = (flat.T @ moments.mass).reshape(*features.shape[1:], -1)
        mass = weight @ moments.mass
        return GridTotals(mass, mass[:, None] * moments.nodes[0], counts, jnp.zeros((), x.dtype))

    def maximize(self, statistics: GridTotals, limits: Limits) -> Self:
        nodes, counts = table_of(statistics, self.latent_dim)
        latent = self.latent_dim

        def objective(parameters: jax.Array) -> jax.Array:
            part = self.response.bound(parameters[:, latent:])
            terms = part.terms(nodes @ parameters[:, :latent].T)
            return jnp.einsum("dcg,gdc->d", counts, terms)

        start = jnp.concatenate([self.loadings, self.response.free()], axis=1)
        found = climb(objective, start, self._block())
        return self._like(self.response.bound(found[:, latent:]), found[:, :latent])

    def _block(self) -> Block:
        own = self.response.free().shape[1]
        mask = np.ones((self.dim, self.latent_dim + own))
        if self.pattern is not None:
            mask[:, : self.latent_dim] = np.array(self.pattern)
        if self.slopes == "fixed":
            mask[:, : self.latent_dim] = 0.0
        return Block(mask, self.latent_dim if self.slopes == "common" else 0, self.bound)

    def restrict(self, limits: Limits) -> Self:
        size = self.bound
        loadings = self.loadings if self.slopes == "fixed" else jnp.clip(self.loadings, -size, size)
        response = self.response.bound(jnp.clip(self.response.free(), -size, size))
        return self._like(response, loadings)

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> GridTotals:
        nodes, each = imagined_nodes(self.latent_dim, self.loadings.dtype)
        expected = other.response.expected(nodes @ other.loadings.T)
        zero = jnp.zeros((), each.dtype)
        counts = jnp.einsum("g,gdc->dcg", weight * each, expected)
        return GridTotals(zero, zero, zero, counts)

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        nodes, each = imagined_nodes(self.latent_dim, self.loadings.dtype)
        expected = other.response.expected(nodes @ other.loadings.T)
        terms = self.response.terms(nodes @ self.loadings.T)
        return jnp.einsum("g,gdc,gdc->", each, expected, terms)

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        weight = weight * assignment[:, 0]
        seen = ~jnp.isnan(x)
        heavy = weight[:, None] * seen
        count = jnp.sum(heavy, axis=0)
        some = jnp.where(count > 0, count, 1.0)
        mean = jnp.sum(jnp.where(seen, x, 0.0) * heavy, axis=0) / some
        gap = jnp.where(seen, x - mean, 0.0)
        variances = jnp.sum(heavy * gap**2, axis=0) / some
        variances = jnp.where(variances > 0, variances, 1.0)
        tilt, rest = jax.random.split(key)
        loadings = principal_axes(gap, weight, variances, self.latent_dim, tilt)
        slopes = self.response.slopes_from(loadings / jnp.sqrt(variances)[:, None])
        if self.slopes == "common":
            slopes = jnp.broadcast_to(jnp.mean(jnp.abs(slopes), axis=0), slopes.shape)
        if self.slopes == "fixed":
            slopes = jnp.asarray(self.loadings)
        if self.pattern is not None:
            slopes = jnp.where(np.array(self.pattern), slopes, 0.0)
        size = jnp.sqrt(jnp.sum(slopes**2, axis=-1))
        return self._like(self.response.begin(x, weight, size, rest), slopes)

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return self.response.possible(x)

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), jnp.ones_like(spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self

    def at_bound(self) -> jax.Array:
        """Which columns have a slope or an intercept as large as allowed, ``[D]``."""
        free = jnp.concatenate([self.loadings, self.response.free()], axis=-1)
        return jnp.any(jnp.abs(free) >= 0.999 * self.bound, axis=-1)

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.any(self.at_bound(), keepdims=True)

    def order_keys(self) -> jax.Array:
        return jnp.mean(self.loadings, axis=0)[None]

    def reorder(self, order: jax.Array) -> Self:
        return self

    def canonical(self) -> Self:
        """Rotated to principal axes of the slopes, if nothing fixes them; then signs.

        The largest slope of each dimension is positive.
        """
        if self.slopes == "fixed":
            return self
        loadings = self.loadings
        if self.pattern is None and self.slopes == "free" and self.latent_dim > 1:
            left, values, _ = jnp.linalg.svd(loadings, full_matrices=False)
            size = min(loadings.shape)
            loadings = jnp.zeros_like(loadings).at[:, :size].set(left * values)
        largest = jnp.take_along_axis(loadings, jnp.argmax(jnp.abs(loadings), axis=0)[None], axis=0)
        return self._like(self.response, loadings * jnp.where(largest < 0, -1.0, 1.0))

    def degrees_of_freedom(self, states: int) -> int:
        rank = min(self.latent_dim, self.dim)
        free = self.dim * rank - rank * (rank - 1) // 2
        if self.pattern is not None:
            free = int(np.sum(np.array(self.pattern)))
        slopes = {"free": free, "common": self.latent_dim, "fixed": 0}[self.slopes]
        # Never more than a table of all patterns has: beyond, parameters stand in for each other.
        return int(min(slopes + self.response.degrees_of_freedom(), self.response.saturated()))

    def describe(self) -> str:
        kinds = {"free": "a slope", "common": "one slope", "fixed": "fixed slopes"}
        each = "for each" if self.slopes == "free" else "for all"
        plural = "s" if self.latent_dim > 1 else ""
        return (
            f"GeneralizedLinear: {self.response.describe()}, {kinds[self.slopes]} {each} "
            f"on {self.latent_dim} dimension{plural}"
        )


class _Prepared(eqx.Module):
    """A generalised linear likelihood in the E-step: there is nothing to factor."""

    likelihood: GeneralizedLinear

    def potential(self, x: Datum) -> FeaturePotential:
        return self.likelihood.potential(x)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> GridTotals:
        return self.likelihood.statistics(x, moments, weight)

    def finish(self, totals: GridTotals) -> GridTotals:
        return totals


def _read_pattern(pattern: Any, shape: tuple[int, ...]) -> tuple[tuple[bool, ...], ...] | None:
    if pattern is None:
        return None
    values = np.asarray(pattern)
    if values.shape != shape or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"pattern of GeneralizedLinear should be true and false of shape {shape}, one for each "
            f"loading, but is {pattern!r}."
        )
    return tuple(tuple(bool(entry) for entry in row) for row in values)
