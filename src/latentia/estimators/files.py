"""Estimators as files: parameters, core model and what the fit said; no data and no code."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import sklearn

import latentia
from latentia.data import Schema
from latentia.data.schema import Column
from latentia.io import ModelFileError
from latentia.io.models import read_tree, write_tree
from latentia.learning import BoundFit, Fit, Status
from latentia.model import LatentVariableModel

from .bayesian_files import estimator_of, tree_of
from .bayesian_gaussian_mixture import BayesianGaussianMixture
from .categorical_hmm import CategoricalHMM
from .factor_analysis import FactorAnalysis
from .gaussian_hmm import GaussianHMM
from .gaussian_mixture import GaussianMixture
from .gmm_hmm import GMMHMM
from .hidden_markov_model import HiddenMarkovModel
from .item_response import ItemResponse
from .latent_class import LatentClass
from .latent_dirichlet_allocation import LatentDirichletAllocation
from .linear_gaussian_state_space import LinearGaussianStateSpace
from .mixed_mixture import MixedMixture
from .mixture_of_factor_analyzers import MixtureOfFactorAnalyzers
from .poisson_hmm import PoissonHMM
from .probabilistic_pca import ProbabilisticPCA
from .student_t_mixture import StudentTMixture
from .variational_autoencoder import VariationalAutoencoder

# The names in files, which never change.
ESTIMATORS: dict[str, type] = {
    "GaussianMixture": GaussianMixture,
    "BayesianGaussianMixture": BayesianGaussianMixture,
    "FactorAnalysis": FactorAnalysis,
    "ProbabilisticPCA": ProbabilisticPCA,
    "MixtureOfFactorAnalyzers": MixtureOfFactorAnalyzers,
    "StudentTMixture": StudentTMixture,
    "LatentClass": LatentClass,
    "LinearGaussianStateSpace": LinearGaussianStateSpace,
    "MixedMixture": MixedMixture,
    "GaussianHMM": GaussianHMM,
    "GMMHMM": GMMHMM,
    "PoissonHMM": PoissonHMM,
    "CategoricalHMM": CategoricalHMM,
    "HiddenMarkovModel": HiddenMarkovModel,
    "ItemResponse": ItemResponse,
    "LatentDirichletAllocation": LatentDirichletAllocation,
    "VariationalAutoencoder": VariationalAutoencoder,
}
_CLASSES: dict[str, type] = {"Fit": Fit, "Schema": Schema, "Column": Column}
_NAMES = {cls: name for name, cls in _CLASSES.items()}
# What a fitted estimator keeps beside its model; all other attributes follow from these.
_KEPT = ("n_features_in_", "feature_names_in_", "schema_", "converged_", "n_iter_", "lower_bound_",
         "lower_bounds_", "library_")  # fmt: skip

Path = str | os.PathLike[str]


def save(obj: Any, path: Path, *, extra: dict[str, Any] | None = None) -> None:
    """Save a core model or a fitted estimator to a file.

    A RandomState or a callback among the parameters is not kept.

    Args:
        obj: a ``LatentVariableModel``, a ``Fit`` (whose model is saved), or a fitted estimator.
        path: the file, usually with the ending ``.safetensors``; replaced whole or not at all.
        extra: anything that JSON can hold and that should be kept beside it.

    Raises:
        NotFittedError: if the estimator is not fitted.
        ModelFileError: if it has a part that a file cannot hold.
        OSError: if the file cannot be written.
    """
    from sklearn.utils.validation import check_is_fitted

    extra = {**(extra or {}), "versions": _versions()}
    if isinstance(obj, Fit | BoundFit):
        obj = obj.model
    if isinstance(obj, LatentVariableModel):
        write_tree("model", obj, path, extra)
        return
    name = next((n for n, cls in ESTIMATORS.items() if type(obj) is cls), None)
    if name is None:
        raise TypeError(
            f"obj should be a model or an estimator of latentia, but is a {type(obj).__name__}."
        )
    check_is_fitted(obj)
    parameters = {k: v for k, v in obj.get_params(deep=False).items() if _kept(v)}
    bayesian = isinstance(obj, BayesianGaussianMixture)
    tree = {"fitted": tree_of(obj)} if bayesian else _tree(obj)
    write_tree(name, {"parameters": parameters, **tree}, path, extra, _NAMES)


def _tree(estimator: Any) -> dict[str, Any]:
    """What ``_estimator`` needs beside the parameters."""
    return {
        "model": estimator.model_,
        "fit": _plain(estimator.fit_),
        "dtype": estimator.dtype_.name,
        "fitted": {
            k: getattr(estimator, k) for k in _names(type(estimator)) if hasattr(estimator, k)
        },
    }


def load(path: Path) -> Any:
    """Load what ``save`` saved, without the data it was fitted to; nothing in it is executed.

    Raises:
        ModelFileError: if the file is no model file, is damaged, or describes no valid model.
        OSError: if the file cannot be read.
    """
    return load_with_extra(path)[0]


def load_with_extra(path: Path) -> tuple[Any, dict[str, Any]]:
    """The same, and the ``extra`` that was saved beside it."""
    kind, tree, extra = read_tree(path, _CLASSES)
    if kind == "model":
        if not isinstance(tree, LatentVariableModel):
            raise _invalid(path, "it holds no model")
        return tree, extra
    if kind not in ESTIMATORS:
        version = latentia.__version__
        raise _invalid(path, f"latentia {version} does not know the {kind!r} that it holds")
    try:
        if ESTIMATORS[kind] is BayesianGaussianMixture:
            return estimator_of(tree["parameters"], tree["fitted"]), extra
        return _estimator(ESTIMATORS[kind], tree), extra
    # Whatever a wrong file makes the class stumble over, the file is what is wrong.
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise _invalid(path, str(error)) from error


def _estimator(cls: type, tree: Any) -> Any:
    estimator = cls(**tree["parameters"])
    model, fitted = tree["model"], tree["fitted"]
    if not isinstance(model, LatentVariableModel) or not set(fitted) <= set(_names(cls)):
        raise ValueError("its model or its attributes are not those of the class")
    for name, value in fitted.items():
        setattr(estimator, name, value)
    if tree["dtype"] not in ("float64", "float32"):
        raise ValueError("its dtype is unknown")
    estimator.dtype_ = np.dtype(tree["dtype"])
    estimator.model_ = model
    estimator.fit_ = _restored(tree["fit"], model)
    if fitted["n_features_in_"] != model.likelihood.dim:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError("its columns are not those of its model")
    # A rotation was applied when the model was fitted, and is not applied twice.
    rotation = getattr(estimator, "rotation", None)
    if rotation is not None:
        estimator.rotation = None
    estimator._publish()
    if rotation is not None:
        estimator.rotation = rotation
    return estimator


def _names(cls: type) -> tuple[str, ...]:
    """What is kept of an estimator: the common attributes, and what its class adds to them."""
    return (*_KEPT, *getattr(cls, "_kept", ()))


def _plain(fit: Any) -> Fit | None:
    """The fit with its states as numbers, and without the model, which the file has already."""
    # Of a training the epochs are not kept: what counts of it stands among the attributes.
    if not isinstance(fit, Fit):
        return None
    statuses: Any = tuple(int(status) for status in fit.start_status)
    plain: Any = replace(
        fit,
        model=None,
        status=int(fit.status),  # pyright: ignore
        start_status=statuses,
        uncertainty=fit.entropy,
    )
    return plain


def _restored(fit: Any, model: LatentVariableModel) -> Fit | None:
    if fit is None:
        return None
    if not isinstance(fit, Fit):
        raise ValueError("its fit is something else")
    statuses = tuple(Status(int(status)) for status in fit.start_status)
    return replace(fit, model=model, status=Status(int(fit.status)), start_status=statuses)


def _kept(value: Any) -> bool:
    # Anything else (a RandomState, say) is of use in `fit` only.
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    return value is None or isinstance(
        value, bool | int | float | str | list | tuple | np.ndarray | np.generic
    )


def _versions() -> dict[str, str]:
    return {"latentia": latentia.__version__, "scikit-learn": sklearn.__version__}


def _invalid(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(
        f"{os.fsdecode(path)!r} is no valid model file ({reason}): fit and save the model again."
    )
