"""Losses of a variance forecast, and the tests on them: coverage (Kupiec) and equal accuracy (Diebold-Mariano)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.errors import DataError, ParameterError, explain


@dataclass(frozen=True)
class KupiecResult:
    """The unconditional coverage test: counts, the violation rate, the expected rate, the LR statistic, its p-value."""

    n: int
    violations: int
    rate: float
    level: float
    statistic: float
    p_value: float


@dataclass(frozen=True)
class DieboldMarianoResult:
    """The Diebold-Mariano test: rows, mean of ``loss_a - loss_b``, its standard error, the statistic, its p-value."""

    n: int
    mean_difference: float
    standard_error: float
    statistic: float
    p_value: float


def finite_array(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``values`` as a float64 array, or raise DataError if it is empty, not numeric, or has NaN or infinite entries.

    Shapes: any -> the same. ``name`` is how the error calls the argument.

    >>> finite_array("loss", [1, 2])
    array([1., 2.])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(explain(f"{name} is not an array of numbers", str(error), "an array of floats", f"convert {name} first")) from error
    if array.size == 0:
        raise DataError(explain(f"{name} is empty", f"shape {array.shape}", "at least one row", f"check how {name} was selected"))
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        got = f"{int(bad.sum())} of {array.size} entries are NaN or infinite, the first at index {first}"
        raise DataError(explain(f"{name} has entries that are not finite", got, "finite numbers", "drop these rows from every argument"))
    return array


def finite_series(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``values`` as a one-dimensional float64 array, or raise DataError; otherwise as ``finite_array``.

    Shapes: (n,) -> (n,).

    >>> finite_series("loss", [1, 2])
    array([1., 2.])
    """
    array = finite_array(name, values)
    if array.ndim != 1:
        raise DataError(explain(f"{name} is not one series", f"shape {array.shape}", "shape (n,)", f"pass one column of {name}"))
    return array


def _require_same_shape(name_a: str, a: npt.NDArray[np.float64], name_b: str, b: npt.NDArray[np.float64]) -> None:
    if a.shape != b.shape:
        got = f"{name_a} {a.shape}, {name_b} {b.shape}"
        raise DataError(explain(f"{name_a} and {name_b} do not have the same shape", got, "equal shapes", "align the two on the same rows"))


def _positive(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = finite_array(name, values)
    if array.min() <= 0.0:
        got = f"{int((array <= 0.0).sum())} of {array.size} entries <= 0, the smallest {array.min():g}"
        raise DataError(explain(f"{name} must be positive", got, "> 0 (percent^2)", f"drop these rows, or check what made {name}"))
    return array


def _variance_and_squared_return(
    variance: npt.ArrayLike, squared_return: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    h, e2 = _positive("variance", variance), finite_array("squared_return", squared_return)
    _require_same_shape("variance", h, "squared_return", e2)
    if e2.min() < 0.0:
        got = f"{int((e2 < 0.0).sum())} of {e2.size} entries < 0, the smallest {e2.min():g}"
        raise DataError(explain("squared_return must not be negative", got, ">= 0 (percent^2)", "square the returns before the call"))
    return h, e2


def qlike(variance: npt.ArrayLike, squared_return: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the QLIKE loss of each row: the Gaussian quasi-likelihood loss of a variance forecast.

    Formula: ``log(h) + e2 / h``. Its expectation is least at ``h = E[e2]``, also when ``e2`` is a noisy proxy.

    Parameters: ``variance`` h, the forecast (percent^2, > 0); ``squared_return`` e2 (percent^2, >= 0).
    Shapes: two equal shapes -> that shape.
    Raises: DataError for entries that are not finite, out of range, or shapes that differ.
    Source: Patton (2011), J. Econometrics 160, 246-256, DOI 10.1016/j.jeconom.2010.03.034.

    >>> qlike([1.0, 2.0], [0.5, 2.0]).round(4)
    array([0.5   , 1.6931])
    """
    h, e2 = _variance_and_squared_return(variance, squared_return)
    return np.log(h) + e2 / h


def normalised_qlike(variance: npt.ArrayLike, realized_variance: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the QLIKE loss of each row, shifted so that a perfect forecast has loss zero.

    Formula: ``RV / h - log(RV / h) - 1``, which is ``>= 0``, and does not depend on the unit.

    Parameters: ``variance`` h, the forecast (percent^2, > 0); ``realized_variance`` RV (percent^2, > 0: its logarithm is taken).
    Shapes: two equal shapes -> that shape.
    Raises: DataError for entries that are not finite or not positive, or shapes that differ.
    Source: Patton (2011), J. Econometrics 160, 246-256, DOI 10.1016/j.jeconom.2010.03.034.

    >>> normalised_qlike([1.0, 2.0], [1.0, 1.0]).round(4)
    array([0.    , 0.1931])
    """
    h, rv = _positive("variance", variance), _positive("realized_variance", realized_variance)
    _require_same_shape("variance", h, "realized_variance", rv)
    ratio = rv / h
    return ratio - np.log(ratio) - 1.0


def squared_error(variance: npt.ArrayLike, squared_return: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the squared error of each row.

    Formula: ``(e2 - h)^2`` (percent^4). Its expectation is least at ``h = E[e2]``.

    Parameters: ``variance`` h, the forecast (percent^2, > 0); ``squared_return`` e2 (percent^2, >= 0).
    Shapes: two equal shapes -> that shape.
    Raises: DataError for entries that are not finite, out of range, or shapes that differ.
    Source: Patton (2011), J. Econometrics 160, 246-256, DOI 10.1016/j.jeconom.2010.03.034.

    >>> squared_error([1.0, 2.0], [0.5, 2.0])
    array([0.25, 0.  ])
    """
    h, e2 = _variance_and_squared_return(variance, squared_return)
    return np.square(e2 - h)


def kupiec(violations: npt.NDArray[np.bool_], level: float) -> KupiecResult:
    """Test whether a quantile forecast is violated as often as it should be (unconditional coverage, likelihood ratio).

    Formula: ``LR = 2 [x log(r / p) + (n - x) log((1 - r) / (1 - p))]`` with ``r = x / n``, ``0 log 0 = 0``; chi-squared(1) under r = p.

    Parameters: ``violations``, True where the return fell below the forecast quantile; ``level`` p, the expected
    violation rate (a fraction: 0.01 for the 1 % quantile, not 0.99).
    Shapes: (n,) -> scalars.
    Raises: DataError if ``violations`` is not a boolean series or is empty; ParameterError if ``level`` is not in (0, 1).
    Source: Kupiec (1995), J. Derivatives 3(2), 73-84, DOI 10.3905/jod.1995.407942.

    >>> result = kupiec(np.arange(250) < 6, level=0.01)
    >>> result.violations, round(result.statistic, 3), round(result.p_value, 3)
    (6, 3.555, 0.059)
    """
    hits = np.asarray(violations)
    if hits.dtype != np.bool_ or hits.ndim != 1 or hits.size == 0:
        got = f"dtype {hits.dtype}, shape {hits.shape}"
        raise DataError(explain("violations is not a boolean series", got, "bool, shape (n,), n >= 1", "pass returns < quantile"))
    if not 0.0 < level < 1.0:
        raise ParameterError(explain("level is not a probability", level, "0 < level < 1", "pass the expected rate, as 0.01"))
    n, x = hits.size, int(hits.sum())
    rate = x / n
    log_ratio = special.xlogy(x, rate / level) + special.xlogy(n - x, (1.0 - rate) / (1.0 - level))
    statistic = max(0.0, 2.0 * float(log_ratio))
    return KupiecResult(n, x, rate, level, statistic, float(special.chdtrc(1, statistic)))


def newey_west_variance(x: npt.ArrayLike, lags: int) -> float:
    """Return the Newey-West long-run variance of a series; divided by n it estimates the variance of the mean.

    Formula: ``g_0 + 2 sum_{j=1..lags} (1 - j / (lags + 1)) g_j`` with ``g_j = (1/n) sum_t (x_t - mean)(x_{t-j} - mean)``; never negative.

    Parameters: ``x``, the series (any unit u; the result is in u^2); ``lags``, the last lag with weight (rows).
    Shapes: (n,) -> scalar.
    Raises: DataError if ``x`` is not a finite series; ParameterError unless ``0 <= lags < n``.
    Source: Newey & West (1987), Econometrica 55, 703-708, DOI 10.2307/1913610.

    >>> newey_west_variance([1.0, 2.0, 3.0, 4.0], lags=1)
    1.5625
    """
    series = finite_series("x", x)
    n = series.size
    if not 0 <= lags < n:
        raise ParameterError(explain("lags does not fit the series", lags, f"0 <= lags < n = {n}", "pass fewer lags"))
    centred = series - series.mean()
    weighted = [(1.0 - j / (lags + 1.0)) * float(centred[j:] @ centred[: n - j]) for j in range(1, lags + 1)]
    return max(0.0, (float(centred @ centred) + 2.0 * math.fsum(weighted)) / n)


def _cube_root_floor(n: int) -> int:
    root = round(math.cbrt(n))  # not floor: math.cbrt(3375) is 14.999999999999998 with some C libraries
    return root - 1 if root**3 > n else root


def diebold_mariano(loss_a: npt.ArrayLike, loss_b: npt.ArrayLike, lags: int | None = None) -> DieboldMarianoResult:
    """Test whether two forecasts have equal expected loss (two-sided, normal); a negative statistic favours a.

    Formula: ``mean(d) / sqrt(V / n)`` with ``d = loss_a - loss_b``, and ``V`` its Newey-West variance. If the mean is exactly zero
    (so also if the losses are the same) the statistic is 0 and p is 1; if only the standard error is zero, +-inf and p is 0.

    Parameters: ``loss_a``, ``loss_b``, losses on the same rows (one unit); ``lags`` (rows), default ``floor(n^(1/3))``.
    Shapes: (n,), (n,) -> scalars.
    Raises: DataError for lengths that differ, fewer than 2 rows, or rows that are not finite (it says how many;
    none is dropped); ParameterError unless ``0 <= lags < n``.
    Source: Diebold & Mariano (1995), J. Business & Economic Statistics 13, 253-263, DOI 10.1080/07350015.1995.10524599.

    >>> result = diebold_mariano([1.0, 2.0, 1.5, 3.0], [1.5, 1.5, 2.5, 4.0])
    >>> round(result.mean_difference, 4), round(result.statistic, 4), round(result.p_value, 4)
    (-0.5, -1.7889, 0.0736)
    """
    a, b = finite_series("loss_a", loss_a), finite_series("loss_b", loss_b)
    _require_same_shape("loss_a", a, "loss_b", b)
    n = a.size
    if n < 2:
        raise DataError(explain("too few rows for a test", n, "at least 2 rows", "score more rows"))
    difference = a - b
    mean = float(difference.mean())
    variance = newey_west_variance(difference, _cube_root_floor(n) if lags is None else lags)
    standard_error = math.sqrt(variance / n)
    if mean == 0.0:
        statistic = 0.0
    elif standard_error == 0.0:
        statistic = math.copysign(math.inf, mean)
    else:
        statistic = mean / standard_error
    return DieboldMarianoResult(n, mean, standard_error, statistic, float(2.0 * special.ndtr(-abs(statistic))))
