"""One EM iteration of a hidden Markov model with diagonal Gaussian emissions."""

import logging
import warnings

import jax
import numpy as np
from hmmlearn import hmm
from measure import fastest, tell

import latentia as lt
from latentia.data.sequences import Sequences, sequence_groups
from latentia.distributions import Limits
from latentia.learning.em import EM, Problem
from latentia.learning.running import advance, start
from latentia.typing import Form

warnings.simplefilter("ignore")
logging.getLogger("hmmlearn").setLevel(logging.ERROR)
STATES, COLUMNS, STEPS = 8, 4, 3


def parameters(seed: int = 0):
    rng = np.random.default_rng(seed)
    moves = 0.8 * np.eye(STATES) + 0.2 * rng.dirichlet(np.ones(STATES), STATES)
    means = 2 * rng.normal(size=(STATES, COLUMNS))
    return np.full(STATES, 1 / STATES), moves, means, np.ones((STATES, COLUMNS))


def model(length: int) -> lt.LatentVariableModel:
    first, moves, means, variances = parameters()
    parts = lt.Switch(lt.DiagonalGaussian(means, variances))
    return lt.LatentVariableModel(lt.MarkovChain(first, moves, length=length), lt.PerStep(parts))


def ours(x: np.ndarray, lengths: list[int], dtype: type):
    learner = EM(memory=0)
    data = Sequences(x, np.array(lengths))
    problem = Problem(
        Limits(np.full(COLUMNS, 1e-6, dtype), np.zeros(COLUMNS, dtype)),
        dtype(len(x)), dtype(0), dtype(0), None,
    )  # fmt: skip
    with jax.enable_x64(dtype is np.float64):
        groups = sequence_groups(data, dtype=dtype)
        blocks = jax.device_put(tuple(group.blocks for group in groups))
        begun = jax.tree.map(lambda leaf: leaf[None].astype(dtype), model(1))
        states = start(learner, begun, problem)
    radius = dtype(np.sqrt(np.max(np.sum(x**2, axis=1))))

    def call() -> float:
        with jax.enable_x64(dtype is np.float64):
            out = advance(
                learner, states, blocks, problem, np.int32(STEPS), radius,
                form=Form.PRODUCTS if dtype is np.float64 else Form.COMPLETE, labelled=False,
            )  # fmt: skip
            return float(jax.block_until_ready(out)[1][0, STEPS - 1])

    return call


def theirs(x: np.ndarray, lengths: list[int], implementation: str):
    def call() -> None:
        peer = hmm.GaussianHMM(
            STATES, n_iter=STEPS, tol=-np.inf, init_params="", implementation=implementation,
            covars_prior=0, covars_weight=0,
        )  # fmt: skip
        peer.startprob_, peer.transmat_, peer.means_, peer.covars_ = parameters()
        peer.fit(x, lengths)

    return call


def case(count: int, length: int) -> dict[str, object]:
    x = lt.sample(model(length), 1, count).x.reshape(-1, COLUMNS)
    lengths = [length] * count
    wide, narrow = ours(x, lengths, np.float64), ours(x, lengths, np.float32)
    gap = abs(narrow() - wide()) / abs(wide())
    times = fastest(
        wide=wide,
        log=theirs(x, lengths, "log"),
        scaling=theirs(x, lengths, "scaling"),
    )
    seconds = {name: value / STEPS for name, value in times.items()}
    peer = min(seconds["log"], seconds["scaling"])
    return {
        "sequences": count,
        "steps in each": length,
        "latentia ms": f"{seconds['wide'] * 1e3:.1f}",
        "hmmlearn log ms": f"{seconds['log'] * 1e3:.1f}",
        "hmmlearn scaling ms": f"{seconds['scaling'] * 1e3:.1f}",
        "times faster than the faster": f"{peer / seconds['wide']:.1f}",
        "float32, relative gap": f"{gap:.1e}",
    }


tell(
    f"Hidden Markov model, EM iteration, {STATES} states, {COLUMNS} columns, diagonal, float64",
    [case(500, 200), case(1, 100_000)],
)
