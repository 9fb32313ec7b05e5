"""Running a command: errors as one sentence, and an end within a moment when it is interrupted."""

import functools
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import click

from . import staging

# The kinds of error that the library promises to raise.
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError, NotImplementedError)


class _Terminated(BaseException):
    """SIGTERM came."""


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose work runs beside the main thread, which waits for signals.

    A compilation cannot be interrupted, so it must not keep the main thread from answering.
    """

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        failure: list[BaseException] = []

        def work() -> None:
            try:
                with warnings.catch_warnings():
                    # They are part of the status, which every command prints.
                    warnings.simplefilter("ignore")
                    command(*arguments, **options)
            except BaseException as error:
                failure.append(error)

        worker = threading.Thread(target=work, daemon=True)
        old = _listen()
        try:
            worker.start()
            while worker.is_alive():
                worker.join(0.1)
        except KeyboardInterrupt:
            _leave("Interrupted", 130)
        except _Terminated:
            _leave("Terminated", 143)
        finally:
            if old is not None:
                signal.signal(signal.SIGTERM, old)
        if failure:
            _report(failure[0])

    return run


def _listen() -> Any:
    if threading.current_thread() is not threading.main_thread():
        return None

    def stop(*_: object) -> None:
        raise _Terminated

    return signal.signal(signal.SIGTERM, stop)


def _leave(what: str, code: int) -> None:
    staging.clear()
    sys.stderr.write(f"\n{what}: nothing was written.\n")
    sys.stderr.flush()
    # At once, whatever is being compiled.
    os._exit(code)


def _report(error: BaseException) -> None:
    if isinstance(error, BrokenPipeError):
        # The reader of the output has gone, as `head` does.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise click.exceptions.Exit(0)
    if isinstance(error, (click.ClickException, click.exceptions.Exit, click.Abort)):
        raise error
    if os.environ.get("LATENTIA_DEBUG"):
        raise error
    if isinstance(error, KeyError) or not isinstance(error, _EXPECTED):
        kind = type(error).__name__
        text = f"This is a fault of latentia ({kind}: {error}): set LATENTIA_DEBUG=1 to see where."
    elif isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename!r}: {error.strerror}."
    else:
        text = str(error) or type(error).__name__
    click.echo(f"Error: {text}", err=True)
    raise click.exceptions.Exit(1)


def prepare() -> None:
    """What every command that computes does first."""
    import matplotlib

    from latentia import enable_compilation_cache

    # A command has no window to draw in.
    matplotlib.use("Agg")
    try:
        enable_compilation_cache()
    except OSError as error:
        click.echo(f"Note: {error}", err=True)
