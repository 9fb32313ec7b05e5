"""A linear regression as a user would write it, whose posterior is a Gaussian that is known."""

import numpy as np
from scipy.stats import multivariate_normal

import latentia as lt
from latentia.densities import Normal
from latentia.inference.ladder import surface_of
from latentia.inference.rungs import Climb


def regression(x, z):
    return Normal(x["X"] @ z["b"], 1.0).log_prob(x["y"])


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)) @ (np.eye(4) + 0.6)
    x = {"X": X, "y": X @ [1, 2, -1, 0] + rng.normal(size=30)}
    return {name: each.astype(np.float32).astype(float) for name, each in x.items()}


MODEL = lt.LatentVariableModel(lt.Continuous({"b": Normal(0, 2, shape=4)}), lt.Custom(regression))


def exact():
    """Mean, covariance and log evidence."""
    X, y = data()["X"], data()["y"]
    covariance = np.linalg.inv(X.T @ X + np.eye(4) / 4)
    evidence = multivariate_normal(np.zeros(30), 4 * X @ X.T + np.eye(30)).logpdf(y)
    return covariance @ X.T @ y, covariance, evidence


def climb():
    """The climb of a ladder on it that nothing has been tried on; for use in double precision."""
    return Climb(surface_of(MODEL.prior, MODEL.likelihood.potential(data())), 4096, 0, np.inf)
