"""Quadrature and Laplace's method against sums over many nodes that share no code with them."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, softmax

from latentia import (
    EM,
    BinaryResponse,
    CountResponse,
    Discrete,
    Exact,
    GaussianLatent,
    GeneralizedLinear,
    GradedResponse,
    GuessedResponse,
    Laplace,
    LatentVariableModel,
    LinearGaussian,
    PartialCredit,
    Quadrature,
    choose,
    fit,
    infer,
    map_estimate,
    sample,
    score,
)
from latentia.precision import precision_of

SLOPES = np.array([1.4, 0.7, 2.0])
BIAS = np.array([0.5, -0.7, 0.2])
GUESSING = np.array([0.2, 0.05, 0.3])
STEPS = np.array([[1.5, -0.5], [0.7, -1.2], [0.3, 0.3]])
LEVELS = (3, 3, 2)
RESPONSES = {
    "binary": BinaryResponse(BIAS),
    "guessed": GuessedResponse(BIAS, GUESSING),
    "graded": GradedResponse(STEPS, levels=LEVELS),
    "partial credit": PartialCredit(STEPS, levels=LEVELS),
    "count": CountResponse(BIAS),
}


def slopes_of(kind):
    # Large counts would need more than 400 nodes.
    return SLOPES * (0.4 if kind == "count" else 1)


def probability(kind, item, x, z):
    """P(x | z) of one answer at many z, as in a textbook."""
    eta = slopes_of(kind)[item] * z
    if kind == "count":
        return stats.poisson.pmf(x, np.exp(eta + BIAS[item]))
    if kind in ("binary", "guessed"):
        right = expit(eta + BIAS[item])
        if kind == "guessed":
            right = GUESSING[item] + (1 - GUESSING[item]) * right
        return right if x == 1 else 1 - right
    steps = STEPS[item][: LEVELS[item] - 1, None] + eta
    if kind == "graded":
        above = np.concatenate([np.ones((1, z.size)), expit(steps), np.zeros((1, z.size))])
        return above[int(x)] - above[int(x) + 1]
    scores = np.concatenate([np.zeros((1, z.size)), np.cumsum(steps, axis=0)])
    return softmax(scores, axis=0)[int(x)]


def model_of(kind):
    likelihood = GeneralizedLinear(RESPONSES[kind], slopes_of(kind)[:, None])
    return LatentVariableModel(GaussianLatent(mean=[0.3], covariance=[[1.7]]), likelihood)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=() if k == "binary" else pytest.mark.exhaustive) for k in RESPONSES],
)
def test_item_response_is_quadrature_at_400_nodes(kind):
    model = model_of(kind)
    x = sample(model, 0, 30).x
    x[::4, 0], x[::5, 2], x[-1] = np.nan, np.nan, np.nan
    nodes, weights = np.polynomial.legendre.leggauss(400)
    z = 0.3 + 12 * nodes
    density = 12 * weights * stats.norm.pdf(z, 0.3, np.sqrt(1.7))
    joint = np.array(
        [
            density
            * np.prod([probability(kind, j, v, z) for j, v in enumerate(row) if v == v], axis=0)
            for row in x
        ]
    )
    evidence = joint.sum(axis=1)
    np.testing.assert_allclose(score(model, x), np.log(evidence), atol=1e-9)
    posterior = infer(model, x)
    mean = joint @ z / evidence
    np.testing.assert_allclose(posterior.mean[:, 0], mean, atol=1e-8)
    variance = joint @ z**2 / evidence - mean**2
    np.testing.assert_allclose(posterior.covariance[:, 0, 0], variance, atol=1e-8)
    assert (posterior.error < 1e-8).all()
    # A row without answers gets the prior.
    assert score(model, x)[-1] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(posterior.mean[-1], 0.3, atol=1e-9)
    peak = z[np.argmax(joint / density * stats.norm.pdf(z, 0.3, np.sqrt(1.7)), axis=1)]
    np.testing.assert_allclose(map_estimate(model, x)[:, 0], peak, atol=0.1)


@pytest.mark.exhaustive
def test_steep_curves_get_as_many_nodes_as_they_need():
    slopes = np.array([[25.0], [18.0], [9.0]])
    model = LatentVariableModel(
        GaussianLatent(dim=1), GeneralizedLinear(BinaryResponse(BIAS * 10), slopes)
    )
    x = np.array([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    z = np.linspace(-9, 9, 200_001)
    right = expit(slopes * z + BIAS[:, None] * 10)
    density = stats.norm.pdf(z) * (z[1] - z[0])
    expected = [density @ np.prod(np.where(row[:, None] == 1, right, 1 - right), axis=0)
                for row in x]  # fmt: skip
    np.testing.assert_allclose(score(model, x), np.log(expected), atol=1e-8)
    posterior = infer(model, x)
    assert posterior.rule.count(1) > 61
    assert str(posterior.rule.count(1)) in posterior.method


@pytest.mark.exhaustive
def test_the_estimated_error_is_no_smaller_than_the_true_one():
    model, x = model_of("count"), np.array([[9.0, 4.0, 30.0], [0.0, 0.0, 0.0], [40.0, 5.0, 90.0]])
    exact = score(model, x)
    for half in (6, 8, 12, 16):
        with precision_of(model):
            found = [Quadrature(half=half).infer(model, row) for row in x]
            true = np.abs([float(p.log_evidence) for p in found] - exact)
            stated = np.array([float(p.error) for p in found])
        # On a grid that is much too coarse the number is rough, but says that it is too coarse.
        assert (true[stated < 0.1] <= stated[stated < 0.1] + 1e-12).all(), (half, true, stated)
        assert (stated[true > 1e-8] > 1e-8).all(), (half, true, stated)


def test_the_method_follows_the_model():
    assert isinstance(choose(model_of("binary")), Quadrature)
    many = LatentVariableModel(
        GaussianLatent(dim=7), GeneralizedLinear(BinaryResponse(np.zeros(9)), np.eye(9)[:, :7])
    )
    assert isinstance(choose(many), Laplace)
    assert "Laplace" in repr(many)
    assert "quadrature" in repr(model_of("binary"))
    exact = LatentVariableModel(GaussianLatent(dim=1), LinearGaussian(dim=3, latent_dim=1))
    assert isinstance(choose(exact), Exact)
    with pytest.raises(ValueError, match="do not fit"):
        LatentVariableModel(Discrete(2), GeneralizedLinear(BinaryResponse(dim=3)))
    with pytest.raises(ValueError, match="do not fit"):
        LatentVariableModel(GaussianLatent(dim=2), GeneralizedLinear(BinaryResponse(dim=3)))


@pytest.mark.exhaustive
def test_laplace_has_the_mode_and_nearly_the_evidence():
    model = model_of("graded")
    x = sample(model, 3, 12).x
    x[2] = np.nan
    exact, modes = score(model, x), map_estimate(model, x)
    with precision_of(model):
        for row, value, mode in zip(x, exact, modes, strict=True):
            posterior = Laplace().infer(model, row)
            np.testing.assert_allclose(posterior.mode(), mode, atol=1e-9)
            assert float(posterior.log_evidence) == pytest.approx(value, abs=0.06)
        assert float(Laplace().infer(model, x[2]).log_evidence) == pytest.approx(0, abs=1e-12)


@pytest.mark.exhaustive
def test_four_dimensions_against_a_large_sample_of_z():
    rng = np.random.default_rng(0)
    loadings, bias = rng.normal(size=(12, 4)), rng.normal(size=12)
    model = LatentVariableModel(
        GaussianLatent(dim=4), GeneralizedLinear(BinaryResponse(bias), loadings)
    )
    x = sample(model, 0, 3).x
    odds = rng.normal(size=(400_000, 4)) @ loadings.T + bias
    posterior = infer(model, x)
    assert posterior.exactness == "approximation"
    for i, row in enumerate(x):
        terms = np.exp(np.sum(np.log(expit(np.where(row == 1, odds, -odds))), axis=1))
        # The large sample is right to about 1 %.
        truth = np.log(terms.mean())
        assert score(model, x)[i] == pytest.approx(truth, abs=posterior.error[i] + 0.03)
        with precision_of(model):
            assert float(Laplace().infer(model, row).log_evidence) == pytest.approx(truth, abs=0.3)
    mode = map_estimate(model, x)
    np.testing.assert_allclose(posterior.mode(), mode, atol=1e-12)
    slope = (x - expit(mode @ loadings.T + bias)) @ loadings - mode
    np.testing.assert_allclose(slope, 0, atol=1e-8)


@pytest.mark.exhaustive
def test_a_fit_in_four_dimensions_is_close_to_that_of_four_models_in_one():
    pattern = np.arange(16)[:, None] % 4 == np.arange(4)
    rng = np.random.default_rng(0)
    truth = GeneralizedLinear(
        BinaryResponse(rng.normal(size=16)), pattern * rng.uniform(0.8, 2, (16, 1))
    )
    x = sample(LatentVariableModel(GaussianLatent(dim=4), truth), 0, 600).x
    likelihood = GeneralizedLinear(BinaryResponse(dim=16), latent_dim=4, pattern=pattern)
    found = fit(LatentVariableModel(GaussianLatent(dim=4), likelihood), x, learner=EM(n_init=1))
    assert "quasi-random" in found.method
    assert found.verdict.level == "suspect"
    like, best, reached = found.model.likelihood, 0.0, 0.0
    for k in range(4):
        one = LatentVariableModel(
            GaussianLatent(dim=1), GeneralizedLinear(BinaryResponse(dim=4), latent_dim=1)
        )
        best += fit(one, x[:, k::4]).log_likelihood
        part = GeneralizedLinear(BinaryResponse(like.response.bias[k::4]), like.loadings[k::4, [k]])
        reached += score(LatentVariableModel(GaussianLatent(dim=1), part), x[:, k::4]).sum()
    # The traits are independent, so their models are too. Measured: 4e-4 of 9218 in 1000 rows.
    assert best - 0.05 < reached < best + 1e-6
