"""The bank whose prior ends where forecasts begin: learned from years of other sources before a series' first test year."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.protocol import THREADS, CountForecaster, Forecasts
from seqsci.domains.ecology.bank import FittedPopulationBank, PopulationBank, folds
from seqsci.domains.ecology.bank_kernel import filtered
from seqsci.domains.ecology.reading.panel import CountPanel

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


def reach(panel: CountPanel) -> tuple[Index, Index]:
    """By series, the year in which its test window begins, and the last year of its training window (series,) each."""
    begin = panel.offsets[:-1] + panel.first
    return panel.year[begin], panel.year[begin - 1]


def share_of_later_priors(panel: CountPanel, source: CountPanel | None = None) -> float:
    """Share of forecasts whose prior is learned from a training window that reaches their calendar year or a later one.

    Args:
        source: the panel that the prior is learned from; without it the panel itself, clusters other than a series' own.
    """
    learned = source or panel
    last, own, others = reach(learned)[1], np.asarray(panel.cluster), np.asarray(learned.cluster)
    latest = np.array([last.max() if source is not None else last[others != c].max() for c in own])
    return float((latest[panel.test_series] >= panel.year[panel.test_rows]).mean())


@dataclass(frozen=True)
class CalendarBank(CountForecaster):
    """A bank whose prior for a series is learned from other clusters' training windows, cut off before the series' first test year.

    `seqsci.domains.ecology.bank.CrossFittedBank` takes these windows whole, and some end after the forecast's year. Folds are the same.
    Where fewer clusters than ``bank.parts`` are left, ``a`` is that of the grid; where none is, the prior is even.

    Attributes:
        bank: what is fitted; parts: folds by cluster; label: name in tables.
    """

    bank: PopulationBank = field(default_factory=PopulationBank)
    parts: int = 5
    label: str = "bank, prior from years before"

    @property
    def name(self) -> str:
        return self.label

    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """Each group of series of one fold and first test year by the bank fitted for it. Raises: DataError for too few clusters."""
        clock = time.perf_counter()
        fold, series, begin = folds(panel.cluster, self.parts), panel.test_series, reach(panel)[0]
        arrays = [np.full((len(series), horizon), np.nan) for _ in range(4)]
        seen: dict[tuple[int, int, float], Array] = {}
        for part, year in sorted(set(zip(fold.tolist(), begin.tolist(), strict=True))):
            group = (fold == part) & (begin == year)
            made = self._learned(panel, np.flatnonzero(fold != part), year, seen).forecast(panel.some(group), horizon)
            for array, values in zip(arrays, (made.mean, made.log_density, made.crps, made.pit), strict=True):
                array[group[series]] = values
        return Forecasts(self.name, arrays[0], arrays[1], arrays[2], arrays[3], time.perf_counter() - clock)

    def _learned(self, panel: CountPanel, others: Index, year: int, seen: dict[tuple[int, int, float], Array]) -> FittedPopulationBank:
        """The bank that these series teach by the rows of their training windows before a year; ``seen`` keeps likelihoods of windows."""
        rows = np.minimum(panel.first, year - panel.year[panel.offsets[:-1]])
        used = [i for i in others.tolist() if rows[i] >= 2 and np.isfinite(panel.values(i)[: rows[i]]).sum() >= 2]
        clusters = tuple(panel.cluster[i] for i in used)
        bank = self.bank if len(set(clusters)) >= self.bank.parts else replace(self.bank, freedoms=())
        bank = bank if used else replace(bank, rounds=0)
        tables: dict[float, Array] = {}
        for a in bank.freedoms or (bank.grid.freedom,):
            cells = replace(bank.grid, freedom=a).cells
            missing = [i for i in used if (i, int(rows[i]), a) not in seen]

            def one(i: int, cells: Array = cells) -> Array:
                return np.asarray(filtered(panel.values(i)[: rows[i]], cells)[3])

            with ThreadPoolExecutor(THREADS) as pool:
                seen |= {(i, int(rows[i]), a): found for i, found in zip(missing, pool.map(one, missing), strict=True)}
            kept = [seen[i, int(rows[i]), a] for i in used]
            tables[a] = np.array(kept) if kept else np.zeros((0, cells.shape[1]))
        return bank.concluded(tables, clusters)
