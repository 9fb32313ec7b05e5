"""Posterior predictive checks, leave-one-out, and what a float32 problem gets a second time."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats

import latentia as lt
from latentia.densities import Normal
from latentia.precision import mended
from latentia.verdict import Verdict

CHEAP = lt.Ladder(rungs=(lt.AtMode(),))
MODEL = lt.LatentVariableModel(
    lt.Continuous({"m": Normal(0, 10)}),
    lt.Custom(
        lambda x, z: Normal(z["m"], 1.0).log_prob(x["y"]),
        draw=lambda key, z: {"y": z["m"] + jax.random.normal(key, (40,))},
    ),
)
Y = np.random.default_rng(0).normal(2, 1, 40)


@pytest.fixture(scope="module")
def posterior():
    return lt.infer(MODEL, {"y": Y}, inference=CHEAP)


def test_data_like_the_replicates_pass_and_others_do_not(posterior, monkeypatch):
    check = lt.predictive_check(MODEL, {"y": Y}, 400, posterior=posterior)
    assert check.verdict.level == "pass"
    assert check.names[0] == "mean of y"
    assert check.replicated.shape == (400, 4)
    # The predictive distribution of the mean is known.
    spread = np.sqrt(2 / 40)
    assert check.replicated[:, 0].mean() == pytest.approx(Y.mean(), abs=4 * spread / 20)
    assert check.replicated[:, 0].std() == pytest.approx(spread, rel=0.15)
    wide = {"y": 2.5 * (Y - Y.mean()) + Y.mean()}
    found = lt.predictive_check(MODEL, wide, 400, posterior=posterior)
    assert found.verdict.level == "fail"
    assert "does not make such data" in found.verdict.reason
    own = lt.predictive_check(
        MODEL, {"y": Y}, 200, posterior=posterior, statistics={"range": lambda x: np.ptp(x["y"])}
    )
    assert own.names == ("range",)
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib.figure import Figure

    display = found.plot(Figure().subplots())
    assert len(display.points_.get_xdata()) == 4
    assert display.ax_.get_yticklabels()[0].get_text() == "standard deviation of y"


@pytest.mark.slow
def test_models_of_rows_are_checked_too():
    model = lt.LatentVariableModel(
        lt.Discrete([0.5, 0.5]),
        lt.Switch([lt.Gaussian([0.0], [[1.0]]), lt.Gaussian([5.0], [[1.0]])]),
    )
    x = np.array(lt.sample(model, 0, 100).x)
    x[:7] = np.nan
    check = lt.predictive_check(model, x, 100)
    assert check.verdict.level == "pass"
    assert check.names[0] == "mean of x[0]"
    assert lt.predictive_check(model, x + 4, 100).verdict.level == "fail"


def test_what_cannot_be_checked_is_named(posterior):
    with pytest.raises(ValueError, match="n should be at least 100"):
        lt.predictive_check(MODEL, {"y": Y}, 5)
    with pytest.raises(ValueError, match="statistics should name at least one"):
        lt.predictive_check(MODEL, {"y": Y}, 100, posterior=posterior, statistics={})
    with pytest.raises(ValueError, match=r"statistics\['y'\] should return one number"):
        lt.predictive_check(
            MODEL, {"y": Y}, 100, posterior=posterior, statistics={"y": lambda x: x["y"]}
        )
    failed = replace(posterior, verdict=Verdict("fail", "made so"))
    with pytest.raises(ValueError, match="this one failed"):
        lt.predictive_check(MODEL, {"y": Y}, 100, posterior=failed)


@pytest.mark.filterwarnings("ignore")
def test_leave_one_out_is_that_of_the_conjugate_model(posterior):
    pytest.importorskip("arviz")
    found = posterior.loo()
    # Without one datum the posterior of m is known.
    precision = 39 + 0.01
    means = (Y.sum() - Y) / precision
    exact = stats.norm(means, np.sqrt(1 + 1 / precision)).logpdf(Y)
    assert float(found.elpd_loo) == pytest.approx(exact.sum(), abs=0.1)
    assert float(found.pareto_k.max()) < 0.5
    # A function of one's own says the same.
    own = posterior.to_arviz(
        1000, pointwise=lambda x, z: jax.scipy.stats.norm.logpdf(x["y"], z["m"])
    )
    rows = posterior.to_arviz(1000, pointwise="rows")
    np.testing.assert_allclose(own.log_likelihood["x"], rows.log_likelihood["x"], rtol=1e-9)
    assert own.posterior["m"].shape == (4, 250)
    with pytest.raises(ValueError, match="return one number for each datum, but returns one"):
        posterior.to_arviz(pointwise=lambda x, z: z["m"])
    with pytest.raises(ValueError, match="pointwise should be 'rows' or a function"):
        posterior.to_arviz(pointwise="columns")


def test_what_breaks_in_float32_is_computed_again_in_float64():
    def compute(scale):
        # Overflows in float32.
        return np.exp(scale)

    large = np.full(3, 100.0, np.float32)
    broken = lambda answer: not np.isfinite(answer).all()  # noqa: E731
    with (
        np.errstate(over="ignore"),
        pytest.warns(RuntimeWarning, match="computed again in float64"),
    ):
        assert np.isfinite(mended(compute, broken, large)).all()
    with np.errstate(over="ignore"):
        assert np.isinf(mended(compute, broken, 10 * large.astype(float))).all()
        assert np.isinf(mended(compute, broken, np.full(2_000_000, 100.0, np.float32))).all()
