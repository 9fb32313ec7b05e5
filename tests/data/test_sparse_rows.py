"""Sparse matrices: the numbers of the dense table, in bounded memory."""

from functools import partial

import jax
import numpy as np
import pytest
import scipy.sparse as sp

import latentia
from latentia import (
    EM,
    Bernoulli,
    CountResponse,
    DiagonalGaussian,
    Discrete,
    Gaussian,
    GaussianLatent,
    GeneralizedLinear,
    LatentVariableModel,
    MarkovChain,
    PerStep,
    Poisson,
    Switch,
)
from latentia.data.blocks import Blocks
from latentia.data.sparse_rows import SparseRows, sparse_rows
from latentia.learning.expectation import expectations
from latentia.typing import Form

LEARNER = EM(n_init=2, max_iter=15)


def counts(rows=5000, columns=12):
    rng = np.random.default_rng(0)
    rates = rng.choice([0.02, 1.5], (2, columns))
    return rng.poisson(rates[rng.integers(2, size=rows)]).astype(float)


def mixture(family, columns=12):
    return LatentVariableModel(Discrete(2), Switch(family(dim=columns), 2))


@pytest.mark.parametrize(
    ("family", "limit"),
    [
        pytest.param(Poisson, np.inf, marks=pytest.mark.exhaustive),
        pytest.param(Bernoulli, 1, marks=pytest.mark.exhaustive),
    ],
)
def test_a_sparse_matrix_is_the_table_that_it_stands_for(family, limit):
    values = np.minimum(counts(), limit)
    weight = np.random.default_rng(1).integers(1, 3, len(values))
    matrix = sp.coo_array(values)
    ours = latentia.fit(mixture(family), matrix, weights=weight, learner=LEARNER)
    table = latentia.fit(mixture(family), values, weights=weight, learner=LEARNER, engine="memory")
    np.testing.assert_allclose(ours.log_likelihood, table.log_likelihood, rtol=1e-10)
    scores = latentia.score(ours.model, matrix)
    np.testing.assert_allclose(scores, latentia.score(ours.model, values), rtol=1e-12)
    assert latentia.infer(ours.model, matrix).probabilities.shape == (len(values), 2)


def test_no_more_than_a_batch_is_dense():
    wide = sp.random_array((200, 200_000), density=1e-5, rng=np.random.default_rng(2))
    source = sparse_rows(wide)
    sizes = [values.size for values, _ in source.batches()]
    assert max(sizes) <= 64 * 200_000 and sum(sizes) == 200 * 200_000
    parts = source.partitions(3)
    assert sum(part.rows for part in parts) == 200 and isinstance(parts[0], SparseRows)
    joined = sp.vstack([sp.csr_array(v) for part in parts for v, _ in part.batches()])
    assert abs(joined - wide.tocsr()).nnz == 0


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (sp.csr_array([[1.0, np.inf]]), "data should hold finite numbers up to 1e150"),
        (sp.csr_array((0, 3)), "data should have rows and columns"),
    ],
)
def test_what_is_no_table_is_one_sentence(matrix, message):
    with pytest.raises(ValueError, match=message):
        latentia.fit(mixture(Poisson, matrix.shape[1]), matrix)


@pytest.mark.parametrize(
    ("kind", "dim", "states"),
    [
        pytest.param("diagonal", 2000, 8, marks=pytest.mark.exhaustive),
        pytest.param("full", 2000, 3, marks=pytest.mark.exhaustive),
        pytest.param("full", 400, 8, marks=pytest.mark.exhaustive),
    ],
)
def test_wide_gaussians_make_no_temporary_of_rows_by_states_by_columns(kind, dim, states):
    rows = 20 * 512
    with jax.enable_x64(True):
        shape = {"full": (states, dim, dim), "diagonal": (states, dim)}[kind]
        family = {"full": Gaussian, "diagonal": DiagonalGaussian}[kind]
        model = jax.eval_shape(
            lambda: LatentVariableModel(
                Discrete(jax.numpy.ones(states) / states),
                Switch(family(jax.numpy.zeros((states, dim)), jax.numpy.ones(shape))),
            )
        )
        number = jax.numpy.zeros(()).dtype
        data = Blocks(
            jax.ShapeDtypeStruct((20, 512, dim), number),
            jax.ShapeDtypeStruct((20, 512), number),
            jax.ShapeDtypeStruct((20, 512), np.int32),
            jax.ShapeDtypeStruct((), np.int32),
        )
        for form in (Form.COMPLETE, Form.PRODUCTS):
            if form is Form.PRODUCTS and kind == "full":
                # The features of a block would be as many as rows by columns squared.
                safe = jax.jit(lambda part: part.safe_products(1e-9, missing=False))
                plain = family(np.zeros((1, dim)), np.eye(dim)[None])
                assert bool(safe(Switch(plain))) == (dim * dim / 2 < 2**16)
                continue
            program = jax.jit(partial(expectations, form=form, labelled=False))
            memory = program.lower(model, data).compile().memory_analysis()
            parameters = 8 * np.prod(shape)
            assert memory.temp_size_in_bytes < 0.4 * 8 * rows * states * dim + 12 * parameters


@pytest.mark.parametrize("name", ["labels", "given"])
def test_what_a_sparse_matrix_has_no_place_for_is_refused(name):
    values = counts(20)
    with pytest.raises(ValueError, match=rf"{name} should be None for a sparse matrix: .*toarray"):
        latentia.fit(mixture(Poisson), sp.csr_array(values), **{name: np.zeros(20, int)})


def test_sequences_and_labels_are_dense():
    chain = LatentVariableModel(
        MarkovChain([0.5, 0.5], np.full((2, 2), 0.5)), PerStep(Switch([Poisson([1.0])] * 2))
    )
    with pytest.raises(ValueError, match="x should be dense for a model of sequences"):
        latentia.score(chain, sp.csr_array(np.ones((4, 1))))
    model = LatentVariableModel(Discrete([0.5, 0.5]), Switch([Poisson([1.0])] * 2))
    with pytest.raises(ValueError, match="x should be dense with labels"):
        latentia.score(model, sp.csr_array(np.ones((4, 1))), labels=[0, 1, 0, 1])


@pytest.mark.exhaustive
def test_batches_that_need_other_grids_are_put_together(monkeypatch):
    monkeypatch.setattr("latentia.data.sparse_rows._NUMBERS", 64)
    values = np.zeros((130, 1))
    values[100] = 2000.0
    model = LatentVariableModel(GaussianLatent(1), GeneralizedLinear(CountResponse([0.0]), [[2.0]]))
    found = latentia.infer(model, sp.csr_array(values))
    expected = latentia.infer(model, values)
    assert found.rule == expected.rule
    np.testing.assert_allclose(found.log_evidence, expected.log_evidence, rtol=1e-12)
