"""The comparison: the slope of log count on last year's, by ordinary least squares, as if K stood still and counts were exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from seqsci.domains.ecology.inference.sites import Site

FEWEST_PAIRS = 4
"""Pairs of consecutive observed years that a regression needs."""


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

    A site with fewer than four pairs, or whose first counts are all the same, has no regression: its slope is NaN and the mean leaves it
    out. Where no site has one, everything is NaN: the state-space models use such series all the same.
    """
    slopes, errors, freedoms = [], [], []
    for site in sites:
        x, y = site.log_count[:-1], site.log_count[1:]
        both = np.isfinite(x) & np.isfinite(y)
        pairs = int(both.sum())
        if pairs < FEWEST_PAIRS or np.ptp(x[both]) == 0:
            slopes.append(math.nan)
            continue
        dx, dy = x[both] - x[both].mean(), y[both] - y[both].mean()
        slope = float(dx @ dy / (dx @ dx))
        slopes.append(slope)
        errors.append(math.sqrt(float(((dy - slope * dx) ** 2).sum()) / (pairs - 2) / float(dx @ dx)))
        freedoms.append(pairs - 2)
    there = np.array([s for s in slopes if math.isfinite(s)])
    if len(there) == 0:
        return NaiveEstimate(math.nan, math.nan, math.nan, tuple(slopes))
    mean, error, freedom = float(there.mean()), errors[0], freedoms[0]
    if len(there) > 1:
        error, freedom = float(there.std(ddof=1)) / math.sqrt(len(there)), len(there) - 1
    half = float(student.ppf(0.975, freedom)) * error
    return NaiveEstimate(mean, mean - half, mean + half, tuple(slopes))
