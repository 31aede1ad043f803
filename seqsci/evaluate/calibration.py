"""Calibration of probability forecasts: a reliability table with intervals, its expected error, and the calibration line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.errors import DataError, ParameterError, explain
from seqsci.evaluate.binary_scores import SMALLEST, outcome_and_probability
from seqsci.evaluate.equivalence import multiway_variance
from seqsci.evaluate.joint_bootstrap import Estimate

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """One group of a reliability table: rows, mean forecast, observed share of ones with its interval (fractions)."""

    rows: int
    forecast: float
    observed: Estimate


def wilson(successes: float, rows: float, level: float = 0.95) -> Estimate:
    """Return a share with Wilson's interval, which stays within [0, 1] and is not empty at 0 or 1.

    Formula: ``(x + z^2/2 -+ z sqrt(x (n - x) / n + z^2/4)) / (n + z^2)``, z the normal quantile of ``(1 + level) / 2``. It takes the
    rows as independent: reviews of one card or one day are not quite, so read it as the least width.

    Parameters: ``successes`` x and ``rows`` n (counts); ``level``, the coverage (a fraction).
    Raises: ParameterError unless ``0 <= x <= n``, ``n > 0`` and ``0 < level < 1``.
    Source: Wilson (1927), J. American Statistical Association 22, 209-212, DOI 10.1080/01621459.1927.10502953.

    >>> share = wilson(0, 10)
    >>> share.value, share.low, round(share.high, 4)
    (0.0, 0.0, 0.2775)
    """
    if not (0 <= successes <= rows and rows > 0 and 0.0 < level < 1.0):
        got = f"successes = {successes}, rows = {rows}, level = {level}"
        raise ParameterError(explain("not a share", got, "0 <= successes <= rows, rows > 0, 0 < level < 1", "correct the counts"))
    z2 = float(special.ndtri((1.0 + level) / 2.0)) ** 2
    half = (z2 * (successes * (rows - successes) / rows + z2 / 4.0)) ** 0.5
    middle, whole = successes + z2 / 2.0, rows + z2
    return Estimate(successes / rows, max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole))


def reliability(outcome: npt.ArrayLike, probability: npt.ArrayLike, groups: int = 10, level: float = 0.95) -> tuple[Reliability, ...]:
    """Return the reliability table: rows in ``groups`` of nearly equal size by rising forecast, equal forecasts never split.

    Parameters: ``outcome`` (0 or 1); ``probability`` (fraction); ``groups``, how many at most (ties make fewer);
    ``level`` of the intervals.
    Shapes: (n,), (n,) -> at most ``groups`` rows.
    Raises: DataError as `seqsci.evaluate.binary_scores.log_loss`; ParameterError unless ``groups >= 1``.
    Source: Murphy & Winkler (1977), J. Royal Statistical Society C 26, 41-47, DOI 10.2307/2346866.

    >>> [(r.rows, round(r.forecast, 2), r.observed.value) for r in reliability([0, 1, 1, 1], [0.2, 0.4, 0.9, 0.9], groups=2)]
    [(2, 0.3, 0.5), (2, 0.9, 1.0)]
    """
    y, p = outcome_and_probability(outcome, probability)
    if groups < 1:
        raise ParameterError(explain("too few groups", groups, ">= 1", "pass more"))
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2.0
    group = np.minimum((groups * middle / p.size).astype(int), groups - 1)[inverse]
    rows = np.bincount(group, minlength=groups)
    ones, forecast = np.bincount(group, y, groups), np.bincount(group, p, groups)
    return tuple(
        Reliability(int(rows[g]), float(forecast[g] / rows[g]), wilson(float(ones[g]), float(rows[g]), level)) for g in np.flatnonzero(rows)
    )


def expected_calibration_error(table: tuple[Reliability, ...]) -> float:
    """Return the mean distance between forecast and observed share of a reliability table, weighted by rows.

    Formula: ``sum_g (n_g / n) |mean forecast_g - observed_g|``. It is above zero for a perfect forecaster too, by chance, and depends on
    the groups: it compares forecasts of the same rows, and is no test.

    Source: Naeini, Cooper & Hauskrecht (2015), AAAI 29, DOI 10.1609/aaai.v29i1.9602.

    >>> round(expected_calibration_error(reliability([0, 1, 1, 1], [0.2, 0.4, 0.9, 0.9], groups=2)), 2)
    0.15
    """
    total = sum(r.rows for r in table)
    return sum(r.rows * abs(r.forecast - r.observed.value) for r in table) / total


@dataclass(frozen=True)
class CalibrationLine:
    """The logistic regression of the outcome on the logit of the forecast; a calibrated forecast has intercept 0 and slope 1.

    Attributes:
        intercept: of the regression with slope; above 0: forecasts of one half are too low.
        slope: below 1: forecasts are too extreme (overfitted); above 1: too timid.
        in_the_large: intercept with the slope held at 1; above 0: forecasts are too low on the whole.
    """

    intercept: Estimate
    slope: Estimate
    in_the_large: Estimate


def calibration_line(
    outcome: npt.ArrayLike, probability: npt.ArrayLike, clusters: tuple[npt.ArrayLike, ...] = (), level: float = 0.95
) -> CalibrationLine:
    """Fit the calibration line, with intervals that are robust to dependence within each way of clustering.

    Formula: ``logit P(y = 1) = a + b logit p`` by maximum likelihood; the variance of each coefficient is that of the sum of its
    influences ``H^-1 (y - p) x`` by `seqsci.evaluate.equivalence.multiway_variance`, with the Hessian H; normal intervals.

    Parameters: ``outcome`` (0 or 1); ``probability`` (fraction); ``clusters``, labels (n,) such as the card and the day of each row;
    without any, each row is its own cluster; ``level``, the coverage (a fraction).
    Raises: DataError as `seqsci.evaluate.binary_scores.log_loss`, if all outcomes or all forecasts are the same, or if the forecast
    separates the outcomes (the slope is infinite then).
    Source: Cox (1958), Biometrika 45, 562-565, DOI 10.1093/biomet/45.3-4.562.

    >>> p = np.random.default_rng(0).uniform(0.1, 0.9, 20000)
    >>> line = calibration_line(np.random.default_rng(1).random(20000) < p, p)
    >>> line.slope.low < 1.0 < line.slope.high
    True
    """
    y, p = outcome_and_probability(np.asarray(outcome, float), probability)
    logit = special.logit(np.clip(p, SMALLEST, 1.0 - SMALLEST))
    if y.min() == y.max() or logit.min() == logit.max():
        got = f"{int(y.sum())} ones in {y.size} rows, forecasts from {p.min():g} to {p.max():g}"
        raise DataError(explain("no line can be fitted", got, "both outcomes and different forecasts", "score more rows"))
    both = np.column_stack([np.ones_like(logit), logit])
    z = float(special.ndtri((1.0 + level) / 2.0))
    whole, errors = _logistic(y, both, np.zeros_like(logit), clusters)
    large, error = _logistic(y, both[:, :1], logit, clusters)
    parts = zip((*whole, *large), (*errors, *error), strict=True)
    return CalibrationLine(*(Estimate(float(v), float(v - z * e), float(v + z * e)) for v, e in parts))


def _logistic(y: Array, columns: Array, offset: Array, clusters: tuple[npt.ArrayLike, ...]) -> tuple[Array, Array]:
    """Coefficients and clustered standard errors of a logistic regression; Newton steps, halved until the likelihood does not fall."""
    theta = np.zeros(columns.shape[1])

    def loss(at: Array) -> float:
        index = offset + columns @ at
        return float((np.logaddexp(0.0, index) - y * index).sum())

    now = loss(theta)
    for _ in range(100):
        mean = special.expit(offset + columns @ theta)
        score = columns.T @ (y - mean)
        hessian = (columns * (mean * (1.0 - mean))[:, None]).T @ columns
        if np.linalg.cond(hessian) > 1e14:
            break
        step = np.linalg.solve(hessian, score)
        while loss(theta + step) > now * (1.0 + 1e-12) and np.abs(step).max() > 1e-12:
            step /= 2.0
        theta = theta + step
        now = loss(theta)
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(theta).max()):
            influence = (y - mean)[:, None] * columns @ np.linalg.inv(hessian)
            return theta, np.sqrt([multiway_variance(column, clusters) for column in influence.T])
    got = f"no maximum near intercept and slope {theta.round(2)}"
    raise DataError(explain("the calibration line does not converge", got, "outcomes that overlap in forecast", "score more rows"))
