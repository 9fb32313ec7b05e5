"""Models that were written for NumPyro, as models of this library."""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import Continuous
from latentia.likelihoods import Custom
from latentia.model import LatentVariableModel
from latentia.precision import is_traced
from latentia.supports import AbstractSupport, Shape, real

_ARRAYS = (np.ndarray, jax.Array, list, tuple)


def from_numpyro(
    function: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[LatentVariableModel, dict[str, Any]]:
    """A model written for NumPyro, and its data, for ``infer(model, x)``.

    Sample sites without observations become the named parts of z, with the supports of their
    distributions and NumPyro's maps onto these; observed sites and factors the likelihood. The
    model can be sampled too, prior and data, where each observed site is one of the arguments.

    Args:
        function: the NumPyro model, whose latent sites are continuous.
        args, kwargs: what it is called with, observations included. In x they stand under the
            names of the function's arguments; another x has to be of the same shapes.

    Raises:
        ImportError: if NumPyro is not installed.
        ValueError: if a site is discrete or a parameter, a plate takes a subsample, or a support
            depends on other sites.
    """
    if find_spec("numpyro") is None:
        raise ImportError(
            "from_numpyro needs NumPyro, which is not installed: pip install 'latentia[numpyro]'."
        )
    if not callable(function):
        raise TypeError(
            f"function should be a NumPyro model, which is a function, but is {function!r}."
        )
    x = _named(function, args, kwargs)
    sites = _latent(_traced(function, x, seed=0))
    _require_fixed_supports(sites, _latent(_traced(function, x, seed=1)))

    def log_prior(z: Any) -> Any:
        return _total(function, x, z, observed=False)

    plain = {name: value for name, value in x.items() if not isinstance(value, _ARRAYS)}

    def log_likelihood(data: Any, z: Any) -> Any:
        # Sizes have to stay the plain numbers that they were, also where draws made arrays of them.
        sizes = {name: value for name, value in plain.items() if isinstance(data[name], _ARRAYS)}
        return _total(function, data | sizes, z, observed=True)

    def draw_prior(key: Any) -> dict[str, Any]:
        trace = _traced(function, x, seed=key)
        return {name: trace[name]["value"] for name in sites}

    def draw_data(key: Any, z: Any) -> dict[str, Any]:
        return x | _drawn(function, x, key, z)

    prior = Continuous(
        log_prob=log_prior,
        draw=draw_prior,
        shapes={name: np.shape(site["value"]) for name, site in sites.items()},
        supports={name: _support(site["fn"].support) for name, site in sites.items()},
    )
    return LatentVariableModel(prior, Custom(log_likelihood, draw=draw_data)), x


class _Constraint:
    """A constraint of NumPyro's, equal only to itself, so that it can be part of a program."""

    def __init__(self, constraint: Any) -> None:
        self.constraint = constraint


class MappedSupport(AbstractSupport):
    """The support of a NumPyro distribution, with NumPyro's bijection onto it."""

    held: _Constraint = eqx.field(static=True)

    @property
    def _map(self) -> Any:
        from numpyro.distributions.transforms import (  # pyright: ignore[reportMissingImports]
            biject_to,
        )

        return biject_to(self.held.constraint)

    def free_shape(self, shape: Shape) -> Shape:
        return tuple(self._map.inverse_shape(shape))

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        transform = self._map
        value = transform(free)
        return value, jnp.sum(transform.log_abs_det_jacobian(free, value))

    def free(self, value: jax.Array) -> jax.Array:
        return self._map.inv(value)

    def contains(self, value: np.ndarray) -> bool:
        return bool(np.all(self.held.constraint(value)))

    def describe(self) -> str:
        return type(self.held.constraint).__name__.strip("_").lower()


def _support(constraint: Any) -> AbstractSupport:
    from numpyro.distributions import constraints  # pyright: ignore[reportMissingImports]

    return real if constraint is constraints.real else MappedSupport(_Constraint(constraint))


def _named(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """What the function is called with, by the names of its arguments."""
    signature = inspect.signature(function)
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for argument in signature.parameters.values():
        if argument.kind in loose or argument.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ValueError(
                f"function should have arguments with names, but has {argument}: write them out, "
                "since they name the parts of x."
            )
    named = signature.bind(*args, **kwargs).arguments
    # Sizes stay plain numbers, since plates cannot be of a size that varies.
    return {
        name: value.item() if isinstance(value, np.integer) else value
        for name, value in named.items()
    }


def _drawn(function: Callable[..., Any], x: Any, key: Any, z: Any) -> dict[str, Any]:
    """New values for the arguments that are observed."""
    from numpyro.primitives import Messenger  # pyright: ignore[reportMissingImports]

    class Unobserved(Messenger):
        """Observed sites are drawn, and where they came from is kept."""

        places: dict[str, str] = {}

        def process_message(self, msg: Any) -> None:
            if msg["type"] != "sample" or not msg["is_observed"]:
                return
            if type(msg["fn"]).__name__ == "Unit":
                return
            # Of arguments that are equal, the one that was passed itself.
            same = [name for name, value in x.items() if value is msg["value"]]
            same = same or [name for name, value in x.items() if _same(value, msg["value"])]
            if not same:
                raise ValueError(
                    f"Observed sites should be arguments of the function, so that they can be "
                    f"drawn, but {msg['name']!r} is none of {', '.join(x)}: pass obs as it is."
                )
            if len(same) > 1:
                raise ValueError(
                    f"Observed sites should be one argument of the function each, but "
                    f"{msg['name']!r} may be any of {', '.join(same)}, which are equal: pass the "
                    "other ones as arrays of their own."
                )
            self.places[msg["name"]] = same[0]
            msg["value"], msg["is_observed"] = None, False

    drawing = Unobserved(function)
    drawing.places = {}
    trace = _traced(drawing, x, seed=key, z=z)
    return {argument: trace[site]["value"] for site, argument in drawing.places.items()}


def _same(value: Any, other: Any) -> bool:
    if value is other:
        return True
    if not isinstance(value, _ARRAYS) or is_traced(value, other):
        return False
    return np.shape(value) == np.shape(other) and np.array_equal(value, other)


def _traced(function: Callable[..., Any], x: Any, seed: Any, z: Any = None) -> dict[str, Any]:
    """All sites of one run, with latent variables as given or drawn; ``seed`` may be a key."""
    from numpyro import handlers  # pyright: ignore[reportMissingImports]

    run = handlers.substitute(function, data=z) if z is not None else function
    return handlers.trace(handlers.seed(run, _key(seed))).get_trace(**x)


def _key(seed: Any) -> Any:
    return jax.random.key(seed) if isinstance(seed, int) else seed


def _latent(trace: dict[str, Any]) -> dict[str, Any]:
    """The sample sites without observations, if each can be a continuous latent variable."""
    sites = {}
    for name, site in trace.items():
        if site["type"] == "param":
            raise ValueError(
                f"Sites of a NumPyro model should be sample sites, but {name!r} is a param: give "
                "it a prior with numpyro.sample."
            )
        if site["type"] == "plate" and site["args"][1] not in (None, site["args"][0]):
            raise ValueError(
                f"Plates should be whole, but {name!r} takes {site['args'][1]} of "
                f"{site['args'][0]}: leave subsample_size out, and use the Stochastic rung."
            )
        if site["type"] != "sample" or site["is_observed"]:
            continue
        if site["fn"].support.is_discrete:
            raise ValueError(
                f"Latent sites should be continuous, but {name!r} is discrete: sum it out in the "
                "model, as numpyro.distributions.MixtureSameFamily does."
            )
        sites[name] = site
    if not sites:
        raise ValueError(
            "function should have a sample site without observations, but has none: pass obs to "
            "those alone that were observed."
        )
    return sites


def _require_fixed_supports(sites: dict[str, Any], others: dict[str, Any]) -> None:
    for name, site in sites.items():
        one, other = (each["fn"].support for each in (site, others.get(name, site)))
        leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=False)
        same = type(one) is type(other) and all(np.array_equal(a, b) for a, b in leaves)
        if not same or name not in others:
            raise ValueError(
                f"Supports should be fixed, but that of {name!r} depends on other sites: write the "
                "site as a scaled one, such as low + width * numpyro.sample(name, Uniform(0, 1))."
            )


def _total(function: Callable[..., Any], x: Any, z: Any, observed: bool) -> Any:
    """The summed log density of the latent sites, or of the observed ones."""
    total = jnp.zeros(())
    for site in _traced(function, x, seed=0, z=z).values():
        if site["type"] != "sample" or site["is_observed"] != observed:
            continue
        term = site["fn"].log_prob(site["value"])
        total = total + jnp.sum(term if site["scale"] is None else site["scale"] * term)
    return total
