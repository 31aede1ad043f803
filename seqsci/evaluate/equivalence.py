"""Is a mean difference smaller than a margin? Intervals that respect several ways of clustering, and the equivalence test on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.errors import DataError, ParameterError, explain
from seqsci.evaluate.joint_bootstrap import Estimate
from seqsci.evaluate.scores import finite_series

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def codes_of(*labels: npt.ArrayLike) -> Codes:
    """Return the number of each row's combination of labels, from 0 on.

    Shapes: any number of (n,) -> (n,).

    >>> codes_of(["a", "a", "b"], [1, 2, 1])
    array([0, 1, 2])
    """
    code = np.unique(np.asarray(labels[0]), return_inverse=True)[1].astype(np.int64)
    for other in labels[1:]:
        inner = np.unique(np.asarray(other), return_inverse=True)[1]
        code = np.unique(code * (int(inner.max()) + 1) + inner, return_inverse=True)[1].astype(np.int64)
    return code


def cluster_variance(influence: Array, code: Codes) -> float:
    """Return the variance of a sum whose terms depend on each other within clusters only.

    Formula: ``G / (G - 1) sum_g (sum_{i in g} x_i)^2`` over G clusters.

    Parameters: ``influence`` x, the centred terms of the sum; ``code``, the cluster of each, from 0 on.
    Shapes: (n,), (n,) -> scalar.
    Raises: DataError for a single cluster.

    >>> cluster_variance(np.array([1.0, -1.0, 2.0, -2.0]), np.array([0, 0, 1, 1]))
    0.0
    """
    sums = np.bincount(code, influence)
    if sums.size < 2:
        raise DataError(explain("one cluster has no spread", "1 cluster", "2 or more", "cluster by something finer"))
    return float(sums.size / (sums.size - 1) * (sums @ sums))


def multiway_variance(influence: npt.ArrayLike, clusters: Sequence[npt.ArrayLike] = ()) -> float:
    """Return the variance of a sum whose terms may depend on each other when they share a cluster in any of several ways.

    Formula: inclusion and exclusion over the ways, ``V = sum_A (-1)^(|A| + 1) V_A``, with `cluster_variance` V_A of the clusters that are
    combinations of the labels in A. The result is not below the largest of the one-way variances (the difference can be, and even
    negative, by chance). Ways that are nested in another (cards in users) leave the outer one alone.

    Parameters: ``influence``, the centred terms; ``clusters``, the labels (n,) of each way; without any, each row is a cluster.
    Shapes: (n,), ways of (n,) -> scalar.
    Raises: DataError for rows that are not finite, labels of another length, and a way of a single cluster.
    Source: Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29, 238-249, DOI 10.1198/jbes.2010.07136.

    >>> multiway_variance([1.0, -1.0, 1.0, -1.0], [[0, 0, 1, 1], [0, 1, 0, 1]])
    16.0
    """
    x = finite_series("influence", influence)
    ways = [np.asarray(way) for way in clusters] or [np.arange(x.size)]
    if any(way.shape != x.shape for way in ways):
        got = f"{x.shape} and {[way.shape for way in ways]}"
        raise DataError(explain("clusters do not have a label a row", got, "equal shapes", "align them on the same rows"))
    codes = [codes_of(way) for way in ways]
    single = [cluster_variance(x, code) for code in codes]
    total = sum(single)
    for size in range(2, len(codes) + 1):
        total += (-1) ** (size + 1) * sum(cluster_variance(x, codes_of(*some)) for some in combinations(codes, size))
    return max(total, *single)


def clustered_mean(values: npt.ArrayLike, clusters: Sequence[npt.ArrayLike] = (), level: float = 0.95) -> Estimate:
    """Return a mean with a multi-way clustered interval.

    Formula: ``mean -+ t sqrt(V) / n``, V the `multiway_variance` of ``x - mean``, t the Student quantile of ``(1 + level) / 2`` with one
    degree of freedom less than the way with the fewest clusters has.

    Parameters: ``values`` x (any unit; the interval is in it); ``clusters`` as in `multiway_variance`;
    ``level``, the coverage (a fraction).
    Shapes: (n,), ways of (n,) -> scalars.
    Raises: DataError as `multiway_variance`; ParameterError unless ``0 < level < 1``.

    >>> estimate = clustered_mean([1.0, 2.0, 3.0, 4.0])
    >>> estimate.value, round(estimate.low, 3), round(estimate.high, 3)
    (2.5, 0.446, 4.554)
    """
    x = finite_series("values", values)
    _check_level(level)
    mean = float(x.mean())
    error = math.sqrt(multiway_variance(x - mean, clusters)) / x.size
    fewest = min((int(codes_of(way).max()) + 1 for way in clusters), default=x.size)
    half = float(special.stdtrit(fewest - 1, (1.0 + level) / 2.0)) * error
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True)
class FewClusters:
    """A weighted mean over few clusters; ``freedom``: the degrees of freedom of its interval, at most the number of clusters less 1."""

    estimate: Estimate
    freedom: float


def jackknife_mean(means: npt.ArrayLike, weights: npt.ArrayLike | None = None, level: float = 0.95) -> FewClusters:
    """Return a weighted mean of cluster means with the delete-one-cluster jackknife interval, honest also when one cluster dominates.

    Formula: ``m = sum w_g m_g`` (weights that sum to 1); ``V = (G - 1) / G sum_g (w_g / (1 - w_g))^2 (m_g - m)^2``, the jackknife variance
    around m; interval ``m -+ t sqrt(V)``, t Student with ``f = (tr Q)^2 / tr(Q^2)`` degrees of freedom, where V = m' Q m: Satterthwaite's
    number if the clusters' expected means vary with equal variance and that is all the noise. With equal weights this is the t interval
    of a mean, ``f = G - 1``. A bootstrap of few clusters is too narrow; if one has 71 % of the weight, f is near 1 and the interval is
    as wide as the ignorance about other clusters is.

    Parameters: ``means`` m_g (any unit; the interval is in it); ``weights`` such as rows (any positive scale), by default equal;
    ``level``, the coverage (a fraction).
    Shapes: (clusters,), (clusters,) -> scalars.
    Raises: DataError for fewer than 2 clusters and weights that are not positive; ParameterError unless ``0 < level < 1``.
    Source: MacKinnon, Nielsen & Webb (2023), J. Econometrics 232, 272-299, DOI 10.1016/j.jeconom.2022.04.001 (jackknife);
    Imbens & Kolesár (2016), Review of Economics and Statistics 98, 701-712, DOI 10.1162/REST_a_00552 (degrees of freedom).

    >>> equal = jackknife_mean([1.0, 2.0, 3.0, 4.0])
    >>> round(equal.estimate.low, 3), round(equal.freedom, 6)
    (0.446, 3.0)
    """
    x = finite_series("means", means)
    w = finite_series("weights", np.ones(x.size) if weights is None else weights)
    _check_level(level)
    if x.size < 2 or w.shape != x.shape or (w <= 0.0).any():
        got = f"{x.size} means, {w.size} weights, the smallest {w.min():g}"
        raise DataError(explain("no spread between clusters", got, "2 or more clusters, a positive weight each", "score more clusters"))
    w = w / w.sum()
    mean = float(w @ x)
    away = np.eye(x.size) - w
    scale = (x.size - 1) / x.size * np.square(w / (1.0 - w))
    form = away.T @ (scale[:, None] * away)
    freedom = float(np.trace(form) ** 2 / np.square(form).sum())
    half = float(special.stdtrit(freedom, (1.0 + level) / 2.0)) * math.sqrt(float(scale @ np.square(x - mean)))
    return FewClusters(Estimate(mean, mean - half, mean + half), freedom)


def equivalent(estimate: Estimate, margin: float) -> bool:
    """Say whether an interval lies within +-margin: two one-sided tests at a reject both, if its level is ``1 - 2 a``.

    Parameters: ``estimate`` with an interval of level 1 - 2a (0.90 for tests at 5 %); ``margin`` (its unit), set before the data are seen.
    Raises: ParameterError unless ``margin > 0``.
    Source: Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15, 657-680, DOI 10.1007/BF01068419.

    >>> equivalent(Estimate(0.001, -0.001, 0.002), 0.003), equivalent(Estimate(0.001, -0.004, 0.006), 0.003)
    (True, False)
    """
    if not margin > 0.0:
        raise ParameterError(
            explain("the margin is not positive", margin, "> 0, in the unit of the difference", "pass the least that matters")
        )
    return -margin < estimate.low and estimate.high < margin


def widest(*estimates: Estimate) -> Estimate:
    """Return the estimate with the widest interval.

    >>> widest(Estimate(0.0, -1.0, 1.0), Estimate(0.0, -2.0, 2.0)).high
    2.0
    """
    return max(estimates, key=lambda e: e.high - e.low)


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ParameterError(explain("level is not a probability", level, "0 < level < 1", "pass the coverage, as 0.95"))
