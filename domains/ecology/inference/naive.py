"""The comparison: the slope of log count on last year's, by ordinary least squares, as if K stood still and counts were exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from seqsci.domains.ecology.inference.sites import Site
from seqsci.errors import DataError, explain

Array = np.ndarray


@dataclass(frozen=True)
class NaiveEstimate:
    """Mean over sites of AR(1) slopes and the t interval over sites; of one site, its slope and the t interval of the regression.

    The interval is about the mean of the slopes: it holds no drift and no error of counting, which is why it is short and misses.
    """

    dependence: float
    low: float
    high: float
    slopes: tuple[float, ...]
    model: str = "naive AR(1)"

    @property
    def width(self) -> float:
        """Length of the interval."""
        return self.high - self.low


def naive_dependence(sites: Sequence[Site]) -> NaiveEstimate:
    """Regress log counts on last year's at every site, over pairs of consecutive observed years.

    Raises `DataError` where a site has fewer than four pairs, or pairs whose first counts are all the same.
    """
    slopes, error, pairs = [], 0.0, 0
    for site in sites:
        x, y = site.log_count[:-1], site.log_count[1:]
        both = np.isfinite(x) & np.isfinite(y)
        pairs = int(both.sum())
        if pairs < 4 or np.ptp(x[both]) == 0:
            expected = "at least four that differ"
            raise DataError(explain(f"no AR(1) regression for {site.name!r}", f"{pairs} pairs of years", expected, "drop the series"))
        dx, dy = x[both] - x[both].mean(), y[both] - y[both].mean()
        slope = float(dx @ dy / (dx @ dx))
        error = math.sqrt(float(((dy - slope * dx) ** 2).sum()) / (pairs - 2) / float(dx @ dx))
        slopes.append(slope)
    mean, freedom = float(np.mean(slopes)), pairs - 2
    if len(slopes) > 1:
        error, freedom = float(np.std(slopes, ddof=1)) / math.sqrt(len(slopes)), len(slopes) - 1
    half = float(student.ppf(0.975, freedom)) * error
    return NaiveEstimate(mean, mean - half, mean + half, tuple(slopes))
