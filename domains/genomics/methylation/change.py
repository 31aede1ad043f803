"""Whether the methylated fraction of sites changes over time, each site compared with itself and clusters of sites with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
DIRECTIONS = 4
"""Half-lives at most whose curves are looked for, from a quarter of the shortest gap between two times to twice their span."""
FEWEST, STRETCHES = 6, (1_000_000, 100_000, 10_000)
"""Clusters that are wanted where nothing else is asked for, since Student's t of fewer refuses hardly anything, and their lengths [bp]."""
MINORITY = 10
"""Reads in the rarer state that a cluster holds at least; below, its sum is so skewed that Student's law is wrong."""
TURNS = 0.01
"""Level at which a second curve must refuse that nothing changes, with the other sign, before a course is said to turn."""
CRITICAL = 0.005
"""Tail at whose quantile of Student's law the number of clusters is chosen: half of the level at which rates are read."""
CLUSTERS, SITES, LONE = "clusters of sites", "sites taken as independent", "one site"


@dataclass(frozen=True)
class Change:
    """A test of sites that never change.

    Attributes:
        statistic: Student's t of the curve that stands out most, of a lone site the root of F; its sign is that of the change.
        p_value: two-sided, with Bonferroni's correction for the curves.
        clusters: those that Student's t is taken over (see `change_of`), 1 for a lone site. NaN as the statistic: the test cannot be made.
        share: of the reads that lie at sites read at two times or more.
        of: what the clusters are, in words.
        against: the most telling T of the other sign where that is beyond `TURNS` as well: the course turns; else 0.
    """

    statistic: float
    p_value: float
    clusters: int
    share: float
    of: str = CLUSTERS
    against: float = 0.0

    def __str__(self) -> str:
        lone = self.of == LONE
        if np.isnan(self.statistic):
            if self.clusters > 1:
                return f"all {self.clusters} {self.of} change alike, which leaves no scatter to judge a change by"
            few = f"reads for {self.clusters} cluster{'s' * (self.clusters != 1)} of sites that could show a change, 2 are needed"
            return f"{LONE} at no more times than are fitted" if lone else few
        name = f"F {self.statistic**2:.1f} of {LONE}" if lone else f"t {self.statistic:+.1f} over {self.clusters:,} {self.of}"
        return f"{name}, {f'p {self.p_value:.2g}' if self.p_value >= 1e-4 else 'p < 0.0001'}"


def effective_number(weight: Array) -> float:
    """How many clusters of equal weight are worth as much: ``(sum w)^2 / sum w^2``; one large cluster beside many small ones is one.

    >>> effective_number(np.ones(5)), effective_number(np.array([1e6, 1.0, 1.0])) < 1.001
    (5.0, True)
    """
    return float(weight.sum() ** 2 / max((weight**2).sum(), 1e-300))


def independent_clusters(series: SiteSeries) -> npt.NDArray[np.int64]:
    """(sites,) the longest stretch of each site, 1 Mb, 100 kb, 10 kb or the site by itself, of which `FEWEST` count (see `change_of`).

    Where no length gives so many, the one that gives most. Reads of a stretch may depend on each other, so a long one is the safer.
    """
    chromosome, telling = np.cumsum(series.breaks), _telling(series)
    own, depth = series.methylated.sum(1)[telling], series.coverage.sum(1)[telling]

    def count(codes: npt.NDArray[np.int64]) -> int:
        if not telling.any():
            return 0
        reads = np.bincount(_merged(codes[telling], np.minimum(own, depth - own)), depth).astype(float)
        return len(_counted(reads)) if len(reads) > 1 else 1

    best: tuple[int, npt.NDArray[np.int64]] = (-1, np.arange(0))
    for length in (*STRETCHES, None):
        places = np.arange(len(series)) if length is None else series.position // length
        codes = np.unique(np.column_stack([chromosome, places]), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
        if (found := count(codes)) > best[0]:
            best = (found, codes)
        if found >= FEWEST:
            break
    return best[1]


def _telling(series: SiteSeries) -> npt.NDArray[np.bool_]:
    """(sites,) whether a site was read at two times or more, and in both states; of all others S is 0 for sure."""
    own, depth = series.methylated.sum(1), series.coverage.sum(1)
    return np.asarray(((series.coverage > 0).sum(1) > 1) & (own > 0) & (own < depth))


def change_of(series: SiteSeries, clusters: npt.NDArray[np.int64]) -> Change:
    """Test that every site keeps its fraction, whatever that is, and however coverage shifts between sites over time.

    Formula: with ``p_i = sum_t m_it / sum_t n_it``, the site's own fraction of all times, and ``c_t = 2^(-t / h)``,
    ``S_g = - sum_{i in g, t} c_t (m_it - n_it p_i)``, positive where fractions rise, and ``V_g = sum_{i in g, t} n_it (c_t - mean_i c)^2``.
    T(h) is Student's t of ``S_g / V_g``, the slope of the cluster's fractions along c, judged by Student's law with G - 1 degrees.

    Neighbouring clusters are merged until each holds `MINORITY` reads in the state that is rarer at their site. Of these count those
    with the largest V, as many as make ``G / sqrt(sum (1 / V_g + 1 / mean V))`` over the critical value of Student's law greatest: a tiny
    one beside large ones would drown them, and with too few that law refuses nothing. Both look at coverage and at the totals of sites
    alone, which do not say when a site changes.

    Under constant fractions each S has the mean 0 for any coverage, because a site is compared with itself. Clusters alone must be
    independent: the reads of one may depend on each other, which changes its variance, and at small levels Student's test is conservative
    where variances differ (Bakirov and Székely). A relaxation is monotone in time, so every h has power against every half-life; the
    most telling T of `DIRECTIONS` counts. A shift that all sites of one sample share is the same in all clusters: it passes for a change.

    Args:
        series: reads; clusters: (sites,) code of the cluster of each site.

    Raises: DataError where there is not one code a site.
    Source: Ibragimov and Müller (2010), DOI 10.1198/jbes.2009.08046; Bakirov and Székely (2005), DOI 10.1007/s10958-006-0366-5.

    >>> m, n = np.array([[10, 50], [15, 90], [10, 80], [10, 60]]), np.full((4, 2), 90)
    >>> s = SiteSeries(np.arange(4), np.full(4, "c"), m, n, np.array([0, 4]))
    >>> change_of(s, np.arange(4)).statistic > 5
    True
    """
    if len(clusters) != len(series):
        raise DataError(explain("clusters of sites", f"{len(clusters)} codes", f"{len(series)}, one a site", "pass one code for each site"))
    m, n = series.methylated, series.coverage
    own, depth, telling = m.sum(1), n.sum(1), _telling(series)
    share = float(depth[(n > 0).sum(1) > 1].sum() / max(depth.sum(), 1.0))
    if not telling.any():
        return Change(float("nan"), 1.0, 0, share)
    read = n.sum(0) > 0
    curves, n, m, own, depth = _curves(series.times[read]), n[telling][:, read], m[telling][:, read], own[telling], depth[telling]
    codes = _merged(np.asarray(clusters)[telling], np.minimum(own, depth - own))
    count = int(codes.max()) + 1
    if count < 2:
        return Change(float("nan"), 1.0, count, share)
    of = SITES if len(np.unique(clusters)) == len(series) and count == len(codes) else CLUSTERS
    scores = -(m - n * (own / depth)[:, None]) @ curves
    weights = n @ curves**2 - (n @ curves) ** 2 / depth[:, None]
    total, weight = (np.stack([np.bincount(codes, v, count) for v in table.T], 1) for table in (scores, weights))
    found = [_student(s, v) for s, v in zip(total.T, weight.T, strict=True)]
    t, p, count = min(found, key=lambda one: one[1])
    other = [(q, s) for s, q, _ in found if s * t < 0 and len(found) * q <= TURNS]
    return Change(t, min(1.0, len(found) * p), count, share, of, min(other)[1] if other else 0.0)


def _merged(clusters: npt.NDArray[np.int64], minority: Array) -> npt.NDArray[np.int64]:
    """(sites,) codes from 0 of clusters in the order of their first site, neighbours merged until each holds `MINORITY`; none may: one."""
    _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    held, merged, code = np.bincount(rank[codes], minority), np.empty(len(first), np.int64), 0
    left = 0.0
    for g, reads in enumerate(held):
        merged[g], left = code, left + reads
        if left >= MINORITY:
            code, left = code + 1, 0.0
    return np.asarray(np.minimum(merged, max(code - 1, 0))[rank[codes]])


def _student(total: Array, weight: Array) -> tuple[float, float, int]:
    """Student's t of clusters' slopes, its two-sided p, how many clusters; NaN and 1 where they leave no scatter."""
    kept = _counted(weight)
    x, count = total[kept] / weight[kept], len(kept)
    if not x.any():
        return 0.0, 1.0, count
    spread, size = float(x.std(ddof=1)), float(np.abs(x).max())
    if spread <= 1e-9 * size:
        return float("nan"), 1.0, count
    t = float(x.mean()) / spread * np.sqrt(count)
    return float(t), 2 * float(stats.t.sf(abs(t), count - 1)), count


def _counted(weight: Array) -> npt.NDArray[np.int64]:
    """Which of two or more clusters count: the largest, as many as promise most, see `change_of`."""
    order = np.argsort(-weight, kind="stable")
    count = np.arange(1, len(weight) + 1)
    scatter = np.sqrt(np.cumsum(1 / np.maximum(weight[order], 1e-300) + 1 / weight.mean()))
    promise = count[1:] / scatter[1:] / stats.t.isf(CRITICAL, count[1:] - 1)
    return np.sort(order[: 2 + int(promise.argmax())])


def change_of_one(series: SiteSeries, fitted: Array, ratio: float, numbers: int) -> Change:
    """The same question of a lone site, which has no other to be compared with: by the scatter of its reads about the fitted curve.

    Formula: ``F = ratio / q / max(1, X^2 / (T - k))`` with q = k - 1 and T - k degrees of freedom; X^2 is Pearson's, over the T times read.

    Args:
        series: one site; fitted: (times,) the fitted fraction; ratio: twice the log-likelihood above a constant; numbers: k, those fitted.

    Source: McCullagh and Nelder (1989), Generalized Linear Models, 4.5, DOI 10.1007/978-1-4899-3242-6.

    >>> s = SiteSeries(np.array([1]), np.array(["c"]), np.full((1, 4), 5), np.full((1, 4), 9), np.arange(4))
    >>> change_of_one(s, np.full(4, 5 / 9), 0.0, 3).p_value
    1.0
    """
    seen = series.coverage[0] > 0
    m, n, p = series.methylated[0, seen], series.coverage[0, seen], np.clip(fitted[seen], 1e-9, 1 - 1e-9)
    left = int(seen.sum()) - numbers
    if left < 1:
        return Change(float("nan"), 1.0, 1, float(seen.sum() > 1), LONE)
    scatter = max(1.0, float(((m - n * p) ** 2 / (n * p * (1 - p))).sum()) / left)
    q = max(numbers - 1, 1)
    f = max(ratio, 0.0) / q / scatter
    way = float(np.sign(p[-1] - p[0]))
    return Change(way * float(np.sqrt(f)), float(stats.f.sf(f, q, left)), 1, 1.0, LONE)


def _curves(times: Array) -> Array:
    """(times, directions) what is left of a deviation at each time; with two times all directions are one."""
    half_lives = np.geomspace(np.diff(times).min() / 4, 2 * (times[-1] - times[0]), min(len(times) - 1, DIRECTIONS))
    return np.asarray(np.exp2(-(times[:, None] - times[0]) / half_lives))
