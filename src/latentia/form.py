"""The ways in which a part of a model is evaluated on data. Needs nothing, so that data do not."""

from enum import StrEnum


class Form(StrEnum):
    """How a part of a model is evaluated on data, chosen before anything is compiled."""

    MISSING = "missing"  # entries may be NaN and are integrated out
    COMPLETE = "complete"  # no entry is NaN: subtract, then whiten
    WHOLE = "whole"  # of sequences: nor is any step missing, or there to fill up
    PRODUCTS = "products"  # matrix products of sufficient statistics, where rounding allows it
