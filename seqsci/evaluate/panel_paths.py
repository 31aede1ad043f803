"""Rolling forecasts of any predictor over the series of a panel, one series at a time, through joblib under the user's own settings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqsci.errors import SeqsciError, missing_extra
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.evaluate.backtest import Protocol, _run
from seqsci.model import Model
from seqsci.panel.rolling import Forecasts, roll
from seqsci.predictor import Predictor
from seqsci.sequences import Sequences

if TYPE_CHECKING:
    from seqsci.panel.units import Units

Array = np.ndarray
CHUNK_BYTES = 2**21
"""Data that one task carries at most: dask asks for smaller tasks from 10 MB on, joblib writes arrays of 1 MB to disk."""
TASKS_A_WORKER = 8
"""Tasks that every worker gets at least, where there are that many series: the slow ones then even out."""
NUMERICAL = (SeqsciError, ArithmeticError, ValueError, RuntimeError)
"""What a refused or failed series raises (numpy's LinAlgError is a ValueError). Anything else is a fault of a program and is raised."""


@dataclass(frozen=True, eq=False)
class Series:
    """One series as it travels to a worker: its outcome, its known columns, and the row from which it is forecast."""

    y: Array
    known: Mapping[str, Array]
    first: int


@dataclass(frozen=True)
class Task:
    """What is done with every series: who forecasts, name and unit of the outcome, and the protocol."""

    predictor: Predictor
    outcome: str
    measure: str | None
    refit: int
    window: int | None
    levels: tuple[float, ...]

    def one(self, series: Series) -> tuple[Array, ...] | str:
        """Row numbers, mean, variance, log density and flags of the observed rows; or why there are none."""
        measure = {self.outcome: self.measure} if self.measure else {}
        seen = ~np.isnan(series.y[series.first :])
        protocol = Protocol(series.first, len(series.y), self.refit, self.window)
        try:
            sequences = Sequences({self.outcome: series.y}, series.known, measure=measure)
            path = _run(self.predictor, sequences, self.outcome, protocol, self.levels, seen)
        except NUMERICAL as error:
            return (str(error) or type(error).__name__).splitlines()[0]
        rows = series.first + np.flatnonzero(seen)
        bad = ~(np.isfinite(path.mean) & np.isfinite(path.log_density) & np.isfinite(path.variance) & (path.variance > 0))
        if bad.any():
            return f"the forecast of row {rows[np.argmax(bad)]} is not finite"
        return (rows, path.mean, path.variance, path.log_density, *path.below.values())

    def many(self, chunk: Sequence[Series]) -> list[tuple[Array, ...] | str]:
        """`one` for each series of a chunk."""
        with one_thread():
            return [self.one(series) for series in chunk]


def one_thread() -> AbstractContextManager[object]:
    """Linear algebra on one thread: how many there are decides the last bits of a baseline's estimates, and workers would crowd each other.

    SciPy's own library is loaded first; one that comes later would not be limited.
    """
    try:
        import scipy.linalg  # noqa: F401
        import threadpoolctl
    except ModuleNotFoundError as error:
        raise missing_extra(error, "a baseline over a panel") or error from error
    limits: AbstractContextManager[object] = threadpoolctl.threadpool_limits(1)
    return limits


def one_by_one(
    predictor: Predictor, units: Units, first: Array, refit: int, window: int | None, outcome: str, levels: tuple[float, ...]
) -> Forecasts:
    """Run a predictor through the protocol on every series, as `seqsci.evaluate.backtest.backtest` does on one.

    Tasks go through ``joblib.Parallel()`` without a back end or a number of jobs, so ``with joblib.parallel_config(...)`` decides where
    they run: outside of one they run here, one after the other. Wherever they run, the numbers are the same to the last bit.
    A unit with ``first`` at or past its last row is not forecast.
    """
    try:
        import joblib
    except ModuleNotFoundError as error:
        raise missing_extra(error, "a baseline over a panel") or error from error

    clock = time.perf_counter()
    task = Task(predictor, outcome, units.measure, refit, window, levels)
    failures = [(i, reason) for i, reason in units.reasons.items()]
    wanted = [i for i in range(len(units)) if i not in units.reasons and _observed_after(units, i, int(first[i]))]
    chunks = _chunks(wanted, units, joblib.effective_n_jobs(None))
    data = ([Series(units.outcome[c], {n: v[c] for n, v in units.known.items()}, int(first[i])) for i, c in chunk] for chunk in chunks)
    with one_thread():  # so that threads of this process find, and leave, one
        found = joblib.Parallel()(joblib.delayed(task.many)(chunk) for chunk in data)
    parts: list[tuple[Array, ...]] = []
    for (i, cut), part in zip((one for chunk in chunks for one in chunk), (one for many in found for one in many), strict=True):
        if isinstance(part, str):
            failures.append((i, part))
        else:
            parts.append((part[0] + cut.start, *part[1:]))
    empty = (np.zeros(0, np.int64), *(np.zeros(0) for _ in range(3)), *(np.zeros(0, bool) for _ in levels))
    rows, mean, variance, density, *flags = (np.concatenate(c) for c in zip(empty, *parts, strict=True))
    below = dict(zip(levels, flags, strict=True))
    return Forecasts(rows, mean, variance, density, below, sorted(failures), time.perf_counter() - clock)


def of_model(
    model: Model,
    units: Units,
    first: Array,
    refit: int,
    window: int | None,
    estimator: MaximumLikelihood,
    levels: tuple[float, ...],
    threads: int | None,
) -> Forecasts:
    """Run a model of ours through the protocol on every series, by compiled refits on ``threads``."""
    return roll(model, units, first, refit, window, estimator, levels, threads)


def _observed_after(units: Units, position: int, first: int) -> bool:
    return first > 0 and bool((~np.isnan(units.outcome[units.rows(position)][first:])).any())


def _chunks(wanted: Sequence[int], units: Units, workers: int) -> list[list[tuple[int, slice]]]:
    """Positions and rows of the units of each task."""
    share = -(-len(wanted) // max(1, TASKS_A_WORKER * workers))
    columns = 1 + len(units.known)
    chunks: list[list[tuple[int, slice]]] = []
    size = 0
    for i in wanted:
        cut = units.rows(i)
        weight = 8 * columns * (cut.stop - cut.start)
        if not chunks or len(chunks[-1]) >= share or size + weight > CHUNK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append((i, cut))
        size += weight
    return chunks
