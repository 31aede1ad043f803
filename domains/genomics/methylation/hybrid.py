"""The tied gate as a forecaster: alone, with a prior from the neighbours, and as a feature of a regression (the gray box)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.domains.genomics.methylation.binomial_regression import fit_regression
from seqsci.domains.genomics.methylation.features import logit
from seqsci.domains.genomics.methylation.forecasting import ForecastTask, FractionForecaster, inside
from seqsci.domains.genomics.methylation.neighbours import leaky_sums
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.sites import LOWEST, SiteMixture, beta_nodes, grid

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
HALF_LIVES, RATIOS, NODES = (0.15, 0.6, 2.0, 8.0), (0.3, 0.65, 1.0), 12
"""The grid of kinds of sites: half-lives in units of the time of the second sample, initial over equilibrium fraction, equilibria."""
MOST_SITES = 30_000
"""Training sites from which a prior is estimated, drawn with a fixed seed."""


def site_grid(series: SiteSeries) -> SiteMixture:
    """Even weights over equilibria, half-lives that span the times of the series, and initial fractions."""
    unit = float(series.times[min(1, len(series.times) - 1)])
    return grid(beta_nodes(NODES)[0].tolist(), [h * unit for h in HALF_LIVES], RATIOS)


def learned(kinds: SiteMixture, series: SiteSeries, rows: npt.NDArray[np.int64], rounds: int) -> SiteMixture:
    """Weights after some rounds of EM on some sites, ``w <- mean posterior``; stopped early, they stay near where they began."""
    p = np.clip(kinds.fractions(series.times), LOWEST, 1 - LOWEST)
    m, n = series.methylated[rows], series.coverage[rows]
    table = m @ np.log(p).T + (n - m) @ np.log1p(-p).T
    likelihood, weights = np.exp(table - table.max(1, keepdims=True)), kinds.weights
    for _ in range(rounds):
        weights = weights * ((1.0 / (likelihood @ weights)) @ likelihood) / max(len(rows), 1)
    return replace(kinds, weights=weights / weights.sum())


def _drawn(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).choice(rows, min(most, len(rows)), replace=False))


@dataclass(frozen=True)
class TiedGate(FractionForecaster):
    """The mechanism alone: a prior over (equilibrium, half-life, initial fraction), a site's posterior, its mean path.

    The prior is estimated on training sites with all their times; the posterior of a forecast site sees its earlier times only.
    """

    rounds: int = 100
    name: str = "tied gate"

    def prior(self, task: ForecastTask, train: Mask) -> SiteMixture:
        """The prior of the training sites."""
        return learned(site_grid(task.series), task.series, _drawn(np.flatnonzero(train), MOST_SITES), self.rounds)

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return inside(self.prior(task, train).forecast(task.past, task.time))


@dataclass(frozen=True)
class NeighbourPrior(FractionForecaster):
    """The tied gate whose prior depends on the neighbours: one prior for each class of what they foretell.

    A binomial regression on the leaky channels of the neighbours alone gives a score; the training sites are cut into ``classes`` of equal
    size by it, and each class gets a prior of its own, by EM from the common one. A site's own reads enter by Bayes' rule only.
    """

    classes: int = 20
    rounds: int = 40
    name: str = "tied gate, prior from neighbours"

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return self.refined(TiedGate().prior(task, train), task, train)

    def refined(self, common: SiteMixture, task: ForecastTask, train: Mask) -> Array:
        """The forecasts from a common prior that is at hand already."""
        x = task.neighbours
        score = fit_regression(x[train], task.methylated[train], task.coverage[train]).probability(x)
        code = np.searchsorted(np.quantile(score[train], np.linspace(0, 1, self.classes + 1)[1:-1]), score)
        found = np.empty(len(task.series))
        for k in np.unique(code):
            here, rows = np.flatnonzero(code == k), _drawn(np.flatnonzero(train & (code == k)), MOST_SITES // 2)
            prior = learned(common, task.series, rows, self.rounds) if len(rows) else common
            found[here] = prior.forecast(task.past.rows(here), task.time)
        return inside(found)


@dataclass(frozen=True)
class Hybrid(FractionForecaster):
    """The gray box: forecasts of the tied gate and the leaky channels of the neighbours in one binomial regression.

    It reads the logits of three kinds of forecasts of the mechanism (alone; with the reads of the neighbours added as pseudo-reads with
    weights ``share exp(-distance / L)``; with the prior from the neighbours), the features of every rival, and the products of the last
    forecast with them.

    Args:
        share: weight of a neighbour's read at distance 0, in reads of the site itself; lengths: L [bp].
    """

    share: float = 0.3
    lengths: tuple[float, ...] = (30.0, 100.0, 300.0)
    ridge: float = 1.0
    name: str = "hybrid: tied gate + leaky neighbours"

    def mechanism_logits(self, task: ForecastTask, train: Mask) -> Array:
        """(sites, 2 + lengths) logits of the mechanism's forecasts, the one with the prior from the neighbours last."""
        past, times = task.past, len(task.past.times)
        prior = TiedGate().prior(task, train)
        sums = leaky_sums(past.position, np.column_stack([past.methylated, past.coverage]), self.lengths, past.breaks)
        columns = [prior.forecast(past, task.time)]
        for i in range(len(self.lengths)):
            added = (past.methylated + self.share * sums[:, i, :times], past.coverage + self.share * sums[:, i, times:])
            columns.append(prior.forecast(past, task.time, added))
        columns.append(NeighbourPrior().refined(prior, task, train))
        return logit(inside(np.column_stack(columns)))

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return self.forecasts(task, train)[self.name]

    def forecasts(self, task: ForecastTask, train: Mask) -> dict[str, Array]:
        """By name: ours, and the two of the mechanism alone that it is made from (`TiedGate`, `NeighbourPrior`), at no further cost."""
        p = self.mechanism_logits(task, train)
        own = {TiedGate().name: special.expit(p[:, 0]), NeighbourPrior().name: special.expit(p[:, -1])}
        x = np.column_stack([task.own, task.neighbours, p])
        x = np.column_stack([x, p[:, -1:] * x])
        fitted = fit_regression(x[train], task.methylated[train], task.coverage[train], self.ridge)
        return own | {self.name: inside(fitted.probability(x))}
