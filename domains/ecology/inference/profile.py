"""The profile likelihood of phi over a global grid, pooled over sites: estimate, interval, what happens at the ends, clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import t as student

from seqsci.domains.ecology.inference.drift import Drift
from seqsci.domains.ecology.inference.likelihood import Likelihood, likelihood
from seqsci.domains.ecology.inference.observation_error import ObservationError
from seqsci.domains.ecology.inference.sites import Site
from seqsci.errors import DataError, explain

Array = np.ndarray
CUT = 1.92
"""Nats below the maximum at which the 95 % interval ends."""
GRID = (*np.round(np.arange(-0.5, 0.9, 0.04), 10).tolist(), 0.9, 0.925, 0.95, 0.965, 0.98, 0.99, 0.995)
"""Values of phi: -0.5 to 0.995. A profile within the cut at an end leaves the interval open there, and the end is reported as -0.5 or 1."""
SHRINK = (2, 2, 4)
"""Rounds of refinement: every phi's best cell, and its best with no ratio zero, surrounded with steps that many times shorter."""
FEWEST_CLUSTERS = 5
"""Clusters below which a jackknife over them is refused; its variance has a relative error of about sqrt(2 / clusters)."""


@dataclass(frozen=True)
class Estimate:
    """What one model says of phi.

    dependence, low, high: share of a deviation from K that is left after a year, and its 95 % interval (the hull, where the profile has
    several peaks); open_low, open_high: the data exclude nothing on that side. process_sd: median over sites, log units per square-root
    year; observation_sd, level_sd, slope_sd: the same for counting (root mean square where it was given) and for the steps of K and of its
    slope. centre: mean of phi with the profile likelihood as weights, which moves less than the maximum where the likelihood is flat.
    inflation: how far the jackknife over clusters widened the variance (1: not at all, or no clusters).
    """

    model: str
    dependence: float
    centre: float
    low: float
    high: float
    open_low: bool
    open_high: bool
    log_likelihood: float
    process_sd: float
    observation_sd: float
    level_sd: float
    slope_sd: float
    sites: int
    observations: int
    inflation: float
    profile: tuple[tuple[float, float], ...]

    @property
    def width(self) -> float:
        """Length of the interval; 1.5 says that nothing was learned."""
        return self.high - self.low

    @property
    def half_life(self) -> float:
        """Years until half of a deviation from K is left; NaN where phi <= 0."""
        return math.log(0.5) / math.log(self.dependence) if self.dependence > 0 else math.nan


@dataclass(frozen=True)
class Table:
    """All points that were evaluated: index of phi (points,), ratios (points, 3), log-likelihoods and process variances (points, sites)."""

    index: Array
    ratios: Array
    values: Array
    variances: Array

    def at(self, points: Array) -> Table:
        """A choice of the points."""
        return Table(self.index[points], self.ratios[points], self.values[points], self.variances[points])

    def profile(self, sites: Array) -> tuple[Array, Array]:
        """Largest sum over a choice of sites at every phi, and which point it is."""
        total = self.values[:, sites].sum(axis=1)
        order = np.lexsort((total, self.index))
        last = np.r_[np.flatnonzero(np.diff(self.index[order])), len(order) - 1]
        where = order[last]
        return total[where], where


def estimate_dependence(
    sites: Sequence[Site], drift: Drift, error: ObservationError, clustered: bool = False, grid: Sequence[float] = GRID
) -> Estimate:
    """Estimate phi, shared by the sites, under a model of drift.

    Ratios of variances are shared too, process variances and regressors are each site's own; the sum of restricted likelihoods over sites
    is maximised over the ratios at every phi of a global grid, first on a coarse grid of them, then on finer ones around its best cells
    and at the best of the neighbouring phi. clustered: sites that share a cluster count as dependent; the interval is widened by the
    jackknife over clusters where that says more variance than the likelihood's interval (never narrowed).
    Near its top the profile is the true one to within a tenth of a nat. Raises `DataError` for fewer than five clusters.
    """
    table = _tabulate(likelihood(sites, drift, error), drift, error, np.asarray(grid, float))
    phi, everyone = np.asarray(grid, float), np.arange(len(sites))
    top, where = table.profile(everyone)
    at, best = peak(phi, top)
    inflation = _inflation(table, phi, top, sites) if clustered else 1.0
    low, high, open_low, open_high = interval(phi, top, at, best, CUT * inflation)
    point = where[int(np.argmax(top))]
    weight = np.exp(top - best) * np.gradient(phi)
    process = float(np.sqrt(np.median(table.variances[point])))
    level, slope, observation = (process * float(np.sqrt(r)) for r in table.ratios[point])
    return Estimate(
        drift.label, at, float(weight @ phi / weight.sum()), low, high, open_low, open_high, best, process,
        _given(sites) if error.column else observation, level, slope,
        len(sites), sum(int(s.observed.sum()) for s in sites), inflation,
        tuple(zip(phi.tolist(), (top - best).tolist(), strict=True)),
    )  # fmt: skip


def _given(sites: Sequence[Site]) -> float:
    """Root mean square of given errors of counting."""
    return math.sqrt(float(np.mean(np.concatenate([s.variance[s.observed] for s in sites if s.variance is not None]))))


def peak(phi: Array, top: Array) -> tuple[float, float]:
    """Where the profile is largest and how large, by the parabola through its best three points; at an end, the end."""
    i = int(np.argmax(top))
    if i in (0, len(phi) - 1):
        return float(phi[i]), float(top[i])
    (x0, x1, x2), (y0, y1, y2) = phi[i - 1 : i + 2], top[i - 1 : i + 2]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)
    if bend >= 0:
        return float(x1), float(y1)
    at = 0.5 * (x0 + x1) - left / (2 * bend)
    return float(at), float(max(y1, y0 + left * (at - x0) + bend * (at - x0) * (at - x1)))


def interval(phi: Array, top: Array, at: float, best: float, cut: float) -> tuple[float, float, bool, bool]:
    """Hull of the values within ``cut`` nats of the best, between grid points by the signed root, and whether each side is open."""
    root = np.sqrt(2 * np.maximum(best - top, 0.0))
    limit = math.sqrt(2 * cut)
    inside = np.flatnonzero(root < limit)
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (int(np.searchsorted(phi, at)), int(np.searchsorted(phi, at)) - 1)
    open_low, open_high = first == 0, last == len(phi) - 1

    def crossing(out: int, within: int) -> float:
        x, r = (phi[within], root[within]) if (phi[within] - at) * (phi[out] - at) > 0 else (at, 0.0)
        return float(x + (phi[out] - x) * (limit - r) / (root[out] - r))

    low = float(phi[0]) if open_low else crossing(first - 1, first)
    high = 1.0 if open_high else crossing(last + 1, last)
    return low, high, open_low, open_high


def _tabulate(function: Likelihood, drift: Drift, error: ObservationError, phi: Array) -> Table:
    axes = (drift.level_ratios, drift.slope_ratios, error.ratios)
    cells = np.array(list(product(*axes)), float)
    index, ratios = np.repeat(np.arange(len(phi)), len(cells)), np.tile(cells, (len(phi), 1))
    values, variances = function(np.column_stack([phi[index], ratios]))
    table = Table(index, ratios, values, variances)
    everyone = np.arange(function.sites)
    steps = [math.log(a[-1] / a[-2]) if len(a) > 2 else 0.0 for a in axes]
    moves = np.array(list(product(*[(-1, 0, 1) if s else (0,) for s in steps])), float)
    moves = moves[np.any(moves != 0, axis=1)]
    inner = np.arange(len(phi))
    moving = np.array(steps) > 0
    for shrink in SHRINK if len(moves) else ():
        positive = np.flatnonzero((table.ratios[:, moving] > 0).all(axis=1))
        best = [table.profile(everyone)[1], positive[table.at(positive).profile(everyone)[1]]]
        stretch = np.exp(moves * np.array(steps) / shrink)
        beside = [table.ratios[best[0][np.clip(inner + d, 0, len(phi) - 1)]][:, None, :] for d in (-1, 1)]
        near = np.concatenate([*(table.ratios[b][:, None, :] * stretch for b in best), *beside], axis=1)
        index, ratios = np.repeat(inner, near.shape[1]), near.reshape(-1, 3)
        values, variances = function(np.column_stack([phi[index], ratios]))
        old = (table.index, table.ratios, table.values, table.variances)
        table = Table(*(np.concatenate(pair) for pair in zip(old, (index, ratios, values, variances), strict=True)))
    return table


def _inflation(table: Table, phi: Array, top: Array, sites: Sequence[Site]) -> float:
    """Variance of phi by the jackknife over clusters, over its variance by the likelihood, with the t quantile of so few; at least 1."""
    names = np.array([s.cluster for s in sites])
    clusters = np.unique(names)
    if len(clusters) < FEWEST_CLUSTERS:
        fix = "estimate without clusters and say so, or add sources"
        raise DataError(explain("too few clusters for an interval over them", len(clusters), f"at least {FEWEST_CLUSTERS}", fix))
    left = np.array([peak(phi, table.profile(np.flatnonzero(names != c))[0])[0] for c in clusters])
    jackknife = (len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum())
    low, high, _, _ = interval(phi, top, *peak(phi, top), CUT)
    quantile = float(student.ppf(0.975, len(left) - 1))
    return max(1.0, jackknife * (2 * quantile / (high - low)) ** 2)
