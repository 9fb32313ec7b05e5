"""Latent Dirichlet allocation on the Associated Press documents (TREC-1, from Blei's lda-c)."""

import gzip

import numpy as np
import pytest
import scipy.sparse as sp

from golden.tables import DATA
from latentia import LatentDirichletAllocation

# The evidence lower bound of scikit-learn 1.9.1 after 10 passes of batch learning with 10 topics
# and random_state=0, every document at the end of coordinate ascent: see benchmarks/topics.py.
PEER = -3_172_302


@pytest.mark.exhaustive
def test_ten_passes_over_the_associated_press_reach_the_bound_of_scikit_learn():
    path = DATA / "associatedpress_triplets.csv.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in {DATA}; set LATENTIA_DATA to the folder above it")
    with gzip.open(path, "rt") as file:
        row, column, count = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int).T
    counts = sp.csr_array((count.astype(float), (row, column)))[:2000]
    counts = counts[:, np.sort(np.argsort(-counts.sum(axis=0), kind="stable")[:10_000])]
    model = LatentDirichletAllocation(10, random_state=0).fit(counts)
    assert model.lower_bound_ >= PEER
    assert np.diff([*model.lower_bounds_, model.lower_bound_]).min() > 0
