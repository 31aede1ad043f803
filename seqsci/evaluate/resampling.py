"""Stationary bootstrap: an interval for the mean of a dependent series, such as a paired difference of losses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.errors import DataError, ParameterError, explain
from seqsci.evaluate.scores import finite_series

_SILENT_LAGS = 5
_POSITIONS_PER_BATCH = 2**14  # keeps the working arrays of a batch in cache


@dataclass(frozen=True)
class Interval:
    """A two-sided interval, in the unit of the series; ``low <= high``."""

    low: float
    high: float


def automatic_block_length(series: npt.ArrayLike) -> float:
    """Return the mean block length that minimises the mean squared error of the stationary bootstrap variance of a mean.

    Formula: ``b = (n G^2 / g^2)^(1/3)``, ``G = 2 sum_k w(k/M) k r_k``, ``g = 1 + 2 sum_k w(k/M) r_k``, over k = 1..M, with the
    autocorrelations ``r_k`` and the flat-top window ``w(s) = min(1, 2 (1 - s))``. ``M`` is twice the first lag of the first run
    of five with ``|r_k| < 2 sqrt(log10(n) / n)`` (as in Patton's program; the paper's m is one less), at most ``ceil(sqrt(n)) + 5``.
    The result is kept within 1 and ``ceil(min(3 sqrt(n), n / 3))``; a constant series has 1.

    Parameters: ``series`` (any unit); the result is in rows.
    Shapes: (n,) -> scalar.
    Raises: DataError if ``series`` is not a finite series.
    Source: Politis & White (2004), DOI 10.1081/ETC-120028836, corrected by Patton, Politis & White (2009),
    DOI 10.1080/07474930802459016.

    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> automatic_block_length(noise) < automatic_block_length(noise.cumsum())
    True
    """
    x = finite_series("series", series)
    n = x.size
    centred = x - x.mean()
    scale = float(np.abs(centred).max())
    longest = float(math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))
    if float(np.ptp(x)) == 0.0 or scale == 0.0:
        return 1.0
    centred /= scale
    last_lag = min(math.ceil(math.sqrt(n)) + _SILENT_LAGS, n - 1)
    autocorrelation = np.array([float(centred[k:] @ centred[: n - k]) for k in range(last_lag + 1)]) / float(centred @ centred)
    silent = np.abs(autocorrelation) < 2.0 * math.sqrt(math.log10(n) / n)
    candidates = (m for m in range(1, last_lag - _SILENT_LAGS + 2) if silent[m : m + _SILENT_LAGS].all())
    bandwidth = min(2 * next(candidates, last_lag), last_lag)
    k = np.arange(1, bandwidth + 1)
    weighted = np.minimum(1.0, 2.0 * (1.0 - k / bandwidth)) * autocorrelation[1 : bandwidth + 1]
    spectrum_at_zero = abs(1.0 + 2.0 * float(weighted.sum()))
    curvature = abs(2.0 * float(weighted @ k))
    if math.sqrt(n) * curvature >= longest**1.5 * spectrum_at_zero:
        return longest
    return max(1.0, math.cbrt(n * (curvature / spectrum_at_zero) ** 2))


def stationary_bootstrap_means(series: npt.ArrayLike, block_length: float, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Return the mean of each stationary bootstrap resample; the same seed gives the same bits.

    Formula: a resample of n rows is blocks ``x_s, x_{s+1}, ...`` (after row n comes row 1), ``s`` uniform on the rows, the length
    geometric with mean ``block_length``, the last block cut at n.

    Parameters: ``series`` (any unit u; the result is in u); ``block_length``, the mean block length (rows, >= 1; 1 resamples
    single rows); ``resamples``, how many; ``seed`` of numpy's default generator.
    Shapes: (n,) -> (resamples,).
    Raises: DataError if ``series`` is not a finite series; ParameterError unless ``1 <= block_length <= n`` and ``resamples >= 1``.
    Source: Politis & Romano (1994), J. American Statistical Association 89, 1303-1313, DOI 10.1080/01621459.1994.10476870.

    >>> stationary_bootstrap_means([1.0, 2.0, 3.0], block_length=3.0, resamples=1000, seed=0).mean().round(1)
    np.float64(2.0)
    """
    x = finite_series("series", series)
    n = x.size
    _check(n, block_length, resamples)
    rng = np.random.default_rng(seed)
    mean = float(x.mean())
    prefix = np.concatenate(([0.0], np.cumsum(np.tile(x - mean, 2))))
    batch = max(1, _POSITIONS_PER_BATCH // n)
    sums = [_resampled_sums(prefix, n, min(batch, resamples - done), block_length, rng) for done in range(0, resamples, batch)]
    return mean + np.concatenate(sums) / n


def _check(n: int, block_length: float, resamples: int) -> None:
    if not 1.0 <= block_length <= n:
        raise ParameterError(explain("block_length does not fit the series", block_length, f"1 <= block_length <= n = {n}", "pass another"))
    if resamples < 1:
        raise ParameterError(explain("resamples must be positive", resamples, ">= 1, and 1000 or more for an interval", "pass more"))


def _blocks(n: int, resamples: int, block_length: float, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the blocks of resamples laid end to end: where each begins there, and the rows start..stop it takes of the series, twice."""
    restart = rng.random(resamples * n) < 1.0 / block_length
    restart[::n] = True
    first = np.flatnonzero(restart)
    start = rng.integers(n, size=first.size)
    stop = np.append(first[1:], resamples * n)
    stop -= first
    stop += start
    return first, start, stop


def stationary_bootstrap_counts(rows: int, block_length: float, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Return how often each row occurs in each resample of `stationary_bootstrap_means`: the same seed draws the same blocks.

    Several series that are weighted with the same counts are resampled jointly: what happened to all of them in one row stays together.

    Parameters: ``rows`` of the series; ``block_length``, the mean block length (rows, >= 1); ``resamples``; ``seed``.
    Shapes: -> (resamples, rows); every row of it sums to ``rows``.
    Raises: ParameterError unless ``1 <= block_length <= rows`` and ``resamples >= 1``.
    Source: Politis & Romano (1994), J. American Statistical Association 89, 1303-1313, DOI 10.1080/01621459.1994.10476870.

    >>> stationary_bootstrap_counts(5, block_length=2.0, resamples=3, seed=0).sum(1)
    array([5, 5, 5])
    """
    _check(rows, block_length, resamples)
    rng, parts = np.random.default_rng(seed), []
    batch = max(1, _POSITIONS_PER_BATCH // rows)
    width = 2 * rows + 1
    for done in range(0, resamples, batch):
        many = min(batch, resamples - done)
        first, start, stop = _blocks(rows, many, block_length, rng)
        place = first // rows * width
        edges = np.bincount(place + start, minlength=many * width) - np.bincount(place + stop, minlength=many * width)
        twice = edges.reshape(many, width).cumsum(1)
        parts.append(twice[:, :rows] + twice[:, rows : 2 * rows])
    return np.concatenate(parts)


def _resampled_sums(
    prefix: npt.NDArray[np.float64], n: int, resamples: int, block_length: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the sums of ``resamples`` resamples, laid end to end: a block sum is a difference of ``prefix`` (of the series, twice)."""
    first, start, stop = _blocks(n, resamples, block_length, rng)
    block_sums = prefix.take(stop)
    block_sums -= prefix.take(start)
    sums: npt.NDArray[np.float64] = np.add.reduceat(block_sums, np.searchsorted(first, n * np.arange(resamples)))
    return sums


def block_bootstrap_interval(
    difference: npt.ArrayLike, block_length: float | None = None, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Return the stationary bootstrap percentile interval for the mean of a paired difference.

    Formula: the ``(1 - level) / 2`` and ``(1 + level) / 2`` quantiles of the means of the resamples.

    Parameters: ``difference``, such as ``loss_a - loss_b`` per row (any unit; the interval is in it); ``block_length``, the mean
    block length (rows), by default ``automatic_block_length``, because a fixed rule in n alone knows nothing of the dependence;
    ``resamples``, how many; ``seed``: the same seed gives the same bits; ``level``, the nominal coverage (a fraction).
    Shapes: (n,) -> scalars.
    Raises: DataError if ``difference`` is not a finite series of 2 or more rows; ParameterError unless ``0 < level < 1``,
    ``1 <= block_length <= n`` and ``resamples >= 1``.
    Source: Politis & Romano (1994), J. American Statistical Association 89, 1303-1313, DOI 10.1080/01621459.1994.10476870.

    >>> interval = block_bootstrap_interval(np.random.default_rng(0).normal(1.0, size=400))
    >>> interval.low < 1.0 < interval.high
    True
    """
    x = finite_series("difference", difference)
    if x.size < 2:
        raise DataError(explain("too few rows for an interval", x.size, "at least 2 rows", "score more rows"))
    if not 0.0 < level < 1.0:
        raise ParameterError(explain("level is not a probability", level, "0 < level < 1", "pass the coverage, as 0.95"))
    length = automatic_block_length(x) if block_length is None else block_length
    means = stationary_bootstrap_means(x, length, resamples, seed)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high))
