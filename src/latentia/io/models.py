"""Models as files: a fixed list of classes, and every part checked when it is loaded."""

import dataclasses
import os
from typing import Any

import equinox as eqx
import numpy as np

from latentia import distributions, inference, latents, likelihoods, networks
from latentia.constraints import Between, Covariance, Decreasing, Interval, Positive, Simplex
from latentia.inference import Amortized
from latentia.latents import Branching, MarkovChain
from latentia.model import LatentVariableModel

from .error import ModelFileError
from .files import read, write
from .flattening import flatten
from .restoring import restore

# The names in files, which never change; a class that moves or is renamed keeps its old name here.
PARTS: dict[str, type] = {
    "LatentVariableModel": LatentVariableModel,
    "Discrete": latents.Discrete,
    "GaussianLatent": latents.GaussianLatent,
    "Branching": Branching,
    "MarkovChain": MarkovChain,
    "SemiMarkovChain": latents.SemiMarkovChain,
    "DrivenMarkovChain": latents.DrivenMarkovChain,
    "DrivenGaussianChain": latents.DrivenGaussianChain,
    "GaussianChain": latents.GaussianChain,
    "StudentTLatent": latents.StudentTLatent,
    "Scaled": likelihoods.Scaled,
    "Switch": likelihoods.Switch,
    "LinearGaussian": likelihoods.LinearGaussian,
    "LinearGaussianRegression": likelihoods.LinearGaussianRegression,
    "PerStep": likelihoods.PerStep,
    "GeneralizedLinear": likelihoods.GeneralizedLinear,
    "BinaryResponse": likelihoods.BinaryResponse,
    "GuessedResponse": likelihoods.GuessedResponse,
    "GradedResponse": likelihoods.GradedResponse,
    "PartialCredit": likelihoods.PartialCredit,
    "CountResponse": likelihoods.CountResponse,
    "Topics": latents.Topics,
    "WordCounts": likelihoods.WordCounts,
    "MixtureLatent": latents.MixtureLatent,
    "FlowLatent": latents.FlowLatent,
    "LayeredLatent": latents.LayeredLatent,
    "Amortized": Amortized,
    "DiagonalPosterior": inference.DiagonalPosterior,
    "FullPosterior": inference.FullPosterior,
    "CouplingPosterior": inference.CouplingPosterior,
    "TopDownPosterior": inference.TopDownPosterior,
    "ConditionedPosterior": inference.ConditionedPosterior,
    "Coded": likelihoods.Coded,
    "Neural": likelihoods.Neural,
    "BernoulliOutput": likelihoods.BernoulliOutput,
    "ContinuousBernoulliOutput": likelihoods.ContinuousBernoulliOutput,
    "CategoricalOutput": likelihoods.CategoricalOutput,
    "GaussianOutput": likelihoods.GaussianOutput,
    "VaryingGaussianOutput": likelihoods.VaryingGaussianOutput,
    "LogisticOutput": likelihoods.LogisticOutput,
    "NegativeBinomialOutput": likelihoods.NegativeBinomialOutput,
    "PoissonOutput": likelihoods.PoissonOutput,
    "Dense": networks.Dense,
    "MLP": networks.MLP,
    "ResidualMLP": networks.ResidualMLP,
    "ConvEncoder": networks.ConvEncoder,
    "ConvDecoder": networks.ConvDecoder,
    "BroadcastDecoder": networks.BroadcastDecoder,
    "First": networks.First,
    "BottomUp": networks.BottomUp,
    "Gaussian": distributions.Gaussian,
    "DiagonalGaussian": distributions.DiagonalGaussian,
    "SphericalGaussian": distributions.SphericalGaussian,
    "Bernoulli": distributions.Bernoulli,
    "Categorical": distributions.Categorical,
    "Poisson": distributions.Poisson,
    "Product": distributions.Product,
    "StudentT": distributions.StudentT,
    "DiagonalStudentT": distributions.DiagonalStudentT,
    "Mixture": distributions.Mixture,
    "GaussianRegression": distributions.GaussianRegression,
    "PoissonRegression": distributions.PoissonRegression,
}
NAMES = {cls: name for name, cls in PARTS.items()}

Path = str | os.PathLike[str]


def save(model: LatentVariableModel, path: Path, *, extra: dict[str, Any] | None = None) -> None:
    """Save a model to a file: data, never code. An older file is replaced whole or not at all.

    Args:
        model: a model made of the library's own parts.
        path: the file, usually with the ending ``.safetensors``.
        extra: anything that JSON can hold and that should be kept with the model.

    Raises:
        ModelFileError: if the model has a part that a file cannot hold.
        OSError: if the file cannot be written.
    """
    if not isinstance(model, LatentVariableModel):
        raise TypeError(
            f"model should be a LatentVariableModel, but is a {type(model).__name__}: pass the "
            "model of a Fit, or save estimators with latentia.save."
        )
    write_tree("model", model, path, extra or {})


def load(path: Path) -> LatentVariableModel:
    """Load a model; nothing in the file is executed, and all that it says is checked.

    Raises:
        ModelFileError: if the file is no model file, is damaged, or describes no valid model.
        OSError: if the file cannot be read.
    """
    kind, model, _ = read_tree(path)
    if kind != "model":
        raise ModelFileError(
            f"{os.fsdecode(path)!r} holds a fitted estimator and not a bare model: load it with "
            "latentia.load."
        )
    return model


def write_tree(
    kind: str, tree: Any, path: Path, extra: dict[str, Any], names: dict[type, str] | None = None
) -> None:
    """Write anything made of the library's parts, and of further classes that are ``names``-d."""
    structure, tensors = flatten(tree, {**NAMES, **(names or {})})
    write(path, structure, tensors, {"kind": kind, "extra": extra})


def read_tree(
    path: Path, classes: dict[str, type] | None = None
) -> tuple[str, Any, dict[str, Any]]:
    """What ``write_tree`` wrote: the kind, the tree with its parts checked, and the extra."""
    structure, tensors, outer = read(path)
    kind, extra = outer.get("kind"), outer.get("extra")
    if not isinstance(kind, str) or not isinstance(extra, dict):
        raise ModelFileError(
            f"{os.fsdecode(path)!r} holds no model of latentia: pass a file saved by latentia."
        )
    tree = restore(structure, tensors, {**PARTS, **(classes or {})})
    _check(tree)
    return kind, tree, extra


def _check(tree: Any) -> None:
    """Refuse parts whose arrays do not fit each other or lie outside what they may be."""
    if isinstance(tree, eqx.Module):
        _check_module(tree)
        children = [getattr(tree, field.name) for field in dataclasses.fields(tree)]
    elif isinstance(tree, dict):
        children = list(tree.values())
    else:
        children = list(tree) if isinstance(tree, tuple | list) else []
    for child in children:
        _check(child)


def _check_module(part: Any) -> None:
    fields = {field.name: field for field in dataclasses.fields(part)}
    values = {name: getattr(part, name) for name in fields}
    # A network has checked itself, and is made from sizes and not from its layers.
    made = isinstance(part, networks.AbstractNetwork)
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            constraint = fields[name].metadata.get("constraint")
            if value.dtype not in (np.float64, np.float32) or not _allowed(constraint, value):
                raise _invalid(part, f"its {name} is not what it may be")
    try:
        # As anybody would make it, so that the shapes are checked.
        if made:
            return
        if isinstance(part, distributions.Product):
            type(part)(*part.parts)
        elif isinstance(part, Branching):
            type(part)(**values, stacked=True)
        elif isinstance(part, MarkovChain):
            # What is free follows from what was given at first.
            MarkovChain(part.start, part.transitions, length=part.length)
        else:
            type(part)(**values)
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise _invalid(part, str(error)) from error


def _allowed(constraint: Any, value: np.ndarray) -> bool:
    if np.isinf(value).any():
        return False
    known = value[~np.isnan(value)]
    if isinstance(constraint, Positive):
        return bool((known >= 0).all())
    if isinstance(constraint, Between):
        return bool(((known >= constraint.low) & (known <= constraint.high)).all())
    if isinstance(constraint, Interval):
        return bool(((known >= 0) & (known <= 1)).all())
    if isinstance(constraint, Simplex) and known.size == value.size:
        return bool((value >= 0).all() and np.allclose(value.sum(axis=-1), 1, atol=1e-4))
    if isinstance(constraint, Decreasing) and known.size == value.size:
        return bool((np.diff(value, axis=-1) <= 0).all())
    if isinstance(constraint, Covariance) and value.ndim >= 2:
        mirrored = np.swapaxes(value, -1, -2)
        return bool(np.allclose(value, mirrored, rtol=1e-6, atol=0, equal_nan=True))
    return True


def _invalid(part: Any, reason: str) -> ModelFileError:
    return ModelFileError(
        f"The {type(part).__name__} in the model file is not valid ({reason}): fit and save the "
        "model again."
    )
