"""Factor analysis to the maximum of the likelihood."""

import time
import warnings

import numpy as np
from measure import tell
from sklearn.decomposition import FactorAnalysis as Peer
from sklearn.exceptions import ConvergenceWarning

import latentia as lt

warnings.simplefilter("ignore", ConvergenceWarning)


def case(rows: int, columns: int, factors: int) -> dict[str, object]:
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(columns, factors))
    noise = rng.uniform(0.2, 2, columns)
    x = rng.normal(size=(rows, factors)) @ loadings.T + rng.normal(size=(rows, columns)) * np.sqrt(
        noise
    )
    lt.FactorAnalysis(factors).fit(x[:1000])
    times, scores = {}, {}
    for name, make in (("mine", lt.FactorAnalysis), ("peer", Peer)):
        best = np.inf
        for _ in range(2):
            start = time.perf_counter()
            model = make(n_components=factors, random_state=0).fit(x)
            best = min(best, time.perf_counter() - start)
        times[name], scores[name] = best, model.score(x)
    return {
        "N, D, factors": f"{rows:,}, {columns}, {factors}",
        "latentia, s": round(times["mine"], 2),
        "scikit-learn, s": round(times["peer"], 2),
        "times faster": round(times["peer"] / times["mine"], 1),
        "log-likelihood per row, latentia": f"{scores['mine']:.6f}",
        "log-likelihood per row, scikit-learn": f"{scores['peer']:.6f}",
    }


if __name__ == "__main__":
    tell("Factor analysis, to the maximum", [case(10_000, 20, 3), case(100_000, 100, 10)])
