"""The pictures that fit a model, as PNG files."""

from collections.abc import Callable
from typing import Any


def draw(estimator: Any, selection: Any, table: Any, path: Callable[[str], str]) -> None:
    """Draw what can be drawn of a fitted estimator; ``path`` says where a file goes."""
    from latentia import (
        FactorAnalysis,
        GaussianMixture,
        ItemResponse,
        LatentClass,
        LatentDirichletAllocation,
        ProbabilisticPCA,
        plots,
    )
    from latentia.estimators.hidden_markov_shell import AbstractHiddenMarkov
    from latentia.estimators.linear_gaussian_state_space import LinearGaussianStateSpace
    from latentia.estimators.mixture_of_factor_analyzers import MixtureOfFactorAnalyzers

    fit = estimator.fit_
    _keep(plots.plot_trace(fit.trace, fit.starts), path("trace.png"))
    sizes = {(row["components"], row["factors"]) for row in selection.table}
    if len(sizes) > 1:
        _keep(selection.plot(), path("selection.png"))
    if isinstance(estimator, AbstractHiddenMarkov):
        steps, lengths = table
        _keep(plots.plot_states(estimator, steps, lengths), path("states.png"))
        return
    if isinstance(estimator, LinearGaussianStateSpace):
        steps, lengths = table
        rows = estimator._read(steps, reset=False)
        first = len(rows) if lengths is None else lengths[0]
        display = plots.plot_paths(estimator, rows[:first], steps=max(1, first // 10))
        _keep(display, path("path.png"))
        return
    wide = estimator.n_features_in_ > 1
    if isinstance(estimator, GaussianMixture | MixtureOfFactorAnalyzers) and wide:
        _keep(plots.plot_clusters(estimator, table), path("clusters.png"))
        if estimator.n_features_in_ == 2:
            _keep(plots.plot_uncertainty(estimator, table), path("uncertainty.png"))
    if isinstance(estimator, FactorAnalysis | ProbabilisticPCA):
        _keep(plots.plot_loadings(estimator), path("loadings.png"))
    if isinstance(estimator, LatentClass):
        _keep(plots.plot_profiles(estimator), path("profiles.png"))
    if isinstance(estimator, ItemResponse):
        _keep(plots.plot_item_curves(estimator), path("items.png"))
        _keep(plots.plot_information(estimator), path("information.png"))
    if isinstance(estimator, LatentDirichletAllocation):
        _keep(plots.plot_topics(estimator), path("topics.png"))


def _keep(display: Any, path: str) -> None:
    import matplotlib.pyplot as plt

    display.figure_.savefig(path, dpi=150)
    plt.close(display.figure_)
