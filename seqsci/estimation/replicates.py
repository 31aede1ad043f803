"""Simulated data sets for studies of an estimator, and a loop over them on threads whose result does not depend on their number."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
Result = TypeVar("Result")
BURN = 500
"""Steps thrown away before each simulated sequence, of a mechanism whose first state is computed from the data."""
WORKING_UNIT = "percent"
"""The unit of simulated outcomes where a mechanism wants one stated and takes this one: estimation runs on it as it is."""


def simulated(
    model: Model,
    rows: int,
    seed: int | Sequence[int],
    units: int = 1,
    burn: int | None = None,
    known: Mapping[str, Array] | None = None,
) -> Sequences:
    """``units`` independent sequences of ``rows`` steps from the model at its values, end to end; the same seed gives the same bits.

    Args:
        burn: steps before each sequence that are thrown away. Default: `BURN` where the mechanism has presample numbers, which a fit
            computes from the rows it sees; 0 where the mechanism states its own start, which a burn-in would contradict.
        known: known columns by name, (rows or more,) for all units or (units or more, rows or more); a burn-in runs through their last
            values, as often as it takes.

    Raises `DataError` for a mechanism with several outcomes and for a known column that is missing or short.
    """
    mechanism = model.mechanism
    if len(mechanism.outcomes) != 1:
        got = [o.name for o in mechanism.outcomes]
        raise DataError(explain("simulation needs a single outcome", got, "one outcome", "make the others known sequences"))
    before = (BURN if mechanism.presamples else 0) if burn is None else burn
    steps, outcome = before + rows, mechanism.outcomes[0]
    place = np.r_[(np.arange(-before, 0) % rows), np.arange(rows)]
    columns = {k.name: _known(k.name, (known or {}).get(k.name), rows, units)[:, place] for k in mechanism.known}
    reset = np.tile(np.arange(steps) == 0, units)
    blank = Sequences({outcome.name: np.zeros(units * steps)}, {n: c.ravel() for n, c in columns.items()}, reset=reset)
    typical = {q.name: 0.0 for q in mechanism.presamples} | mechanism.typical_presample(model.value)
    packed = model.pack(blank, np.tile([typical[q.name] for q in mechanism.presamples], (units, 1)))
    noise = model.observation.noise((units * steps,), model.shape_values, np.random.default_rng(seed))
    model.kernel().simulate(model.kernel_values, packed, noise)
    drawn = packed.X[:, -1].reshape(units, steps)[:, before:]
    unit = WORKING_UNIT if WORKING_UNIT in outcome.units else next(iter(outcome.units), None)
    return Sequences(
        {outcome.name: drawn.ravel()},
        {n: c[:, before:].ravel() for n, c in columns.items()},
        reset=np.tile(np.arange(rows) == 0, units),
        unit=np.repeat(np.arange(units), rows),
        measure={} if unit is None else {outcome.name: unit},
    )


def _known(name: str, values: Array | None, rows: int, units: int) -> Array:
    """The first rows of a known column, one line a unit."""
    table = np.zeros((0, 0)) if values is None else np.atleast_2d(np.asarray(values, float))
    table = np.tile(table, (units, 1)) if len(table) == 1 else table
    if table.shape[0] < units or table.shape[1] < rows:
        got = "nothing" if values is None else f"shape {np.shape(values)}"
        expected = f"({rows},) or more for all units, or ({units}, {rows}) or more"
        raise DataError(explain(f"the known sequence {name!r} is missing or short", got, expected, f"pass known={{{name!r}: values}}"))
    return table[:units, :rows]


def on_threads(work: Callable[[int], Result], count: int, threads: int | None = None) -> list[Result]:
    """``work(0)`` to ``work(count - 1)`` in order; the first runs alone, so that what must be compiled is compiled once.

    ``threads``: default one a core. Compiled fits hold no lock, so they run side by side.
    """
    first = [work(i) for i in range(min(count, 1))]
    with ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="seqsci") as pool:
        return first + list(pool.map(work, range(1, count)))
