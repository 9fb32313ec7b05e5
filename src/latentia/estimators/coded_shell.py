"""What mixtures of columns with levels share: a schema, codes for values, and the way back."""

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latentia.data import Schema

from .conditioning import Components, draw_states, impute_draws, impute_means
from .gaussian_shell import rng_of
from .mixture_shell import MIXTURE, AbstractMixtureEstimator
from .parameters import Rule, number, one_of
from .tables import counted_rows, from_codes, library_of
from .validation import read_codes

CODED: dict[str, Rule] = {
    **MIXTURE,
    "unknown": one_of("error", "missing"),
    "pseudo_count": number(),
}
del CODED["covariance_floor"]


class AbstractCodedMixture(AbstractMixtureEstimator):
    """A mixture of columns that are independent given the component, or nearly so.

    The model sees codes, in an order of its own; the caller sees values.
    """

    unknown: str
    schema_: Schema
    random_state: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        # Codes have no precision of their own.
        tags.transformer_tags.preserves_dtype = []
        return tags

    @abstractmethod
    def _infer_schema(self, X: Any) -> Schema:
        """The kinds and levels of the columns of a table."""

    @abstractmethod
    def _order(self) -> list[int]:
        """The columns of the schema in the order in which the model has them."""

    @abstractmethod
    def _column_parameters(self, index: int) -> dict[str, np.ndarray]:
        """What each component says of one column, by the names of the parameters."""

    @abstractmethod
    def _gaussians(self) -> tuple[list[int], Components]:
        """The places of the Gaussian columns, which come first in the model, and their mixture."""

    def _prepare(self, X: Any, sample_weight: Any = None) -> np.ndarray:
        self.schema_ = self._infer_schema(counted_rows(X, sample_weight))
        self.library_ = library_of(X)
        # Only rows without weight can have a level that is unknown here.
        codes = read_codes(self, X, self.schema_, reset=True, unknown="missing")
        return codes[:, self._order()]

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        codes = read_codes(self, X, self.schema_, reset=reset, unknown=self.unknown)
        return codes[:, self._order()]

    def _values(self, codes: np.ndarray) -> Any:
        """The table that has these codes, which are in the order of the model."""
        back = np.argsort(self._order())
        return from_codes(self.schema_, codes[:, back], self.library_)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[Any, np.ndarray]:
        """Draw rows, as a table of the kind that ``fit`` was given, and the component of each."""
        z, x = self._draw(n_samples, random_state)
        return self._values(x), z[:n_samples].astype(np.int64)

    def impute(self, X: Any, draws: int | None = None, random_state: Any = None) -> Any:
        """Fill in what is missing, from its distribution given what the row has.

        Args:
            X: ``[N, D]``.
            draws: how many completed tables to draw. By default none, but for each missing entry
                the most probable level, or the posterior mean of a number (a count rounded).
            random_state: for the draws; by default that of the estimator.

        Returns:
            A table of the kind that ``fit`` was given, or a list of ``draws`` of them.
        """
        check_is_fitted(self, "model_")
        probabilities = np.asarray(self.predict_proba(X))
        codes = self._read(X, reset=False)
        if draws is None:
            return self._values(self._best(codes, probabilities))
        rng = rng_of(self, draws, random_state)
        return [self._values(self._drawn(codes, probabilities, rng)) for _ in range(draws)]

    def _best(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Codes with the best guess in place of what is missing."""
        filled = codes.copy()
        places, mixture = self._gaussians()
        filled[:, places] = impute_means(mixture, codes[:, places], probabilities)
        for place, rows, parameters in self._gaps(codes, len(places)):
            if "rate" in parameters:
                filled[rows, place] = np.rint(probabilities[rows] @ parameters["rate"])
            else:
                shares = probabilities[rows] @ parameters["probabilities"]
                filled[rows, place] = np.argmax(shares, axis=1)
        return filled

    def _drawn(
        self, codes: np.ndarray, probabilities: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Codes with a draw in place of what is missing."""
        filled = codes.copy()
        states = draw_states(probabilities, rng)
        places, mixture = self._gaussians()
        filled[:, places] = impute_draws(mixture, codes[:, places], states, rng)
        for place, rows, parameters in self._gaps(codes, len(places)):
            if "rate" in parameters:
                filled[rows, place] = rng.poisson(parameters["rate"][states[rows]])
            else:
                filled[rows, place] = draw_states(parameters["probabilities"][states[rows]], rng)
        return filled

    def _gaps(self, codes: np.ndarray, first: int) -> list[tuple[int, np.ndarray, Any]]:
        """From place ``first`` on, each column that lacks entries: its place, the rows, and what
        the components say of it."""
        order = self._order()
        missing = np.isnan(codes)
        return [
            (place, missing[:, place], self._column_parameters(order[place]))
            for place in range(first, len(order))
            if missing[:, place].any()
        ]
