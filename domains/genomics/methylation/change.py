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
LEAST = 0.05
"""Share of the mean information from which a cluster counts; a tiny one beside large ones would pass for a change that differs."""
CLUSTERS, SITES, LONE = "clusters of sites", "sites taken as independent", "one site"


@dataclass(frozen=True)
class Change:
    """A test of sites that never change.

    Attributes:
        statistic: Student's t of the curve that stands out most, of a lone site the root of F; its sign is that of the change.
        p_value: two-sided, with Bonferroni's correction for the curves.
        clusters: independent ones that hold any information, 1 for a lone site.
        share: of the reads that lie at sites read at two times or more.
        of: what the clusters are, in words.
    """

    statistic: float
    p_value: float
    clusters: int
    share: float
    of: str = CLUSTERS

    def __str__(self) -> str:
        lone = self.of == LONE
        if np.isnan(self.statistic):
            return f"{LONE} at no more times than are fitted" if lone else f"{self.clusters} {self.of} could show a change, 2 are needed"
        name = f"F {self.statistic**2:.1f} of {LONE}" if lone else f"t {self.statistic:+.1f} over {self.clusters:,} {self.of}"
        return f"{name}, {f'p {self.p_value:.2g}' if self.p_value >= 1e-4 else 'p < 0.0001'}"


def independent_clusters(series: SiteSeries) -> npt.NDArray[np.int64]:
    """(sites,) the stretch of each site, 1 Mb long, or 100 or 10 kb where that makes fewer than `FEWEST`; at last each site by itself."""
    chromosome = np.cumsum(series.breaks)
    for length in STRETCHES:
        codes = np.unique(np.column_stack([chromosome, series.position // length]), axis=0, return_inverse=True)[1].ravel()
        if codes[-1] + 1 >= FEWEST:
            return np.asarray(codes, np.int64)
    return np.arange(len(series))


def change_of(series: SiteSeries, clusters: npt.NDArray[np.int64]) -> Change:
    """Test that every site keeps its fraction, whatever that is, and however coverage shifts between sites over time.

    Formula: with ``p_i = sum_t m_it / sum_t n_it``, the site's own fraction of all times, and ``c_t = 2^(-t / h)``,
    ``S_g = - sum_{i in g, t} c_t (m_it - n_it p_i)``, positive where fractions rise, and ``V_g = sum_{i in g, t} n_it (c_t - mean_i c)^2``,
    its variance up to a factor where reads are independent. T(h) is Student's t of ``S_g / sqrt V_g`` over the G clusters whose V_g is
    `LEAST` of the mean or more and of which a site is read in both states; it is judged by Student's law with G - 1 degrees of freedom.

    Under constant fractions each S has the mean 0 for any coverage, because a site is compared with itself. Clusters alone must be
    independent: the reads of one may depend on each other, which changes its variance, and at small levels Student's test is conservative
    where variances differ (Bakirov and Székely). A relaxation is monotone in time, so every h has power against every half-life; the
    most telling T of `DIRECTIONS` counts.

    Args:
        series: reads; clusters: (sites,) code of the cluster of each site.

    Raises: DataError where there is not one code a site.
    Source: Ibragimov and Müller (2010), DOI 10.1198/jbes.2009.08046; Bakirov and Székely (2005), DOI 10.1007/s10958-006-0366-5.

    >>> m, n = np.array([[0, 5], [1, 9], [0, 8], [1, 6]]), np.full((4, 2), 9)
    >>> s = SiteSeries(np.arange(4), np.full(4, "c"), m, n, np.array([0, 4]))
    >>> change_of(s, np.arange(4)).statistic > 5
    True
    """
    if len(clusters) != len(series):
        raise DataError(explain("clusters of sites", f"{len(clusters)} codes", f"{len(series)}, one a site", "pass one code for each site"))
    of = SITES if len(np.unique(clusters)) == len(series) else CLUSTERS
    m, n = series.methylated, series.coverage
    own, depth = m.sum(1), n.sum(1)
    twice = (n > 0).sum(1) > 1
    share = float(depth[twice].sum() / max(depth.sum(), 1.0))
    telling = twice & (own > 0) & (own < depth)  # of all others S is 0 for sure
    names, codes = np.unique(np.asarray(clusters)[twice], return_inverse=True)
    held = np.bincount(codes, telling[twice], len(names)) > 0
    count = int(held.sum())
    if count < 2:
        return Change(float("nan"), 1.0, count, share, of)
    read = n.sum(0) > 0
    curves, n, m, own, depth = _curves(series.times[read]), n[twice][:, read], m[twice][:, read], own[twice], depth[twice]
    scores = np.where(telling[twice, None], -(m - n * (own / depth)[:, None]) @ curves, 0.0)
    weights = n @ curves**2 - (n @ curves) ** 2 / depth[:, None]
    total, weight = (np.stack([np.bincount(codes, v, len(names))[held] for v in table.T], 1) for table in (scores, weights))
    found = [_student(s, v) for s, v in zip(total.T, weight.T, strict=True)]
    t, p, count = min(found, key=lambda one: one[1])
    return Change(t, min(1.0, len(found) * p), count, share, of)


def _student(total: Array, weight: Array) -> tuple[float, float, int]:
    """Student's t of clusters' standardised sums, its two-sided p, how many clusters; of fewer than two NaN and 1."""
    kept = weight >= LEAST * weight.mean()
    x, count = total[kept] / np.sqrt(weight[kept]), int(kept.sum())
    if count < 2 or not x.any():
        return 0.0 if count > 1 else float("nan"), 1.0, count
    spread = float(x.std(ddof=1)) / np.sqrt(count)
    t = float(x.mean()) / spread if spread > 0 else float(np.copysign(np.inf, x.mean()))
    return t, 2 * float(stats.t.sf(abs(t), count - 1)), count


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
