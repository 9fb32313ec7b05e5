"""Parameters that are fixed, or tied between states, by name.

A name is the path to a parameter in a model, as ``print(list(names(model)))`` shows it:
``prior.weights``, ``likelihood.parts.mean``. A fixed parameter keeps the value that it was given,
in every entry or in those that a mask marks. A tied one is the same in all states.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import Between, Covariance, Real, Simplex, constrained_leaves
from latentia.distributions.holding import hold

# What likelihoods do is registered there.
import latentia.likelihoods.holding  # noqa: F401  # isort: skip

Names = Sequence[str] | Mapping[str, Any]


def names(model: Any) -> dict[str, Any]:
    """The parameters of a model by their names."""
    pairs = jax.tree_util.tree_leaves_with_path(model)
    return {jax.tree_util.keystr(path).lstrip("."): leaf for path, leaf in pairs}


def held_mask(model: Any, fixed: Names) -> Any:
    """A model with a boolean for each number: whether it is fixed. None if none is.

    Args:
        model: what is fixed has its value set.
        fixed: names, or a mapping from names to masks that fit the parameters (or True).

    Raises:
        ValueError: if there is no such parameter, it has no value, or a mask does not fit it.
    """
    if not fixed:
        return None
    known = names(model)
    chosen = fixed if isinstance(fixed, Mapping) else dict.fromkeys(_listed(fixed, "fixed"), True)
    masks = {name: np.zeros(np.shape(leaf), bool) for name, leaf in known.items()}
    for name, mask in chosen.items():
        leaf = _find(known, name, "fixed")
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape not in ((), np.shape(leaf)):
            raise ValueError(
                f"the mask of {name} in fixed should hold True and False in the shape "
                f"{np.shape(leaf)}, but has {mask.dtype} in the shape {mask.shape}."
            )
        masks[name] = np.broadcast_to(mask, np.shape(leaf)).copy()
        if np.isnan(np.asarray(leaf)[masks[name]]).any():
            raise ValueError(
                f"fixed names {name}, which should have a value to keep, but it is not set: give "
                "it when the model is made."
            )
    held = jax.tree.unflatten(jax.tree.structure(model), list(masks.values()))
    _require_whole(model, held)
    return held


def tied_flags(model: Any, tied: Sequence[str]) -> Any:
    """A model with a boolean in place of each parameter: whether it is tied. None if none is.

    Raises:
        ValueError: if there is no such parameter, or it is not one that states can share.
    """
    if not tied:
        return None
    known = names(model)
    kinds = {name: kind for name, (kind, _) in zip(known, constrained_leaves(model), strict=True)}
    for name in _listed(tied, "tied"):
        _find(known, name, "tied")
        averages = not isinstance(kinds[name], Real | Between | None)
        if ".parts." not in name or not averages or _in_mixture(known, name):
            raise ValueError(
                f"tied should name parameters of the parts of a Switch that are variances, rates "
                f"or probabilities, but names {name}: locations, degrees of freedom, priors and "
                "the parts of a Mixture cannot be tied."
            )
    flags = [name in tied for name in known]
    return jax.tree.unflatten(jax.tree.structure(model), flags)


def _in_mixture(known: dict[str, Any], name: str) -> bool:
    pieces = name.split(".parts")
    owners = [".parts".join(pieces[:i]) for i in range(2, len(pieces))]
    return any(f"{owner}.weights" in known for owner in owners)


def held_totals(likelihood: Any, totals: Any, held: Any) -> Any:
    """Statistics of the likelihood, changed so that free parameters come out right."""
    return totals if held is None else hold(likelihood, totals, held.likelihood)


def tie(likelihood: Any, tied: Any, masses: Any) -> Any:
    """Tied parameters of every state, replaced by their mean, each state by its mass.

    That is their maximum, where a variance, a rate or a probability is an average over data.
    """
    if tied is None:
        return likelihood
    total = jnp.sum(masses)
    shares = masses / jnp.where(total > 0, total, 1.0)

    def one(leaf: Any, flag: Any) -> Any:
        return jnp.where(flag, jnp.tensordot(shares, leaf, axes=1), leaf)

    return jax.tree.map(one, likelihood, tied.likelihood)


def put_back(held: Any, old: Any, new: Any) -> Any:
    """The new model with the fixed numbers of the old one.

    Free probabilities that share a sum with fixed ones are scaled to what these leave.
    """
    if held is None:
        return new
    leaves = []
    triples = zip(jax.tree.leaves(held), jax.tree.leaves(old), constrained_leaves(new), strict=True)
    for mask, before, (kind, after) in triples:
        if isinstance(kind, Simplex):
            left = 1 - jnp.sum(jnp.where(mask, before, 0.0), axis=-1, keepdims=True)
            free = jnp.sum(jnp.where(mask, 0.0, after), axis=-1, keepdims=True)
            some = jnp.any(mask, axis=-1, keepdims=True)
            scaled = after * left / jnp.where(free > 0, free, 1.0)
            after = jnp.where(some, scaled, after)
        leaves.append(jnp.where(mask, before, after))
    return jax.tree.unflatten(jax.tree.structure(new), leaves)


def fewer(model: Any, held: Any, tied: Any) -> int:
    """How many parameters are no longer free."""
    count = 0
    if held is not None:
        triples = zip(names(held).items(), constrained_leaves(model), strict=True)
        for (name, mask), (kind, _) in triples:
            taken = _taken(np.asarray(mask), kind)
            if name.endswith(".loadings"):
                # The first ones only choose a rotation, which was not counted as free.
                rank = mask.shape[-1]
                taken = max(0, taken - rank * (rank - 1) // 2)
            count += taken
    if tied is not None:
        for flag, (kind, leaf) in zip(
            jax.tree.leaves(tied), constrained_leaves(model), strict=True
        ):
            if flag:
                whole = np.ones(np.shape(leaf), bool)
                states = len(whole)
                count += _taken(whole, kind) * (states - 1) // states
    return count


def _taken(mask: np.ndarray, kind: Any) -> int:
    """How many free parameters the fixed entries of one array were."""
    if kind is None or not mask.any():
        return 0
    if isinstance(kind, Simplex):
        # The last free one of a sum follows from the others anyway.
        return int(np.minimum(mask.sum(-1), mask.shape[-1] - 1).sum())
    if isinstance(kind, Covariance):
        return int(np.triu(mask).sum())
    return int(mask.sum())


def _require_whole(model: Any, held: Any) -> None:
    pairs = zip(names(model), jax.tree.leaves(held), constrained_leaves(model), strict=True)
    means = {}
    for name, mask, (kind, _leaf) in pairs:
        means[name] = mask
        if isinstance(kind, Covariance):
            each = mask.reshape(*mask.shape[:-2], -1)
            owner = name.rsplit(".", 1)[0]
            location = means.get(f"{owner}.location", each[..., :1])
            mean = means.get(f"{owner}.mean", location)
            if (each.any(-1) != each.all(-1)).any() or (mean.any(-1) != mean.all(-1)).any():
                raise ValueError(
                    f"fixed should name the whole of a covariance, and of the mean beside it, but "
                    f"only some entries of {name} or of its mean are marked: use a family with "
                    "independent columns to fix some of them."
                )


def _listed(given: Any, argument: str) -> list[str]:
    if isinstance(given, str):
        raise ValueError(
            f"{argument} should be a list of names, but is the text {given!r}: write [{given!r}]."
        )
    return list(given)


def _find(known: dict[str, Any], name: str, argument: str) -> Any:
    if name not in known:
        raise ValueError(
            f"{argument} should name parameters of the model, but {name!r} is none of them: they "
            f"are {', '.join(known)}."
        )
    return known[name]
