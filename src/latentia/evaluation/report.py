"""What is known about a deep latent variable model once it was measured."""

from dataclasses import dataclass

import numpy as np

from latentia.verdict import Exactness, Verdict

from .annealing import Sandwich

# A coordinate whose posterior mean varies by less than this over the data is not used.
ACTIVE = 0.01
# In nats: an estimate of the log evidence that may be further off is not to be trusted.
_AGREED = 1.0


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What ``evaluate`` found, in nats per datum.

    Attributes:
        log_likelihood: the importance-weighted bound of the mean log p(x).
        standard_error: of that mean over the data.
        draws: k, how many draws there were for each datum.
        each: ``[N]``, the log evidence of each datum.
        effective: ``[N]``, how many independent draws the weights of a datum are worth.
        elbo: the evidence lower bound: minus distortion minus rate.
        distortion: minus the expected log p(x|z).
        rate: how far the posteriors are from the prior.
        units: ``[L]``, the rate of each coordinate; NaN if the prior does not tell them apart.
        activity: ``[L]``, the variance over the data of each posterior mean (Burda et al. 2016);
            NaN if z has no mean, but states or codes.
        error: the mean squared error of the x expected at the posterior mean; NaN without a mean.
        amortization: ``[N]``, the amortisation gap: how much higher the bound of each datum is
            with a posterior of its own than with the encoder's. None if it was not asked for, or
            the encoder proposes no diagonal Gaussians.
        p_value: of the hypothesis that draws of the model are distributed as the data (see
            ``two_sample``). None if entries are missing.
        annealed: ``[N]``, bounds from below of the log evidence of each datum by annealed
            importance sampling. None if they were not asked for.
        sandwich: bounds from both sides of the log evidence of draws of the model; None likewise.
    """

    log_likelihood: float
    standard_error: float
    draws: int
    each: np.ndarray
    effective: np.ndarray
    elbo: float
    distortion: float
    rate: float
    units: np.ndarray
    activity: np.ndarray
    error: float
    amortization: np.ndarray | None
    p_value: float | None
    annealed: np.ndarray | None = None
    sandwich: Sandwich | None = None

    @property
    def exactness(self) -> Exactness:
        """An estimate: a lower bound in expectation over the draws."""
        return Exactness.ESTIMATE

    @property
    def active(self) -> int:
        """How many coordinates the model uses; -1 if z has none, but states or codes."""
        return -1 if np.isnan(self.activity).all() else int((self.activity > ACTIVE).sum())

    @property
    def gap(self) -> float:
        """How far the ELBO is below the importance-weighted bound: at most the mean distance of
        the encoder's posteriors from the true ones."""
        return self.log_likelihood - self.elbo

    @property
    def verdict(self) -> Verdict:
        """How far to trust the log-likelihood."""
        if not np.isfinite(self.log_likelihood):
            return Verdict("fail", "The log-likelihood is not finite: fit the model again.")
        if self.active == 0:
            return Verdict(
                "suspect",
                "No latent coordinate is used (posterior collapse): fit again with a warm-up or "
                "free bits, or a weaker decoder.",
            )
        poor = float(np.mean(self.effective < 10))
        if poor > 0.1:
            return Verdict(
                "suspect",
                f"The weights of {poor:.0%} of the data are worth fewer than 10 draws, so their "
                "evidence may be far too low: raise k, or refine the encoder's answers.",
            )
        if self.sandwich is not None and not self.sandwich.shortfall < _AGREED:
            return Verdict(
                "suspect",
                "Of draws of the model the importance-weighted bound may be too low by "
                f"{self.sandwich.shortfall:.2g} nats: raise k, or go by annealed, with a longer "
                "anneal.",
            )
        used = f", and {self._coordinates()} are used" if self.active >= 0 else ""
        return Verdict(
            "pass",
            f"The weights of {1 - poor:.0%} of the data are worth at least 10 of {self.draws} "
            f"draws{used}.",
        )

    def __repr__(self) -> str:
        return (
            f"Evaluation: log-likelihood {self.log_likelihood:.6g} +- {self.standard_error:.2g} "
            f"per datum (importance-weighted bound, k = {self.draws}, {len(self.each)} data)\n"
            f"  ELBO {self.elbo:.6g} = -distortion {self.distortion:.6g} - rate {self.rate:.4g}; "
            f"gap {self.gap:.3g}{self._gap_parts()}\n"
            f"{self._of_coordinates()}{self._of_annealing()}{self._of_draws()}"
            f"  {self.verdict}"
        )

    def _coordinates(self) -> str:
        return f"{self.active} of {len(self.activity)} coordinates"

    def _of_coordinates(self) -> str:
        """Of coordinates and reconstructions, as far as there are any."""
        said = []
        if self.active >= 0:
            said.append(f"{self._coordinates()} are active")
        if not np.isnan(self.error):
            said.append(f"mean squared error of reconstructions {self.error:.4g}")
        return f"  {'; '.join(said)}\n" if said else ""

    def _gap_parts(self) -> str:
        if self.amortization is None:
            return ""
        return f", of which the encoder's part (amortisation) {self.amortization.mean():.3g}"

    def _of_annealing(self) -> str:
        if self.annealed is None or self.sandwich is None:
            return ""
        return (
            f"  by annealed importance sampling {self.annealed.mean():.6g}; of "
            f"{len(self.sandwich.low)} draws of the model {self.sandwich.low.mean():.6g} to "
            f"{self.sandwich.high.mean():.6g}, of which the importance-weighted bound lacks at "
            f"most {self.sandwich.shortfall:.3g}\n"
        )

    def _of_draws(self) -> str:
        if self.p_value is None:
            return ""
        said = "can be told from" if self.p_value < 0.05 else "cannot be told from"
        return f"  draws of the model {said} these data (p = {self.p_value:.3g})\n"
