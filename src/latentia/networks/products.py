"""Rows times a matrix of weights, in one product however many data there are."""

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


def product(rows: jax.Array, weight: jax.Array) -> jax.Array:
    """``rows [..., I]`` times ``weight [I, O]``: ``[..., O]``.

    ``vmap`` makes data rows of the same product. It would else leave the data an axis of their own,
    over which the slopes of the weights are summed besides the rows: XLA transposes both factors
    for a sum over two axes, which took longer than the product.
    """
    if rows.shape[-1:] != weight.shape[:1]:
        raise ValueError(
            f"a layer of {weight.shape[0]} inputs should be given as many, but got the shape "
            f"{rows.shape}."
        )
    dtype = jnp.promote_types(rows.dtype, weight.dtype)
    flat = rows.reshape(-1, rows.shape[-1]).astype(dtype)
    return _product.bind(flat, weight.astype(dtype)).reshape(*rows.shape[:-1], weight.shape[1])


def _multiply(rows: jax.Array, weight: jax.Array) -> jax.Array:
    return jax.lax.dot_general(rows, weight, (((1,), (0,)), ((), ())))


def _slope_of_rows(slope: jax.Array, rows: object, weight: jax.Array) -> jax.Array:
    return _product.bind(slope, weight.T)


def _slope_of_weight(slope: jax.Array, rows: jax.Array, weight: object) -> jax.Array:
    return jax.lax.dot_general(rows, slope, (((0,), (0,)), ((), ())))


def _vmapped(factors: tuple[jax.Array, ...], axes: tuple[int | None, ...]) -> tuple[jax.Array, int]:
    rows, weight = (
        factor if axis is None else jnp.moveaxis(factor, axis, 0)
        for factor, axis in zip(factors, axes, strict=True)
    )
    if axes[1] is None:
        return product(rows, weight), 0
    return jnp.matmul(rows, weight), 0


_product = Primitive("latentia_product")
_product.def_impl(jax.jit(_multiply))
_product.def_abstract_eval(lambda rows, weight: rows.update(shape=(rows.shape[0], weight.shape[1])))
ad.defbilinear(_product, _slope_of_rows, _slope_of_weight)
batching.primitive_batchers[_product] = _vmapped
mlir.register_lowering(_product, mlir.lower_fun(_multiply, multiple_results=False))
