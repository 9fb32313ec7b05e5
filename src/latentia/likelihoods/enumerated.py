"""A likelihood that the user writes as a plain function, with discrete latents that are summed out.

The sum over their states is exact, for every value of the continuous latents, so that what is left
is a smooth function of these (as by Stan's users by hand, and by Pyro; Obermeyer et al. 2019).
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.numerics import log_sum_exp, safe_log
from latentia.typing import Key, Scalar

from .custom import Custom, CustomPotential
from .interface import AbstractWholeLikelihood


class Enumerated(AbstractWholeLikelihood):
    """The likelihood log p(x|z, k) as a plain function, and the probabilities of the discrete k::

        Enumerated(
            lambda x, z: norm.logpdf(x, z["mean"][z["k"]], 1.0),
            states={"k": lambda z: z["weights"]},
        )

    Write the function as if k were a whole number. What it returns says how many k there are: one
    number, and all the data share one k; an array, and each of its entries has a k of its own,
    independent of the others given z. Several names are summed over jointly, entry by entry.

    Args:
        function: called as ``function(x, z)``, or with ``parameters`` as for ``Custom``; besides
            the continuous latents z holds a whole number for each name in ``states``.
        states: for each name the probabilities of its states ``[K]``, or ``[..., K]`` to differ
            between the entries; or a function of the continuous z that returns them.
        parameters: numbers of the likelihood that are not inferred: arrays in any structure.
        shape: that of one datum, if there is a z for each, as for ``Custom``.
        draw: called as ``draw(key, z)`` with whole numbers k of the shape ``[...]`` that the
            probabilities have; returns an x. Only ``sample`` needs it.
    """

    custom: Custom
    given: dict[str, np.ndarray]
    functions: tuple[tuple[str, Callable[[Any], Any]], ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    datum_shape: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        function: Callable[..., Any],
        states: Mapping[str, Any],
        *,
        parameters: Any = None,
        shape: tuple[int, ...] | None = None,
        draw: Callable[..., Any] | None = None,
    ) -> None:
        self.custom = Custom(function, parameters=parameters, shape=shape, draw=draw)
        self.datum_shape = self.custom.datum_shape
        if not states:
            raise ValueError(
                "states of Enumerated should name at least one discrete latent variable, but names "
                "none: write states={'k': [0.3, 0.7]}, or use Custom."
            )
        self.names = tuple(states)
        self.functions = tuple((name, each) for name, each in states.items() if callable(each))
        self.given = {n: _read(n, each) for n, each in states.items() if not callable(each)}

    def log_prob(self, x: Any, z: Any) -> Scalar:
        logs, _ = self._joint(x, z)
        return jnp.sum(log_sum_exp(logs))

    def probabilities(self, x: Any, z: Any) -> dict[str, jax.Array]:
        """The exact p(k|x, z): for each name ``[..., K]``, where ``[...]`` is the shape of what the
        function returns."""
        logs, sizes = self._joint(x, z)
        joint = jnp.exp(logs - log_sum_exp(logs)[..., None])
        joint = joint.reshape(*joint.shape[:-1], *sizes)
        first = joint.ndim - len(sizes)
        axes = range(first, joint.ndim)
        return {
            name: jnp.sum(joint, axis=tuple(axis for axis in axes if axis != first + place))
            for place, name in enumerate(self.names)
        }

    def _joint(self, x: Any, z: Any) -> tuple[jax.Array, tuple[int, ...]]:
        """Log p(x, k|z) with the combinations of states along the last axis, and how many states
        each name has."""
        chances = self._chances(z)
        sizes = tuple(chance.shape[-1] for chance in chances.values())
        # NumPy's arrays cannot be indexed by the k of a trace.
        z = jax.tree.map(jnp.asarray, z)
        codes = jnp.array(list(itertools.product(*map(range, sizes))))

        def one(code: jax.Array) -> jax.Array:
            named = dict(zip(self.names, code, strict=True))
            terms = self.custom.terms(x, z | named)
            for name, place in named.items():
                prior = safe_log(chances[name])[..., place]
                _require_fit(name, prior.shape, terms.shape)
                terms = terms + prior
            return terms

        return jax.vmap(one, out_axes=-1)(codes), sizes

    def _chances(self, z: Any) -> dict[str, jax.Array]:
        if not isinstance(z, Mapping):
            raise TypeError(
                "The prior of an Enumerated likelihood should name its latent variables, but z is "
                "one array: write Continuous({'mu': Normal(0, 5)}), for instance."
            )
        if taken := [name for name in self.names if name in z]:
            raise ValueError(
                f"states should name latent variables that the prior does not, but both name "
                f"{taken[0]!r}: choose another name."
            )
        functions = dict(self.functions)
        found = {n: functions[n](z) if n in functions else self.given[n] for n in self.names}
        return {name: _whole(jnp.asarray(chance)) for name, chance in found.items()}

    def sample(self, key: Key, z: Any) -> Any:
        first, second = jax.random.split(key)
        chances = self._chances(z)
        keys = jax.random.split(first, len(chances))
        drawn = {
            name: jax.random.categorical(one, safe_log(chances[name]))
            for one, name in zip(keys, self.names, strict=True)
        }
        return self.custom.sample(second, z | drawn)

    def potential(self, x: Any) -> CustomPotential:
        return CustomPotential(self, (x,))

    def read(self, x: Any, argument: str = "x") -> Any:
        return self.custom.read(x, argument)

    def describe(self) -> str:
        return f"{self.custom.describe()}, summed over the states of {', '.join(self.names)}"


def _whole(chances: jax.Array) -> jax.Array:
    """Probabilities, or NaN, which inference reports, where they are none."""
    fits = jnp.abs(jnp.sum(chances, axis=-1, keepdims=True) - 1) < 1e-4
    return jnp.where(fits & (chances >= 0), chances, jnp.nan)


def _read(name: str, values: Any) -> np.ndarray:
    chances = np.asarray(values, float)
    sums = chances.sum(axis=-1) if chances.ndim else np.nan
    if not (np.all(chances >= 0) and np.allclose(sums, 1, atol=1e-6)):
        raise ValueError(
            f"states[{name!r}] should be probabilities that sum to 1 along the last axis, but is "
            f"{values!r}: divide them by their sum."
        )
    return chances


def _require_fit(name: str, prior: tuple[int, ...], terms: tuple[int, ...]) -> None:
    if prior not in ((), terms):
        raise ValueError(
            f"states[{name!r}] should have probabilities for each number that the function "
            f"returns, of shape {list(terms)}, but has them for {list(prior)}: return one number "
            "for each k, or give one row of probabilities for all."
        )
