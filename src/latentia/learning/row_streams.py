"""Data that need not fit in memory, as a training reads them."""

import os
from typing import Any

import numpy as np

from latentia.data.dask_rows import is_dask
from latentia.data.image_files import holds_images
from latentia.data.image_folder import ImageFolder
from latentia.data.parquet import ParquetRows
from latentia.data.sources import is_path, is_stream, source_of
from latentia.distributions.given import inputs
from latentia.inference.amortized_answers import read_data
from latentia.likelihoods import PerStep

# So many blocks from random places are in memory together.
_BLOCKS = 8


def gives_any_rows(data: Any) -> bool:
    """Whether data are read from files when they are needed, in any order."""
    return isinstance(data, ParquetRows | ImageFolder)


def opened(data: Any, weights: Any) -> tuple[Any, Any]:
    """Data and weights, with a stream in place of a path: of a folder of images, or of Parquet
    files, whose weights are a column.

    Raises:
        ValueError: if data are not in memory and cannot be read in any order, or have labels.
    """
    if isinstance(data, str | os.PathLike) and os.path.isdir(data) and holds_images(data):
        return ImageFolder(data), weights
    if is_path(data):
        data, weights = source_of(data, weights), None
    if not gives_any_rows(data) and (is_stream(data) or is_dask(data)):
        raise ValueError(
            "data should be an array, a folder of images, or rows of Parquet files for a model "
            f"with an encoder, but are {type(data).__name__}: pass an array, or write them to "
            "Parquet files."
        )
    if getattr(data, "labelled", False):
        raise ValueError(
            "labels should be None where the stream is opened, for a model with an encoder."
        )
    return data, weights


class Streamed:
    """Rows of a source for a model, split into blocks to learn from and blocks that are held out.

    Args:
        model: with an encoder.
        source: with ``rows`` and ``take``.
        held_out: the share of the data that is held out (in whole blocks, as many as fit in memory
            together at most), or data of their own.
        at_once: how many rows are in memory together.
        seed: decides which blocks are held out.
    """

    def __init__(self, model: Any, source: Any, held_out: Any, at_once: int, seed: int) -> None:
        if inputs(model.likelihood) or isinstance(model.likelihood, PerStep):
            raise ValueError(
                "data should be in memory for a model of sequences, or one with covariates, but "
                "are streamed."
            )
        self.model, self.source, self.held_out = model, source, held_out
        size = max(1, min(at_once, source.rows) // _BLOCKS)
        self.at_once = max(1, at_once // size)
        edges = [*range(0, source.rows, size), source.rows]
        blocks = list(zip(edges[:-1], edges[1:], strict=True))
        share = held_out if np.isscalar(held_out) else 0.0
        if not 0 <= share < 1:  # pyright: ignore[reportOperatorIssue]
            raise ValueError(
                "held_out should be a share of the data from 0 up to 1, or data of their own, but "
                f"is {held_out!r}."
            )
        order = np.random.default_rng([seed, 1]).permutation(len(blocks))
        most = min(self.at_once, len(blocks) - 1)
        count = min(int(np.ceil(share * len(blocks))), most)  # pyright: ignore
        self._held = [blocks[i] for i in sorted(order[:count])]
        self.blocks = [blocks[i] for i in sorted(order[count:])]
        self.rows = sum(last - first for first, last in self.blocks)

    def take(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and weights of sorted row numbers, checked."""
        values, weights = self.source.take(index)
        rows, _ = read_data(self.model, values, "data")
        return rows, np.ones(len(rows)) if weights is None else weights

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        """Some of the data, from all over, for what starts from the data."""
        step = max(1, len(self.blocks) // self.at_once)
        chosen = self.blocks[::step][: self.at_once]
        return self.take(np.concatenate([np.arange(*block) for block in chosen]))

    def held(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and weights that are held out; maybe none."""
        if not np.isscalar(self.held_out):
            rows, _ = read_data(self.model, self.held_out, "held_out")
            return rows, np.ones(len(rows))
        if not self._held:
            return np.empty((0, *self.model.likelihood.shape), np.float32), np.empty(0)
        return self.take(np.concatenate([np.arange(*block) for block in self._held]))
