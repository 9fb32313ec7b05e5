"""What ``select`` compares: models of different numbers of components, factors and so on."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from latentia.distributions import (
    Categorical,
    DiagonalGaussian,
    Gaussian,
    SphericalGaussian,
)
from latentia.latents import Branching, Discrete, GaussianLatent
from latentia.likelihoods import LinearGaussian, Switch
from latentia.model import LatentVariableModel

COVARIANCES = ("full", "tied", "diag", "spherical")
NAMES = (
    "gaussian-mixture",
    "factor-analysis",
    "ppca",
    "mixture-of-factor-analyzers",
    "latent-class",
)


class Candidate(NamedTuple):
    """One model to fit, and how it differs from the others; None where it has no such thing."""

    model: Any
    components: int | None = None
    covariance: str | None = None
    factors: int | None = None

    def __str__(self) -> str:
        parts = [f"{name} = {value}" for name, value in zip(self._fields[1:], self[1:], strict=True)
                 if value is not None]  # fmt: skip
        return ", ".join(parts)


def numbers(value: int | Iterable[int], argument: str) -> tuple[int, ...]:
    """Different whole numbers from 1 up, in order."""
    found = (value,) if isinstance(value, int) else tuple(value)
    if not found or not all(isinstance(n, int) and n >= 1 for n in found):
        raise ValueError(
            f"{argument} should be whole numbers of at least 1, but is {value!r}: write "
            "range(1, 10), for instance."
        )
    return tuple(sorted(set(found)))


def built(build: Callable[[int], Any], components: Sequence[int]) -> list[Candidate]:
    """Candidates from a function of the number of components."""
    return [Candidate(build(count), count) for count in components]


def named(
    name: str,
    dim: int,
    components: Sequence[int],
    factors: Sequence[int],
    covariance: Sequence[str],
    levels: Sequence[int] = (),
) -> list[Candidate]:
    """Candidates of a kind of model in ``NAMES``, for data of ``dim`` columns."""
    if name == "gaussian-mixture":
        return [
            Candidate(_mixture(gaussian(kind, dim), count), count, kind)
            for kind in covariance
            for count in components
        ]
    if name in ("factor-analysis", "ppca"):
        return [
            Candidate(_factors(dim, count, isotropic=name == "ppca"), factors=count)
            for count in factors
        ]
    if name == "mixture-of-factor-analyzers":
        return [
            Candidate(_analyzers(dim, count, size), count, factors=size)
            for size in factors
            for count in components
        ]
    if name == "latent-class":
        family = Categorical(levels=levels)
        return [Candidate(_mixture(family, count), count) for count in components]
    raise ValueError(f"model should be a function or one of {', '.join(NAMES)}, but is {name!r}.")


def gaussian(kind: str, dim: int) -> Any:
    """The Gaussian family with one of scikit-learn's kinds of covariance."""
    if kind == "diag":
        return DiagonalGaussian(dim=dim)
    if kind == "spherical":
        return SphericalGaussian(dim=dim)
    if kind in ("full", "tied"):
        return Gaussian(dim=dim, tied=kind == "tied")
    raise ValueError(f"covariance should be of {', '.join(COVARIANCES)}, but is {kind!r}.")


def _mixture(family: Any, count: int) -> LatentVariableModel:
    return LatentVariableModel(Discrete(count), Switch(family, count))


def _factors(dim: int, count: int, *, isotropic: bool) -> LatentVariableModel:
    return LatentVariableModel(
        GaussianLatent(count), LinearGaussian(dim=dim, latent_dim=count, isotropic=isotropic)
    )


def _analyzers(dim: int, count: int, size: int) -> LatentVariableModel:
    return LatentVariableModel(
        Branching(count, GaussianLatent(size)),
        Switch(LinearGaussian(dim=dim, latent_dim=size), count),
    )
