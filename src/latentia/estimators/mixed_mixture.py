"""The mixture of columns of mixed kinds."""

from functools import lru_cache
from typing import Any

import numpy as np

from latentia.data import Schema, infer_schema
from latentia.distributions import Bernoulli, Categorical, Poisson, Product
from latentia.latents import Discrete
from latentia.likelihoods import Switch
from latentia.model import LatentVariableModel

from .coded_shell import CODED, AbstractCodedMixture
from .conditioning import Components
from .covariance_kinds import KINDS
from .parameters import number, one_of
from .summary import Report

# The order of the blocks in the core model.
_BLOCKS = ("gaussian", "poisson", "categorical", "bernoulli")


class MixedMixture(AbstractCodedMixture):
    """A mixture of columns of mixed kinds, independent of each other within a component.

    Numbers are Gaussian, counts Poisson, texts and categories categorical, booleans Bernoulli. The
    kinds are read from the types and values of the table, or given.

    Args:
        n_components: K, how many components.
        schema: a kind ("gaussian", "poisson", "categorical" or "bernoulli") for columns by name or
            position where the inferred one is wrong, or a whole ``latentia.data.Schema``.
        covariance_type: of the Gaussian columns: "diag" for independent ones, or "full" or "tied".
        unknown: what to do with a level that was not there in ``fit``: "error", or "missing".
        pseudo_count: the weight of imaginary data for each component, distributed as all the data;
            0 is maximum likelihood.
        tol: the distance of the objective per row to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is a portfolio of 16, or one of a given ``init_params``.
        init_params: "auto", "kmeans", "k-means++", "random" or "random_from_data".
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.
        covariance_floor: the smallest variance allowed, relative to that of the data; 0 is none.

    Attributes:
        weights_: ``[K]``, in falling order.
        parameters_: for each column by name what the components say of it: "mean" and "variance"
            of numbers, "rate" of counts, each ``[K]``, and "probabilities" ``[K, levels]``.
        schema_: the columns, their kinds and levels, and a note on each choice that may surprise.
        converged_, n_iter_, lower_bound_, lower_bounds_: as in ``GaussianMixture``.
        model_: the core model, with its columns in the order numbers, counts, categories, booleans.
        fit_: the core's ``Fit``.
    """

    _rules = {
        **CODED,
        "covariance_type": one_of("diag", "full", "tied"),
        "covariance_floor": number(),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        schema: Any = None,
        covariance_type: str = "diag",
        unknown: str = "error",
        pseudo_count: float = 0.0,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int | str = "auto",
        init_params: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        covariance_floor: float = 1e-6,
    ) -> None:
        self.n_components = n_components
        self.schema = schema
        self.covariance_type = covariance_type
        self.unknown = unknown
        self.pseudo_count = pseudo_count
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.covariance_floor = covariance_floor

    def _infer_schema(self, X: Any) -> Schema:
        return self.schema if isinstance(self.schema, Schema) else infer_schema(X, self.schema)

    def _order(self) -> list[int]:
        kinds = [_BLOCKS.index(column.kind) for column in self.schema_.columns]
        return np.argsort(kinds, kind="stable").tolist()

    def _begin(self, values: np.ndarray) -> tuple[Any, bool]:
        columns = [self.schema_.columns[j] for j in self._order()]
        kinds = tuple((column.kind, len(column.levels or ())) for column in columns)
        return _blank(kinds, self.covariance_type, int(self.n_components)), False

    def _publish(self) -> None:
        self.weights_ = np.array(self.model_.prior.weights)
        self.parameters_ = {
            column.name: self._column_parameters(j) for j, column in enumerate(self.schema_.columns)
        }

    def _gaussians(self) -> tuple[list[int], Components]:
        count = [column.kind for column in self.schema_.columns].count("gaussian")
        states = len(self.weights_)
        if count == 0:
            return [], Components(self.weights_, np.zeros((states, 0)), np.zeros((states, 0, 0)))
        part, kind = self.model_.likelihood.parts.parts[0], KINDS[self.covariance_type]
        matrices = kind.expand(kind.covariances(part), states, count)
        return list(range(count)), Components(self.weights_, part.mean, matrices)

    def _column_parameters(self, index: int) -> dict[str, np.ndarray]:
        column = self.schema_.columns[index]
        kinds = [other.kind for other in self.schema_.columns]
        part = self.model_.likelihood.parts.parts[_present(kinds).index(column.kind)]
        place = kinds[:index].count(column.kind)
        if column.kind == "gaussian":
            _, mixture = self._gaussians()
            variances = mixture.covariances[:, place, place].copy()
            return {"mean": part.mean[:, place].copy(), "variance": variances}
        if column.kind == "poisson":
            return {"rate": part.rates[:, place].copy()}
        if column.kind == "categorical":
            count = len(column.levels or ())
            return {"probabilities": part.probabilities[:, place, :count].copy()}
        ones = part.probabilities[:, place]
        return {"probabilities": np.column_stack([1 - ones, ones])}

    def _report(self) -> Report:
        heading = ["column", "parameter", *(f"component {k}" for k in range(len(self.weights_)))]
        rows: list[list[Any]] = [["(weight)", "", *self.weights_]]
        for column in self.schema_.columns:
            for name, values in self.parameters_[column.name].items():
                if values.ndim == 1:
                    rows.append([column.name, name, *values])
                else:
                    levels = zip(column.levels or (), values.T, strict=True)
                    rows += [[column.name, f"P({level})", *share] for level, share in levels]
        return Report(f"{len(self.weights_)} components of mixed columns", heading, rows)


def _present(kinds: Any) -> list[str]:
    return [kind for kind in _BLOCKS if kind in kinds]


@lru_cache(maxsize=256)
def _blank(columns: tuple[tuple[str, int], ...], covariance_type: str, states: int) -> Any:
    kinds = [kind for kind, _ in columns]
    parts = []
    for kind in _present(kinds):
        count = kinds.count(kind)
        if kind == "gaussian":
            parts.append(KINDS[covariance_type].family(count))
        elif kind == "poisson":
            parts.append(Poisson(dim=count))
        elif kind == "categorical":
            parts.append(Categorical(levels=[size for name, size in columns if name == kind]))
        else:
            parts.append(Bernoulli(dim=count))
    return LatentVariableModel(Discrete(states), Switch(Product(*parts), states))
