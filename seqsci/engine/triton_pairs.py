"""Maps ``c -> p c + e`` in Triton, real, or complex as pairs of numbers: composed along a tile's axis of time.

A map that starts a sequence (``r`` is not 0) forgets what was before it: it is chosen, not multiplied, so that nothing crosses a bound.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def compose(p1, e1, p2, e2):
    """The first map, then the second."""
    return p1 * p2, p2 * e1 + e2


@triton.jit
def compose_starts(p1, e1, r1, p2, e2, r2):
    """`compose` where the second map may start a sequence."""
    goes_on = r2 == 0
    return tl.where(goes_on, p1 * p2, p2), tl.where(goes_on, p2 * e1 + e2, e2), r1 | r2


@triton.jit
def compose_complex(p1, q1, e1, g1, p2, q2, e2, g2):
    """`compose` of ``p + iq`` and ``e + ig``."""
    return p1 * p2 - q1 * q2, p1 * q2 + q1 * p2, p2 * e1 - q2 * g1 + e2, p2 * g1 + q2 * e1 + g2


@triton.jit
def compose_complex_starts(p1, q1, e1, g1, r1, p2, q2, e2, g2, r2):
    """`compose_starts` of complex maps."""
    goes_on = r2 == 0
    p, q = tl.where(goes_on, p1 * p2 - q1 * q2, p2), tl.where(goes_on, p1 * q2 + q1 * p2, q2)
    e, g = tl.where(goes_on, p2 * e1 - q2 * g1 + e2, e2), tl.where(goes_on, p2 * g1 + q2 * e1 + g2, g2)
    return p, q, e, g, r1 | r2


@triton.jit
def prefixes(p, q, e, g, r, COMPLEX: tl.constexpr, PACKED: tl.constexpr):
    """Every row of a tile composed with those above it, always forwards; q and g are passed through where numbers are real."""
    if COMPLEX:
        if PACKED:
            p, q, e, g, r = tl.associative_scan((p, q, e, g, r), 0, compose_complex_starts)
        else:
            p, q, e, g = tl.associative_scan((p, q, e, g), 0, compose_complex)
    else:
        if PACKED:
            p, e, r = tl.associative_scan((p, e, r), 0, compose_starts)
        else:
            p, e = tl.associative_scan((p, e), 0, compose)
    return p, q, e, g, r


@triton.jit
def last(x, BT: tl.constexpr):
    """The last row of a tile, whatever lies in the others."""
    row = tl.arange(0, BT)
    return tl.sum(tl.where(row[:, None] == BT - 1, x, tl.zeros_like(x)), 0)
