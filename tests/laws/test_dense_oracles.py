"""The evidence of the catalogue's Gaussian models against dense covariances, by SciPy."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from catalogue import MODELS
from latentia import sample, score
from latentia.latents import Branching, GaussianLatent

NAMES = [
    "gaussian mixture",
    "tied gaussian mixture",
    "factor analysis",
    "probabilistic pca",
    "mixture of factor analysers",
]


def dense(model):
    """Weights, means and covariances of p(x) as a mixture of Gaussians."""
    like = model.likelihood
    if isinstance(model.prior, GaussianLatent):
        return [(1.0, like.bias, like.loadings @ like.loadings.T + np.diag(like.noise))]
    parts = like.parts
    if isinstance(model.prior, Branching):
        covariances = [
            w @ w.T + np.diag(r) for w, r in zip(parts.loadings, parts.noise, strict=True)
        ]
        return list(zip(model.prior.choice.weights, parts.bias, covariances, strict=True))
    return list(zip(model.prior.weights, parts.mean, parts.covariance, strict=True))


def log_density(components, x):
    seen = ~np.isnan(x)
    if not seen.any():
        return 0.0
    each = [
        np.log(w) + multivariate_normal(m[seen], s[np.ix_(seen, seen)]).logpdf(x[seen])
        for w, m, s in components
    ]
    return np.logaddexp.reduce(each)


@pytest.mark.parametrize("name", NAMES)
def test_evidence_is_that_of_the_dense_gaussians(name):
    model = MODELS[name]
    x = sample(model, 1, 40).x
    expected = [log_density(dense(model), row) for row in x]
    np.testing.assert_allclose(score(model, x), expected, rtol=1e-9, atol=1e-11)
    x[np.random.default_rng(0).random(x.shape) < 0.4] = np.nan
    x[3] = np.nan
    expected = [log_density(dense(model), row) for row in x]
    np.testing.assert_allclose(score(model, x), expected, rtol=1e-9, atol=1e-11)
