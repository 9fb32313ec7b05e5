"""What all tests share: one folder of compiled programs for the whole run."""

import os
import shutil
import sys
import tempfile

import pytest


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Let go of a file's compiled programs: thousands of them exhaust a process's memory maps."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


def pytest_configure(config):
    """Let the workers, and the processes that tests start, share what any of them has compiled.

    The folder starts empty, unless the caller names one of their own.
    """
    if hasattr(config, "workerinput") or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="latentia-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    # To write the thousands of small ones would cost more than it saves.
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
