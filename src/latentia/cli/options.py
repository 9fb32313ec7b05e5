"""What several commands have in common: types of arguments, and options."""

from collections.abc import Callable
from typing import Any

import click


class Numbers(click.ParamType):
    """Whole numbers from 1 up: 3, or 1:9 (with both ends), or 1,2,5."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        found: set[int] = set()
        try:
            for part in value.split(","):
                first, _, last = part.partition(":")
                found.update(range(int(first), int(last or first) + 1))
        except ValueError:
            found = set()
        if not found or min(found) < 1:
            self.fail(
                f"{value!r} is not a number from 1 up, a range like 1:9, or a list like 1,2,5."
            )
        return tuple(sorted(found))


class Names(click.ParamType):
    """Names with commas between them; if ``choices`` are given, some of these."""

    name = "names"

    def __init__(self, choices: tuple[str, ...] = ()) -> None:
        self.choices = choices

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        wrong = [name for name in names if self.choices and name not in self.choices]
        if wrong or not names:
            choices = ", ".join(self.choices) or "names with commas between them"
            self.fail(f"{value!r} should be one or more of {choices}.")
        return names


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
out_option = click.option(
    "-o",
    "--out",
    default="-",
    metavar="FILE",
    show_default=True,
    help="Where to write: a .csv or .parquet file; - is standard output, as CSV.",
)
model_argument = click.argument("model", metavar="MODEL", type=click.Path())
data_argument = click.argument("data", metavar="DATA", type=click.Path(allow_dash=True))


def apply(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several decorators as one, in the order in which they are read."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate
