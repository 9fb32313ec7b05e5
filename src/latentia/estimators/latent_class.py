"""Latent class analysis."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latentia.data import Schema, infer_items
from latentia.distributions import Categorical
from latentia.latents import Discrete
from latentia.likelihoods import Switch
from latentia.model import LatentVariableModel

from .coded_shell import CODED, AbstractCodedMixture
from .conditioning import Components
from .goodness_of_fit import GoodnessOfFit, goodness_of_fit
from .summary import Report
from .validation import read_sample_weight


class LatentClass(AbstractCodedMixture):
    """Classes of people (or things) within which the answers to all items are independent.

    Lazarsfeld's latent class model, fitted by maximum likelihood. Items may have any number of
    levels, as numbers, texts, booleans or categories, and answers may be missing.

    Args:
        n_components: K, how many classes.
        unknown: what to do with a level that was not there in ``fit``: "error", or "missing" to
            count it as not answered.
        pseudo_count: the weight of imaginary answers for each class, distributed as those of all;
            above 0 no probability is exactly 0.
        tol: the distance of the objective per row to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is a portfolio of 16, or one of a given ``init_params``.
        init_params: "auto", "kmeans", "k-means++", "random" or "random_from_data".
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.

    Attributes:
        weights_: ``[K]``, the size of each class, in falling order.
        item_probabilities_: for each item the probability of each level in each class, a list of
            ``[K, levels]``.
        levels_: for each item its levels, a list of arrays.
        converged_, n_iter_, lower_bound_, lower_bounds_: as in ``GaussianMixture``.
        schema_: the items and their levels.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = CODED

    def __init__(
        self,
        n_components: int = 2,
        *,
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
    ) -> None:
        self.n_components = n_components
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

    def _infer_schema(self, X: Any) -> Schema:
        return infer_items(X)

    def _order(self) -> list[int]:
        return list(range(len(self.schema_.columns)))

    def _begin(self, values: np.ndarray) -> tuple[Any, bool]:
        return _blank(_level_counts(self.schema_), int(self.n_components)), False

    def _publish(self) -> None:
        self.weights_ = np.array(self.model_.prior.weights)
        self.levels_ = [np.array(column.levels) for column in self.schema_.columns]
        self.item_probabilities_ = [
            self._column_parameters(j)["probabilities"] for j in range(len(self.levels_))
        ]

    def goodness_of_fit(self, X: Any, sample_weight: Any = None) -> GoodnessOfFit:
        """G² and X² against the saturated model, over the rows without missing answers.

        Returns:
            A ``GoodnessOfFit``: ``likelihood_ratio``, ``pearson``, and ``dof``, the degrees of
            freedom of both, negative if the model says more than the data can.
        """
        check_is_fitted(self, "model_")
        codes = self._read(X, reset=False)
        weight = read_sample_weight(sample_weight, codes)
        cells = math.prod(_level_counts(self.schema_))
        return goodness_of_fit(self.model_, codes, weight, self._n_parameters(), cells)

    def _gaussians(self) -> tuple[list[int], Components]:
        states = len(self.weights_)
        return [], Components(self.weights_, np.zeros((states, 0)), np.zeros((states, 0, 0)))

    def _column_parameters(self, index: int) -> dict[str, np.ndarray]:
        count = len(self.schema_.columns[index].levels or ())
        return {
            "probabilities": self.model_.likelihood.parts.probabilities[:, index, :count].copy()
        }

    def _report(self) -> Report:
        heading = ["item", "level", *(f"class {k}" for k in range(len(self.weights_)))]
        rows: list[list[Any]] = [["(size)", "", *self.weights_]]
        for column, shares in zip(self.schema_.columns, self.item_probabilities_, strict=True):
            levels = zip(column.levels or (), shares.T, strict=True)
            rows += [[column.name, level, *share] for level, share in levels]
        return Report(f"{len(self.weights_)} classes, {len(self.levels_)} items", heading, rows)


def _level_counts(schema: Schema) -> tuple[int, ...]:
    return tuple(len(column.levels or ()) for column in schema.columns)


@lru_cache(maxsize=256)
def _blank(levels: tuple[int, ...], states: int) -> Any:
    return LatentVariableModel(Discrete(states), Switch(Categorical(levels=levels), states))
