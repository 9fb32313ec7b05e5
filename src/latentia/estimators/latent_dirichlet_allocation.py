"""Latent Dirichlet allocation: topics of documents."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from latentia.learning.topic_learning import TopicMass

from . import topic_running as running
from .counts import read_counts, read_weight
from .parameters import Rule, check_parameters, flag, number, one_of, seed, whole
from .summary import Report, summary_text
from .validation import column_names, read_sample_weight


class LatentDirichletAllocation(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Documents as mixtures of topics, and topics as distributions over words.

    It takes every parameter of scikit-learn's class of this name, and has every attribute and
    method. Beyond, it takes weights, learns the prior of the proportions, and its bound is true and
    never falls in batch learning. Counts may be sparse, and stay so; fractions weight words.

    Args:
        n_components: K, how many topics.
        doc_topic_prior: above 0, the concentration of a document's proportions; None is 1 / K.
        topic_word_prior: above 0, that of a topic's words, which the bound includes; None is 1 / K.
        learning_method: "batch", all documents in every pass, or "online".
        learning_decay: how fast online steps shrink, from 0.5 (exclusive) to 1.
        learning_offset: at least 1; makes early online steps smaller.
        max_iter: the most passes over the documents.
        batch_size: of online learning.
        evaluate_every: after every so many passes, stop if the perplexity has changed by less than
            ``perp_tol``; 0 or less is never.
        total_samples: how many documents there are, for ``partial_fit``.
        perp_tol: see above.
        mean_change_tol: the average change of a document's posterior at which to stop.
        max_doc_update_iter: the most steps for a document; in a pass that learns 24 at most.
        n_jobs: without effect; documents are worked on side by side in any case.
        verbose: whether to write the perplexity after each pass.
        random_state: a whole number, a RandomState or None, which acts as 0.
        learn_doc_topic_prior: whether to learn one concentration for each topic.

    Attributes:
        components_: ``[K, V]``, the parameters of the topics' Dirichlet posteriors: about how often
            a topic gave a word.
        exp_dirichlet_component_: ``[K, V]``, exp E[log topics].
        doc_topic_prior_, topic_word_prior_: the priors, ``doc_topic_prior_`` as ``[K]`` if learned.
        n_iter_, n_batch_iter_: how many passes and batches were made; the latter counts from 1.
        bound_: the perplexity of the documents that were fitted, from ``lower_bound_``.
        lower_bound_, lower_bounds_: the evidence lower bound of the whole corpus, topics included,
            at the end and after each pass.
        model_: the core model, with the topics at their posterior means.
        fit_: the core's ``Fit``.
    """

    model_: Any
    fit_: Any
    dtype_: np.dtype
    components_: np.ndarray
    doc_topic_prior_: Any
    topic_word_prior_: float
    bound_: float
    lower_bound_: float
    lower_bounds_: list[float]
    n_iter_: int
    n_batch_iter_: int
    _rules: dict[str, Rule] = {
        "n_components": whole(1),
        "doc_topic_prior": running.above_zero(None),
        "topic_word_prior": running.above_zero(None),
        "learning_method": one_of("batch", "online"),
        "learning_decay": running.between(0.0, 1.0),
        "learning_offset": running.between(1.0, np.inf),
        "max_iter": whole(0),
        "batch_size": whole(1),
        "total_samples": running.above_zero(),
        "perp_tol": number(),
        "mean_change_tol": number(),
        "max_doc_update_iter": whole(0),
        "random_state": seed,
        "learn_doc_topic_prior": flag,
    }
    # Beside the model, for files.
    _kept = ("components_", "bound_", "n_batch_iter_", "doc_topic_prior_", "topic_word_prior_")

    def __init__(
        self,
        n_components: int = 10,
        *,
        doc_topic_prior: float | None = None,
        topic_word_prior: float | None = None,
        learning_method: str = "batch",
        learning_decay: float = 0.7,
        learning_offset: float = 10.0,
        max_iter: int = 10,
        batch_size: int = 128,
        evaluate_every: int = -1,
        total_samples: float = 1e6,
        perp_tol: float = 1e-1,
        mean_change_tol: float = 1e-3,
        max_doc_update_iter: int = 100,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
        learn_doc_topic_prior: bool = False,
    ) -> None:
        self.n_components = n_components
        self.doc_topic_prior = doc_topic_prior
        self.topic_word_prior = topic_word_prior
        self.learning_method = learning_method
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.evaluate_every = evaluate_every
        self.total_samples = total_samples
        self.perp_tol = perp_tol
        self.mean_change_tol = mean_change_tol
        self.max_doc_update_iter = max_doc_update_iter
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state
        self.learn_doc_topic_prior = learn_doc_topic_prior

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn topics.

        Args:
            X: ``[N, V]``, counts that are not negative: an array, a data frame or a sparse matrix.
            y: ignored.
            sample_weight: ``[N]``, not negative: 2 counts a document twice, 0 leaves it out.
        """
        check_parameters(self, self._rules)
        counts = read_counts(self, X, reset=True)
        running.fit(self, counts, read_weight(sample_weight, counts))
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more documents of a stream of ``total_samples``; arguments as for ``fit``."""
        check_parameters(self, self._rules)
        counts = read_counts(self, X, reset=not hasattr(self, "components_"))
        running.follow(self, counts, read_weight(sample_weight, counts))
        return self

    def fit_transform(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any = None, sample_weight: Any = None, *, normalize: bool = True
    ) -> np.ndarray:
        """``fit``, and then ``transform``."""
        return self.fit(X, y, sample_weight).transform(X, normalize=normalize)

    def transform(self, X: Any, *, normalize: bool = True) -> np.ndarray:
        """The expected proportions of topics of each document, ``[N, K]``.

        Args:
            X: as for ``fit``.
            normalize: if False, the parameters of the Dirichlet posteriors.
        """
        gamma, _ = self._explain(X)
        return gamma / gamma.sum(axis=1, keepdims=True) if normalize else gamma

    def _explain(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self, "model_")
        return running.explain(self, read_counts(self, X, reset=False))

    def score_samples(self, X: Any) -> np.ndarray:
        """A lower bound of each document's log-likelihood, ``[N]``; 0 if it has no words.

        The topics have the posterior that ``fit`` found as their distribution. The words are taken
        in their order, as everywhere in this field.
        """
        return self._explain(X)[1]

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """A lower bound of the log-likelihood of all documents: the sum of ``score_samples``."""
        bounds = self.score_samples(X).astype(np.float64)
        return float(read_sample_weight(sample_weight, bounds) @ bounds)

    def perplexity(self, X: Any, sub_sampling: bool = False) -> float:
        """An upper bound of the perplexity: exp of minus the bound for each word.

        Args:
            X: as for ``fit``, held-out documents or others.
            sub_sampling: without effect, since bound and words scale together.
        """
        bounds = self.score_samples(X).astype(np.float64)
        return running.perplexity(bounds.sum(), read_counts(self, X, reset=False).sum())

    def completion_perplexity(self, X: Any, random_state: Any = 0) -> float:
        """The perplexity of half the words of each document, given the other half.

        Words are split by chance. The proportions are estimated from one half, and the other half
        is predicted with their and the topics' means (Wallach et al. 2009, "document completion").

        Args:
            X: whole counts of documents that were held out.
            random_state: decides the split.
        """
        check_is_fitted(self, "model_")
        return running.completion(self, read_counts(self, X, reset=False), random_state)

    def corpus_bound(self, X: Any) -> float:
        """The evidence lower bound of these documents alone, with the topics inferred from them.

        It is ``score`` less the divergence of the topics' posterior from their prior: what
        scikit-learn's ``score`` is, and for the documents that were fitted ``lower_bound_``.
        """
        return self.score(X) - self._topics().divergence()

    def _topics(self) -> TopicMass:
        return TopicMass(self.components_.astype(np.float64), float(self.topic_word_prior_))

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        """The rows as the core model takes them: dense."""
        return read_counts(self, X, reset=reset).toarray()

    def _publish(self) -> None:
        """Set the attributes that follow from others."""
        logs = self._topics().expected_log()
        self.exp_dirichlet_component_ = np.exp(logs).astype(self.dtype_)

    def summary(self) -> str:
        """The topics in the words of the field, as plain text."""
        check_is_fitted(self, "model_")
        topics = self.components_ / self.components_.sum(axis=1, keepdims=True)
        names = np.asarray(column_names(self), dtype=object)
        shares = self.components_.sum(axis=1) / self.components_.sum()
        rows = [
            [str(k), float(shares[k]), " ".join(names[np.argsort(-topic, kind="stable")[:8]])]
            for k, topic in enumerate(topics)
        ]
        title = f"{len(rows)} topics of {len(names)} words"
        dof = self.fit_.degrees_of_freedom if self.fit_ else 0
        return summary_text(
            self, Report(title, ["topic", "share", "most probable words"], rows), dof
        )
