"""What hidden Markov models have in common: hmmlearn's interface on a core model.

The parameters are plain attributes (``startprob_``, ``transmat_`` and those of the emissions) that
may be set by hand; ``model_`` is the core model that they make up.
"""

import warnings
from abc import ABCMeta, abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from latentia.data.sequences import Sequences, sequences
from latentia.latents import MarkovChain
from latentia.learning import EM, Fit
from latentia.learning.sequence_fitting import fit_any_sequences
from latentia.learning.status import Status
from latentia.likelihoods import PerStep, Switch
from latentia.model import LatentVariableModel
from latentia.precision import precision_of
from latentia.verbs import infer, map_estimate, sample, score

from .hidden_markov_report import report_of
from .parameters import COMMON, Rule, check_parameters, flag, number, one_of, seed_of, whole
from .summary import summary_text
from .validation import read_numbers


class Monitor(NamedTuple):
    """How a fit went: ``history``, the log-likelihood after each pass over the data; ``converged``;
    and ``iter``, the number of passes."""

    history: list[float]
    converged: bool
    iter: int


class AbstractHiddenMarkov(BaseEstimator, metaclass=ABCMeta):
    """A hidden Markov model with hmmlearn's manners, fitted by maximum likelihood."""

    n_components: int
    n_init: int | str
    n_iter: int
    tol: float
    algorithm: str
    params: str
    init_params: str
    pseudo_count: float
    random_state: Any
    stationary: bool
    startprob_: np.ndarray
    transmat_: np.ndarray
    fit_: Fit
    monitor_: Monitor
    n_features_in_: int

    _rules: dict[str, Rule] = {
        **{name: COMMON[name] for name in ("tol", "n_init", "random_state")},
        "n_components": whole(1),
        "n_iter": whole(0),
        "algorithm": one_of("viterbi", "map"),
        "pseudo_count": number(),
        "stationary": flag,
    }
    # For each letter of `params` and `init_params`: the attribute, and its names in the core model.
    _letters: dict[str, tuple[str, tuple[str, ...]]] = {
        "s": ("startprob_", ("prior.start",)),
        "t": ("transmat_", ("prior.transitions",)),
    }
    # Priors of hmmlearn, with the value that means none.
    _no_priors: dict[str, Any] = {"startprob_prior": 1.0, "transmat_prior": 1.0}

    @abstractmethod
    def _emission(self, columns: int, known: str) -> Any:
        """The stacked family of all states; ``known`` are the letters whose attributes are set."""

    @abstractmethod
    def _publish_emission(self, parts: Any) -> None:
        """Set the attributes of the emissions."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _read(self, X: Any, *, reset: bool) -> np.ndarray:
        return read_numbers(self, X, reset=reset).astype(np.float64, copy=False)

    def _sequences(self, X: Any, lengths: Any) -> Sequences:
        check_is_fitted(self, "model_")
        if "n_features_in_" not in self.__dict__:
            likelihood: Any = self.model_.likelihood
            self.n_features_in_ = likelihood.dim
        return sequences(self._read(X, reset=False), lengths)

    def _compose(self, columns: int, known: str) -> LatentVariableModel:
        unset = np.full((self.n_components, self.n_components), np.nan)
        start = self.startprob_ if "s" in known else unset[0]
        moves = self.transmat_ if "t" in known else unset
        chain = MarkovChain(
            None if self.stationary else np.asarray(start, float),
            np.asarray(moves, float),
            stationary=self.stationary,
        )
        return LatentVariableModel(chain, PerStep(Switch(self._emission(columns, known))))

    @property
    def model_(self) -> LatentVariableModel:
        """The core model that the attributes make up."""
        letters = [c for c in self._letters if not (c == "s" and self.stationary)]
        missing = [self._letters[c][0] for c in letters if self._letters[c][0] not in vars(self)]
        if missing:
            raise AttributeError(f"{', '.join(missing)} are not set: call fit, or set them.")
        return self._compose(getattr(self, "n_features_in_", 0), "".join(letters))

    @model_.setter
    def model_(self, model: Any) -> None:
        with precision_of(model):
            self.startprob_ = np.array(model.prior.first)
        self.transmat_ = np.array(model.prior.transitions)
        self._publish_emission(model.likelihood.emission.parts)

    def _publish(self) -> None:
        history = [float(value * self.fit_.weight) for value in self.fit_.trace]
        self.monitor_ = Monitor(history, self.fit_.converged, self.fit_.iterations)

    def fit(self, X: Any, lengths: Any = None, *, weights: Any = None, labels: Any = None) -> Self:
        """Fit by maximum likelihood.

        Args:
            X: ``[R, D]``, the steps of all sequences one after another; NaN is missing.
            lengths: ``[N]``, the steps of each sequence; None is one sequence.
            weights: ``[N]``, of the sequences.
            labels: ``[R]``, known states; -1 is unknown.

        Raises:
            ValueError: if an argument does not fit, or the fit failed; the message says why.
        """
        check_parameters(self, self._rules)
        self._refuse_priors()
        data = sequences(self._read(X, reset=True), lengths)
        known = "".join(c for c in self._letters if c not in self.init_params)
        fixed = "".join(c for c in self._letters if c not in self.params)
        known += self._even("".join(c for c in fixed if c not in known))
        model = self._compose(data.values.shape[1], known)
        given = all(c in known for c in self._letters)
        learner = EM(
            max_iter=int(self.n_iter),
            tol=float(self.tol),
            covariance_floor=float(getattr(self, "covariance_floor", 0.0)),
            pseudo_count=float(self.pseudo_count),
            n_init=None if self.n_init == "auto" else int(self.n_init),
            start="given" if given else "auto",
            fixed=[name for c in fixed for name in self._names(c)],
        )
        found = fit_any_sequences(
            model, data, weights=weights, labels=labels, learner=learner,
            seed=seed_of(self.random_state),
        )  # fmt: skip
        return self._settle(found)

    def _names(self, letter: str) -> tuple[str, ...]:
        return () if letter == "s" and self.stationary else self._letters[letter][1]

    def _even(self, letters: str) -> str:
        """Probabilities that are to stay as they begin, and begin all alike, as in hmmlearn."""
        for letter in letters:
            if letter not in "st":
                attribute = self._letters[letter][0]
                raise ValueError(
                    f"params should have {letter!r} if init_params has, but leaves it out: to keep "
                    f"{attribute} as it is, set it and take {letter!r} out of both."
                )
        even = np.full(self.n_components, 1 / self.n_components)
        if "s" in letters:
            self.startprob_ = even
        if "t" in letters:
            self.transmat_ = np.tile(even, (self.n_components, 1))
        return letters

    def _refuse_priors(self) -> None:
        for name, none in self._no_priors.items():
            value = getattr(self, name)
            if value is not None and not np.all(np.asarray(value) == none):
                raise ValueError(
                    f"{name} of {type(self).__name__} should be {none}, no prior, in this version, "
                    f"but is {value!r}: pseudo_count gives every state imaginary data."
                )

    def _settle(self, found: Fit) -> Self:
        if found.status in (Status.FELL, Status.NON_FINITE):
            raise ValueError(f"{type(self).__name__} could not be fitted. {found.status}")
        self.fit_ = found
        self.model_ = found.model
        self.dtype_ = np.dtype(float)
        # For whoever looks for scikit-learn's names.
        self.converged_, self.n_iter_ = found.converged, found.iterations
        self._publish()
        if found.status in (Status.STEP_LIMIT, Status.DEGENERATE) and self.n_iter > 0:
            warnings.warn(str(found.status), ConvergenceWarning, stacklevel=3)
        return self

    def score(self, X: Any, lengths: Any = None) -> float:
        """The log-likelihood of all sequences together."""
        data = self._sequences(X, lengths)
        return float(np.sum(score(self.model_, data)))

    def score_samples(self, X: Any, lengths: Any = None) -> tuple[float, np.ndarray]:
        """The log-likelihood, and the probability of each state at each step, ``[R, K]``."""
        data = self._sequences(X, lengths)
        found: Any = infer(self.model_, data)
        total = float(sum(posterior.log_evidence for posterior in found))
        return total, np.concatenate([posterior.probabilities for posterior in found])

    def predict_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The probability of each state at each step given the whole sequence, ``[R, K]``."""
        return self.score_samples(X, lengths)[1]

    def decode(
        self, X: Any, lengths: Any = None, algorithm: str | None = None
    ) -> tuple[float, np.ndarray]:
        """The most probable states, ``[R]``, and their log probability.

        Args:
            X: ``[R, D]``.
            lengths: as for ``fit``.
            algorithm: "viterbi" for the most probable sequences, whose joint log probability with X
                is returned, or "map" for the most probable state of each step by itself, with the
                sum of their probabilities; by default as the estimator was told.
        """
        algorithm = algorithm or self.algorithm
        if algorithm not in ("viterbi", "map"):
            raise ValueError(f"algorithm should be 'viterbi' or 'map', but is {algorithm!r}.")
        if algorithm == "map":
            shares = self.predict_proba(X, lengths)
            return float(shares.max(axis=1).sum()), shares.argmax(axis=1)
        data = self._sequences(X, lengths)
        model: Any = self.model_
        paths = map_estimate(model, data)
        total = 0.0
        for path, start in zip(paths, data.starts, strict=True):
            rows = data.values[start : start + len(path)]
            known: Any = infer(model, rows, labels=path)
            total += float(known.log_evidence)
        return total, np.concatenate(paths)

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The most probable states, ``[R]``, by the estimator's ``algorithm``."""
        return self.decode(X, lengths)[1]

    def sample(
        self, n_samples: int = 1, random_state: Any = None, currstate: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw one sequence: steps ``[n_samples, D]`` and states ``[n_samples]``.

        Args:
            n_samples: T.
            random_state: as the estimator's, whose it is by default.
            currstate: the first state; drawn from ``startprob_`` by default.
        """
        check_is_fitted(self, "model_")
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(f"n_samples should be a whole number from 1 up, but is {n_samples!r}.")
        model: Any = self.model_
        start = model.prior.first
        if currstate is not None:
            start = np.eye(self.n_components)[currstate]
        chain = MarkovChain(np.asarray(start), model.prior.transitions, length=int(n_samples))
        seed = seed_of(self.random_state if random_state is None else random_state, None)
        drawn = sample(LatentVariableModel(chain, model.likelihood), seed)
        return drawn.x, np.asarray(drawn.z, int)

    def summary(self) -> str:
        """The fitted model in the words of the field, as plain text."""
        check_is_fitted(self, "fit_")
        report = report_of(self, self.get_stationary_distribution())
        return summary_text(self, report, self.fit_.degrees_of_freedom)

    def get_stationary_distribution(self) -> np.ndarray:
        """``[K]``: how much of a long sequence each state takes."""
        check_is_fitted(self, "model_")
        chain = MarkovChain(transitions=np.asarray(self.transmat_, float))
        with precision_of(chain):
            return np.array(chain.shares())

    def aic(self, X: Any, lengths: Any = None) -> float:
        """Akaike's information criterion: lower is better."""
        return 2 * self._n_parameters() - 2 * self.score(X, lengths)

    def bic(self, X: Any, lengths: Any = None) -> float:
        """The Bayesian information criterion: lower is better; n is the number of steps."""
        seen = int((~np.isnan(self._sequences(X, lengths).values)).any(axis=1).sum())
        return self._n_parameters() * float(np.log(seen)) - 2 * self.score(X, lengths)

    def _n_parameters(self) -> int:
        model: Any = self.model_
        return model.prior.degrees_of_freedom() + model.likelihood.degrees_of_freedom(1)
