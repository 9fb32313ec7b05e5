"""The catalogue's lower bounds of the evidence, against the evidence by enumeration."""

from itertools import product

import numpy as np
from scipy.special import gammaln, logsumexp

from catalogue import MODELS
from latentia import infer, sample, score
from latentia.testing import latent_grid
from latentia.verdict import Exactness


def evidence(model, x):
    """Log p(x): all ways in which the words of a document may be from the topics.

    The proportions are integrated out, which leaves the Dirichlet-multinomial distribution.
    """
    alpha, words = model.prior.concentration, model.likelihood.topics
    x = np.nan_to_num(x).astype(int)
    terms = []
    for first in product(*(range(count + 1) for count in x)):
        first = np.array(first)
        counts = np.array([first.sum(), (x - first).sum()])
        value = gammaln(alpha.sum()) - gammaln(alpha.sum() + x.sum())
        value += np.sum(gammaln(alpha + counts) - gammaln(alpha))
        # How many assignments of single words these counts stand for.
        value += np.sum(gammaln(x + 1) - gammaln(first + 1) - gammaln(x - first + 1))
        terms.append(value + first @ np.log(words[0]) + (x - first) @ np.log(words[1]))
    return logsumexp(terms)


def documents(model):
    x = sample(model, 0, 12).x
    x[0, 1], x[1] = np.nan, np.nan
    return x


def test_scores_of_topics_are_below_the_evidence_and_near():
    model = MODELS["topics"]
    x = documents(model)
    exact = np.array([evidence(model, row) for row in x])
    found = score(model, x)
    assert (found <= exact + 1e-10).all()
    # Where there is something to know a bound is not the evidence; without words it is.
    assert (found[2:] < exact[2:] - 1e-3).all() and found[1] == 0
    assert (found > exact - 0.7).all()
    assert infer(model, x[2]).exactness is Exactness.LOWER_BOUND


def test_the_grid_of_proportions_sums_to_the_evidence():
    """So the laws, which compare with this grid, compare with the evidence."""
    model = MODELS["topics"]
    grid = latent_grid(model.prior)
    alpha, words = model.prior.concentration, model.likelihood.topics
    shares = np.log(grid.z)
    prior = gammaln(alpha.sum()) - gammaln(alpha).sum() + shares @ (alpha - 1)
    for x in documents(model):
        like = np.log(grid.z @ words) @ np.nan_to_num(x)
        found = logsumexp(prior + like + grid.log_weights)
        np.testing.assert_allclose(found, evidence(model, x), rtol=1e-10, atol=1e-10)
