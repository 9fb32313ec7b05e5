"""What is felt on 272 rows: the second fit, the whole grid, imports and a fresh process."""

import os
import subprocess
import sys
import tempfile
import time
import warnings

from measure import fastest, tell
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Peer

import latentia as lt

warnings.simplefilter("ignore", ConvergenceWarning)
X = lt.datasets.load_faithful().data


# A package that pip has installed is compiled to bytecode; one that is worked on may not be.
BYTECODE = tempfile.TemporaryDirectory()
ENVIRONMENT = {
    **os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": BYTECODE.name,
}  # fmt: skip


def child(code: str) -> float:
    """The least number that a fresh process prints, of four."""
    results = []
    for _ in range(4):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=ENVIRONMENT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        results.append(float(run.stdout.strip().splitlines()[-1]))
    return min(results)


def command(*words: str) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "from latentia.cli import main; main()", *words],
                       env=ENVIRONMENT, capture_output=True, check=True)  # fmt: skip
        best = min(best, time.perf_counter() - start)
    return best


def row(what: str, seconds: float, peer: float | None = None, goal: str = "") -> dict[str, object]:
    return {
        "what": what,
        "latentia, ms": round(1e3 * seconds, 1),
        "scikit-learn, ms": "" if peer is None else round(1e3 * peer, 1),
        "goal": goal,
    }


FRESH = """
import latentia as lt, time
X = lt.datasets.load_faithful().data
lt.enable_compilation_cache({folder!r})
import jax, sklearn.base
from latentia import GaussianMixture
start = time.perf_counter()
GaussianMixture(2).fit(X)
print(time.perf_counter() - start)
"""
PEERS = (
    "import time; s = time.perf_counter(); import jax, sklearn.base; print(time.perf_counter() - s)"
)
MINE = (
    "import time; s = time.perf_counter(); import jax, sklearn.base, latentia;"
    "latentia.GaussianMixture; print(time.perf_counter() - s)"
)


def main() -> None:
    one = fastest(
        mine=lambda: lt.GaussianMixture(2, n_init=1, init_params="kmeans").fit(X),
        peer=lambda: Peer(2, random_state=0).fit(X),
        portfolio=lambda: lt.GaussianMixture(2).fit(X),
    )
    grid = fastest(grid=lambda: lt.select(X, components=range(1, 10)))
    with tempfile.TemporaryDirectory() as folder:
        fresh = child(FRESH.format(folder=folder))
    rows = [
        row("second fit, K=2, one start", one["mine"], one["peer"], "no slower"),
        row("second fit, K=2, 16 starts", one["portfolio"], None, "under 30 ms"),
        row("grid K=1..9, 4 covariances", grid["grid"], None, "under 2 s"),
        row("import beyond jax and sklearn.base", child(MINE) - child(PEERS), None, "under 400 ms"),
        row("latentia --help", command("--help"), None, "under 200 ms"),
        row("first fit, fresh process, warm cache", fresh, None, "under 1 s"),
    ]
    tell("Small data: Old Faithful, 272 rows", rows)


if __name__ == "__main__":
    main()
