"""A posterior of weighted draws, with an error for every number and a verdict on the whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from scipy.special import stdtrit

from latentia.latents import AbstractPosterior
from latentia.precision import on_host
from latentia.typing import Key
from latentia.verdict import Exactness, Verdict

from .arviz_data import inference_data, leave_one_out
from .draw_summaries import entry_names, flat_draws, quantiles, variance
from .importance import LowerBound, Weighted, block_errors
from .modes import find_modes
from .proposals import BLOCKS
from .state_probabilities import state_probabilities
from .target import Surface

_INTERVAL = 0.99


class Step(NamedTuple):
    """One rung that the ladder tried: its name, its verdict, the seconds that it took, and the
    evidence lower bound of its Gaussian, if it has one."""

    name: str
    verdict: Verdict
    seconds: float
    bound: LowerBound | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict} ({self.seconds:.2g} s)"


class WeightedPosterior(AbstractPosterior):
    """p(z|x) as weighted ``draws`` of z.

    ``weights [S]`` sum to one, ``verdict`` says how far to trust them, ``path`` what was tried, in
    order, and ``rung`` which of it they came from. ``k_hat`` is the Pareto shape of the weights'
    tail, ``effective_size`` how many independent draws they are worth.
    """

    values: Any
    order: tuple[str, ...] = eqx.field(static=True)
    weights: jax.Array
    log_evidence: jax.Array
    verdict: Verdict
    path: tuple[Step, ...]
    rung: str
    k_hat: float
    effective_size: float
    evidence_error: float
    surface: Surface
    points: jax.Array

    @classmethod
    def of(
        cls, weighted: Weighted, verdict: Verdict, path: Any, rung: str, surface: Surface
    ) -> Any:
        """The posterior that some weighted draws stand for."""
        return cls(
            values=on_host(weighted.z),
            order=surface.parts,
            weights=weighted.weights,  # pyright: ignore
            log_evidence=np.float64(weighted.log_evidence),  # pyright: ignore
            verdict=verdict,
            path=tuple(path),
            rung=rung,
            k_hat=float(weighted.tail),
            effective_size=float(weighted.size),
            evidence_error=float(weighted.evidence_error),
            surface=surface,
            points=weighted.points,  # pyright: ignore
        )

    @property
    def draws(self) -> Any:
        """Z with a leading axis of S; its parts in the order in which the prior names them."""
        return self._each(lambda leaf: leaf)

    def _each(self, function: Callable[[np.ndarray], Any]) -> Any:
        """The same structure as z, with the answer of a function for the draws of each part."""
        if not self.order:
            return function(self.values)
        return {name: function(self.values[name]) for name in self.order}

    @property
    def exactness(self) -> Exactness:
        return Exactness.ESTIMATE

    @property
    def method(self) -> str:
        name = self.rung
        return name if np.isnan(self.k_hat) else f"{name}, corrected by importance sampling"

    @property
    def mean(self) -> Any:
        """The mean of each part of z, in its shape."""
        return self._each(lambda leaf: np.tensordot(self.weights, leaf, axes=1))

    @property
    def standard_deviation(self) -> Any:
        """The standard deviation of each part of z, in its shape."""
        return self._each(lambda leaf: np.sqrt(variance(self.weights, leaf)))

    @property
    def mean_error(self) -> Any:
        """The standard error of ``mean`` that comes from the draws, in its shape."""
        return self._each(lambda leaf: block_errors(self.weights, leaf)[0])

    @property
    def standard_deviation_error(self) -> Any:
        """The standard error of ``standard_deviation`` that comes from the draws."""
        return self._each(lambda leaf: block_errors(self.weights, leaf)[1])

    @property
    def covariance(self) -> np.ndarray:
        """``[P, P]``, of all entries of z in the order of ``names``."""
        flat = self._flat()
        gap = flat - self.weights @ flat
        return (gap * np.asarray(self.weights)[:, None]).T @ gap

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each entry of z, such as ``theta[0]``."""
        return entry_names(self.draws)

    @property
    def moments(self) -> Any:
        """``mean`` of each part of z."""
        return self.mean

    @property
    def probabilities(self) -> dict[str, np.ndarray]:
        """P(k|x) of the states of each discrete latent variable of an ``Enumerated`` likelihood,
        ``[..., K]``: its exact probabilities given z, averaged over the draws."""
        return state_probabilities(self.surface, np.asarray(self.points), self.weights)

    @property
    def evidence_interval(self) -> tuple[float, float]:
        """Where the log evidence lies with 99 % confidence, if the verdict is a pass."""
        half = float(stdtrit(BLOCKS - 1, (1 + _INTERVAL) / 2)) * self.evidence_error
        return float(self.log_evidence) - half, float(self.log_evidence) + half

    def quantiles(self, shares: Any = (0.05, 0.5, 0.95)) -> Any:
        """Quantiles of each entry: for a part of shape ``[...]`` an array ``[Q, ...]``."""
        shares = np.atleast_1d(np.asarray(shares, float))
        if ((shares < 0) | (shares > 1)).any():
            raise ValueError(f"shares should lie between 0 and 1, but are {shares}.")
        return self._each(lambda leaf: quantiles(self.weights, leaf, shares))

    def mode(self) -> Any:
        """The z of highest density p(z|x), in the space that z is declared in.

        That is no mode of the unconstrained numbers behind z, which would depend on how these are
        chosen.

        Raises:
            ValueError: if there is none, for instance because it lies on the edge of a support.
        """
        best = int(np.argmax(self.weights))
        mean = self.weights @ self.points
        starts = np.stack([np.asarray(self.points)[best], np.asarray(mean)])
        with jax.enable_x64(True):
            search = find_modes(self.surface, starts, stretch=0.0)
            if not search.modes:
                raise ValueError(
                    f"The mode of the posterior should be a point inside the supports, but "
                    f"{search.trouble}: use the mean, or a prior that keeps away from the edge."
                )
            top = max(search.modes, key=lambda mode: mode.value)
            return on_host(self.surface.target.prior.bind(top.point)[0])

    def sample(self, key: Key | int, n: int | None = None) -> Any:
        """Draw one z, or n of them with a leading axis of n, from the weighted draws.

        Raises:
            ValueError: if the verdict is a fail.
        """
        if self.verdict.level == "fail":
            raise ValueError(
                f"Draws should come from a posterior that can be trusted, but this one failed "
                f"({self.verdict.reason}): see posterior.path, and posterior.draws for what there "
                "is all the same."
            )
        rng = np.random.default_rng(seed_of(key))
        chosen = rng.choice(len(self.weights), size=n, p=np.asarray(self.weights))
        return self._each(lambda leaf: leaf[chosen])

    def log_prob(self, z: Any) -> Any:
        """The log posterior density of one z: log p(x, z) less the estimated log evidence."""
        with jax.enable_x64(True):
            target = self.surface.target
            # That z is complete and lies where it may lie is checked on the way.
            target.prior.free(z)
            return np.float64(target.prior.log_prob(z) + target.potential(z) - self.log_evidence)

    def derive(self, function: Callable[[Any], dict[str, Any]]) -> "WeightedPosterior":
        """The posterior with further quantities beside z.

        Args:
            function: takes one z and returns a dictionary of arrays; written in ``jax.numpy``.
        """
        if not self.order:
            raise ValueError("derive should be used on a z with names, but this z is one array.")
        with jax.enable_x64(True):
            more = on_host(jax.vmap(function)(self.values))
        order = (*self.order, *(name for name in more if name not in self.order))
        return replace(self, values=self.values | more, order=order)

    def to_arviz(self, n: int = 4000, key: Key | int = 0, *, pointwise: Any = None) -> Any:
        """The posterior as ArviZ's InferenceData: n draws of equal weight, in four chains.

        They are independent, so diagnostics of chains say nothing about the approximation: see
        ``verdict``.

        Args:
            n: how many draws.
            key: decides which.
            pointwise: adds the log likelihood of each datum at each draw, which ArviZ's ``loo``
                and ``waic`` need: "rows" if the data are the rows of the arrays in x and the
                likelihood is a sum over them, or a function of x and z that returns one number for
                each datum.
        """
        return inference_data(self, n, key, pointwise)

    def loo(self, pointwise: Any = "rows", n: int = 4000, key: Key | int = 0) -> Any:
        """ArviZ's leave-one-out cross-validation by Pareto-smoothed importance sampling (Vehtari,
        Gelman and Gabry 2017), with a k-hat for each datum; see ``to_arviz`` for ``pointwise``."""
        return leave_one_out(self.to_arviz(n, key, pointwise=pointwise))

    def summary(self) -> list[dict[str, Any]]:
        """A row for each entry of z: mean, sd, quantiles, and the errors of mean and sd."""
        flat = self._flat()
        middle = quantiles(self.weights, flat, np.array([0.05, 0.5, 0.95]))
        mean_errors, sd_errors = block_errors(self.weights, flat)
        sd = np.sqrt(variance(self.weights, flat))
        return [
            {
                "name": name,
                "mean": float(self.weights @ flat[:, i]),
                "sd": float(sd[i]),
                "5%": float(middle[0, i]),
                "50%": float(middle[1, i]),
                "95%": float(middle[2, i]),
                "error of mean": float(mean_errors[i]),
                "error of sd": float(sd_errors[i]),
            }
            for i, name in enumerate(self.names)
        ]

    def _flat(self) -> np.ndarray:
        return flat_draws(self.draws)

    def __repr__(self) -> str:
        rows = self.summary()
        keys = list(rows[0])
        table = [keys] + [[r["name"], *(f"{r[k]:.3g}" for k in keys[1:])] for r in rows[:20]]
        widths = [max(len(line[i]) for line in table) for i in range(len(keys))]
        lines = [
            "  " + "  ".join(text.ljust(w) if i == 0 else text.rjust(w)
                             for i, (text, w) in enumerate(zip(line, widths, strict=True)))
            for line in table
        ]  # fmt: skip
        if len(rows) > 20:
            lines.append(f"  and {len(rows) - 20} more")
        low, high = self.evidence_interval
        return "\n".join(
            [f"Posterior by {self.method}", f"  verdict       {self.verdict}"]
            + [f"  tried         {step}" for step in self.path]
            + [f"  log evidence  {self.log_evidence:.3f} ({low:.3f} to {high:.3f})", *lines]
        )

    __str__ = __repr__


def seed_of(key: Key | int | None) -> int:
    """A whole number from a random key."""
    if key is None:
        return 0
    if isinstance(key, int | np.integer):
        return int(key)
    return int(np.asarray(jax.random.key_data(key)).ravel()[-1])
