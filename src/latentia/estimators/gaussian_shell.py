"""What every Gaussian model offers: marginals, conditionals, and values for missing entries."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import conditioning
from .conditioning import Components
from .parameters import seed_of
from .shell import AbstractEstimator
from .validation import column_names, column_places, read_numbers

if TYPE_CHECKING:
    from .gaussian_mixture import GaussianMixture


class AbstractGaussianEstimator(AbstractEstimator):
    """A model under which the data are Gaussian, or a mixture of Gaussians."""

    random_state: Any

    @abstractmethod
    def _components(self) -> Components:
        """The distribution of the data as a mixture of Gaussians."""

    @abstractmethod
    def _kind(self) -> str:
        """The simplest of scikit-learn's kinds of covariances that describes it."""

    @abstractmethod
    def _component_probabilities(self, X: Any) -> np.ndarray:
        """The probability of each component for each row."""

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        return read_numbers(self, X, reset=reset)

    def marginal(self, columns: Any) -> "GaussianMixture":
        """The distribution of some columns, as a fitted ``GaussianMixture``.

        Args:
            columns: names or positions.
        """
        check_is_fitted(self, "model_")
        places = column_places(self, columns)
        return self._derived(conditioning.marginal(self._components(), places), places)

    def conditional(self, columns: Any, values: Any) -> "GaussianMixture":
        """The distribution of the other columns given some, as a fitted ``GaussianMixture``.

        Args:
            columns: names or positions of the columns that are known.
            values: a number for each of them.
        """
        check_is_fitted(self, "model_")
        places = column_places(self, columns)
        known = np.atleast_1d(np.asarray(values, dtype=np.float64))
        rest = [j for j in range(self.n_features_in_) if j not in places]
        if known.shape != (len(places),) or not np.isfinite(known).all():
            raise ValueError(
                f"values should be {len(places)} finite numbers, one for each of the columns, but "
                f"is {values!r}."
            )
        if not rest:
            raise ValueError("columns should leave at least one column, but names all of them.")
        return self._derived(conditioning.conditional(self._components(), places, known), rest)

    def _derived(self, mixture: Components, places: list[int]) -> "GaussianMixture":
        # Not at the top: a GaussianMixture is itself one of these.
        from .gaussian_mixture import from_parameters

        names = [column_names(self)[j] for j in places]
        named = names if hasattr(self, "feature_names_in_") else None
        return from_parameters(mixture, self._kind(), self.dtype_, named)

    def impute(self, X: Any, draws: int | None = None, random_state: Any = None) -> np.ndarray:
        """Fill in what is missing, from its distribution given what the row has.

        Args:
            X: ``[N, D]``.
            draws: how many completed data sets to draw; by default none, but posterior means.
            random_state: for the draws; by default that of the estimator.

        Returns:
            ``[N, D]``, or ``[draws, N, D]``.
        """
        check_is_fitted(self, "model_")
        values = self._read(X, reset=False)
        wide = values.astype(np.float64, copy=False)
        probabilities = self._component_probabilities(X).astype(np.float64, copy=False)
        mixture = self._components()
        if draws is None:
            return conditioning.impute_means(mixture, wide, probabilities).astype(values.dtype)
        rng = rng_of(self, draws, random_state)
        filled = [
            conditioning.impute_draws(
                mixture, wide, conditioning.draw_states(probabilities, rng), rng
            )
            for _ in range(draws)
        ]
        return np.stack(filled).astype(values.dtype)


def rng_of(estimator: Any, draws: Any, random_state: Any) -> np.random.Generator:
    """The generator of ``draws`` completed data sets, once their number makes sense."""
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < 1:
        raise ValueError(f"draws should be a whole number of at least 1, but is {draws!r}.")
    chosen = estimator.random_state if random_state is None else random_state
    return np.random.default_rng(seed_of(chosen, None))
