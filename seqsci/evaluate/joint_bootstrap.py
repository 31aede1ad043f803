"""Differences of many series on an axis of dates, and a bootstrap that draws dates, so that all series of a date move together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.evaluate.resampling import automatic_block_length, stationary_bootstrap_counts

Array = np.ndarray
CELLS = 2**23
"""Numbers that a working array holds at most (64 MB)."""
COLUMNS = 256
"""Series that are multiplied at once."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where each row of a panel lies among dates and series.

    Attributes:
        dates: (dates,) sorted.
        date: (rows,) position of each row's date.
        offsets: (series + 1,) row numbers at which series begin.
    """

    dates: Array
    date: Array
    offsets: Array

    @classmethod
    def of(cls, code: Array, index: Array) -> Grid:
        """The grid of rows that lie series after series (``code`` does not decrease)."""
        if len(code) and (np.any(np.diff(code) < 0) or len(np.unique(code)) != code[-1] + 1):
            raise DataError(explain("the rows of a series are not together", "mixed codes", "codes 0, 1, ... in blocks", "sort by series"))
        import pandas as pd

        date, dates = pd.factorize(np.asarray(index), sort=True)
        return cls(np.asarray(dates), date, np.searchsorted(code, np.arange(int(code[-1]) + 2)))

    @property
    def counts(self) -> Array:
        """(series,) rows of each series."""
        return np.diff(self.offsets)

    def by_series(self, values: Array) -> Array:
        """(series,) mean over the rows of each."""
        return np.asarray(np.add.reduceat(values, self.offsets[:-1]) / self.counts)

    def by_date(self, values: Array) -> Array:
        """(dates,) mean over the series that are there."""
        size = len(self.dates)
        return np.asarray(np.bincount(self.date, values, size) / np.bincount(self.date, minlength=size))

    def blocks(self, values: Array) -> Iterator[tuple[slice, Array, Array | None]]:
        """Blocks of series: which, their values (dates, series) with 0 where absent, and their presence or None where all are complete."""
        size = len(self.dates)
        for a in range(0, len(self.counts), COLUMNS):
            some = slice(a, min(a + COLUMNS, len(self.counts)))
            rows = slice(int(self.offsets[some.start]), int(self.offsets[some.stop]))
            column = np.repeat(np.arange(some.stop - some.start), self.counts[some])
            dense = np.zeros((size, some.stop - some.start))
            dense[self.date[rows], column] = values[rows]
            present = None
            if (self.counts[some] < size).any():
                present = np.zeros_like(dense)
                present[self.date[rows], column] = 1.0
            yield some, dense, present


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class JointEstimate:
    """Mean over all rows and median over the series' means, with joint intervals; ``block``: mean block length (dates)."""

    mean: Estimate
    median: Estimate
    block: float


def joint_resamples(grid: Grid, values: Array, block_length: float, resamples: int, seed: int) -> tuple[Array, Array]:
    """Return the mean over rows and the median over series of each resample of the dates.

    Formula: with ``n_bt``, how often resample b has date t, series i has the mean ``sum_t n_bt x_it / sum_t n_bt p_it`` over the dates
    where it is present (``p_it = 1``); the mean is the ratio of both sums over i, the median that of the series' means. A series that
    a resample misses altogether is absent from its median.

    Shapes: (rows,) -> (resamples,), (resamples,).
    """
    size, many = len(grid.dates), len(grid.counts)
    counts = stationary_bootstrap_counts(size, block_length, resamples, seed)
    means, medians = np.empty(resamples), np.empty(resamples)
    step = max(1, min(resamples, CELLS // max(many, size)))
    for a in range(0, resamples, step):
        weights = counts[a : a + step].astype(float)
        top, bottom = np.zeros(len(weights)), np.zeros(len(weights))
        each = np.empty((len(weights), many))
        for some, dense, present in grid.blocks(values):
            sums = weights @ dense
            rows: Any = float(size) if present is None else weights @ present
            top += sums.sum(1)
            bottom += size * dense.shape[1] if present is None else rows.sum(1)
            with np.errstate(invalid="ignore"):
                each[:, some] = sums / rows
        absent = bool(np.isnan(each).any())
        means[a : a + step] = top / bottom
        medians[a : a + step] = np.nanmedian(each, axis=1) if absent else np.median(each, axis=1)
    return means, medians


def joint_estimate(
    grid: Grid, values: Array, resamples: int = 2000, seed: int = 0, level: float = 0.95, block_length: float | None = None
) -> JointEstimate:
    """Return mean and median of paired differences with stationary bootstrap percentile intervals; the dates are resampled jointly.

    Formula: quantiles ``(1 -+ level) / 2`` of `joint_resamples`. The mean block length is `automatic_block_length` of the differences'
    cross-sectional mean by date. The series are taken as given: the interval is about other dates, not about other series.

    Shapes: (rows,) -> scalars. Of one series, both are `seqsci.evaluate.resampling.block_bootstrap_interval`.
    Source: Politis & Romano (1994), DOI 10.1080/01621459.1994.10476870. That whole dates are drawn keeps any dependence
    between the series: Gonçalves (2011), Econometric Theory 27, 1048-1082.
    """
    if len(grid.dates) < 2:
        raise DataError(explain("too few dates for an interval", len(grid.dates), "at least 2 dates", "score more rows"))
    length = automatic_block_length(grid.by_date(values)) if block_length is None else block_length
    means, medians = joint_resamples(grid, values, length, resamples, seed)
    sides = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = np.quantile(means, sides)
    below, above = np.quantile(medians, sides)
    middle = float(np.median(grid.by_series(values)))
    return JointEstimate(Estimate(float(values.mean()), float(low), float(high)), Estimate(middle, float(below), float(above)), length)
