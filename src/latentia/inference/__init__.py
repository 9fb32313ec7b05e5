"""Inference x -> p(z|x): one method in each file, and the contract in ``interface``."""

from .auto import Auto as Auto
from .auto import choose as choose
from .exact import Exact as Exact
from .interface import AbstractInference as AbstractInference
