"""Fractions of every site from files of counts, a chromosome at a time: imputed from the neighbours, or forecast for a later time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.methylation.features import LENGTHS, PSEUDO
from seqsci.domains.genomics.methylation.hybrid import learned, site_grid
from seqsci.domains.genomics.methylation.imputation import LeakyBank
from seqsci.domains.genomics.methylation.neighbours import leaky_sums
from seqsci.domains.genomics.methylation.series import BLOCK_BP, SiteSeries
from seqsci.domains.genomics.methylation.sites import SiteMixture
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
MOST_SITES = 30_000
"""Sites from which a prior is learned, drawn with a fixed seed."""
SHARE, LENGTH = 0.3, 300.0
"""Weight of a neighbour's read at distance 0 in reads of the site itself, and the decay length [bp] of that weight, in a forecast: one of
the settings of `Hybrid`."""


class Learned(ABC):
    """Abstract base: what was learned from all files, and turns the sites of a chromosome into fractions."""

    @abstractmethod
    def fractions(self, series: SiteSeries) -> Array:
        """(sites,) fractions in (0, 1)."""


@dataclass(frozen=True, eq=False)
class LearnedBank(Learned):
    """Weights of a leaky bank at one time, and the reads of all sites that make the overall fraction.

    A site's own reads enter nowhere: neither the leaky sums, nor the overall fraction, nor the weights. The chromosome that teaches the
    weights is cut in two halves, and the sites of each are imputed by weights that the other half taught, its own reads masked; other
    chromosomes take the weights of all of it.

    Attributes:
        time: of the reads. weights: (lengths,) of a neighbour's read at distance 0, taught by all sites of the teacher.
        methylated, coverage: reads of all sites at that time. sites: how many sites the teacher has.
        teacher: name of that chromosome. cuts: where its stretches start [bp]; every other one makes a half.
        halves: (2, lengths) weights for the sites of each half.
    """

    time: float
    weights: Array
    methylated: float
    coverage: float
    sites: int
    teacher: str
    cuts: npt.NDArray[np.int64]
    halves: Array

    def overall(self, methylated: Array, coverage: Array) -> Array:
        """(sites,) share of methylated reads of the other sites, half a read added on both sides."""
        return np.asarray((self.methylated - methylated + 0.5) / (self.coverage - coverage + 1))

    def weights_of(self, series: SiteSeries) -> Array:
        """(sites, lengths) the weights that each site of a chromosome is imputed by."""
        if str(series.chromosome[0]) != self.teacher:
            return np.broadcast_to(self.weights, (len(series), len(self.weights)))
        return np.asarray(self.halves[half_of(series.position, self.cuts)])

    def fractions(self, series: SiteSeries) -> Array:
        index = int(np.searchsorted(series.times, self.time))
        if index == len(series.times) or series.times[index] != self.time:
            return self.overall(np.zeros(len(series)), np.zeros(len(series)))  # a chromosome without a read at that time
        reads = np.column_stack([series.methylated[:, index], series.coverage[:, index]])
        sums = leaky_sums(series.position, reads, LENGTHS, series.breaks)
        overall, weights = self.overall(reads[:, 0], reads[:, 1]), self.weights_of(series)
        top, bottom = (np.einsum("sl,sl->s", sums[:, :, k], weights) for k in (0, 1))
        return np.asarray((PSEUDO * overall + top) / (PSEUDO + bottom))

    def __str__(self) -> str:
        weights = ", ".join(f"{w:.2g} at {length:g} bp" for w, length in zip(self.weights, LENGTHS, strict=True) if w > 1e-5)
        return (
            f"imputed at time {self.time:g} from the other sites, own reads left out; weights of a neighbour's read, learned on the "
            f"{self.sites:,} sites of {self.teacher} (for its own sites, each half on the other): {weights or 'none'}"
        )


def half_of(position: npt.NDArray[np.int64], cuts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(sites,) 0 or 1: in turn along the stretches that start at ``cuts``."""
    return np.asarray(np.maximum(np.searchsorted(cuts, position, "right") - 1, 0) % 2, np.int64)


def halves_of(series: SiteSeries) -> npt.NDArray[np.int64]:
    """Starts of stretches of which every other one makes a half: 1 Mb blocks, or where there are fewer than four the site in the middle."""
    blocks = np.unique(series.position // BLOCK_BP) * BLOCK_BP
    return np.asarray(blocks if len(blocks) >= 4 else [0, series.position[len(series) // 2]], np.int64)


@dataclass(frozen=True, eq=False)
class LearnedGate(Learned):
    """A prior over kinds of sites (equilibrium, half-life, initial fraction)."""

    at: float
    prior: SiteMixture
    sites: int

    def fractions(self, series: SiteSeries) -> Array:
        reads, times = np.column_stack([series.methylated, series.coverage]), len(series.times)
        sums = leaky_sums(series.position, reads, (LENGTH,), series.breaks)[:, 0]
        added = (series.methylated + SHARE * sums[:, :times], series.coverage + SHARE * sums[:, times:])
        return self.prior.forecast(series, self.at, added)

    def __str__(self) -> str:
        return (
            f"forecast of time {self.at:g} by the tied gate: a prior over half-lives, equilibria and initial fractions learned on "
            f"{self.sites:,} sites, a site's reads and those of its neighbours ({SHARE:g} each, fading over {LENGTH:g} bp)"
        )


class Task(ABC):
    """Abstract base: what is to be predicted."""

    @abstractmethod
    def learn(self, frame: pd.DataFrame) -> Learned:
        """What is learned from the long frame of all files."""


@dataclass(frozen=True)
class Imputation(Task):
    """Fractions at one of the times of the files."""

    time: float

    def learn(self, frame: pd.DataFrame) -> LearnedBank:
        here = frame[(frame["time"] == self.time) & (frame["coverage"] > 0)]
        if not len(here):
            raise DataError(explain("nothing to impute from", f"no reads at time {self.time:g}", "one site or more", "check the files"))
        largest = here["chrom"].value_counts().index[0]
        series = _series(here[here["chrom"] == largest], frame)
        cuts = halves_of(series)
        half, bank = half_of(series.position, cuts), LeakyBank()
        halves = [bank.weights(series, half != h) if (half != h).any() else np.zeros(len(LENGTHS)) for h in (0, 1)]
        weights = bank.weights(series, np.ones(len(series), bool))
        totals = (float(here["methylated"].sum()), float(here["coverage"].sum()))
        return LearnedBank(self.time, weights, *totals, len(series), str(largest), cuts, np.array(halves))


@dataclass(frozen=True)
class Forecast(Task):
    """Fractions at a later time."""

    at: float

    def learn(self, frame: pd.DataFrame) -> LearnedGate:
        largest = frame["chrom"].value_counts().index[0]
        series = _series(frame[frame["chrom"] == largest], frame)
        rows = np.sort(np.random.default_rng(0).choice(len(series), min(MOST_SITES, len(series)), replace=False))
        return LearnedGate(self.at, learned(site_grid(series), series, rows, 100), len(rows))


def pairs_of_strands(frame: pd.DataFrame, time: float) -> int:
    """Pairs of sites read at a time that stand 1 bp apart, as the two cytosines of one CpG do: one is imputed from the other."""
    here = frame[(frame["time"] == time) & (frame["coverage"] > 0)].sort_values(["chrom", "start"])
    start, chrom = here["start"].to_numpy(np.int64), pd.factorize(here["chrom"])[0]
    return int(((np.diff(start) == 1) & (np.diff(chrom) == 0)).sum())


def fractions(frame: pd.DataFrame, how: Learned) -> Iterator[pd.DataFrame]:
    """Frames chrom, start, end, value of one chromosome after another; features of one of them are held at a time."""
    for name, rows in frame.groupby("chrom", sort=True):
        series = _series(rows, frame)
        start = series.position
        yield pd.DataFrame({"chrom": str(name), "start": start, "end": start + 1, "value": np.round(how.fractions(series), 5)})


def _series(rows: pd.DataFrame, whole: pd.DataFrame) -> SiteSeries:
    part = rows.copy(deep=False)
    part.attrs = dict(whole.attrs)
    return SiteSeries.from_frame(part)
