"""Imputation of masked sites from the sites around them: a masked position's own reads never enter.

What is learned (weights, coefficients, trees, the overall fraction) is learned on training sites from the reads of training sites alone:
masked reads are set to none before the features of training sites are made. A masked site is then imputed from the reads of all other
sites, masked ones among them. So replacing the reads of a masked site leaves its own imputed value as it is, bit by bit, for any mask.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from seqsci.domains.genomics.methylation.baselines import Boosting
from seqsci.domains.genomics.methylation.binomial_regression import fit_regression
from seqsci.domains.genomics.methylation.features import LENGTHS, PSEUDO, logit, shrunk
from seqsci.domains.genomics.methylation.forecasting import inside
from seqsci.domains.genomics.methylation.neighbours import leaky_sums
from seqsci.domains.genomics.methylation.scoring import read_losses
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LEAST_SEEN = 0.01
"""Reads that a site sees along a length on average, below which these sites cannot teach the weight of that length, and it is 0."""
MOST_WEIGHT = 3000.0
"""Largest weight of a neighbour's read at distance 0, in reads at the overall fraction: of sites that are all but copies of each other."""


class Imputer(ABC):
    """Abstract base: learns on training sites, each masked in turn, and imputes every site from the reads of others."""

    name: str

    @abstractmethod
    def impute(self, series: SiteSeries, train: Mask) -> Array:
        """(sites,) expected fractions in (0, 1) at the single time of the series.

        A site outside ``train`` is masked: its own reads enter nowhere. One of ``train`` is imputed from the other training sites by what
        was learned with its own reads.
        """


def _reads(series: SiteSeries) -> Array:
    if len(series.times) != 1:
        raise DataError(
            explain("imputation works on one time", f"{len(series.times)} times", "1", "choose one with at_time(series, index)")
        )
    return np.column_stack([series.methylated[:, 0], series.coverage[:, 0]])


def at_time(series: SiteSeries, index: int) -> SiteSeries:
    """One time of a series."""
    tables = (series.methylated[:, [index]], series.coverage[:, [index]])
    return SiteSeries(series.position, series.chromosome, *tables, series.times[[index]], series.time_unit, series.build)


def seen_sums(series: SiteSeries, train: Mask, lengths: Sequence[float] = LENGTHS) -> Array:
    """(sites, lengths, 2) leaky sums of methylated reads and coverage: training sites see other training sites, masked ones all others."""
    reads = _reads(series)
    sums = leaky_sums(series.position, np.where(train[:, None], reads, 0.0), lengths, series.breaks)
    if not train.all():
        sums[~train] = leaky_sums(series.position, reads, lengths, series.breaks)[~train]
    return sums


def leaky_features(series: SiteSeries, train: Mask, lengths: Sequence[float] = LENGTHS) -> Array:
    """(sites, 2 lengths) logit of the bidirectional moving average of what a site sees, and how much that was read, by decay length."""
    overall, sums = _overall(series, train), seen_sums(series, train, lengths)
    return np.column_stack([logit(shrunk(sums[:, :, 0], sums[:, :, 1], overall)), np.log1p(sums[:, :, 1])])


def _overall(series: SiteSeries, train: Mask) -> float:
    reads = _reads(series)[train].sum(0)
    return float((reads[0] + 0.5) / (reads[1] + 1))


@dataclass(frozen=True)
class NoNeighbours(Imputer):
    """The overall fraction."""

    name: str = "global mean"

    def impute(self, series: SiteSeries, train: Mask) -> Array:
        return np.full(len(series), _overall(series, train))


@dataclass(frozen=True)
class NeighbourMean(Imputer):
    """The pooled fraction of the nearest sites on both sides, pulled to the overall one by one read."""

    each_side: int = 1
    name: str = "neighbour mean"

    def impute(self, series: SiteSeries, train: Mask) -> Array:
        reads = _reads(series)
        among, every = (self._pooled(series, x) for x in (np.where(train[:, None], reads, 0.0), reads))
        total = np.where(train[:, None], among, every)
        return inside(shrunk(total[:, 0], total[:, 1], _overall(series, train)))

    def _pooled(self, series: SiteSeries, reads: Array) -> Array:
        total, chromosome = np.zeros_like(reads), np.cumsum(series.breaks)
        for k in range(1, self.each_side + 1):
            same = chromosome[k:] == chromosome[:-k]
            total[k:][same] += reads[:-k][same]
            total[:-k][same] += reads[k:][same]
        return total


@dataclass(frozen=True)
class LeakyBank(Imputer):
    """A bank of bidirectional leaky channels: reads of the other sites count with ``sum_k w_k exp(-distance / L_k)``, w_k >= 0.

    ``p_i = (a g + sum_k w_k M_ik) / (a + sum_k w_k N_ik)`` with M and N the leaky sums of methylated reads and coverage, g the overall
    fraction. Only the ratios of weights to ``a`` matter; they are fitted on the training sites by maximum likelihood of the masked counts.
    With one length it is the bidirectional moving average. A length along which the training sites see next to nothing (`LEAST_SEEN`) has
    the weight 0: nothing is known of it, and another chromosome may hold sites that are that close. No weight exceeds `MOST_WEIGHT`.
    """

    lengths: tuple[float, ...] = LENGTHS
    name: str = "leaky bank, both directions"

    def weights(self, series: SiteSeries, train: Mask) -> Array:
        """(lengths,) weight of a neighbour's read at distance 0, in reads at the overall fraction."""
        reads, g = _reads(series), _overall(series, train)
        sums = seen_sums(series, train, self.lengths)[train]
        m, n = reads[train].T
        found, average = np.zeros(len(self.lengths)), sums[:, :, 1].mean(0)
        seen = average >= LEAST_SEEN
        if not seen.any():
            return found
        sums, scale = sums[:, seen], average[seen]  # divided by what a site sees along each length, all variables are of one size
        on = np.vstack([np.full(len(m), PSEUDO * g), (sums[:, :, 0] / scale).T])
        off = np.vstack([np.full(len(m), PSEUDO * (1 - g)), ((sums[:, :, 1] - sums[:, :, 0]) / scale).T])

        def loss(x: Array) -> tuple[float, Array]:
            top, rest = x @ on, x @ off
            slope = on @ (m / top - n / (top + rest)) + off @ ((n - m) / rest - n / (top + rest))
            value = m @ np.log(top) + (n - m) @ np.log(rest) - n @ np.log(top + rest)
            return -float(value) / n.sum(), -slope / n.sum()

        def climb(start: Array, low: Array, high: Array) -> Array:
            bounds = optimize.Bounds(low, high)
            return np.asarray(
                optimize.minimize(
                    loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7}
                ).x
            )

        none, most = np.zeros(len(scale)), MOST_WEIGHT * scale
        x = climb(np.ones(1 + len(scale)), np.r_[1e-6, none], np.full(1 + len(scale), np.inf))  # only ratios matter, the first is not 0
        first = float((x[1:] / most).max())
        if x[0] < first:
            x = climb(np.r_[first, x[1:]], np.r_[first, none], first * np.r_[1.0, most])
        found[seen] = x[1:] / scale / x[0]
        return found

    def impute(self, series: SiteSeries, train: Mask) -> Array:
        w, sums = self.weights(series, train), seen_sums(series, train, self.lengths)
        g = _overall(series, train)
        return inside((PSEUDO * g + sums[:, :, 0] @ w) / (PSEUDO + sums[:, :, 1] @ w))


@dataclass(frozen=True)
class LeakyAverage(Imputer):
    """One bidirectional leaky channel, its length chosen on the training sites."""

    lengths: tuple[float, ...] = (10.0, 20.0, 30.0, 50.0, 100.0, 200.0)
    name: str = "leaky average, one length"

    def impute(self, series: SiteSeries, train: Mask) -> Array:
        reads = _reads(series)[train]
        each = [LeakyBank((length,)).impute(series, train) for length in self.lengths]
        return min(each, key=lambda p: float(read_losses(reads[:, 0], reads[:, 1], p[train]).sum()))


@dataclass(frozen=True)
class LogisticImputer(Imputer):
    """Binomial regression on the leaky channels, their reads, and the products of the shortest with all."""

    products: bool = True
    name: str = "logistic on leaky channels"

    def impute(self, series: SiteSeries, train: Mask) -> Array:
        x = leaky_features(series, train)
        x = np.column_stack([x, x[:, :1] * x, x[:, 1:2] * x[:, 2:]]) if self.products else x
        m, n = _reads(series).T
        return inside(fit_regression(x[train], m[train], n[train]).probability(x))


@dataclass(frozen=True)
class BoostingImputer(Imputer):
    """Gradient boosting on the leaky channels and their reads."""

    trees: Boosting = Boosting()
    name: str = "gradient boosting on leaky channels"

    def impute(self, series: SiteSeries, train: Mask) -> Array:
        m, n = _reads(series).T
        return self.trees.fit_predict(leaky_features(series, train), m, n, train)


IMPUTERS: tuple[Imputer, ...] = (
    NoNeighbours(),
    NeighbourMean(),
    NeighbourMean(2, name="neighbour mean, two each side"),
    LeakyAverage(),
    LeakyBank(),
    LogisticImputer(),
    BoostingImputer(),
)
"""What is compared, simplest first."""
