"""Log-likelihoods of many units under many models of one kernel, on a pool of threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.kernel import Packed
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
CHUNK = 32_768
"""Rows that one pass takes at a time, so that what it writes stays in cache."""


def unit_likelihoods(models: Sequence[Model], sequences: Sequences, threads: int | None = None) -> tuple[Array, Array, int, Array]:
    """Return ``sum_t weight_t log p(y_t)`` of each unit under each model.

    A unit is a ``group`` where the sequences have several, else a ``unit`` where they have several, else a stretch between resets.

    Shapes: -> (units, models); labels of the units (units,); position of the unit of the last row; states after that row (models, n).
    Raises: DataError for no rows, or a group or unit that changes where no reset is.
    """
    if not len(sequences):
        raise DataError(explain("no rows for a bank", "0 rows", "one or more", "check the data"))
    labels, where = _units(sequences)
    packed = models[0].pack(sequences)
    kernel = models[0].kernel(not packed.observed.all())
    cuts = _cuts(sequences.starts, len(sequences))
    parts = [_part(packed, sequences.starts, a, b) for a, b in cuts]
    scored = (packed.observed != 0) & (packed.weight != 0)
    table = np.zeros((len(labels), len(models)))
    states = np.empty((len(models), kernel.n))

    def one(k: int) -> None:
        sums = []
        for (a, b), (data, starts) in zip(cuts, parts, strict=True):
            found = kernel.states(models[k].kernel_values, data)
            sums.append(np.add.reduceat(np.where(scored[a:b], data.weight * found.density, 0.0), starts))
        states[k] = found.last[-1]
        table[:, k] = np.bincount(where, np.concatenate(sums), len(labels))

    with np.errstate(invalid="ignore"):
        one(0)  # compiles, where that is still to be done, before the threads start
        with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
            list(pool.map(one, range(1, len(models))))
    return table, labels, int(where[-1]), states


def _units(sequences: Sequences) -> tuple[Array, Array]:
    """Labels of the units, and the position among them of each stretch between resets."""
    starts = sequences.starts
    for name, codes in (("group", sequences.group), ("unit", sequences.unit)):
        stray = np.flatnonzero((codes[1:] != codes[:-1]) & (sequences.reset[1:] == 0))
        if len(stray):
            got, need = f"row {stray[0] + 1} goes from {codes[stray[0]]} to {codes[stray[0] + 1]}", "a reset where it changes"
            raise DataError(explain(f"the {name} changes within a sequence", got, need, "set reset=True there, or leave reset out"))
        if (codes != codes[0]).any():
            labels, where = np.unique(codes[starts], return_inverse=True)
            return labels, where
    return np.arange(len(starts)), np.arange(len(starts))


def _cuts(starts: Array, rows: int) -> list[tuple[int, int]]:
    """Row numbers of pieces that begin with a unit and have about CHUNK rows, more where a unit is longer."""
    ends = [*starts[1:], rows]
    cuts, begin = [], 0
    for end in ends:
        if end - begin >= CHUNK or end == rows:
            cuts.append((begin, int(end)))
            begin = int(end)
    return cuts


def _part(packed: Packed, starts: Array, a: int, b: int) -> tuple[Packed, Array]:
    """The rows a to b in the kernels' form, and where their units start."""
    u, v = np.searchsorted(starts, [a, b])
    rows = {n: getattr(packed, n)[a:b] for n in ("X", "observed", "weight", "reset")}
    return replace(packed, **rows, Q=packed.Q[u:v], S0=packed.S0[u:v]), starts[u:v] - a


def continued(models: Sequence[Model], sequences: Sequences, states: Array) -> tuple[Array, Array, Array]:
    """Filter rows of one unit under each model from the states before them.

    Shapes: states (models, n) -> reads (models, rows, r), weighted log densities (models, rows), last states (models, n).
    """
    packed = models[0].pack(sequences, np.zeros((len(sequences.starts), len(models[0].mechanism.presamples))), states[:1])
    kernel = models[0].kernel(not packed.observed.all())
    found = [kernel.states(m.kernel_values, replace(packed, S0=np.ascontiguousarray(s[None]))) for m, s in zip(models, states, strict=True)]
    scored = (packed.observed != 0) & (packed.weight != 0)
    with np.errstate(invalid="ignore"):
        density = np.array([np.where(scored, packed.weight * f.density, 0.0) for f in found])
    return np.array([f.reads for f in found]), density, np.array([f.last[-1] for f in found])
