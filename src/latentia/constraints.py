"""Where a parameter may lie: declared on the field, freed only for extrapolation and gradients.

A field without a constraint holds any real numbers:

    weights: Array = eqx.field(metadata=simplex)

``free`` turns a model into one unconstrained vector, and ``bind`` turns such a vector back.
"""

import dataclasses
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.stacks import cholesky

# exp(-600) is far below any probability that matters and still a normal number.
_LOWEST = -600.0


class AbstractConstraint(eqx.Module):
    """A set of parameters, and a smooth map onto it from all of R^n."""

    def free(self, value: jax.Array) -> jax.Array:
        """Unconstrained coordinates of ``value``."""
        raise NotImplementedError

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        """The parameter with these coordinates; what is zero for good in ``like`` stays zero."""
        raise NotImplementedError


class Real(AbstractConstraint):
    """Any real numbers."""

    def free(self, value: jax.Array) -> jax.Array:
        return value

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        return free


class Positive(AbstractConstraint):
    """Numbers that are zero or more, by their logarithm."""

    def free(self, value: jax.Array) -> jax.Array:
        return _log(value)

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        return jnp.where(like == 0, 0.0, jnp.exp(free))


class Between(AbstractConstraint):
    """Positive numbers from ``low`` to ``high``, by their logarithm; beyond is cut off."""

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def free(self, value: jax.Array) -> jax.Array:
        return _log(value)

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        return jnp.clip(jnp.exp(free), self.low, self.high)


class Interval(AbstractConstraint):
    """Probabilities, by their log odds."""

    def free(self, value: jax.Array) -> jax.Array:
        return _log(value) - _log(1 - value)

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        return jnp.where((like == 0) | (like == 1), like, jax.nn.sigmoid(free))


class Simplex(AbstractConstraint):
    """Probabilities that sum to one along the last axis, by their logarithm."""

    def free(self, value: jax.Array) -> jax.Array:
        return _log(value)

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        # Free coordinates may be shifted together, and a structural zero has no say in the shift.
        top = jnp.max(jnp.where(like == 0, -jnp.inf, free), axis=-1, keepdims=True)
        raised = jnp.where(like == 0, 0.0, jnp.exp(free - top))
        return raised / jnp.sum(raised, axis=-1, keepdims=True)


class Covariance(AbstractConstraint):
    """Symmetric positive definite matrices, by a Cholesky factor with a logarithmic diagonal."""

    def free(self, value: jax.Array) -> jax.Array:
        eye = jnp.eye(value.shape[-1], dtype=value.dtype)
        lower = cholesky(value + eye * _nothing(value)[..., None, :])
        diagonal = jnp.diagonal(lower, axis1=-2, axis2=-1)
        return jnp.tril(lower, -1) + eye * _log(diagonal)[..., None, :]

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        eye = jnp.eye(free.shape[-1], dtype=free.dtype)
        diagonal = jnp.exp(jnp.diagonal(free, axis1=-2, axis2=-1))
        lower = jnp.tril(free, -1) + eye * diagonal[..., None, :]
        lower = jnp.where(_nothing(like)[..., :, None], 0.0, lower)
        return lower @ jnp.swapaxes(lower, -1, -2)


class Decreasing(AbstractConstraint):
    """Numbers that decrease along the last axis, by the first one and the logarithms of the gaps.

    A gap of zero stays zero.
    """

    def free(self, value: jax.Array) -> jax.Array:
        return jnp.concatenate([value[..., :1], _log(value[..., :-1] - value[..., 1:])], axis=-1)

    def bind(self, free: jax.Array, like: jax.Array) -> jax.Array:
        gaps = jnp.where(like[..., :-1] == like[..., 1:], 0.0, jnp.exp(free[..., 1:]))
        rest = free[..., :1] - jnp.cumsum(gaps, axis=-1)
        return jnp.concatenate([free[..., :1], rest], axis=-1)


def _nothing(value: jax.Array) -> jax.Array:
    """The coordinates without variance, which stay so."""
    return jnp.diagonal(value, axis1=-2, axis2=-1) == 0


def _log(value: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.log(jnp.maximum(value, 0.0)), _LOWEST)


_KEY: Final = "constraint"
_REAL: Final = Real()
real: Final = {_KEY: _REAL}
positive: Final = {_KEY: Positive()}
interval: Final = {_KEY: Interval()}
simplex: Final = {_KEY: Simplex()}
decreasing: Final = {_KEY: Decreasing()}
covariance: Final = {_KEY: Covariance()}
fixed: Final = {_KEY: None}


def between(low: float, high: float) -> dict[str, Any]:
    """Positive numbers from ``low`` to ``high``."""
    return {_KEY: Between(low, high)}


def chosen(name: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """As ``metadata`` says if ``name`` is among the part's ``learned``, and fixed otherwise."""
    return {_KEY: lambda part: metadata[_KEY] if name in part.learned else None}


def free_vector(tree: Any) -> jax.Array:
    """The unconstrained coordinates of every learnable parameter of a model, as one vector."""
    pieces = [
        constraint.free(jnp.asarray(value)).ravel()
        for constraint, value in constrained_leaves(tree)
        if constraint is not None
    ]
    return jnp.concatenate(pieces) if pieces else jnp.zeros(0)


def bind_vector(vector: jax.Array, like: Any) -> Any:
    """The model with the coordinates ``vector``, and in all else as ``like``."""
    bound, start = [], 0
    for constraint, value in constrained_leaves(like):
        if constraint is None:
            bound.append(value)
            continue
        stop = start + value.size
        bound.append(constraint.bind(vector[start:stop].reshape(value.shape), value))
        start = stop
    return jax.tree.unflatten(jax.tree.structure(like), bound)


def constrained_leaves(
    tree: Any, constraint: AbstractConstraint | None = _REAL
) -> list[tuple[Any, Any]]:
    """Each array with its constraint (None if it is fixed), in the order of the pytree."""
    if isinstance(tree, eqx.Module):
        return [
            entry
            for field in dataclasses.fields(tree)
            if not field.metadata.get("static", False)
            for entry in constrained_leaves(
                getattr(tree, field.name), _declared(tree, field, constraint)
            )
        ]
    if isinstance(tree, tuple | list):
        return [entry for part in tree for entry in constrained_leaves(part, constraint)]
    return [] if tree is None else [(constraint, tree)]


def _declared(part: Any, field: Any, inherited: Any) -> Any:
    """The constraint of a field, which may depend on the part."""
    declared = field.metadata.get(_KEY, inherited)
    return declared(part) if callable(declared) else declared
