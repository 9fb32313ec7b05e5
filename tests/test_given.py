"""What is said of covariates that do not fit, by every verb, and a single row or step of data."""

import numpy as np
import pytest

import latentia as lt
from catalogue import MODELS
from latentia.precision import precision_of

ROWS, FACTORS = MODELS["mixture of regressions"], MODELS["factor analysis with covariates"]
DRIVEN, GAUSSIAN = MODELS["driven markov chain"], MODELS["driven gaussian chain"]
ALONG = MODELS["regressions along a markov chain"]
ONES = np.ones((5, 1))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (ROWS, {}, r"the 1 covariates .* is None: pass an array of shape \(1,\)"),
        (DRIVEN, {"n": 3}, r"is None: pass an array of shape \(T, 1\)"),
        (ROWS, {"given": ONES}, r"should have the shape \(1,\), but has \(5, 1\)"),
        (ROWS, {"given": ONES, "n": 3}, r"\(1,\), or the same with a leading axis of 3, but has"),
        (ROWS, {"given": np.ones((3, 2)), "n": 3}, r"but has \(3, 2\)"),
        (FACTORS, {"given": [1.0]}, r"should have the shape \(2,\), but has \(1,\)"),
        (DRIVEN, {"given": [1.0]}, r"should have the shape \(T, 1\), but has \(1,\)"),
        (DRIVEN, {"given": np.ones((0, 1))}, r"\(T, 1\), but has \(0, 1\)"),
        (DRIVEN, {"given": np.ones((2, 5, 1)), "n": 3}, r"leading axis of 3, but has \(2, 5, 1\)"),
        (ALONG, {"given": ONES}, r"should have the shape \(4, 1\), but has \(5, 1\)"),
        (ALONG, {"given": ONES, "z": np.zeros(3, int)}, r"the shape \(3, 1\), but has \(5, 1\)"),
        (DRIVEN, {"given": np.nan * ONES}, "finite numbers, none of them missing"),
        (DRIVEN, {"given": np.inf * ONES}, "finite numbers, none of them missing"),
        (ROWS, {"given": ["high"]}, "code categories as columns of 0 and 1"),
        (ROWS, {"given": [1j]}, "given should hold finite numbers"),
        (MODELS["topics"], {"given": [1.0]}, "given should be None, .* leave it out"),
    ],
)
def test_draws_refuse_covariates_that_do_not_fit(model, options, message):
    with pytest.raises(ValueError, match=message):
        lt.sample(model, 0, **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "given should hold the 1 covariates .* is None: pass given=u"),
        ([ONES], "a table for each of the 2 sequences of x, but has 1: pass a list"),
        (1.0, "a table for each of the 2 sequences of x, but has 0: pass a list"),
        ([ONES, ONES[:4]], r"given should have the shape \(5, 1\), a row for each row of x"),
        ([ONES, ONES * np.nan], "given should have no missing values, but row 0 has one"),
        ([ONES, ONES * np.inf], "given should be finite"),
        ([ONES, [["a"]] * 5], "column 0 of given should hold numbers"),
    ],
)
def test_answers_refuse_covariates_that_do_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        lt.score(DRIVEN, [np.ones((5, 2))] * 2, given=given)


@pytest.mark.slow
def test_one_path_of_covariates_is_for_all_draws():
    drawn = lt.sample(DRIVEN, 0, 3, given=ONES)
    each = lt.sample(DRIVEN, 0, 3, given=np.ones((3, 5, 1)))
    assert drawn.z.shape == (3, 5) and drawn.x.shape == (3, 5, 2)
    np.testing.assert_array_equal(drawn.x, each.x)


@pytest.mark.slow
def test_one_datum_takes_the_covariates_of_one():
    expected = lt.score(ROWS, np.ones((1, 2)), given=[[0.5]])[0]
    assert lt.score(ROWS, np.ones(2), given=[0.5]) == expected
    assert lt.score(ROWS, np.ones(2), given=0.5) == expected
    with pytest.raises(ValueError, match=r"given should have the shape \(1, 2\)"):
        lt.score(FACTORS, np.ones(4), given=0.5)


@pytest.mark.exhaustive
def test_the_names_of_columns_are_kept():
    pandas = pytest.importorskip("pandas")
    drawn = np.random.default_rng(0).normal(size=(30, 3))
    frame = pandas.DataFrame(drawn, columns=["weight", "height", "age"])
    learner = lt.EM(start="given", max_iter=3)
    both, age = frame[["weight", "height"]], frame[["age"]]
    assert lt.fit(ROWS, both, given=age, learner=learner).columns == ("weight", "height")
    found = lt.fit(DRIVEN, [both, both], given=[age, age], learner=learner)
    assert found.columns == ("weight", "height")


def test_a_single_step_of_a_driven_chain_is_a_mixture():
    """There is no move to drive: only the start speaks."""
    mixture = lt.LatentVariableModel(lt.Discrete(DRIVEN.prior.start), DRIVEN.likelihood.emission)
    x = np.random.default_rng(0).normal(size=(6, 2))
    steps, given = list(x[:, None]), [np.ones((1, 1))] * 6
    np.testing.assert_allclose(lt.score(DRIVEN, steps, given=given), lt.score(mixture, x))
    posterior = lt.infer(DRIVEN, x[:1], given=given[0])
    assert posterior.moves.shape == (0, 2, 2)
    with precision_of(x):
        expected = lt.infer(mixture, x[:1]).probabilities
        np.testing.assert_allclose(posterior.probabilities, expected)
        np.testing.assert_allclose(
            posterior.log_prob(posterior.mode()), np.log(posterior.probabilities.max())
        )


@pytest.mark.exhaustive
def test_single_steps_are_learned_from_as_a_mixture_is():
    mixture = lt.LatentVariableModel(lt.Discrete(DRIVEN.prior.start), DRIVEN.likelihood.emission)
    x = lt.sample(mixture, 0, 60).x
    learner = lt.EM(start="given", tol=1e-10)
    steps = lt.fit(DRIVEN, list(x[:, None]), given=[np.ones((1, 1))] * 60, learner=learner)
    rows = lt.fit(mixture, x, learner=learner)
    assert steps.log_likelihood == pytest.approx(rows.log_likelihood, abs=1e-6)
    # No move was made, so nothing is learned of them.
    np.testing.assert_array_equal(steps.model.prior.slopes, DRIVEN.prior.slopes)


@pytest.mark.slow
def test_a_single_step_of_a_gaussian_chain_is_a_factor_model():
    chain, emission = GAUSSIAN.prior.chain, GAUSSIAN.likelihood.emission
    vector = lt.GaussianLatent(mean=chain.mean, covariance=chain.covariance)
    x, u = np.ones((1, 3)), np.array([[0.5, 7.0]])
    factors = lt.LatentVariableModel(vector, emission)
    expected = lt.infer(factors, x, given=u[:, :1])
    found = lt.infer(GAUSSIAN, x, given=u)
    np.testing.assert_allclose(found.log_evidence, expected.log_evidence[0], rtol=1e-12)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-10)
    assert found.lag_one.shape == (0, 1, 1)
