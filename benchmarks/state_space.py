"""One EM iteration of a linear dynamical system, and the filter of a local level."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from dynamax.linear_gaussian_ssm import LinearGaussianSSM
from measure import fastest, tell
from statsmodels.tsa.statespace.structural import UnobservedComponents

import latentia as lt
from latentia.data.sequences import Sequences, block_steps, sequence_form, sequence_groups
from latentia.distributions import Limits
from latentia.learning.expectation import expectations, maximized
from latentia.verbs import score

warnings.simplefilter("ignore")
STATES, COLUMNS = 4, 10


@partial(jax.jit, static_argnames="form")
def ours(model, blocks, limits, form):
    totals = expectations(model, blocks, form=form, labelled=False)
    return maximized(model, totals, limits), totals.log_likelihood


def em_iteration(count: int, length: int) -> dict[str, object]:
    peer = LinearGaussianSSM(STATES, COLUMNS)
    given, learned = peer.initialize(
        jr.key(0), dynamics_weights=0.9 * jnp.eye(STATES),
        dynamics_covariance=0.3 * jnp.eye(STATES),
        emission_weights=jr.normal(jr.key(0), (COLUMNS, STATES)),
        emission_covariance=0.5 * jnp.eye(COLUMNS),
    )  # fmt: skip
    x = jax.vmap(lambda key: peer.sample(given, key, length)[1])(jr.split(jr.key(1), count))
    memory = peer.initialize_m_step_state(given, learned)

    @jax.jit
    def theirs(x):
        totals, evidence = jax.vmap(lambda one: peer.e_step(given, one, None))(x)
        return peer.m_step(given, learned, totals, memory), evidence.sum()

    chain = lt.GaussianChain(
        mean=np.array(given.initial.mean), covariance=np.array(given.initial.cov),
        transition=np.array(given.dynamics.weights), noise=np.array(given.dynamics.cov),
        learned=("mean", "covariance", "transition", "drift", "noise"),
    )  # fmt: skip
    emission = lt.LinearGaussian(
        np.array(given.emissions.weights), np.array(given.emissions.bias),
        np.diag(given.emissions.cov),
    )  # fmt: skip
    model = lt.LatentVariableModel(chain, lt.PerStep(emission))
    data = Sequences(np.array(x).reshape(-1, COLUMNS), np.full(count, length))
    steps = block_steps(data, model.likelihood)
    groups = sequence_groups(data, exact=True, steps=steps)
    blocks = jax.device_put(tuple(group.blocks for group in groups))
    limits = Limits(np.zeros(COLUMNS), np.zeros(COLUMNS))
    form = sequence_form(data)
    gap = abs(ours(model, blocks, limits, form)[1] - theirs(x)[1]) / abs(theirs(x)[1])
    times = fastest(
        mine=lambda: jax.block_until_ready(ours(model, blocks, limits, form)),
        theirs=lambda: jax.block_until_ready(theirs(x)),
    )
    return {
        "what": f"EM iteration, {count} sequences of {length}, L={STATES}, D={COLUMNS}",
        "latentia ms": f"{times['mine'] * 1e3:.1f}",
        "peer": "dynamax",
        "peer ms": f"{times['theirs'] * 1e3:.1f}",
        "times faster": f"{times['theirs'] / times['mine']:.2f}",
        "relative gap of the log-likelihood": f"{gap:.0e}",
    }


def likelihood(steps: int) -> dict[str, object]:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=steps))[:, None] + rng.normal(size=(steps, 1))
    model = lt.structural(trend=True, period=12, variances=[1.0, 0.01, 0.1], noise=1.0)
    peer = UnobservedComponents(x[:, 0], "lltrend", seasonal=12, use_exact_diffuse=True)
    values = np.array([1.0, 1.0, 0.01, 0.1])
    # statsmodels leaves log 2π of the 13 unknowns of the start in.
    theirs = peer.loglike(values) + 0.5 * 13 * np.log(2 * np.pi)
    gap = abs(float(score(model, x)) - theirs) / abs(theirs)
    times = fastest(mine=lambda: score(model, x), theirs=lambda: peer.loglike(values))
    return {
        "what": f"log-likelihood, level, slope and season of 12, {steps} steps, exact diffuse",
        "latentia ms": f"{times['mine'] * 1e3:.1f}",
        "peer": "statsmodels",
        "peer ms": f"{times['theirs'] * 1e3:.1f}",
        "times faster": f"{times['theirs'] / times['mine']:.2f}",
        "relative gap of the log-likelihood": f"{gap:.0e}",
    }


with jax.enable_x64(True):
    rows = [em_iteration(50, 1000)]
tell("Linear dynamical systems, float64", [*rows, likelihood(500)])
