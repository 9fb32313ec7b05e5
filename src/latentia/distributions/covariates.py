"""What regressions share: covariates behind the columns that they explain."""

import jax
import jax.numpy as jnp


def need_covariates(covariates: int | None, owner: str) -> int:
    """P, if it is a number of covariates.

    Raises:
        TypeError: if it is not.
    """
    if covariates is None or covariates < 1:
        raise TypeError(
            f"covariates of {owner} should be a whole number of at least 1, but is {covariates}: "
            f"write {owner}(dim=1, covariates=2), for instance."
        )
    return covariates


def split(x: jax.Array, columns: int) -> tuple[jax.Array, jax.Array]:
    """The D = ``columns`` described ones, and the covariates, 0 in a row that says nothing."""
    return x[..., :columns], jnp.nan_to_num(x[..., columns:])


def units_beside(described: tuple[jax.Array, jax.Array], count: int) -> tuple[jax.Array, jax.Array]:
    """Centre and scale of x with ``count`` covariates behind it.

    Covariates have no density, and so no units.
    """
    none = jnp.zeros(count, described[0].dtype)
    return jnp.concatenate([described[0], none]), jnp.concatenate([described[1], none + 1])


def extended(given: jax.Array) -> jax.Array:
    """The covariates and 1, ``[..., P+1]``, so that the intercept is a slope like others."""
    return jnp.concatenate([given, jnp.ones((*given.shape[:-1], 1), given.dtype)], axis=-1)
