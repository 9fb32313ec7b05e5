"""One EM iteration of a Gaussian mixture with full covariances."""

import resource
import sys
import warnings

import jax
import numpy as np
from measure import blobs, fastest, matrix_rate, tell
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import latentia as lt
from latentia.data.blocks import into_blocks
from latentia.distributions import Limits
from latentia.learning.em import EM, Problem
from latentia.learning.running import advance, start
from latentia.typing import Form

warnings.simplefilter("ignore", ConvergenceWarning)


def ours(x: np.ndarray, clusters: int):
    """A call that makes three iterations, ready to be timed."""
    rows, columns = x.shape
    learner = EM()
    model = lt.LatentVariableModel(
        lt.Discrete(np.full(clusters, 1 / clusters)),
        lt.Switch(lt.Gaussian(x[:clusters], np.stack([np.eye(columns)] * clusters))),
    )
    problem = Problem(
        Limits(np.full(columns, 1e-6), np.zeros(columns)),
        np.float64(rows), np.float64(0), np.float64(0), None,
    )  # fmt: skip
    radius = np.sqrt(np.max(np.sum(x**2, axis=1)))
    with jax.enable_x64(True):
        data = jax.device_put(into_blocks(x))
        states = start(learner, jax.tree.map(lambda leaf: leaf[None], model), problem)

    def call():
        with jax.enable_x64(True):
            out = advance(
                learner, states, data, problem, np.int32(3), radius,
                form=Form.PRODUCTS, labelled=False,
            )  # fmt: skip
            jax.block_until_ready(out)
            assert out[2].all()

    return call


def theirs(x: np.ndarray, clusters: int, steps: int):
    rows, columns = x.shape
    responsibilities = np.random.default_rng(0).dirichlet(np.ones(clusters), rows)
    model = GaussianMixture(clusters, tol=0, max_iter=1)
    model._initialize_parameters(x, np.random.RandomState(0))
    model._initialize(x, responsibilities)

    def call():
        for _ in range(steps):
            _, log_responsibilities = model._e_step(x)
            model._m_step(x, log_responsibilities)

    return call


def case(rows: int, columns: int, clusters: int) -> dict[str, object]:
    x = blobs(rows, columns, clusters)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mine = ours(x, clusters)
    mine()
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    times = fastest(mine=mine, peer=theirs(x, clusters, 1))
    seconds = times["mine"] / 3
    needed = 2 * rows * clusters * columns**2
    pairs = columns * (columns + 1) // 2 + columns + 1
    features, naturals = np.ones((512, pairs)), np.ones((clusters, pairs))
    shares = np.ones((512, clusters))
    blocks = -(-rows // 512)

    def products():
        for _ in range(blocks):
            _ = features @ naturals.T
            _ = shares.T @ features

    alone = fastest(products=products)["products"]
    return {
        "N, D, K": f"{rows:,}, {columns}, {clusters}",
        "latentia, ms": round(1e3 * seconds),
        "scikit-learn, ms": round(1e3 * times["peer"]),
        "times faster": round(times["peer"] / seconds, 1),
        "share of the square product's rate": f"{needed / seconds / matrix_rate():.0%}",
        "share of the two products' rate": f"{alone / seconds:.0%}",
        "peak memory beyond the data, MB": round(memory),
    }


if __name__ == "__main__":
    sizes = [(100_000, 32, 16), (1_000_000, 16, 64)]
    if len(sys.argv) > 1:
        sizes = [tuple(int(number) for number in sys.argv[1].split(","))]
    tell("One EM iteration, full covariances", [case(*size) for size in sizes])
