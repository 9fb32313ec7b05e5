"""A variational autoencoder with scikit-learn's manners."""

from math import prod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from latentia.data.pictures import as_array, read_pictures
from latentia.data.table import read_table
from latentia.evaluation import Evaluation, evaluate
from latentia.inference.amortized_answers import decoded, posterior_means
from latentia.learning import ELBO, BoundFit, BoundFitInterrupted, ImportanceBound
from latentia.learning.bound_fit import Ending
from latentia.learning.deep_fitting import fit_deep
from latentia.learning.stochastic_gradient import StochasticGradient
from latentia.verbs import map_estimate, sample, score

from .autoencoder_parts import FAMILIES, NETWORKS, PRIORS, build, guess_family
from .parameters import check_parameters, number, one_of, positive, seed, seed_of, whole


class VariationalAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """p(z), a network for p(x|z) and an encoder for p(z|x), by a lower bound of the likelihood.

    Data are tables ``[N, D]`` or pictures ``[N, height, width]`` and ``[N, height, width,
    channels]``; NaN is missing and is integrated out.

    Args:
        n_components: L, the dimensions of z.
        family: "bernoulli", "continuous-bernoulli", "gaussian", "varying-gaussian", "logistic",
            "poisson" or "negative-binomial"; "auto" is "bernoulli" for zeros and ones and
            "gaussian" for all else.
        network: "mlp", "residual", or for pictures "conv" or "broadcast", whose decoder knows where
            each pixel lies; "auto" is "broadcast" for pictures of at least 16 x 16, and "mlp" for
            all else.
        widths: of the hidden layers, or the channels, of the encoder; the decoder mirrors them.
        prior: "normal", "mixture" (with clusters), "vamp" or "flow".
        n_clusters: of a mixture, or the pseudo-inputs of "vamp".
        n_draws: how many draws of z for each datum in training; with "importance" k.
        objective: "elbo" or "importance".
        beta, free_bits, warm_up: as of ``ELBO``.
        max_iter: the most epochs.
        batch_size: how many data a step sees, no more than there are; "auto" is from 16 to 128,
            such that an epoch has about 256 steps.
        learning_rate: the highest rate of Adam.
        validation_fraction: the share of the data that decides when to stop; 0 for none.
        n_iter_no_change: how many epochs without a better bound end the training.
        score_draws: k of ``score_samples``.
        random_state: a whole number, a RandomState or None.

    Attributes:
        model_: the core model, for the verbs of the library.
        fit_: the ``BoundFit``: each epoch, how it ended, and a verdict.
        n_iter_: how many epochs.
        lower_bound_: the best (held-out) bound, per datum.
        image_shape_: the shape of one datum.
    """

    _kept = ("image_shape_",)
    _rules = {
        "n_components": whole(1),
        "family": one_of("auto", *FAMILIES),
        "network": one_of("auto", *NETWORKS),
        "prior": one_of(*PRIORS),
        "n_clusters": whole(1),
        "n_draws": whole(1),
        "objective": one_of("elbo", "importance"),
        "beta": number(),
        "free_bits": number(),
        "warm_up": whole(0),
        "max_iter": whole(1),
        "batch_size": whole(1, "auto"),
        "learning_rate": positive,
        "validation_fraction": number(),
        "n_iter_no_change": whole(1),
        "score_draws": whole(1),
        "random_state": seed,
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        family: str = "auto",
        network: str = "auto",
        widths: Any = None,
        prior: str = "normal",
        n_clusters: int = 10,
        n_draws: int = 1,
        objective: str = "elbo",
        beta: float = 1.0,
        free_bits: float = 0.0,
        warm_up: int = 0,
        max_iter: int = 100,
        batch_size: int | str = "auto",
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        score_draws: int = 64,
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.family = family
        self.network = network
        self.widths = widths
        self.prior = prior
        self.n_clusters = n_clusters
        self.n_draws = n_draws
        self.objective = objective
        self.beta = beta
        self.free_bits = free_bits
        self.warm_up = warm_up
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.score_draws = score_draws
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        given: Any = None,
        watch: Any = None,
    ) -> Self:
        """Fit to ``X [N, D]`` or ``[N, height, width(, channels)]``.

        Args:
            X: the data, in the values of the family.
            y: ignored.
            sample_weight: ``[N]``, how much each datum counts.
            given: covariates ``[N, P]``: the model is p(x|z, u), and all other methods take them.
            watch: called with each ``Epoch``; a true answer ends the training.

        Raises:
            ValueError: if a parameter or the data do not fit; the message names it.
            BoundFitInterrupted: at Ctrl-C, once the best weights are kept.
        """
        check_parameters(self, self._rules)
        values = self._read(X, reset=True)
        if np.isnan(values).all():
            raise ValueError(
                "X should have observed entries, but all are missing (NaN): there is nothing to "
                "learn from."
            )
        family = guess_family(values) if self.family == "auto" else self.family
        start = seed_of(self.random_state)
        inputs = 0 if given is None else read_table(given, argument="given").values.shape[1]
        model = build(self, family, self.image_shape_, bool(np.isnan(values).any()), inputs, start)
        data = values, given, sample_weight
        self._learn(model, data, self._learner(len(values)), start, watch)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, given: Any = None
    ) -> Self:
        """One more epoch on ``X``, from the weights as they are; the first call is ``fit``."""
        if not hasattr(self, "model_"):
            return self.fit(X, sample_weight=sample_weight, given=given)
        check_parameters(self, self._rules)
        values = self._read(X, reset=False)
        learner = self._learner(len(values), epochs=1, held_out=0.0, start="given")
        data = values, given, sample_weight
        self._learn(self.model_, data, learner, seed_of(self.random_state), None)
        return self

    def _learner(self, count: int, **options: Any) -> StochasticGradient:
        if self.objective == "importance":
            objective: Any = ImportanceBound(max(2, int(self.n_draws)))
        else:
            objective = ELBO(int(self.n_draws), float(self.beta), float(self.free_bits),
                             int(self.warm_up))  # fmt: skip
        held = float(self.validation_fraction)
        chosen = {"epochs": int(self.max_iter), "held_out": held, **options}
        left = count - int(chosen["held_out"] * count)
        # Few large steps leave small data half learned.
        size = min(128, max(16, left // 256)) if self.batch_size == "auto" else self.batch_size
        return StochasticGradient(
            objective,
            batch=max(1, min(int(size), left)),
            learning_rate=float(self.learning_rate),
            patience=int(self.n_iter_no_change),
            **chosen,
        )

    def _learn(self, model: Any, data: Any, learner: Any, start: int, watch: Any) -> None:
        values, given, weights = data
        try:
            fit = fit_deep(model, values, learner, weights, {}, start, watch, given)
        except BoundFitInterrupted as stop:
            self._settle(stop.fit)
            raise
        if fit.status is Ending.NON_FINITE:
            raise ValueError(f"VariationalAutoencoder could not be fitted. {fit.verdict.reason}")
        self._settle(fit)

    def _settle(self, fit: BoundFit) -> None:
        self.fit_, self.model_ = fit, fit.model
        self.n_iter_, self.lower_bound_ = fit.iterations, fit.bound
        self.lower_bounds_ = fit.trace.tolist()
        self.converged_ = fit.converged

    def _publish(self) -> None:
        """Nothing follows from the model alone."""

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        if reset:
            values = X if hasattr(X, "columns") else as_array(X, "X")
            shape = tuple(int(size) for size in values.shape[1:])
            if len(shape) not in (1, 2, 3):
                raise ValueError(
                    "X should be a table [N, D] or pictures [N, height, width, channels], but has "
                    f"the shape {values.shape}."
                )
            self.image_shape_ = (*shape, 1) if len(shape) == 2 else shape
            self.n_features_in_ = prod(shape)
        values, _ = read_pictures(X, self.image_shape_, "X")
        self.dtype_ = values.dtype if reset else self.dtype_
        return values

    def _encodable(self, X: Any) -> np.ndarray:
        """Data that the encoder can read."""
        check_is_fitted(self, "model_")
        values = self._read(X, reset=False)
        if not self.model_.inference.masked and np.isnan(values).any():
            raise ValueError(
                "X should have no missing entries (NaN), since there were none in the data of the "
                "fit, and so the encoder never learned what to do with them: fit again with some."
            )
        return values

    def transform(self, X: Any, given: Any = None) -> np.ndarray:
        """The posterior means of z, ``[N, L]``."""
        return posterior_means(self.model_, self._encodable(X), given)

    def inverse_transform(self, X: Any, given: Any = None) -> np.ndarray:
        """The data expected for ``X [N, L]`` of z, in the shape of those that were fitted."""
        check_is_fitted(self, "model_")
        return decoded(self.model_, X, "X", given)

    def map_estimate(self, X: Any, given: Any = None) -> np.ndarray:
        """The most probable z of each datum, ``[N, L]``."""
        check_is_fitted(self, "model_")
        return map_estimate(self.model_, self._read(X, reset=False), given=given)

    def score_samples(self, X: Any, given: Any = None) -> np.ndarray:
        """The importance-weighted bound of the log-likelihood of each datum, ``[N]``."""
        return score(self.model_, self._encodable(X), given=given)

    def score(self, X: Any, y: Any = None, given: Any = None) -> float:
        """The mean of ``score_samples``."""
        return float(self.score_samples(X, given).mean())

    def evaluate(self, X: Any, k: int = 1000, given: Any = None, anneal: int = 0) -> Evaluation:
        """Likelihood, rate, distortion and a verdict on new data; see ``latentia.evaluate``."""
        return evaluate(self.model_, self._encodable(X), k, given=given, anneal=anneal)

    def sample(
        self, n_samples: int = 1, random_state: Any = None, given: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw data ``[n_samples, *shape]`` and the z of each, ``[n_samples, L]``.

        Covariates are ``[P]``, or a row for each draw.
        """
        check_is_fitted(self, "model_")
        state = self.random_state if random_state is None else random_state
        drawn = sample(self.model_, seed_of(state, None), int(n_samples), given=given)
        return drawn.x, drawn.z

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components)
