"""Components whose order says nothing: found by themselves, and summaries in one order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia import densities
from latentia.densities import Normal

QUICK = lt.Ladder(rungs=(lt.AtMode(), lt.MeanField()))


def mixture(x, z):
    each = jax.scipy.stats.norm.logpdf(x[:, None], z["m"], 1.0) + jnp.log(z["w"])
    return jnp.sum(jax.nn.logsumexp(each, axis=1))


def posterior_of(means, **more):
    prior = {"m": means, "w": densities.Dirichlet(2.0, shape=2), "b": Normal(0, 1, shape=2)} | more
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(-3, 1, 30), rng.normal(3, 1, 70)]
    model = lt.LatentVariableModel(lt.Continuous(prior), lt.Custom(mixture))
    return lt.infer(model, x, inference=QUICK)


@pytest.mark.slow
def test_switched_labels_are_put_in_one_order():
    switched = posterior_of(Normal(0, 5, shape=2))
    assert switched.verdict.level == "suspect"
    # Weights move with the means; b, though as long, moves by itself.
    assert lt.exchangeable(switched) == ({"b": (0,)}, {"m": (0,), "w": (0,)})
    assert np.ptp(switched.mean["m"]) < 1
    aligned = lt.align_labels(switched)
    # The same mixture with its means in order has one mode, and needs no alignment.
    ordered = posterior_of(densities.Sorted(Normal(0, 5, shape=2)))
    assert ordered.verdict.level == "pass"
    back = np.argsort(aligned.mean["m"])
    sd = ordered.standard_deviation
    for name in ("m", "w"):
        gap = aligned.mean[name][back] - ordered.mean[name]
        np.testing.assert_allclose(gap / sd[name], 0, atol=0.1)
        np.testing.assert_allclose(aligned.standard_deviation[name][back], sd[name], rtol=0.1)
    assert aligned.verdict.level == "pass"
    assert "separate starts agree but for the order of b, m, w" in aligned.verdict.reason
    assert aligned.log_evidence == switched.log_evidence
    # Draws were put in order, and are the same draws otherwise.
    np.testing.assert_allclose(np.sort(aligned.draws["m"]), np.sort(switched.draws["m"]))
    mode = aligned.mode()
    assert mode["m"] == pytest.approx(aligned.mean["m"], abs=0.3)
    backwards = lt.align_labels(switched, ordered)
    np.testing.assert_allclose(np.argsort(backwards.mean["m"]), [0, 1])


def test_ordered_components_are_not_exchangeable():
    told = posterior_of(densities.Sorted(Normal(0, 5, shape=2)), b=Normal(np.array([0.0, 1]), 1))
    assert lt.exchangeable(told) == ()
    with pytest.raises(ValueError, match="should have exchangeable components"):
        lt.align_labels(told)


def test_components_of_two_fits_are_matched():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.full(4, 0.1), size=50)
    order = np.array([2, 0, 3, 1])
    noisy = 0.9 * proba[:, order] + 0.1 / 4
    found = lt.match_components(noisy, proba)
    np.testing.assert_array_equal(found, np.argsort(order))
    np.testing.assert_array_equal(noisy[:, found].argmax(1), proba.argmax(1))
    with pytest.raises(ValueError, match="tables of the same shape"):
        lt.match_components(proba, proba[:, :3])
    with pytest.raises(ValueError, match="should be finite"):
        lt.match_components(proba * np.nan, proba)


def test_what_is_no_posterior_and_no_table_is_named():
    for ask in (lt.exchangeable, lt.align_labels):
        with pytest.raises(TypeError, match="posterior should be one that a ladder found"):
            ask(np.zeros((3, 2)))
    with pytest.raises(TypeError, match="assignments and reference should be tables of numbers"):
        lt.match_components(lt.Discrete(2), np.zeros((3, 2)))
