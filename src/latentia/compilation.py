"""Keeping compiled programs on disk, so that the next process does not compile them again."""

import os
import tempfile
from pathlib import Path


def enable_compilation_cache(directory: str | os.PathLike[str] | None = None) -> Path:
    """Turn on JAX's persistent compilation cache for this process.

    This is a global setting of JAX: it holds for every JAX program of the process, not for latentia
    alone, which is why importing latentia never makes it. The cached files are executable code, so
    the directory should be one that nobody else can write to.

    Args:
        directory: where compiled programs are kept; it is made if it does not exist. The default is
            the directory that JAX was already told to use, for instance by the environment variable
            ``JAX_COMPILATION_CACHE_DIR``, and otherwise ``latentia/xla`` in the user's cache.

    Returns:
        The directory in use.

    Raises:
        OSError: if the directory cannot be made or written to.
    """
    # Imported here so that the command line can load this module before it needs JAX.
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache
    from platformdirs import user_cache_path

    if directory is None:
        # JAX adds its options at run time, where a type checker does not see them.
        configured = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
        directory = configured or user_cache_path("latentia") / "xla"
    path = Path(directory).expanduser().absolute()
    _require_writable(path)

    jax.config.update("jax_compilation_cache_dir", str(path))
    # JAX keeps only slow compilations by default; our programs are many, small and quick.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # JAX decides at its first compilation whether and where to cache; this lets it decide anew.
    reset_cache()
    return path


def _require_writable(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Writing is the only honest test: permission bits say nothing of read-only or full disks.
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"0")
    except OSError as error:
        raise OSError(
            f"directory should be a folder that can be written to, but {str(path)!r} is not "
            f"({error.strerror or error}): pass another directory to enable_compilation_cache."
        ) from error
