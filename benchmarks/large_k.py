"""A pass of EM over many components, of which each row looks at all, or at those near it.

    python benchmarks/large_k.py                       # N = 200,000, D = 16, K = 1,024
    python benchmarks/large_k.py --size 20000,8,128

The time of a pass is the difference of two whole fits, which differ in their number of passes: so
it has its share of the choice of components, and nothing of what comes before and after.
"""

import argparse
import time

import numpy as np
from measure import tell

import latentia as lt

EPSILON = 1e-6
FEW, SOME, MANY = 2, 6, 18


def draws(rows: int, columns: int, states: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of separated clusters, and means that are a little off."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(states, columns))
    values = centres[rng.integers(states, size=rows)] + rng.normal(size=(rows, columns))
    return values, centres + 0.3 * rng.normal(size=centres.shape)


def parts(kind: str, means: np.ndarray) -> object:
    if kind == "full":
        return lt.Gaussian(means, np.stack([np.eye(means.shape[1])] * len(means)))
    return lt.DiagonalGaussian(means, np.ones(means.shape))


def timed(model: object, values: np.ndarray, epsilon: float, passes: int) -> tuple:
    learner = lt.EM(start="given", truncation=epsilon, max_iter=passes, tol=1e-15, memory=0)
    wall, cpu = time.perf_counter(), time.process_time()
    found = lt.fit(model, values, learner=learner)
    return time.perf_counter() - wall, time.process_time() - cpu, found.log_likelihood


def case(kind: str, values: np.ndarray, means: np.ndarray) -> dict[str, object]:
    states = len(means)
    model = lt.LatentVariableModel(
        lt.Discrete(np.full(states, 1 / states)), lt.Switch(parts(kind, means))
    )
    each, truth = {}, {}
    for epsilon, last in ((0.0, SOME), (EPSILON, MANY)):
        timed(model, values, epsilon, FEW)
        wall, cpu, _ = timed(model, values, epsilon, FEW)
        longer = timed(model, values, epsilon, last)
        each[epsilon] = (longer[0] - wall) / (last - FEW), (longer[1] - cpu) / (last - FEW)
        # The last pass of the truncated fit is exact and makes no step.
        same = longer if last == SOME else timed(model, values, epsilon, SOME + 1)
        truth[epsilon] = same[2]
    (dense, dense_cpu), (few, few_cpu) = each[0.0], each[EPSILON]
    return {
        "covariances": kind,
        "N, D, K": f"{len(values):,}, {values.shape[1]}, {states:,}",
        "all components, s per pass": f"{dense:.2f}",
        "those near a row, s per pass": f"{few:.2f}",
        "times faster": f"{dense / few:.1f}",
        "times faster in CPU time": f"{dense_cpu / few_cpu:.1f}",
        f"relative difference of the log-likelihood after {SOME} passes": (
            f"{abs(truth[EPSILON] / truth[0.0] - 1):.0e}"
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="200000,16,1024", metavar="N,D,K")
    options = parser.parse_args()
    data = draws(*(int(number) for number in options.size.split(",")))
    rows = [case(kind, *data) for kind in ("full", "diagonal")]
    tell(f"EM with many components: what is left out is below {EPSILON:g} nats per row", rows)


if __name__ == "__main__":
    main()
