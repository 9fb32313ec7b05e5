"""Where computations run in float64, and processes in which they cannot run at all."""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.core import Tracer


class ForkError(OSError):
    """JAX was started before this process was forked off, so any computation would hang."""


_forked = False


def _after_fork() -> None:
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")
    _forked = bridge is not None and bool(bridge.backends_are_initialized())


# Forks are only seen as they happen: the child of a fork cannot tell itself from its parent.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def require_no_fork() -> None:
    """Raise ``ForkError`` in a process that was forked after JAX had started."""
    if _forked:
        raise ForkError(
            "This process was forked after JAX had started, and JAX would hang in it: start "
            "workers with the 'spawn' or 'forkserver' method of multiprocessing, or with joblib's "
            "'loky' or 'threading' backend."
        )


def is_traced(*trees: Any) -> bool:
    """Whether anything in the trees is being traced by JAX."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))


@contextlib.contextmanager
def precision_of(*trees: Any) -> Iterator[None]:
    """Compute in float64 if anything in the trees is; leave the caller's setting alone otherwise.

    JAX's setting is changed for this thread and this block only. Under tracing the caller decides.
    """
    require_no_fork()
    leaves = jax.tree.leaves(trees)
    wide = any(getattr(leaf, "dtype", None) == np.float64 for leaf in leaves)
    if not wide or is_traced(*trees):
        yield
        return
    _limit_threads()
    with jax.enable_x64(True):
        yield


# A table with more entries than this is not computed twice.
_SMALL = 1_000_000


def mended(compute: Callable[..., Any], broken: Callable[[Any], bool], *trees: Any) -> Any:
    """What ``compute(*trees)`` returns; if that is broken in float32 and the problem is small, what
    it returns in float64, with a warning, if that is not."""
    answer = compute(*trees)
    leaves = [leaf for leaf in jax.tree.leaves(trees) if hasattr(leaf, "dtype")]
    wide = any(leaf.dtype == np.float64 for leaf in leaves)
    if wide or not broken(answer) or sum(leaf.size for leaf in leaves) > _SMALL:
        return answer
    again = compute(*jax.tree.map(_widened, trees))
    if broken(again):
        return answer
    warnings.warn(
        "In float32 a number became NaN or infinite, so that all was computed again in float64: "
        "pass the data in float64, or bring columns to a scale near one.",
        RuntimeWarning,
        stacklevel=2,
    )
    return again


def _widened(leaf: Any) -> Any:
    return np.asarray(leaf, np.float64) if getattr(leaf, "dtype", None) == np.float32 else leaf


def _limit_threads() -> None:
    """Let JAX start no more threads than joblib grants this worker process."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    if granted.isdigit() and int(granted) > 0:
        # Read once, when the CPU client is made.
        os.environ.setdefault("NPROC", granted)


def on_host(tree: Any) -> Any:
    """The same with NumPy arrays of its own, which no setting of JAX can change the meaning of."""
    if is_traced(tree):
        return tree
    return jax.tree.map(np.array, jax.device_get(tree))
