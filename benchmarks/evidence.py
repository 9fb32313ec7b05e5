"""Intervals of the log evidence where it is known: 100 data sets a model, the exact route off."""

import itertools

import jax.numpy as jnp
import numpy as np
from measure import tell
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import latentia as lt
from latentia.densities import Normal

SEEDS = 100


def regression(seed):
    """Linear regression with known noise: the data are jointly normal."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    y = X @ rng.normal(0, 2, 3) + rng.normal(size=40)
    exact = multivariate_normal(np.zeros(40), 4 * X @ X.T + np.eye(40)).logpdf(y)
    return REGRESSION, {"X": X, "y": y}, exact


REGRESSION = lt.LatentVariableModel(
    lt.Continuous({"b": Normal(0, 2, shape=3)}),
    lt.Custom(lambda x, z: Normal(x["X"] @ z["b"], 1.0).log_prob(x["y"])),
)

SHARES, CENTRES = np.array([0.3, 0.7]), np.array([-2.0, 2.0])


def two_means(x, z):
    parts = [jnp.log(SHARES[k]) + norm_log(x, z["m"][k]) for k in (0, 1)]
    return jnp.sum(jnp.logaddexp(*parts))


def norm_log(x, mean):
    return -0.5 * (x - mean) ** 2 - 0.5 * jnp.log(2 * jnp.pi)


MIXTURE = lt.LatentVariableModel(lt.Continuous({"m": Normal(CENTRES, 1.0)}), lt.Custom(two_means))


def mixture(seed):
    """Two unknown means: a sum over all assignments, each of which is conjugate."""
    rng = np.random.default_rng(seed)
    x = rng.normal(rng.normal(CENTRES, 1)[rng.integers(0, 2, 10)])
    logs = []
    for assignment in itertools.product((0, 1), repeat=len(x)):
        total = 0.0
        for k in (0, 1):
            mine = x[np.equal(assignment, k)]
            size = len(mine)
            total += size * np.log(SHARES[k])
            if size:
                covariance = np.eye(size) + 1.0
                total += multivariate_normal(np.full(size, CENTRES[k]), covariance).logpdf(mine)
        logs.append(total)
    return MIXTURE, x, logsumexp(logs)


def factors(seed):
    """Factor analysis: one row, of which the factors are the latent variables."""
    rng = np.random.default_rng(seed)
    loadings, noise = rng.normal(size=(8, 5)), rng.uniform(0.2, 1, 8)
    model = lt.LatentVariableModel(
        lt.GaussianLatent(dim=5), lt.LinearGaussian(loadings, np.zeros(8), noise)
    )
    x = lt.sample(model, seed).x
    exact = multivariate_normal(np.zeros(8), loadings @ loadings.T + np.diag(noise)).logpdf(x)
    return model, x, exact


def case(kind, seeds=SEEDS):
    inside, widths, gaps, levels = 0, [], [], []
    for seed in range(seeds):
        model, x, exact = kind(seed)
        posterior = lt.infer(model, x, inference=lt.Ladder(), key=seed)
        low, high = posterior.evidence_interval
        inside += low <= exact <= high
        widths.append(high - low)
        gaps.append(abs(posterior.log_evidence - exact))
        levels.append(posterior.verdict.level)
    return {
        "model": kind.__name__,
        "inside the 99 % interval": f"{inside} of {seeds}",
        "median width": f"{np.median(widths):.4f}",
        "widest": f"{max(widths):.4f}",
        "largest error": f"{max(gaps):.4f}",
        "passed": levels.count("pass"),
    }


if __name__ == "__main__":
    tell("Evidence intervals", [case(kind) for kind in (regression, mixture, factors)])
