"""Latent Dirichlet allocation over 2,000 documents and 10,000 words.

The documents are those of the Associated Press (under LATENTIA_DATA, by default ../shared/data
beside the checkout) if they are there, and drawn from a topic model otherwise.
"""

import gzip
import os
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from measure import tell
from scipy.special import gammaln, psi
from sklearn.decomposition import LatentDirichletAllocation as Peer

import latentia as lt

DATA = Path(os.environ.get("LATENTIA_DATA", Path(__file__).parents[2] / "shared" / "data"))
DOCUMENTS, WORDS, PASSES = 2000, 10_000, 10


def corpus() -> tuple[str, sp.csr_array]:
    path = DATA / "classic" / "associatedpress_triplets.csv.gz"
    if path.exists():
        with gzip.open(path, "rt") as file:
            row, column, count = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int).T
        counts = sp.csr_array((count.astype(float), (row, column)))[:DOCUMENTS]
        often = np.argsort(-counts.sum(axis=0), kind="stable")[:WORDS]
        return "Associated Press", counts[:, np.sort(often)].tocsr()
    rng = np.random.default_rng(0)
    topics = rng.dirichlet(np.full(WORDS, 0.02), 40)
    shares = rng.dirichlet(np.full(40, 0.05), DOCUMENTS)
    lengths = rng.negative_binomial(4, 4 / 204, DOCUMENTS) + 1
    pairs = zip(lengths, shares, strict=True)
    rows = [sp.csr_array(rng.multinomial(n, share @ topics)) for n, share in pairs]
    return "drawn documents", sp.csr_array(sp.vstack(rows).astype(float))


def bound(counts: sp.csr_array, mass: np.ndarray, prior: float) -> float:
    """The evidence lower bound of the corpus, by plain coordinate ascent in NumPy alone."""
    topics, words = mass.shape
    logs = psi(mass) - psi(mass.sum(axis=1, keepdims=True))
    weights = np.exp(logs)
    total = topics * (gammaln(words * prior) - words * gammaln(prior))
    total += gammaln(mass).sum() - gammaln(mass.sum(axis=1)).sum() - np.sum((mass - prior) * logs)
    for first, last in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        some, x = weights[:, counts.indices[first:last]], counts.data[first:last]
        gamma = np.full(topics, prior + x.sum() / topics)
        for _ in range(300):
            expected = np.exp(psi(gamma) - psi(gamma.sum()))
            after = prior + expected * (some @ (x / (expected @ some)))
            small = np.abs(after - gamma).mean() < 1e-4
            gamma = after
            if small:
                break
        log = psi(gamma) - psi(gamma.sum())
        total += x @ np.log(np.exp(log) @ some) + np.sum((prior - gamma) * log)
        total += gammaln(gamma).sum() - gammaln(gamma.sum())
        total += gammaln(topics * prior) - topics * gammaln(prior)
    return float(total)


def case(name: str, counts: sp.csr_array, topics: int, method: str) -> dict[str, object]:
    options = {
        "n_components": topics, "learning_method": method, "max_iter": PASSES, "random_state": 0,
    }  # fmt: skip
    makers = {
        "mine": lambda: lt.LatentDirichletAllocation(**options),
        "peer": lambda: Peer(**options),
        "peer, 2 jobs": lambda: Peer(n_jobs=2, **options),
    }
    start = time.perf_counter()
    makers["mine"]().fit(counts)
    first = time.perf_counter() - start
    times, bounds = dict.fromkeys(makers, np.inf), {}
    for _ in range(3):
        for key, make in makers.items():
            start = time.perf_counter()
            model = make().fit(counts)
            times[key] = min(times[key], time.perf_counter() - start)
            bounds[key] = bound(counts, model.components_, 1 / topics)
    best = min(times["peer"], times["peer, 2 jobs"])
    # A fit ends with one more pass, which only evaluates.
    each = 1e3 / (PASSES + 1)
    return {
        "documents": f"{name}, {counts.shape[0]:,} x {counts.shape[1]:,}",
        "K": topics,
        "learning": method,
        "latentia, ms a pass": round(each * times["mine"]),
        "scikit-learn, ms a pass (1 job, 2 jobs)": (
            f"{each * times['peer']:.0f}, {each * times['peer, 2 jobs']:.0f}"
        ),
        "times faster": round(best / times["mine"], 1),
        f"bound after {PASSES} passes, latentia": f"{bounds['mine']:,.0f}",
        "scikit-learn": f"{max(bounds['peer'], bounds['peer, 2 jobs']):,.0f}",
        "first fit with compilation, s": round(first, 1),
    }


if __name__ == "__main__":
    documents = corpus()
    sizes = [(10, "batch"), (50, "batch"), (10, "online")]
    if len(sys.argv) > 1:
        sizes = [(int(sys.argv[1]), sys.argv[2])]
    tell("Latent Dirichlet allocation", [case(*documents, *size) for size in sizes])
