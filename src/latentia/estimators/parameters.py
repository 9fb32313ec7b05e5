"""What constructor parameters may be: one sentence for each that is not."""

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

Rule = Callable[[Any], str]
"""Says what a value should be, or nothing if it is fine."""


def whole(least: int, *also: Any) -> Rule:
    """A whole number from ``least`` up, or one of the other values."""
    text = " or ".join([f"a whole number of at least {least}", *map(repr, also)])

    def rule(value: Any) -> str:
        fits = isinstance(value, Integral) and not isinstance(value, bool) and value >= least  # pyright: ignore
        return "" if fits or _is_one(value, also) else text

    return rule


def number(*also: Any) -> Rule:
    """A finite number that is not negative, or one of the other values."""
    text = " or ".join(["a number of at least 0", *map(repr, also)])

    def rule(value: Any) -> str:
        real = isinstance(value, Real) and not isinstance(value, bool)
        fits = real and 0 <= float(value) < np.inf
        return "" if fits or _is_one(value, also) else text

    return rule


def positive(value: Any) -> str:
    """A finite number above 0."""
    return "" if value != 0 and not number()(value) else "a number above 0"


def one_of(*options: Any) -> Rule:
    """One of a few values."""
    text = f"one of {', '.join(map(repr, options))}"
    return lambda value: "" if _is_one(value, options) else text


def flag(value: Any) -> str:
    """True or False."""
    return "" if isinstance(value, bool | np.bool_) else "True or False"


def seed(value: Any) -> str:
    """What scikit-learn takes for ``random_state``."""
    fits = value is None or isinstance(value, np.random.RandomState)
    fits |= isinstance(value, Integral) and not isinstance(value, bool) and value >= 0  # pyright: ignore
    return "" if fits else "a whole number of at least 0, a RandomState or None"


COMMON: Mapping[str, Rule] = {
    "tol": number(),
    "max_iter": whole(0),
    "n_init": whole(1, "auto"),
    "covariance_floor": number(),
    "random_state": seed,
    "warm_start": flag,
    "verbose": lambda value: flag(value) and whole(0)(value),
    "verbose_interval": whole(1),
}
INITIALS = one_of("auto", "kmeans", "k-means++", "random", "random_from_data")


def check_parameters(estimator: Any, rules: Mapping[str, Rule]) -> None:
    """Raise ``ValueError`` for the first parameter that breaks its rule."""
    for name, rule in rules.items():
        value = getattr(estimator, name)
        if expected := rule(value):
            raise ValueError(
                f"{name} of {type(estimator).__name__} should be {expected}, but is {value!r}."
            )


def seed_of(random_state: Any, otherwise: int | None = 0) -> int:
    """The seed of one call. A ``RandomState`` is drawn from, so that each call has its own.

    Args:
        random_state: as the estimator was given it.
        otherwise: the seed for None; None is a new one every time.
    """
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if random_state is not None:
        return int(random_state)
    # Never NumPy's global state, which belongs to the caller.
    return int(np.random.SeedSequence().generate_state(1)[0]) if otherwise is None else otherwise


def _is_one(value: Any, options: tuple[Any, ...]) -> bool:
    # By type as well, since 1 == True and arrays have no single truth.
    return any(type(value) is type(option) and value == option for option in options)
