"""Running latent Dirichlet allocation for its estimator."""

import sys
from numbers import Real
from typing import Any

import numpy as np

from latentia.data.documents import Documents, into_documents
from latentia.latents import Topics
from latentia.learning import Fit
from latentia.learning.status import Status
from latentia.learning.topic_inference import Explainer
from latentia.learning.topic_learning import (
    BatchLearner,
    OnlineLearner,
    Progress,
    Rules,
    TopicMass,
)
from latentia.likelihoods import WordCounts
from latentia.model import LatentVariableModel
from latentia.precision import precision_of
from latentia.verdict import Exactness

from .parameters import Rule, seed_of


def above_zero(*also: Any) -> Rule:
    """A finite number above 0, or one of the other values."""
    return _within("above 0", lambda value: 0 < value < np.inf, also)


def between(least: float, most: float) -> Rule:
    """A number in a closed interval."""
    return _within(f"from {least:g} to {most:g}", lambda value: least <= value <= most, ())


def _within(words: str, fits: Any, also: tuple[Any, ...]) -> Rule:
    text = " or ".join([f"a number {words}", *map(repr, also)])

    def rule(value: Any) -> str:
        if value is None and None in also:
            return ""
        real = isinstance(value, Real) and not isinstance(value, bool)
        return "" if real and fits(float(value)) else text  # pyright: ignore

    return rule


def fit(estimator: Any, counts: Any, weight: np.ndarray) -> None:
    """Learn from all the documents, and give the estimator its fitted attributes.

    Raises:
        KeyboardInterrupt: at Ctrl-C, once the last whole pass is kept.
    """
    documents = into_documents(counts, counts.dtype)
    sorted_weight = documents.sort(weight)
    state = _begin(estimator, counts)
    words = float(weight @ np.asarray(counts.sum(axis=1), np.float64))
    learner = BatchLearner(documents, sorted_weight, _rules(estimator))
    trace: list[float] = []
    status, estimator.n_batch_iter_, estimator.n_iter_ = Status.STEP_LIMIT, 1, 0
    with precision_of(counts.data):
        try:
            state, status = _passes(estimator, learner, state, counts, weight, words, trace)
        except KeyboardInterrupt as stop:
            _settle(estimator, stop.args[0], counts, weight, trace, Status.INTERRUPTED)
            raise KeyboardInterrupt from None
        state, _ = learner.explain(state, int(estimator.max_doc_update_iter))
    _settle(estimator, state, counts, weight, trace, status)
    estimator.bound_ = perplexity(state.objective, words)


def _passes(
    estimator: Any,
    learner: BatchLearner,
    state: Progress,
    counts: Any,
    weight: np.ndarray,
    words: float,
    trace: list[float],
) -> tuple[Progress, Status]:
    last = None
    every = estimator.evaluate_every
    online = estimator.learning_method == "online"
    try:
        for number in range(1, int(estimator.max_iter) + 1):
            evaluate = bool(every) and every > 0 and number % every == 0
            if online:
                state = _online_pass(estimator, state, counts, weight, weight.sum())
                if evaluate or estimator.verbose:
                    found, _ = learner.explain(state, learner.rules.in_a_pass)
                    trace.append(found.objective)
            else:
                found, expected = learner.explain(state, learner.rules.in_a_pass)
                state = learner.update(found, expected)
                estimator.n_batch_iter_ += 1
                trace.append(found.objective)
            estimator.n_iter_ = number
            value = perplexity(trace[-1], words) if trace else np.nan
            if estimator.verbose:
                name = type(estimator).__name__
                sys.stdout.write(f"{name}: pass {number}, perplexity {value:.6g}\n")
            if evaluate:
                if last is not None and abs(last - value) < estimator.perp_tol:
                    return state, Status.CONVERGED
                last = value
    except KeyboardInterrupt:
        raise KeyboardInterrupt(state) from None
    return state, Status.STEP_LIMIT


def _online_pass(
    estimator: Any, state: Progress, counts: Any, weight: np.ndarray, total: float
) -> Progress:
    learner = OnlineLearner(
        _rules(estimator), float(estimator.learning_decay), float(estimator.learning_offset)
    )
    for first in range(0, counts.shape[0], int(estimator.batch_size)):
        part = slice(first, first + int(estimator.batch_size))
        documents = into_documents(counts[part], counts.dtype)
        mass = documents.sort(weight[part])
        state = learner.update(state, documents, mass, total, estimator.n_batch_iter_)
        estimator.n_batch_iter_ += 1
    # What was known of the documents is of topics that have changed.
    return state._replace(gamma=None, objective=-np.inf)


def follow(estimator: Any, counts: Any, weight: np.ndarray) -> None:
    """Learn from one more part of a stream."""
    if not hasattr(estimator, "components_"):
        state = _begin(estimator, counts)
        estimator.n_batch_iter_, estimator.n_iter_ = 1, 0
    else:
        state = Progress(estimator._topics(), _concentration(estimator))
    with precision_of(counts.data):
        total = float(estimator.total_samples)
        state = _online_pass(estimator, state, counts, weight, total)
    _attributes(estimator, state, counts.dtype)
    estimator.fit_ = None


def explain(estimator: Any, counts: Any) -> tuple[np.ndarray, np.ndarray]:
    """The posteriors ``[N, K]`` of documents, and their bounds ``[N]``."""
    documents = into_documents(counts, counts.dtype)
    with precision_of(counts.data):
        settled = _settled(estimator, documents)
    return documents.unsort(settled.gamma), documents.unsort(settled.bounds)


def _settled(estimator: Any, documents: Documents) -> Any:
    explainer = Explainer(documents, estimator._topics().expected_log(), _concentration(estimator))
    rules = _rules(estimator)
    return explainer.settle(explainer.ascend(rules.tol, rules.max_iter))


def perplexity(bound: float, words: float) -> float:
    """exp(-bound / words); 1 if there are no words, which cost nothing to predict."""
    return float(np.exp(-bound / words)) if words > 0 else 1.0


def completion(estimator: Any, counts: Any, random_state: Any) -> float:
    """The perplexity of half the words given the other half: see the estimator's method."""
    if (counts.data != np.floor(counts.data)).any():
        raise ValueError(
            "X should hold whole counts, since single words are split into two halves, but has "
            "fractions: use perplexity instead."
        )
    rng = np.random.default_rng(seed_of(random_state))
    seen = counts.copy()
    seen.data = rng.binomial(counts.data.astype(np.int64), 0.5).astype(counts.dtype)
    hidden = (counts - seen).tocoo()
    gamma, _ = explain(estimator, seen)
    shares = gamma / gamma.sum(axis=1, keepdims=True)
    topics = estimator._topics().mean()
    row, column = hidden.coords
    likelihoods = np.einsum("ik,ik->i", shares[row], topics[:, column].T)
    return perplexity(float(hidden.data @ np.log(likelihoods)), float(hidden.data.sum()))


def _begin(estimator: Any, counts: Any) -> Progress:
    """Topics by chance, those of scikit-learn for the same whole number."""
    topics, words = int(estimator.n_components), counts.shape[1]
    even = 1.0 / topics
    given, prior = estimator.doc_topic_prior, estimator.topic_word_prior
    chance = np.random.RandomState(seed_of(estimator.random_state))
    mass = chance.gamma(100.0, 0.01, (topics, words))
    estimator.doc_topic_prior_ = even if given is None else float(given)
    estimator.topic_word_prior_ = even if prior is None else float(prior)
    concentration = np.full(topics, estimator.doc_topic_prior_)
    return Progress(TopicMass(mass, estimator.topic_word_prior_), concentration)


def _concentration(estimator: Any) -> np.ndarray:
    return np.array(np.broadcast_to(estimator.doc_topic_prior_, len(estimator.components_)))


def _rules(estimator: Any) -> Rules:
    return Rules(
        float(estimator.mean_change_tol),
        int(estimator.max_doc_update_iter),
        bool(estimator.learn_doc_topic_prior),
    )


def _attributes(estimator: Any, state: Progress, dtype: Any) -> None:
    estimator.dtype_ = np.dtype(dtype)
    estimator.components_ = state.topics.mass.astype(dtype)
    if estimator.learn_doc_topic_prior:
        estimator.doc_topic_prior_ = state.concentration
    concentration = state.concentration.astype(np.float64)
    estimator.model_ = LatentVariableModel(
        Topics(len(concentration), concentration), WordCounts(state.topics.mean())
    )
    estimator._publish()


def _settle(
    estimator: Any,
    state: Progress,
    counts: Any,
    weight: np.ndarray,
    trace: list[float],
    status: Status,
) -> None:
    _attributes(estimator, state, counts.dtype)
    total = float(weight.sum())
    scale = total if total > 0 else 1.0
    value = state.objective if np.isfinite(state.objective) else np.nan
    estimator.lower_bound_, estimator.lower_bounds_ = value, list(trace)
    topics, words = estimator.components_.shape
    learned = topics if estimator.learn_doc_topic_prior else 0
    estimator.fit_ = Fit(
        model=estimator.model_,
        objective=value / scale,
        log_likelihood=value,
        trace=np.array(trace) / scale,
        status=status,
        starts=np.array([value / scale]),
        start_status=(status,),
        weight=total,
        degrees_of_freedom=topics * (words - 1) + learned,
        method=f"coordinate ascent ({Exactness.LOWER_BOUND})",
    )
