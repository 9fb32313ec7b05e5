"""Documents in stacks of equal length."""

import numpy as np
import scipy.sparse as sp

from latentia.data.documents import into_documents


def test_documents_are_padded_and_put_back():
    rng = np.random.default_rng(0)
    X = sp.random_array((700, 900), density=0.05, rng=rng, format="lil")
    X[5] = 0
    X = X.tocsr()
    X.data = np.ceil(10 * X.data)
    documents = into_documents(X)
    np.testing.assert_array_equal(documents.unsort(documents.counts.toarray()), X.toarray())
    dense = np.zeros(X.shape)
    for stack in documents.stacks:
        for rows, words, counts in zip(
            stack.rows[: stack.used], stack.words, stack.counts, strict=False
        ):
            for row, word, count in zip(rows, words, counts, strict=True):
                if row >= 0:
                    np.add.at(dense[row], word, count)
    np.testing.assert_array_equal(dense, documents.counts.toarray())
    assert 1 < len(documents.stacks) <= 6
