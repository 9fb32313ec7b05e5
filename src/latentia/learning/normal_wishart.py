"""Gaussians with conjugate priors: hyper-parameters are those of the prior plus statistics.

A precision has a Wishart distribution with ``degrees`` and inverse scale ``scale``, so that
``scale / degrees`` stands for the covariance; a mean given it is normal about ``mean`` with
``mean_precision`` times the precision (Bishop 2006, section 10.2). Single variances are the same
in one dimension; in a spherical component D columns share one, which counts each D times.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln

LOG_2PI = float(np.log(2 * np.pi))


class Moments(NamedTuple):
    """Weighted statistics: ``mass [K]``, ``mean [K, D]``, and ``scatter`` about these means,
    ``[K, D, D]`` or only its diagonals ``[K, D]``."""

    mass: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray


class NormalWishart(NamedTuple):
    """The distribution of K means and precisions; ``scale`` is in the shape of its kind."""

    mean_precision: np.ndarray
    mean: np.ndarray
    degrees: np.ndarray
    scale: np.ndarray


class GaussianKind(ABC):
    """How the covariances of K components are related, and which of their entries are free."""

    diagonal = True

    def moments(self, rows: np.ndarray, mass: np.ndarray) -> Moments:
        """Statistics of rows ``[N, D]`` with weights ``[N, K]``."""
        total = mass.sum(axis=0)
        mean = (mass.T @ rows) / np.where(total > 0, total, 1.0)[:, None]
        scatters = []
        for k, centre in enumerate(mean):
            gap = rows - centre
            weighted = gap * mass[:, k, None]
            scatters.append((weighted * gap).sum(axis=0) if self.diagonal else weighted.T @ gap)
        return Moments(total, mean, np.stack(scatters))

    def posterior(self, prior: NormalWishart, moments: Moments) -> NormalWishart:
        """Prior plus statistics."""
        precision = prior.mean_precision + moments.mass
        share = (moments.mass / precision)[:, None]
        mean = prior.mean + share * (moments.mean - prior.mean)
        gap = moments.mean - prior.mean
        pull = (prior.mean_precision * moments.mass / precision)[:, None]
        scatter = moments.scatter + (
            pull * gap**2 if self.diagonal else pull[..., None] * gap[:, :, None] * gap[:, None, :]
        )
        return self._updated(prior, precision, mean, moments.mass, scatter)

    @abstractmethod
    def _updated(
        self,
        prior: NormalWishart,
        precision: np.ndarray,
        mean: np.ndarray,
        mass: np.ndarray,
        scatter: np.ndarray,
    ) -> NormalWishart:
        """The posterior with these means and scatter about the prior."""

    @abstractmethod
    def log_total(self, law: NormalWishart) -> float:
        """The log of the integral of the unnormalised density: the part that statistics change."""

    @abstractmethod
    def distance(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        """``[N, K]``, the squared distance from each mean in units of ``scale / degrees``."""

    @abstractmethod
    def expected_log_det(self, law: NormalWishart) -> np.ndarray:
        """``[K]``, the expected log determinant of the precisions."""

    @abstractmethod
    def predictive(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        """``[N, K]``, the log density of a new row in each component: a Student t."""

    def expected_log_density(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        """``[N, K]``, the mean log density of rows over means and precisions."""
        dim = rows.shape[1]
        constant = self.expected_log_det(law) - dim * LOG_2PI - dim / law.mean_precision
        return 0.5 * (constant - self.distance(law, rows))


class Full(GaussianKind):
    """A covariance matrix for each component."""

    diagonal = False

    def _updated(self, prior, precision, mean, mass, scatter) -> NormalWishart:
        return NormalWishart(precision, mean, prior.degrees + mass, prior.scale + scatter)

    def log_total(self, law: NormalWishart) -> float:
        dim = law.mean.shape[1]
        degrees, scale = np.atleast_1d(law.degrees), np.reshape(law.scale, (-1, dim, dim))
        wishart = degrees * dim / 2 * np.log(2) + _multigammaln(degrees / 2, dim)
        wishart -= degrees / 2 * np.linalg.slogdet(scale)[1]
        return float(wishart.sum() - dim / 2 * np.log(law.mean_precision).sum())

    def distance(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        states, dim = law.mean.shape
        factors = np.linalg.inv(np.linalg.cholesky(np.reshape(law.scale, (-1, dim, dim))))
        degrees = np.broadcast_to(law.degrees, states)
        columns = [
            degrees[k] * np.sum(((rows - mean) @ factors[k % len(factors)].T) ** 2, axis=1)
            for k, mean in enumerate(law.mean)
        ]
        return np.stack(columns, axis=1)

    def expected_log_det(self, law: NormalWishart) -> np.ndarray:
        states, dim = law.mean.shape
        degrees = np.atleast_1d(law.degrees)
        log_det = np.linalg.slogdet(np.reshape(law.scale, (-1, dim, dim)))[1]
        steps = degrees[:, None] - np.arange(dim)
        each = digamma(steps / 2).sum(axis=1) + dim * np.log(2) - log_det
        return np.broadcast_to(each, states)

    def predictive(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        states, dim = law.mean.shape
        degrees = np.broadcast_to(law.degrees, states)
        log_det = np.broadcast_to(np.linalg.slogdet(law.scale)[1], states)
        widths = (1 + 1 / law.mean_precision) / (degrees + 1 - dim)
        square = self.distance(law, rows) / degrees / widths
        return _student_t(square, log_det + dim * np.log(widths), degrees + 1 - dim, dim)


class Tied(Full):
    """One covariance matrix for all components."""

    def _updated(self, prior, precision, mean, mass, scatter) -> NormalWishart:
        degrees = prior.degrees + mass.sum()
        return NormalWishart(precision, mean, degrees, prior.scale + scatter.sum(axis=0))


class Diagonal(GaussianKind):
    """A variance for each column of each component."""

    def _updated(self, prior, precision, mean, mass, scatter) -> NormalWishart:
        return NormalWishart(precision, mean, prior.degrees + mass, prior.scale + scatter)

    def log_total(self, law: NormalWishart) -> float:
        states, dim = law.mean.shape
        half = np.broadcast_to(law.degrees, states)[:, None] / 2
        gamma = half * np.log(2) + gammaln(half) - half * np.log(law.scale)
        total = np.broadcast_to(gamma, (states, dim)).sum()
        return float(total - dim / 2 * np.log(law.mean_precision).sum())

    def distance(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        columns = [
            np.sum((rows - mean) ** 2 / scale, axis=1) * degrees
            for mean, scale, degrees in zip(law.mean, law.scale, law.degrees, strict=True)
        ]
        return np.stack(columns, axis=1)

    def expected_log_det(self, law: NormalWishart) -> np.ndarray:
        dim = law.mean.shape[1]
        each = digamma(law.degrees / 2) + np.log(2)
        return dim * each - np.log(law.scale).sum(axis=1)

    def predictive(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        columns = []
        for k, mean in enumerate(law.mean):
            widths = law.scale[k] / law.degrees[k] * (1 + 1 / law.mean_precision[k])
            square = (rows - mean) ** 2 / widths
            columns.append(_student_t(square, np.log(widths), law.degrees[k], 1).sum(axis=1))
        return np.stack(columns, axis=1)


class Spherical(GaussianKind):
    """One variance for each component."""

    def _updated(self, prior, precision, mean, mass, scatter) -> NormalWishart:
        scale = prior.scale + scatter.mean(axis=1)
        return NormalWishart(precision, mean, prior.degrees + mass, scale)

    def log_total(self, law: NormalWishart) -> float:
        states, dim = law.mean.shape
        half = np.broadcast_to(law.degrees, states) * dim / 2
        gamma = half * np.log(2) + gammaln(half) - half * np.log(law.scale * dim)
        return float(gamma.sum() - dim / 2 * np.log(law.mean_precision).sum())

    def distance(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        columns = [np.sum((rows - mean) ** 2, axis=1) for mean in law.mean]
        return np.stack(columns, axis=1) * law.degrees / law.scale

    def expected_log_det(self, law: NormalWishart) -> np.ndarray:
        dim = law.mean.shape[1]
        each = digamma(law.degrees * dim / 2) + np.log(2)
        return dim * (each - np.log(law.scale * dim))

    def predictive(self, law: NormalWishart, rows: np.ndarray) -> np.ndarray:
        dim = law.mean.shape[1]
        widths = law.scale / law.degrees * (1 + 1 / law.mean_precision)
        square = self.distance(law, rows) * law.scale / law.degrees / widths
        return _student_t(square, dim * np.log(widths), law.degrees * dim, dim)


KINDS: dict[str, GaussianKind] = {
    "full": Full(),
    "tied": Tied(),
    "diag": Diagonal(),
    "spherical": Spherical(),
}


def _multigammaln(values: np.ndarray, dim: int) -> np.ndarray:
    """The logarithm of the multivariate gamma function."""
    steps = gammaln(values[:, None] - 0.5 * np.arange(dim)).sum(axis=1)
    return 0.25 * dim * (dim - 1) * np.log(np.pi) + steps


def _student_t(square: np.ndarray, log_det: np.ndarray, df: np.ndarray, dim: int) -> np.ndarray:
    """The log density of a Student t at a squared distance, whose scale has this determinant."""
    constant = (
        gammaln((df + dim) / 2) - gammaln(df / 2) - 0.5 * (dim * np.log(df * np.pi) + log_det)
    )
    return constant - (df + dim) / 2 * np.log1p(square / df)
