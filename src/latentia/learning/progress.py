"""One line that says where a training is, written over and over on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .bound_fit import Epoch


def told(row: Epoch) -> str:
    """An epoch in one line: bound, held-out bound, distortion, rate and active coordinates."""
    held = f"held out {row.held_out:.5g}, " if row.held_out == row.held_out else ""
    active = f", active {row.active}" if row.active >= 0 else ""
    return (
        f"bound {row.bound:.5g}, {held}distortion {row.distortion:.5g}, rate {row.rate:.4g}{active}"
    )


@contextmanager
def shown(epochs: int, watch: Callable[[Epoch], Any] | None) -> Iterator[Callable[[Epoch], Any]]:
    """A watcher that moves a bar on the standard error after each epoch, and asks ``watch``."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.completed}/{task.total}"),
        BarColumn(20),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=epochs)

        def both(row: Epoch) -> Any:
            bar.update(task, completed=row.epoch + 1, description=told(row))
            return None if watch is None else watch(row)

        yield both
