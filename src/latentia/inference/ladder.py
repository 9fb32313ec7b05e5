"""The ladder: methods from cheap to dear, until one passes its own test."""

import time
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np

from latentia.latents import AbstractPosterior, AbstractSmoothPrior
from latentia.likelihoods import AbstractWholeLikelihood
from latentia.model import LatentVariableModel
from latentia.precision import is_traced, require_no_fork
from latentia.typing import Key, Moments, Scalar
from latentia.verdict import Exactness, Verdict

from .interface import AbstractInference
from .proposals import BLOCKS
from .rungs import (
    NUTS,
    AbstractRung,
    Annealed,
    AtMode,
    Climb,
    Flow,
    FullRank,
    LowRank,
    MeanField,
    MomentMatching,
)
from .target import MOST_AVERAGED, Surface, Target, data_of
from .weighted_posterior import Step, WeightedPosterior, seed_of

# Quasi-Newton methods keep some hundred vectors of this length, and thousands of draws.
_MOST = 5_000


class UntrustedPosterior(ValueError):
    """No method gave a posterior as good as ``raise_on`` asks for."""


class Ladder(AbstractInference):
    """Approximate p(z|x), correct by importance sampling, and climb on until a verdict passes.

    Args:
        rungs: the methods, in the order in which they are tried.
        budget: seconds after which no further rung is begun.
        draws: how many weighted draws to return, a multiple of 8.
        raise_on: "fail" or "suspect" raises ``UntrustedPosterior`` for such a verdict, or a worse
            one.
    """

    rungs: tuple[AbstractRung, ...] = (
        AtMode(),
        MeanField(),
        FullRank(),
        LowRank(least=MOST_AVERAGED + 1),
        MomentMatching(),
        Annealed(),
        Flow(),
        NUTS(),
    )
    budget: float = eqx.field(static=True, default=120.0)
    draws: int = eqx.field(static=True, default=4096)
    raise_on: Literal["fail", "suspect"] | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.raise_on not in ("fail", "suspect", None):
            raise ValueError(
                f"raise_on should be 'fail', 'suspect' or None, but is {self.raise_on!r}."
            )
        if self.draws < 32 * BLOCKS or self.draws % BLOCKS:
            raise ValueError(
                f"draws should be a multiple of {BLOCKS} and at least {32 * BLOCKS}, but is "
                f"{self.draws}: 4096 is usual."
            )
        if not self.rungs or not self.budget > 0:
            raise ValueError(
                "rungs should name at least one method and budget be positive, but they are "
                f"{self.rungs} and {self.budget}."
            )

    @property
    def exactness(self) -> Exactness:
        return Exactness.ESTIMATE

    def infer(
        self, model: LatentVariableModel, x: Any, key: Key | int | None = None
    ) -> WeightedPosterior:
        likelihood: Any = model.likelihood
        if is_traced(model, x):
            raise ValueError(
                "infer by the ladder should be called outside jit, vmap and grad, since it decides "
                "its way by the numbers that it meets: call it on arrays."
            )
        if isinstance(likelihood, AbstractWholeLikelihood):
            x = likelihood.read(x)
        with jax.enable_x64(True):
            potential = likelihood.potential(x)
        return self.climb(model.prior, potential, seed_of(key))

    def condition(self, prior: Any, potential: Any) -> AbstractPosterior:
        return self.climb(prior, potential, 0)

    def climb(self, prior: Any, potential: Any, seed: int) -> WeightedPosterior:
        """The posterior of a smooth prior and the evidence of x."""
        require_no_fork()
        if not isinstance(prior, AbstractSmoothPrior):
            raise TypeError(
                f"prior should have a density of real numbers, but is {type(prior).__name__}: the "
                "ladder needs a Continuous or GaussianLatent prior."
            )
        with jax.enable_x64(True):
            surface = surface_of(prior, potential)
            climb = Climb(surface, self.draws, seed, time.monotonic() + self.budget)
            path = self._up(climb)
            return self._result(climb, path)

    def _up(self, climb: Climb) -> list[Step]:
        path = []
        for rung in self.rungs:
            if path and climb.seconds_left() <= 0:
                why = f"not tried, since the budget of {self.budget:g} s was spent"
                path.append(Step(rung.name, Verdict("fail", why), 0.0))
                continue
            began = time.monotonic()
            attempt = rung.attempt(climb)
            climb.attempts.append(attempt)
            seconds = time.monotonic() - began
            path.append(Step(rung.name, attempt.verdict, seconds, attempt.bound))
            if attempt.settled or attempt.verdict.level == "pass":
                break
        return path

    def _result(self, climb: Climb, path: list[Step]) -> WeightedPosterior:
        best = climb.best
        if best is None or best.weighted is None:
            reasons = "; ".join(dict.fromkeys(step.verdict.reason for step in path))
            raise UntrustedPosterior(
                f"No method found a posterior: {reasons}: check that the posterior is proper, and "
                "give priors to what the data leave open."
            )
        verdict = best.verdict
        last = path[-1].verdict.reason
        if verdict.level != "pass" and last.startswith("not tried"):
            verdict = Verdict(verdict.level, f"{verdict.reason}; {path[-1].name} was {last}")
        if self.raise_on and verdict.level in ("fail", self.raise_on):
            raise UntrustedPosterior(
                f"The posterior should pass, but the best verdict is {verdict}: reparametrise the "
                "model, raise the budget, or let raise_on be None to see it."
            )
        return WeightedPosterior.of(best.weighted, verdict, path, best.name, climb.surface)

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        raise ValueError(
            "inference of EM should sum over z, but is Ladder, which answers one x at a time: use "
            "Quadrature, or infer what is unknown as part of z."
        )

    def describe(self, model: LatentVariableModel) -> str:
        return ", then ".join(rung.name for rung in self.rungs) + ", until one passes"


def surface_of(prior: Any, potential: Any) -> Surface:
    """The log density of z and x, called once with shapes so that mistakes are named early."""
    if not 0 < prior.free_dim <= _MOST:
        raise ValueError(
            f"z should have 1 to {_MOST} free numbers, but has {prior.free_dim}: use "
            "GaussianLatent with EM, or fewer latent variables."
        )
    surface = Surface(Target(prior, potential))
    try:
        surface.trace()
    except jax.errors.ConcretizationTypeError as error:
        raise TypeError(
            "The log density should be written in jax.numpy, so that it can be differentiated, but "
            f"turns z into plain numbers ({str(error).splitlines()[0]}): replace numpy by "
            "jax.numpy, and if by jnp.where."
        ) from error
    except jax.errors.TracerArrayConversionError as error:
        raise TypeError(
            "The log density should be written in jax.numpy, so that it can be differentiated, but "
            "calls numpy on z: replace np by jnp."
        ) from error
    except (TypeError, KeyError, IndexError, AttributeError, NameError) as error:
        raise ValueError(
            f"The log density should be a function of x and z as they are, but it raised "
            f"{type(error).__name__} ({str(error).splitlines()[0]}): z has "
            f"{', '.join(surface.names[:8])}, and x {shapes_of(potential)}; check names and shapes."
        ) from error
    return surface


def shapes_of(potential: Any) -> str:
    """The names and shapes of the data behind a potential, in words."""
    leaves = jax.tree_util.tree_leaves_with_path(data_of(potential))
    named = [(jax.tree_util.keystr(path[1:]) or "x", np.shape(leaf)) for path, leaf in leaves]
    return ", ".join(f"{name} {list(shape)}" for name, shape in named) or "no arrays"
