"""The price of missing values: an EM iteration with as many patterns as rows."""

import jax
import numpy as np
from measure import blobs, fastest, tell

import latentia as lt
from latentia.data.blocks import into_blocks
from latentia.distributions import Limits
from latentia.learning.em import EM, Problem
from latentia.learning.running import advance, start
from latentia.typing import Form


def iterations(x: np.ndarray, clusters: int, form: Form, learner: EM):
    columns = x.shape[1]
    model = lt.LatentVariableModel(
        lt.Discrete(np.full(clusters, 1 / clusters)),
        lt.Switch(lt.Gaussian(np.nan_to_num(x[:clusters]), np.stack([np.eye(columns)] * clusters))),
    )
    problem = Problem(
        Limits(np.full(columns, 1e-6), np.zeros(columns)),
        np.float64(len(x)), np.float64(0), np.float64(0), None,
    )  # fmt: skip
    with jax.enable_x64(True):
        data = jax.device_put(into_blocks(x, regroup=True))
        states = start(learner, jax.tree.map(lambda leaf: leaf[None], model), problem)

    def call():
        with jax.enable_x64(True):
            jax.block_until_ready(
                advance(
                    learner, states, data, problem, np.int32(5), np.float64(10),
                    form=form, labelled=False,
                )
            )  # fmt: skip

    return call


def case(rows: int, columns: int, clusters: int, share: float) -> dict[str, object]:
    x = blobs(rows, columns, clusters)
    holes = np.where(np.random.default_rng(1).random(x.shape) < share, np.nan, x)
    learner = EM()
    times = fastest(
        complete=iterations(x, clusters, Form.COMPLETE, learner),
        missing=iterations(holes, clusters, Form.MISSING, learner),
    )
    return {
        "N, D, K": f"{rows:,}, {columns}, {clusters}",
        "missing": f"{share:.0%}",
        "patterns": len(np.unique(np.isnan(holes), axis=0)),
        "complete, ms": round(200 * times["complete"], 1),
        "missing, ms": round(200 * times["missing"], 1),
        "times the cost": round(times["missing"] / times["complete"], 1),
    }


if __name__ == "__main__":
    tell(
        "Missing values, full covariances: one EM iteration",
        [case(20_000, 10, 3, 0.3), case(20_000, 10, 8, 0.3), case(20_000, 20, 3, 0.1)],
    )
