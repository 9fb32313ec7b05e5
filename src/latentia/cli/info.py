"""``latentia info``: what a model file holds."""

import json
from typing import Any

import click

from .options import json_option, model_argument
from .running import guarded


@click.command(no_args_is_help=True)
@model_argument
@json_option
@guarded
def info(model: str, as_json: bool) -> None:
    """What a model file holds: the model, its columns, and how the fit went.

    \b
    Example:
      latentia info result/model.safetensors
    """
    import latentia
    from latentia.estimators.files import load_with_extra

    found, extra = load_with_extra(model)
    if isinstance(found, latentia.LatentVariableModel):
        click.echo(json.dumps({"model": repr(found), **extra}) if as_json else repr(found))
        return
    if isinstance(found, latentia.BayesianGaussianMixture):
        click.echo(json.dumps({**_told_bayesian(found), **extra}) if as_json else found.summary())
        return
    if not as_json:
        click.echo(f"{found.summary()}\n\n{found.model_!r}")
        return
    click.echo(json.dumps(_told(found, extra)))


def _told_bayesian(found: Any) -> dict[str, Any]:
    from latentia.estimators.validation import column_names

    return {
        "estimator": type(found).__name__,
        "columns": column_names(found),
        "components": found.n_components,
        "lower_bound": float(found.lower_bound_),
        "verdict": str(found.verdict_),
    }


def _told(found: Any, extra: dict[str, Any]) -> dict[str, Any]:
    from latentia.estimators.validation import column_names

    told: dict[str, Any] = {
        "estimator": type(found).__name__,
        "columns": column_names(found),
        "components": getattr(found, "n_components", None),
    }
    if found.fit_ is not None:
        fit = found.fit_
        told |= {
            "status": fit.status.label,
            "log_likelihood": fit.log_likelihood,
            "degrees_of_freedom": fit.degrees_of_freedom,
            "bic": fit.bic,
            "aic": fit.aic,
            "rows": fit.weight,
            "iterations": fit.iterations,
        }
    return {**told, **extra}
