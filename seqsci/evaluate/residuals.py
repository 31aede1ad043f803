"""Residuals of a fit and the tests on them: is anything left that the model should have explained?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from seqsci.errors import DataError, ParameterError, explain
from seqsci.estimation.result import Fit
from seqsci.evaluate.scores import finite_series
from seqsci.forecast import one_step

Array = np.ndarray
_JUMP = 1e-6
_LARGEST = 8.2
"""Beyond 8.2 standard deviations the normal distribution function is 1 in double precision."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals of the scored rows (n,) of a fit, in their order.

    Attributes:
        standardised: (outcome - forecast mean) / forecast standard deviation.
        below, upto: P(Y < y) and P(Y <= y) under each row's forecast; equal where the density has no jump.
        normal: quantile residuals ``ndtri(P(Y <= y))``, standard normal under a right model; NaN for a discrete outcome.
        discrete: whether the outcome's distribution jumps.
        units: number of units that the rows come from.
    """

    standardised: Array
    below: Array
    upto: Array
    normal: Array
    discrete: bool
    units: int


@dataclass(frozen=True)
class ResidualTest:
    """A chi-squared test: its name, what it looks for, lags, statistic, p-value."""

    name: str
    looks_for: str
    lags: int
    statistic: float
    p_value: float


def residuals(fit: Fit) -> Residuals:
    """Return the residuals of every observed row that was scored and has a finite forecast.

    Formula: ``(y - E y) / sd y`` and ``ndtri(F(y))`` with F the forecast made before the row was seen.

    Shapes: the rows of the fit -> (n,).
    Raises: DataError where no row is left.
    Source: Dunn & Smyth (1996), J. Computational and Graphical Statistics 5, 236-244, DOI 10.1080/10618600.1996.10474708.
    """
    rows = np.asarray(fit.sequences.observed, bool) & (np.asarray(fit.sequences.weight) > 0)
    y = fit.sequences.outcome[fit.outcome][rows]
    forecast = one_step(fit.model, fit.path.reads[rows], fit.model.kernel().program.read_names)
    deviation = np.sqrt(forecast.variance)
    upto, below = forecast.cdf(y), forecast.cdf(np.nextafter(y, -np.inf))
    good = np.isfinite(deviation) & (deviation > 0) & np.isfinite(upto) & np.isfinite(below)
    if not good.any():
        raise DataError(explain("no residuals", f"{rows.sum()} scored rows, none with a finite forecast", "one or more", "check the fit"))
    discrete = bool(np.any(upto[good] - below[good] > _JUMP))
    normal = np.full(int(good.sum()), np.nan) if discrete else np.clip(special.ndtri(upto[good]), -_LARGEST, _LARGEST)
    standardised = ((y - forecast.mean) / deviation)[good]
    return Residuals(standardised, below[good], upto[good], normal, discrete, len(fit.sequences.starts))


def autocorrelation(series: Array, lags: int) -> Array:
    """Return the autocorrelations at lags 1..lags.

    Formula: ``r_k = sum_t (x_t - m)(x_{t-k} - m) / sum_t (x_t - m)^2``.

    Parameters: ``series`` (any unit); ``lags``, the last lag (rows).
    Shapes: (n,) -> (lags,).
    Raises: DataError if ``series`` is not finite or is constant; ParameterError unless ``1 <= lags < n``.

    >>> autocorrelation(np.array([1.0, 2.0, 3.0, 4.0]), 2).round(2)
    array([ 0.25, -0.3 ])
    """
    x = finite_series("series", series)
    if not 1 <= lags < x.size:
        raise ParameterError(explain("lags do not fit the series", lags, f"1 <= lags < n = {x.size}", "pass fewer lags"))
    centred = x - x.mean()
    power = float(centred @ centred)
    if float(np.ptp(x)) == 0.0 or power == 0.0:
        raise DataError(explain("a constant series has no autocorrelation", f"{x.size} equal values", "values that vary", "check the rows"))
    return np.array([float(centred[k:] @ centred[:-k]) for k in range(1, lags + 1)]) / power


def ljung_box(series: Array, lags: int, looks_for: str = "autocorrelation") -> ResidualTest:
    """Test whether the first autocorrelations are jointly zero.

    Formula: ``Q = n (n + 2) sum_k r_k^2 / (n - k)``, chi-squared(lags) for white noise. No degree of freedom is taken off for
    estimated parameters, so on residuals of a fit p is somewhat too large.

    Shapes: (n,) -> scalars.
    Raises: as `autocorrelation`.
    Source: Ljung & Box (1978), Biometrika 65, 297-303, DOI 10.1093/biomet/65.2.297.

    >>> noise = np.random.default_rng(0).normal(size=500)
    >>> ljung_box(noise, 10).p_value > 0.05 > ljung_box(noise.cumsum(), 10).p_value
    True
    """
    r, n = autocorrelation(series, lags), len(series)
    statistic = n * (n + 2) * float(np.sum(r**2 / (n - np.arange(1, lags + 1))))
    return ResidualTest("Ljung-Box", looks_for, lags, statistic, float(special.chdtrc(lags, statistic)))


def arch_lm(series: Array, lags: int) -> ResidualTest:
    """Test whether squares can be predicted from earlier squares (Lagrange multiplier).

    Formula: ``(n - lags) R^2`` of the regression of ``x_t^2`` on a constant and ``x_{t-1}^2 .. x_{t-lags}^2``; chi-squared(lags).

    Shapes: (n,) -> scalars.
    Raises: DataError if ``series`` is not finite or its squares are constant; ParameterError unless ``1 <= lags`` and ``n > 2 lags + 1``.
    Source: Engle (1982), Econometrica 50, 987-1007, DOI 10.2307/1912773.

    >>> arch_lm(np.random.default_rng(0).normal(size=500), 5).p_value > 0.05
    True
    """
    squares = finite_series("series", series) ** 2
    if not 1 <= lags < (squares.size - 1) / 2:
        raise ParameterError(explain("lags do not fit the series", lags, f"1 <= lags < (n - 1) / 2, n = {squares.size}", "pass fewer lags"))
    target = squares[lags:]
    if float(np.ptp(target)) == 0.0:
        raise DataError(explain("constant squares cannot be predicted", f"{squares.size} values", "squares that vary", "check the rows"))
    earlier = np.column_stack([np.ones(target.size), *(squares[lags - k : -k] for k in range(1, lags + 1))])
    left = target - earlier @ np.linalg.lstsq(earlier, target, rcond=None)[0]
    centred = target - target.mean()
    statistic = target.size * (1.0 - float(left @ left) / float(centred @ centred))
    return ResidualTest("ARCH-LM", "clusters of large values", lags, statistic, float(special.chdtrc(lags, statistic)))


def pit_histogram(below: Array, upto: Array, bins: int) -> Array:
    """Return the heights of a PIT histogram, 1 on average; flat where the forecasts are right. No random numbers enter.

    Formula: a row spreads its weight evenly over ``[P(Y < y), P(Y <= y)]``; without a jump it falls into one bin.

    Parameters: ``below``, ``upto``, both ends per row (probabilities, ``below <= upto``); ``bins``, how many.
    Shapes: (n,), (n,) -> (bins,).
    Source: Czado, Gneiting & Held (2009), Biometrics 65, 1254-1261, DOI 10.1111/j.1541-0420.2009.01191.x.

    >>> pit_histogram(np.array([0.0, 0.5]), np.array([0.5, 1.0]), 4)
    array([1., 1., 1., 1.])
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    jump = upto - below > _JUMP
    counts = np.histogram(np.clip(upto[~jump], 0.0, 1.0), edges)[0].astype(float)
    low, width = below[jump, None], (upto - below)[jump, None]
    spread = np.diff(np.clip((edges[None, :] - low) / width, 0.0, 1.0), axis=1).sum(0)
    return np.asarray((counts + spread) * bins / len(upto))


def residual_tests(found: Residuals, lags: int = 10) -> tuple[ResidualTest, ...]:
    """Return Ljung-Box on the standardised residuals and on their squares, and ARCH-LM; on a discrete outcome the first alone.

    Raises: DataError for more than one unit, or fewer than 5 rows a lag: the tests are made for one long series.
    """
    x = found.standardised
    if found.units > 1:
        raise DataError(explain("residual tests take one series", f"{found.units} units", "one unit", "fit units one by one"))
    if len(x) < 5 * lags:
        raise DataError(explain("too few rows for residual tests", len(x), f"{5 * lags} or more", "fit a longer series"))
    mean = ljung_box(x, lags, "a predictable mean")
    if found.discrete:
        return (mean,)
    squares = ljung_box(x**2, lags, "a predictable spread")
    return (mean, squares, arch_lm(x, lags))
