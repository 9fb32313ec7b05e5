"""The parameters of a Gaussian chain, read from what its maker was given."""

from typing import Any

import jax
import numpy as np

from latentia.distributions.parameters import as_parameter, need_shapes

LEARNED = ("mean", "covariance", "transition")
_ALL = (*LEARNED, "drift", "noise")


def read_parameters(
    dim: int | None, given: dict[str, Any], groups: Any, diffuse: Any, learned: Any, length: Any
) -> dict[str, Any]:
    """All fields of a ``GaussianChain``; the arguments are those of its constructor.

    Raises:
        ValueError: if sizes do not fit each other, or a covariance is none.
    """
    arrays = {k: as_parameter(v, k) for k, v in given.items() if v is not None}
    size = _size(dim, arrays, groups)
    arrays.setdefault("mean", np.zeros(size))
    arrays.setdefault("covariance", np.eye(size))
    arrays.setdefault("transition", np.full((size, size), np.nan))
    arrays.setdefault("drift", np.zeros(size))
    if "variances" in arrays:
        groups = _read_groups(groups, arrays["variances"], size)
        if "noise" in arrays:
            raise ValueError(
                "noise of GaussianChain should be None if variances are given: leave one out."
            )
        arrays["noise"] = None
    else:
        arrays.setdefault("noise", np.eye(size))
        arrays["variances"], groups = None, None
    need_shapes(
        "GaussianChain",
        mean=(arrays["mean"].shape, (size,)),
        covariance=(arrays["covariance"].shape, (size, size)),
        transition=(arrays["transition"].shape, (size, size)),
        drift=(arrays["drift"].shape, (size,)),
    )
    if arrays["noise"] is not None:
        need_shapes("GaussianChain", noise=(arrays["noise"].shape, (size, size)))
    for name in ("covariance", "noise"):
        _need_covariance(arrays[name], name)
    return {
        **arrays,
        "groups": groups,
        "diffuse": _read_diffuse(diffuse, size),
        "learned": _read_learned(learned),
        "length": _read_length(length),
    }


def _size(dim: int | None, arrays: dict[str, Any], groups: Any) -> int:
    for name in ("transition", "mean", "covariance", "drift", "noise"):
        if name in arrays and arrays[name].ndim > 0:
            return arrays[name].shape[-1]
    dim = len(groups) if dim is None and groups is not None else dim
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool) or dim < 1:
        raise ValueError(
            f"dim of GaussianChain should be a whole number of at least 1, but is {dim!r}: write "
            "GaussianChain(2), for instance, or give a transition."
        )
    return int(dim)


def _read_groups(groups: Any, variances: Any, size: int) -> tuple[int, ...]:
    found = tuple(range(size)) if groups is None else tuple(int(g) for g in groups)
    count = variances.shape[-1] if variances.ndim == 1 else -1
    if len(found) != size or set(found) - {-1} != set(range(count)):
        raise ValueError(
            f"groups of GaussianChain should say for each of the {size} coordinates which of the "
            f"{max(count, 0)} variances it has, or -1, but is {found} for variances of shape "
            f"{variances.shape}."
        )
    if not isinstance(variances, jax.Array) and (variances < 0).any():
        raise ValueError(
            f"variances of GaussianChain should not be negative, but is {variances.tolist()}."
        )
    return found


def _read_diffuse(diffuse: Any, size: int) -> tuple[bool, ...]:
    if diffuse is None or isinstance(diffuse, bool | np.bool_):
        return (bool(diffuse),) * size
    found = tuple(bool(flat) for flat in diffuse)
    if len(found) != size:
        raise ValueError(
            f"diffuse of GaussianChain should be true or false for each of the {size} coordinates, "
            f"but is {found}."
        )
    return found


def _read_learned(learned: Any) -> tuple[str, ...]:
    names = (learned,) if isinstance(learned, str) else tuple(learned)
    unknown = [name for name in names if name not in _ALL]
    if unknown:
        raise ValueError(
            f"learned of GaussianChain should name some of {', '.join(_ALL)}, but has "
            f"{unknown[0]!r}."
        )
    return tuple(name for name in _ALL if name in names)


def _read_length(length: Any) -> int:
    if not isinstance(length, int | np.integer) or isinstance(length, bool) or length < 1:
        raise ValueError(
            f"length of GaussianChain should be a whole number of at least 1, but is {length!r}."
        )
    return int(length)


def _need_covariance(value: Any, name: str) -> None:
    if not isinstance(value, np.ndarray) or not np.isfinite(value).all():
        return
    scale = np.abs(value).max(initial=0.0)
    tiny = 1e-6 * scale
    if np.abs(value - value.T).max() > tiny or np.linalg.eigvalsh(value).min() < -tiny:
        raise ValueError(
            f"{name} of GaussianChain should be symmetric without negative eigenvalues, but is "
            f"{value.tolist()}."
        )
