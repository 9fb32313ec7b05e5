"""What all tests share: one folder of compiled programs for the whole run."""

import os
import shutil
import sys
import tempfile

import pytest

# Linux allows a process 65,530 memory maps, and a compiled fit takes up to a thousand of them.
MOST_MAPS = 20_000


@pytest.fixture(autouse=True)
def forget_programs():
    """Let go of compiled programs before their memory maps run out, which would be a crash."""
    yield
    if "jax" in sys.modules and memory_maps() > MOST_MAPS:
        sys.modules["jax"].clear_caches()


def memory_maps():
    """How many memory maps this process has; 0 where the system does not say."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            return sum(1 for _ in maps)
    except OSError:
        return 0


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


@pytest.fixture(scope="module")
def client():
    """A Dask cluster of two threads of this process, for the tests of a file."""
    from distributed import Client

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with Client(processes=False, set_as_default=False, **options) as found:
        yield found
