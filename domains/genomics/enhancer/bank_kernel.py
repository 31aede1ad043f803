"""Compiled passes of leaky integrators along a chromosome: exact over irregular gaps, one visit a position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _enter(state: Array, lengths: Array, gap: float, passed: float, activity: float) -> None:
    """One element: every channel leaks over the gap and over the boundaries, then takes the element's activity."""
    for k in range(lengths.size):
        state[k] = state[k] * np.exp(-gap / lengths[k]) * passed + activity


@_jit
def arrive_from_left(
    element: Positions, activity: Array, promoter: Positions, boundary: Positions, lengths: Array, passing: float, window: float
) -> Array:
    """Channels at each promoter, of the elements before it and at it: (promoters, channels); all positions are sorted [bp].

    ``h_k(x) = sum over elements e, x - window <= e <= x, of a_e exp(-(x - e) / tau_k) passing^(boundaries strictly between e and x)``
    in one walk. What has left the window is taken out by a second state that walks ``window`` behind; at ``window = inf`` there is none.
    """
    n, m, channels = element.size, boundary.size, lengths.size
    found = np.zeros((promoter.size, channels))
    head, tail = np.zeros(channels), np.zeros(channels)
    start = promoter[0] if promoter.size else 0
    if n > 0:
        start = min(start, element[0])
    head_at, tail_at = start, start
    e, old, level, old_level, before = 0, 0, 0, 0, 0
    for p in range(promoter.size):
        x = promoter[p]
        while e < n and element[e] < x:
            known = level
            while level < m and boundary[level] <= element[e]:
                level += 1
            _enter(head, lengths, element[e] - head_at, passing ** (level - known), activity[e])
            head_at = element[e]
            e += 1
        while before < m and boundary[before] < x:
            before += 1
        here, i = 0.0, e
        while i < n and element[i] == x:
            here += activity[i]
            i += 1
        for k in range(channels):
            found[p, k] = head[k] * np.exp(-(x - head_at) / lengths[k]) * passing ** (before - level) + here
        if window == np.inf:
            continue
        while old < n and element[old] < x - window:
            known = old_level
            while old_level < m and boundary[old_level] <= element[old]:
                old_level += 1
            _enter(tail, lengths, element[old] - tail_at, passing ** (old_level - known), activity[old])
            tail_at = element[old]
            old += 1
        for k in range(channels):
            left = tail[k] * np.exp(-(x - tail_at) / lengths[k]) * passing ** (before - old_level)
            found[p, k] = max(found[p, k] - left, here)
    return found
