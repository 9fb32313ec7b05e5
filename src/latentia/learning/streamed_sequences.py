"""Fitting partitioned sequences: the same steps as in memory, with every total summed by an engine.

Three passes give the units, the steps that all starts see, and the sequences that they climb on;
then every step of EM is one pass.
"""

import logging
from contextlib import closing
from typing import Any, NamedTuple

import jax
import numpy as np

from latentia.data.interface import AbstractPartitions
from latentia.data.reading import ahead
from latentia.data.sequence_rows import SequenceRows, SomeSequences
from latentia.data.sequences import Sequences, partly_missing, sequence_form
from latentia.data.table import Table, read_labels, require_observed, require_states
from latentia.distributions.given import inputs
from latentia.typing import Form

from .condensing import Gathering
from .em import EM
from .fit_result import Fit
from .fitting import SAMPLE as DISTINCT
from .fitting import SMALL as FEW
from .overview import Overview
from .passes import Passes, signature
from .planning import Sample, plan_fit
from .scaling import Level, Spread
from .sequence_fitting import (
    SMALL,
    blocks_in,
    drawn_sequences,
    fit_sequences,
    in_context,
    with_surroundings,
)

logger = logging.getLogger("latentia")


class _Ask(NamedTuple):
    """What the first pass has to know: K, and how many columns are described."""

    states: int
    described: int


class _Look(NamedTuple):
    """What the first pass over a partition finds; ``weight [n]`` is that of its sequences."""

    level: Level
    weight: np.ndarray
    heavy: int
    mass: float
    total: float
    holes: bool
    partly: bool


class _Frame(NamedTuple):
    """What the second pass over a partition needs to know of all the data, and of those before."""

    level: Level
    described: int
    heavy: int
    mass: float
    seed: int
    passed: float


def fit_sequence_partitions(model: Any, data: AbstractPartitions, learner: EM, seed: int) -> Fit:
    """Maximum likelihood from sequences under some engine; see ``fit_partitioned``."""
    source: Any = data.source
    if source.rows <= SMALL:
        found, weight, codes = _all(source)
        require_observed(Table(found.values, found.columns))
        read_labels(codes, source.rows, model.likelihood.states)
        return fit_sequences(model, found, weight, codes, learner, seed)
    seen, weight, form = sequence_overview(data, model, seed)
    plan, models = plan_fit(
        model, seen.sample, seen.centre, seen.spread, seen.total, learner, seed, np.dtype(float)
    )
    starts = None
    if jax.tree.leaves(models)[0].shape[0] > 1:
        some = _drawn(data, weight, seed)
        blocks = blocks_in(plan, *some)
        heavy = float(np.repeat(some.weight, some.data.lengths).sum())
        starts, models = plan.on_sample(models, blocks, heavy, sequence_form(some.data))
        logger.info("the best of %d starts goes on, with all sequences", len(starts[0]))
    passes = Passes(plan, data, seen, starts, signature(model, learner, seed), form)
    return passes.run(models)


def _all(source: SequenceRows) -> SomeSequences:
    """All sequences at once."""
    data, weight, label = zip(*source.sequences(), strict=True)
    values, lengths = (np.concatenate([one[i] for one in data]) for i in range(2))
    known = np.concatenate(label) if source.labelled else None
    return SomeSequences(Sequences(values, lengths, source.columns), np.concatenate(weight), known)


def sequence_overview(
    data: AbstractPartitions, model: Any, seed: int
) -> tuple[Overview, np.ndarray, Form]:
    """What is to be known beforehand, the weight of every sequence, and the form of the data."""
    source: Any = data.source
    ask = _Ask(model.likelihood.states, source.width - inputs(model.likelihood))
    looks = data.gather(_look, [ask] * data.count)
    level = looks[0].level
    for look in looks[1:]:
        level.join(look.level)
    heavy = sum(look.heavy for look in looks)
    if heavy == 0:
        raise ValueError("weights should have one above zero, but all are 0: raise one.")
    require_observed(Table(np.where(level.mass > 0, 0.0, np.nan)[None], source.columns))
    passed = np.cumsum([0.0, *(look.mass for look in looks)])
    frames = [
        _Frame(level, ask.described, heavy, float(passed[-1]), seed, float(each))
        for each in passed[:-1]
    ]
    (spread, steps), *others = data.gather(_draw, frames)
    for squares, more in others:
        spread.join(squares)
        steps.join(more)
    points, mass = steps.condense(FEW if heavy <= FEW else DISTINCT)
    known = None
    if source.labelled:
        points, known = points[:, :-1], points[:, -1].astype(np.int32)
    sample = in_context(Sample(points, mass, known, whole=False), source.width)
    centre, scale = spread.summary()
    # Covariates are not described, so their units do not matter to the likelihood.
    counted = np.where(np.arange(source.width) < ask.described, level.mass, 0.0)
    reach = level.origin[:, None] + np.stack([level.low, level.high], axis=1)
    partly = any(look.partly for look in looks)
    total = sum(look.total for look in looks)
    seen = Overview(sample, centre, scale, counted, reach, total, partly)
    whole = source.one_length and not any(look.holes for look in looks)
    form = Form.MISSING if partly else Form.WHOLE if whole else Form.COMPLETE
    return seen, np.concatenate([look.weight for look in looks]), form


def _look(part: Any, ask: _Ask) -> _Look:
    level = Level(part.width)
    weights, heavy, mass, total, holes, partly = [], 0, 0.0, 0.0, False, False
    with closing(ahead(part.sequences())) as coming:
        for data, weight, label in coming:
            if label is not None:
                require_states(label, ask.states)
            each = np.repeat(weight, data.lengths)
            level.add(data.values, each)
            some = _observed(data, ask.described)
            kept = each[some & (each > 0)]
            heavy += len(kept)
            # In order, as it is drawn from.
            mass = float(np.cumsum(np.append(mass, kept))[-1])
            total += float(each[some].sum())
            holes = holes or bool(np.isnan(data.values).any())
            partly = partly or partly_missing(data.values)
            weights.append(weight)
    return _Look(level, np.concatenate(weights), heavy, mass, total, holes, partly)


def _draw(part: Any, frame: _Frame) -> tuple[Spread, Gathering]:
    spread = Spread(frame.level)
    columns = 2 * part.width + part.labelled
    steps = Gathering(frame.heavy, frame.mass, columns, frame.seed, frame.passed)
    with closing(ahead(part.sequences())) as coming:
        for data, weight, label in coming:
            each = np.repeat(weight, data.lengths)
            spread.add(data.values, each)
            some = _observed(data, frame.described)
            wide = with_surroundings(data)
            wide = wide if label is None else np.column_stack([wide, label])
            steps.add(wide[some], each[some])
    return spread, steps


def _observed(data: Sequences, described: int) -> Any:
    return (~np.isnan(data.values[:, :described])).any(axis=1)


def _drawn(data: AbstractPartitions, weight: np.ndarray, seed: int) -> SomeSequences:
    """The sequences that starts climb on, the same ones as in memory."""
    source: Any = data.source
    chosen, kept = drawn_sequences(source.lengths, weight, seed)
    found = [each for part in data.gather(_fetch, _shares(data, chosen)) for each in part]
    # In the order in which they were drawn.
    ordered = [found[i] for i in np.argsort(np.argsort(chosen, kind="stable"), kind="stable")]
    values = np.concatenate([one[:n] for (one, _), n in zip(ordered, kept, strict=True)])
    known = None
    if source.labelled:
        known = np.concatenate([one[:n] for (_, one), n in zip(ordered, kept, strict=True)])
    return SomeSequences(Sequences(values, kept, source.columns), weight[chosen], known)


def _shares(data: AbstractPartitions, chosen: np.ndarray) -> list[np.ndarray]:
    """The numbers of the chosen sequences in each partition, ascending."""
    ends = np.cumsum([0, *data.gather(_count, [None] * data.count)])
    ascending = np.sort(chosen)
    cuts = np.searchsorted(ascending, ends)
    return [ascending[i:j] - e for i, j, e in zip(cuts, cuts[1:], ends, strict=False)]


def _count(part: Any, _: None) -> int:
    return len(part.lengths)


def _fetch(part: Any, numbers: np.ndarray) -> list[tuple[np.ndarray, np.ndarray | None]]:
    found, first = [], 0
    if len(numbers) == 0:
        return found
    for data, _, label in part.sequences():
        low, high = np.searchsorted(numbers, (first, first + len(data.lengths)))
        for number in numbers[low:high] - first:
            rows = slice(data.starts[number], data.starts[number] + data.lengths[number])
            found.append((data.values[rows], None if label is None else label[rows]))
        first += len(data.lengths)
    return found
