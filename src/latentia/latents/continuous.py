"""A named structure of real arrays with any density that can be written down."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.densities import AbstractDensity, Flat
from latentia.precision import is_traced
from latentia.supports import AbstractSupport, real
from latentia.typing import Key, Scalar

from .interface import AbstractSmoothPrior

# The name of z in messages, if it is one array and not a dictionary of them.
_ALONE = "z"


class Part(NamedTuple):
    """One named array of z: its shape, where it may lie, and whether its density integrates to
    one."""

    name: str
    shape: tuple[int, ...]
    support: AbstractSupport
    proper: bool


class Continuous(AbstractSmoothPrior):
    """A prior over a dictionary of real arrays, part by part::

        Continuous({
            "mu": Normal(0, 5),
            "tau": HalfCauchy(5),
            "theta": lambda z: Normal(z["mu"], z["tau"], shape=8),
        })

    Args:
        densities: for each name a density, or a function from the parts that come before it to a
            density. One density alone makes z an array.
        log_prob: a function of z, written in ``jax.numpy``, which is added to the log density.
        shapes: for names without a density the shape of their arrays.
        supports: for some of these where they may lie, such as ``supports.positive``; the others
            are any real numbers.
        draw: with ``log_prob`` how to draw one z, from a key. Only ``sample`` needs it.
    """

    densities: dict[str, AbstractDensity]
    functions: tuple[tuple[str, Callable[..., AbstractDensity]], ...] = eqx.field(static=True)
    joint: Callable[[Any], Any] | None = eqx.field(static=True)
    draw: Callable[[Key], Any] | None = eqx.field(static=True)
    parts: tuple[Part, ...] = eqx.field(static=True)
    alone: bool = eqx.field(static=True)

    def __init__(
        self,
        densities: Any = None,
        *,
        log_prob: Callable[[Any], Any] | None = None,
        shapes: Mapping[str, Any] | None = None,
        supports: Mapping[str, AbstractSupport] | None = None,
        draw: Callable[[Key], Any] | None = None,
    ) -> None:
        self.alone = isinstance(densities, AbstractDensity)
        given = {_ALONE: densities} if self.alone else dict(densities or {})
        given |= _flat(given, shapes or {}, supports or {})
        if not given:
            raise ValueError(
                "densities of Continuous should name at least one latent variable, but there is "
                "none: write Continuous({'mu': Normal(0, 5)}), or give log_prob and shapes."
            )
        self.densities = {n: d for n, d in given.items() if isinstance(d, AbstractDensity)}
        self.functions = tuple((n, d) for n, d in given.items() if n not in self.densities)
        self.joint, self.draw = log_prob, draw
        self.parts = _parts(given)

    @property
    def free_dim(self) -> int:
        return sum(part.support.size(part.shape) for part in self.parts)

    @property
    def free_names(self) -> tuple[str, ...]:
        names = []
        for name, shape, support, _ in self.parts:
            size = support.size(shape)
            names += [name] if shape == () else [f"{name}[{place}]" for place in range(size)]
        return tuple(names)

    @property
    def part_names(self) -> tuple[str, ...]:
        return () if self.alone else tuple(part.name for part in self.parts)

    @property
    def proper(self) -> bool:
        return self.joint is None and all(part.proper for part in self.parts)

    def bind(self, free: jax.Array) -> tuple[Any, Scalar]:
        values, volume, first = {}, jnp.zeros((), free.dtype), 0
        for name, shape, support, _ in self.parts:
            size = support.size(shape)
            piece = free[first : first + size].reshape(support.free_shape(shape))
            values[name], log_volume = support.bind(piece)
            volume, first = volume + log_volume, first + size
        return (values[_ALONE] if self.alone else values), volume

    def free(self, z: Any) -> jax.Array:
        values = {_ALONE: z} if self.alone else z
        _require_inside(self.parts, values)
        pieces = [
            jnp.ravel(support.free(jnp.asarray(values[name]))) for name, _, support, _ in self.parts
        ]
        return jnp.concatenate(pieces)

    def log_prob(self, z: Any) -> Scalar:
        values = {_ALONE: z} if self.alone else z
        functions = dict(self.functions)
        total = jnp.zeros(())
        for name, *_ in self.parts:
            density = functions[name](z) if name in functions else self.densities[name]
            total = total + density.log_prob(values[name])
        if self.joint is None:
            return total
        extra = jnp.asarray(self.joint(z))
        if extra.shape != ():
            raise ValueError(
                f"log_prob of Continuous should return one number, but returns shape "
                f"{extra.shape}: sum it with jnp.sum."
            )
        return total + extra

    def sample(self, key: Key) -> Any:
        if self.draw is not None:
            return self.draw(key)
        if self.joint is not None:
            raise ValueError(
                "A Continuous prior with log_prob cannot be sampled, since that is a density and "
                "not a recipe: give every latent variable a density, which may be a function of "
                "those before it, or say how with draw."
            )
        functions, values = dict(self.functions), {}
        keys = jax.random.split(key, len(self.parts))
        for place, (name, *_) in zip(keys, self.parts, strict=True):
            density = functions[name](values) if name in functions else self.densities[name]
            values[name] = density.sample(place)
        return values[_ALONE] if self.alone else values

    def describe(self) -> str:
        kinds = [
            name + ("" if shape == () else str(list(shape)).replace(" ", ""))
            + ("" if support is real else f" ({support.describe()})")
            for name, shape, support, _ in self.parts
        ]  # fmt: skip
        return f"Continuous: {', '.join(kinds)}"


def _flat(given: Any, shapes: Any, supports: Any) -> dict[str, AbstractDensity]:
    """A flat density for each name that has a shape alone."""
    if twice := [name for name in shapes if name in given]:
        raise ValueError(
            f"shapes should name latent variables without a density, but names {twice[0]!r}, "
            "which has one: leave it out of shapes."
        )
    if strange := [name for name in supports if name not in shapes]:
        raise ValueError(
            f"supports should name latent variables of shapes, but names {strange[0]!r}: give its "
            "shape too; a density knows its own support."
        )
    return {name: Flat(supports.get(name, real), shape) for name, shape in shapes.items()}


def _parts(given: dict[str, Any]) -> tuple[Part, ...]:
    """The layout of z; functions are called with shapes only."""
    dtype, seen, parts = jnp.result_type(float), {}, []
    for name, density in given.items():
        if callable(density) and not isinstance(density, AbstractDensity):
            try:
                density = jax.eval_shape(density, dict(seen))
            except KeyError as error:
                raise ValueError(
                    f"densities[{name!r}] should use only latent variables before it, but uses "
                    f"{error}: put that one first."
                ) from error
        if not isinstance(density, AbstractDensity):
            raise TypeError(
                f"densities[{name!r}] should be a density, or a function of z that returns one, "
                f"but is {density!r}: write Normal(0, 5), for instance."
            )
        seen[name] = jax.ShapeDtypeStruct(density.shape, dtype)
        parts.append(Part(name, density.shape, density.support, density.proper))
    return tuple(parts)


def _require_inside(parts: tuple[Part, ...], values: Any) -> None:
    """Raise ``ValueError`` naming the first part of z that is missing, misshapen or outside."""
    for name, shape, support, _ in parts:
        if not isinstance(values, Mapping) or name not in values:
            raise ValueError(
                f"z should be a dictionary with {', '.join(p.name for p in parts)}, but lacks "
                f"{name!r}: give a value for each."
            )
        value = values[name]
        if np.shape(value) != shape:
            raise ValueError(
                f"z[{name!r}] should have shape {shape}, but has {np.shape(value)}: give it the "
                "shape of its density."
            )
        if not is_traced(value) and not support.contains(np.asarray(value)):
            raise ValueError(
                f"z[{name!r}] should be {support.describe()}, but is {np.asarray(value)}: give a "
                "value inside."
            )
