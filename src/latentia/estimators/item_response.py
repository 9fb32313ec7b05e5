"""Item response theory: answers to items, and the traits behind them."""

from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_is_fitted

from latentia.latents import GaussianLatent
from latentia.likelihoods import (
    BinaryResponse,
    GeneralizedLinear,
    GradedResponse,
    GuessedResponse,
    PartialCredit,
)
from latentia.model import LatentVariableModel

from . import item_errors, item_parameters
from .item_levels import item_schema, require_levels
from .parameters import COMMON, Rule, check_parameters, one_of, whole
from .running import learner_of, run_fit, same_sizes
from .shell import AbstractEstimator
from .summary import Report
from .tables import counted_rows, from_codes, library_of
from .validation import column_names, read_codes, read_sample_weight, require_rows

MODELS = ("rasch", "2pl", "3pl", "graded", "partial-credit", "generalized-partial-credit")
BINARY = MODELS[:3]
_COMMON_SLOPE = ("rasch", "partial-credit")


class Scores(NamedTuple):
    """Traits ``value [N, L]`` and their standard errors ``error [N, L]``."""

    value: np.ndarray
    error: np.ndarray


def expected_scores(posterior: Any) -> Any:
    """What the EAP scores ask of a posterior."""
    return posterior.mean, posterior.covariance


def modal_scores(posterior: Any) -> Any:
    """What the MAP scores ask of a posterior."""
    return posterior.mode(), posterior.mode_covariance()


class ItemResponse(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AbstractEstimator):
    """Answers to items, independent given a trait (or a few) with a standard normal distribution.

    Fitted by marginal maximum likelihood (Bock and Aitkin 1981): the trait is integrated out by
    quadrature whose error is below 1e-8 in the log-likelihood of every row, in up to three
    dimensions. Answers may be missing, and may be numbers, texts, booleans or categories.

    Args:
        model: for two levels "rasch" (one slope for all items), "2pl" or "3pl" (with guessing); for
            more "graded", "partial-credit" (one slope) or "generalized-partial-credit".
        n_dimensions: L, how many traits.
        pattern: ``[D, L]``, true where an item may depend on a trait, for confirmatory models;
            without one all may, and several traits are reported on their principal axes.
        levels: the levels of all items from low to high. By default numbers in their order,
            categories in their own, and two texts in that of the alphabet.
        unknown: what to do with a level that was not there in ``fit``: "error", or "missing" to
            count it as not answered.
        tol: the distance of the log-likelihood per row to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is 4.
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.

    Attributes:
        discrimination_: ``[D]``, the slopes; ``[D, L]`` for several traits.
        difficulty_: ``[D]``, or ``[D, C - 1]`` if items have more than two levels, NaN beyond an
            item's own: where on the trait the steps are. For several traits it is the distance from
            0 in the direction of the slopes (Reckase 1985).
        guessing_: ``[D]``, zeros without guessing.
        item_parameters_: all of these and the intercepts, by name.
        levels_: for each item its levels, from low to high.
        converged_, n_iter_, lower_bound_, lower_bounds_: as in ``GaussianMixture``.
        schema_: the items and their levels.
        model_: the core model.
        fit_: the core's ``Fit``, with the method of inference and its error.
    """

    _rules: dict[str, Rule] = {
        **COMMON,
        "model": one_of(*MODELS),
        "n_dimensions": whole(1),
        "unknown": one_of("error", "missing"),
    }
    del _rules["covariance_floor"]

    def __init__(
        self,
        model: str = "2pl",
        *,
        n_dimensions: int = 1,
        pattern: Any = None,
        levels: Any = None,
        unknown: str = "error",
        tol: float = 1e-8,
        max_iter: int = 2000,
        n_init: int | str = "auto",
        random_state: Any = 0,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
    ) -> None:
        self.model = model
        self.n_dimensions = n_dimensions
        self.pattern = pattern
        self.levels = levels
        self.unknown = unknown
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        # Codes have no precision of their own.
        tags.transformer_tags.preserves_dtype = []
        return tags

    @with_callbacks
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit by marginal maximum likelihood.

        Args:
            X: ``[N, D]``, an array or a data frame; NaN and null are missing and integrated out.
            y: ignored.
            sample_weight: ``[N]``, not negative: 2 counts a row twice, 0 leaves it out.
        """
        check_parameters(self, self._rules)
        self._init_callback_context(max_subtasks=None)  # pyright: ignore[reportArgumentType]
        values = self._prepare(X, sample_weight)
        weight = read_sample_weight(sample_weight, values)
        require_rows(values, weight, 2, "slopes")
        model = self._begin(values)
        again = self.warm_start and same_sizes(getattr(self, "model_", None), model)
        learner = learner_of(self, given=again)
        run_fit(self, self.model_ if again else model, values, weight, None, learner)
        return self

    def _prepare(self, X: Any, sample_weight: Any = None) -> np.ndarray:
        self.schema_ = item_schema(counted_rows(X, sample_weight), self.levels, self.model)
        self.library_ = library_of(X)
        # Only rows without weight can have a level that is unknown here.
        return read_codes(self, X, self.schema_, reset=True, unknown="missing")

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        if reset:
            return self._prepare(X)
        return read_codes(self, X, self.schema_, reset=False, unknown=self.unknown)

    def _begin(self, values: np.ndarray) -> Any:
        counts = require_levels(self.schema_, binary=self.model in BINARY)
        if self.n_dimensions > len(counts):
            raise ValueError(
                f"n_dimensions should be at most {len(counts)}, the number of items in X, but is "
                f"{self.n_dimensions}."
            )
        pattern = None
        if self.pattern is not None:
            pattern = tuple(map(tuple, np.asarray(self.pattern, bool).tolist()))
        return _blank(self.model, counts, int(self.n_dimensions), pattern)

    def _publish(self) -> None:
        self.levels_ = [np.array(column.levels) for column in self.schema_.columns]
        found = item_parameters.of(self.model_.likelihood)
        self.item_parameters_ = found
        self.discrimination_ = found["discrimination"]
        self.difficulty_ = found["difficulty"]
        self.guessing_ = found["guessing"]

    def transform(self, X: Any) -> np.ndarray:
        """The EAP scores: posterior means of the traits, ``[N, L]``."""
        return self.scores(X).value

    def scores(self, X: Any, method: str = "eap") -> Scores:
        """The traits of each row and their standard errors.

        Args:
            X: ``[N, D]``; a row without any answer gets the prior, 0 with error 1.
            method: "eap" for posterior means and deviations, or "map" for posterior modes, with
                the error that the curvature there gives.

        Returns:
            ``Scores``: ``value [N, L]`` and ``error [N, L]``.
        """
        questions = {"eap": expected_scores, "map": modal_scores}
        if method not in questions:
            raise ValueError(f"method should be 'eap' or 'map', but is {method!r}.")
        (value, spread), _ = self._ask(X, questions[method])
        return Scores(value, np.sqrt(np.einsum("nll->nl", spread)))

    def item_probabilities(self, trait: Any) -> list[np.ndarray]:
        """For each item the probability of each level, ``[M, levels]``, at traits ``[M, L]``.

        For one trait ``[M]`` will do.
        """
        check_is_fitted(self, "model_")
        return item_parameters.probabilities(self.model_.likelihood, trait)

    def item_information(self, trait: Any, dimension: int = 0) -> np.ndarray:
        """How much each item says about a trait at ``trait [M, L]``: Fisher information ``[M, D]``.

        The sum over items is the information of the test, and one over its root about the
        standard error of an estimate of the trait.

        Args:
            trait: ``[M, L]``, or ``[M]`` for one trait.
            dimension: which trait it is about.
        """
        check_is_fitted(self, "model_")
        return item_parameters.information(self.model_.likelihood, trait, dimension)

    def standard_errors(self, X: Any, sample_weight: Any = None) -> dict[str, np.ndarray]:
        """Standard errors of slopes, intercepts and guessing, from the observed information.

        Args:
            X: the data of ``fit``.
            sample_weight: that of ``fit``.

        Returns:
            As ``item_parameters_``, for "discrimination", "intercept" and "guessing"; NaN for what
            was not estimated, or where the data say nothing of a parameter.
        """
        check_is_fitted(self, "model_")
        codes = self._read(X, reset=False)
        weight = read_sample_weight(sample_weight, codes)
        return item_errors.standard_errors(self.model_, codes, weight)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[Any, np.ndarray]:
        """Draw rows, as a table of the kind that ``fit`` was given, and the traits of each."""
        z, x = self._draw(n_samples, random_state)
        return from_codes(self.schema_, x, self.library_), z[:n_samples]

    @property
    def _n_features_out(self) -> int:
        return int(self.n_dimensions)

    def _report(self) -> Report:
        slopes = self.model_.likelihood.loadings
        steps = np.atleast_2d(self.difficulty_.T).T
        many = slopes.shape[1] > 1
        heading = ["item", *(f"slope {j}" if many else "slope" for j in range(slopes.shape[1]))]
        heading += [f"difficulty {k + 1}" if steps.shape[1] > 1 else "difficulty"
                    for k in range(steps.shape[1])]  # fmt: skip
        columns = [*slopes.T, *steps.T]
        if self.model == "3pl":
            heading.append("guessing")
            columns.append(self.guessing_)
        rows = list(zip(column_names(self), *columns, strict=True))
        traits = "one trait" if not many else f"{slopes.shape[1]} traits"
        return Report(f"{self.model}, {len(rows)} items, {traits}", heading, rows)


@lru_cache(maxsize=256)
def _blank(kind: str, levels: tuple[int, ...], dimensions: int, pattern: Any) -> Any:
    slopes = "common" if kind in _COMMON_SLOPE else "free"
    if kind == "3pl":
        response: Any = GuessedResponse(dim=len(levels))
    elif kind in BINARY:
        response = BinaryResponse(dim=len(levels))
    elif kind == "graded":
        response = GradedResponse(levels=levels)
    else:
        response = PartialCredit(levels=levels)
    likelihood = GeneralizedLinear(response, latent_dim=dimensions, slopes=slopes, pattern=pattern)
    return LatentVariableModel(GaussianLatent(dimensions), likelihood)
