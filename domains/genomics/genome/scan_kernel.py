"""The compiled pass of a bank of leaky integrators: four at a time, each with a decay and a state in double precision.

One integrator waits for its own multiply and add at every base; four of them fill that time, and read the signal once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

LANES = 4
"""Integrators of a pass."""
BLOCK, LEAST = 512, 1e-200
"""Every so many bases, states below this are set to zero: in a gap they would sink to where arithmetic is a hundred times slower."""


_jit: Callable[[Any], Any] = numba.njit(cache=True, nogil=True)


@_jit
def leaky_pass(signal: Any, out: Any, state: Any, decay: Any, weight: Any, reverse: bool, add: bool, own: float) -> None:
    """``c_k = decay_k c_k + u``, ``out = sum_k weight_k c_k - own u`` (added to what is there with ``add``); state is (4,) and updated."""
    c0, c1, c2, c3 = state[0], state[1], state[2], state[3]
    f0, f1, f2, f3 = decay[0], decay[1], decay[2], decay[3]
    w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
    n = len(signal)
    for block in range(0, n, BLOCK):
        for i in range(block, min(n, block + BLOCK)):
            t = n - 1 - i if reverse else i
            u = np.float64(signal[t])
            c0 = f0 * c0 + u
            c1 = f1 * c1 + u
            c2 = f2 * c2 + u
            c3 = f3 * c3 + u
            y = (w0 * c0 + w1 * c1) + (w2 * c2 + w3 * c3) - own * u
            if add:
                out[t] += y
            else:
                out[t] = y
        c0 = 0.0 if abs(c0) < LEAST else c0
        c1 = 0.0 if abs(c1) < LEAST else c1
        c2 = 0.0 if abs(c2) < LEAST else c2
        c3 = 0.0 if abs(c3) < LEAST else c3
    state[0], state[1], state[2], state[3] = c0, c1, c2, c3
