"""Quantiles of a distribution of which only the cdf is known: a bracketed search, all rows at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
_MOST_STEPS = 200
_ROUNDING, _SHARE = 2e-16, 1e-13
"""The search ends at this share of the value or of the bracket's width."""


def smallest_reaching(cdf: Callable[[Array], Array], probability: float, low: Array, high: Array) -> Array:
    """Return, row by row, the smallest value between ``low`` and ``high`` at which a cdf reaches a probability.

    Formula: ``min {x in [low, high]: cdf(x) >= probability}``. Below ``low`` the cdf must not reach it, at ``high`` it must (up to
    rounding). Jumps at an end or at a whole number are met exactly, others and continuous cdfs to 1e-13 of the bracket's width. What a
    row gets does not depend on the other rows.

    Args:
        cdf: maps values (rows,) to probabilities (rows,).
        probability: in [0, 1].
        low, high: (rows,) in the unit of the outcome.

    Source: the search is Chandrupatla (1997), Advances in Engineering Software 28, 145-149, DOI 10.1016/S0965-9978(96)00051-8.

    >>> smallest_reaching(lambda x: 1 - np.exp(-x), 0.5, np.zeros(1), np.ones(1)).round(12)
    array([0.69314718])
    """

    def excess(x: Array) -> Array:
        return np.asarray(cdf(x) - probability)

    start, end = excess(low), excess(high)
    with np.errstate(invalid="ignore"):
        width = high - low
    first = start >= 0
    done = first | ~(np.isfinite(width) & (width > 0)) | (excess(np.nextafter(high, -np.inf)) < 0)
    answer = np.where(first, low, high)
    if bool(done.all()):
        return answer
    exact = done
    tolerance = np.where(done, 0.0, _SHARE * width)
    a, b, fa, fb = np.where(done, answer, low), answer, start, np.maximum(end, 0.0)
    share = np.full(a.shape, 0.5)
    with np.errstate(all="ignore"):
        for _ in range(_MOST_STEPS):
            x = np.where(done, a, a + share * (b - a))
            fx = excess(x)
            same = (fx >= 0) == (fa >= 0)
            c, fc = np.where(same, a, b), np.where(same, fa, fb)
            b, fb = np.where(done | same, b, a), np.where(done | same, fb, fa)
            a, fa = x, np.where(done, fa, fx)
            least = (_ROUNDING * np.abs(a) + tolerance) / np.abs(b - a)
            done = done | (least > 0.5) | (a == b)
            if bool(done.all()):
                break
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            curved = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            share = np.clip(np.where(curved & np.isfinite(inverse), inverse, 0.5), least, 1 - least)
    found = np.where(exact, answer, np.where(fa >= 0, a, b))
    whole = np.rint(found)
    near = np.abs(whole - found) <= 2 * (_ROUNDING * np.abs(found) + tolerance)
    jumps = ~exact & near & (excess(whole) >= 0) & (excess(np.nextafter(whole, -np.inf)) < 0)
    return np.asarray(np.where(jumps, whole, found))
