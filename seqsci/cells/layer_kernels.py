"""Compiled passes of the gated layer: gates, recurrence and readout in one walk over time, and its adjoint; float32, carried in double.

Rows of pre-activations lie at an address with a stride a step, because they are columns of one matrix product. Only the states are
kept for the way back; gates are computed again from the pre-activations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba import extending
from numba.core import types

from seqsci.engine.intrinsics import load, store

KIND = np.empty(0, np.float32)
WIDE = np.empty(0, np.float64)
BLOCK = 256
"""Lanes walked at once: six rows of them stay in the first cache."""

_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")
_intrinsic: Callable[[Any], Any] = extending.intrinsic
_LOG2_E, _MAGIC = np.float32(1.4426950408889634), np.float32(12582912.0)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ONE, _TWO, _END = np.float32(1.0), np.float32(2.0), np.float32(87.0)
_C2, _C3, _C4 = np.float32(0.5), np.float32(1.6666665459e-1), np.float32(4.1665795894e-2)
_C5, _C6, _C7 = np.float32(8.3334519073e-3), np.float32(1.3981999507e-3), np.float32(1.9875691500e-4)


@_intrinsic
def _power_of_two(typing: Any, shifted: Any) -> Any:
    """2^n of a float n + 1.5 * 2^23, whose low bits are n."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.bitcast(args[0], word)
        exponent = builder.add(bits, ir.Constant(word, 127 - 0x4B400000 & 0xFFFFFFFF))
        return builder.bitcast(builder.shl(exponent, ir.Constant(word, 23)), ir.FloatType())

    return types.float32(types.float32), generate


@_jit
def _split(x: Any) -> Any:
    """(p, s) with e^x = (1 + p) s, s a power of two, p accurate relative to its size; |x| beyond 87 counts as 87, a NaN stays one."""
    x = -_END if x < -_END else x
    x = _END if x > _END else x
    shifted = x * _LOG2_E + _MAGIC
    n = shifted - _MAGIC
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _C2
    return p * r * r + r, _power_of_two(shifted)


@_jit
def exponential(x: Any) -> Any:
    """e^x without a branch, so that loops over it are vectorised."""
    p, s = _split(x)
    return (p + _ONE) * s


@_jit
def tanh(x: Any) -> Any:
    """``(e^2x - 1) / (e^2x + 1)`` without a branch, from e^2x - 1 that does not cancel: small x keep their relative accuracy."""
    p, s = _split(_TWO * x)
    e = p * s + (s - _ONE)
    return e / (_TWO + e)


@_jit
def tanh_slope(x: Any) -> Any:
    """Tanh and ``1 - tanh^2 = 4 e^2x / (e^2x + 1)^2``, each accurate relative to its size."""
    p, s = _split(_TWO * x)
    e = p * s + (s - _ONE)
    half = _ONE / (_TWO + e)
    return e * half, _TWO * half * ((p + _ONE) * s) * (_TWO * half)


@_jit
def _sigmoid(address: int, at: int, bias: int, first: int, count: int, out: int, rest: int) -> None:
    """Write sigmoid(a + b) to ``out`` and one minus it to ``rest``, each to its own rounding error."""
    for d in range(count):
        e = exponential(-(load(KIND, address, at + d) + load(KIND, bias, first + d)))
        s = _ONE / (_ONE + e)
        store(KIND, out, d, s)
        store(KIND, rest, d, e * s)


@_jit
def _tanh(address: int, at: int, bias: int, first: int, count: int, out: int) -> None:
    for d in range(count):
        store(KIND, out, d, tanh(load(KIND, address, at + d) + load(KIND, bias, first + d)))


@_jit
def _tanh_slope(address: int, at: int, bias: int, first: int, count: int, out: int, slope: int) -> None:
    for d in range(count):
        y, dy = tanh_slope(load(KIND, address, at + d) + load(KIND, bias, first + d))
        store(KIND, out, d, y)
        store(KIND, slope, d, dy)


@_jit
def _sum(address: int, at: int, bias: int, first: int, count: int, out: int) -> None:
    for d in range(count):
        store(KIND, out, d, load(KIND, address, at + d) + load(KIND, bias, first + d))


@_jit
def forward(
    a: Any, strides: Any, bias: int, c0: int, c: int, h: int, last: int, T: int, W: int, lo: int, hi: int, flags: Any, rows: Any,
    carry: Any,
) -> None:  # fmt: skip
    """States, outputs where they differ from them, and the last states; c0 and ``last`` are in double.

    ``a`` and ``strides``: addresses and steps of candidate, forget, write and read pre-activations; ``flags``: bounded, tied, read.
    """
    bounded, tied, read = flags
    columns, memory, size = (W + BLOCK - 1) // BLOCK, carry.ctypes.data, 4 * BLOCK
    Z = rows.ctypes.data
    F, K, I, J = Z + size, Z + 2 * size, Z + 3 * size, Z + 4 * size
    for w in range(lo, hi):
        b, first = w // columns, w % columns * BLOCK
        m = min(BLOCK, W - first)
        for d in range(m):
            store(WIDE, memory, d, load(WIDE, c0, b * W + first + d))
        for t in range(T):
            n = b * T + t
            if bounded:
                _tanh(a[0], n * strides[0] + first, bias, first, m, Z)
            else:
                _sum(a[0], n * strides[0] + first, bias, first, m, Z)
            _sigmoid(a[1], n * strides[1] + first, bias, W + first, m, F, K)
            if not tied:
                _sigmoid(a[2], n * strides[2] + first, bias, 2 * W + first, m, I, J)
            gate, at = K if tied else I, n * W + first
            for d in range(m):
                x = nb.float64(load(KIND, F, d)) * load(WIDE, memory, d) + nb.float64(load(KIND, gate, d) * load(KIND, Z, d))
                store(WIDE, memory, d, x)
                store(KIND, c, at + d, nb.float32(x))
            if not tied:
                for d in range(m):
                    store(KIND, Z, d, tanh(load(KIND, c, at + d)))
            if read:
                _sigmoid(a[3], n * strides[3] + first, bias, (3 - tied) * W + first, m, I, J)
                if tied:
                    for d in range(m):
                        store(KIND, h, at + d, load(KIND, I, d) * load(KIND, c, at + d))
                else:
                    for d in range(m):
                        store(KIND, h, at + d, load(KIND, I, d) * load(KIND, Z, d))
            elif not tied:
                for d in range(m):
                    store(KIND, h, at + d, load(KIND, Z, d))
        for d in range(m):
            store(WIDE, last, b * W + first + d, load(WIDE, memory, d))


@_jit
def backward(
    a: Any, strides: Any, bias: int, c0: int, c: int, g: int, g_last: int, da: Any, steps: Any, dc0: int, T: int, W: int, lo: int, hi: int,
    flags: Any, rows: Any, carry: Any,
) -> None:  # fmt: skip
    """Cotangents of the pre-activations at the addresses ``da`` with steps ``steps``, and of c0; ``dc0`` and ``g_last`` are in double."""
    bounded, tied, read = flags
    columns, memory, size = (W + BLOCK - 1) // BLOCK, carry.ctypes.data, 4 * BLOCK
    Z = rows.ctypes.data
    F, K, I, J, G, P = Z + size, Z + 2 * size, Z + 3 * size, Z + 4 * size, Z + 5 * size, Z + 6 * size
    for w in range(lo, hi):
        b, first = w // columns, w % columns * BLOCK
        m = min(BLOCK, W - first)
        for d in range(m):
            store(WIDE, memory, d, load(WIDE, g_last, b * W + first + d))
        for t in range(T - 1, -1, -1):
            n = b * T + t
            at = n * W + first
            if read:
                _sigmoid(a[3], n * strides[3] + first, bias, (3 - tied) * W + first, m, I, J)
                o = n * steps[3] + first
                for d in range(m):
                    p, dp = load(KIND, c, at + d), _ONE
                    if not tied:
                        p, dp = tanh_slope(p)
                    store(KIND, P, d, p)
                    store(KIND, Z, d, dp)
                for d in range(m):
                    store(KIND, J, d, load(KIND, J, d) * load(KIND, P, d))
                for d in range(m):
                    store(KIND, G, d, load(KIND, g, at + d) * load(KIND, I, d))
                for d in range(m):
                    store(KIND, da[3], o + d, load(KIND, G, d) * load(KIND, J, d))
                if not tied:
                    for d in range(m):
                        store(KIND, G, d, load(KIND, G, d) * load(KIND, Z, d))
            elif tied:
                for d in range(m):
                    store(KIND, G, d, load(KIND, g, at + d))
            else:
                for d in range(m):
                    _, dp = tanh_slope(load(KIND, c, at + d))
                    store(KIND, G, d, load(KIND, g, at + d) * dp)
            if bounded:
                _tanh_slope(a[0], n * strides[0] + first, bias, first, m, Z, P)
            else:
                _sum(a[0], n * strides[0] + first, bias, first, m, Z)
            _sigmoid(a[1], n * strides[1] + first, bias, W + first, m, F, K)
            before, z, f = (c, n * steps[0] + first, n * steps[1] + first)
            past = at - W
            if t == 0:
                before, past = c0, b * W + first
            for d in range(m):
                x = load(WIDE, memory, d) + nb.float64(load(KIND, G, d))
                store(WIDE, memory, d, x * nb.float64(load(KIND, F, d)))
                store(KIND, G, d, nb.float32(x))
            if tied:
                for d in range(m):
                    x = load(KIND, G, d) * load(KIND, F, d) * load(KIND, K, d)
                    store(KIND, da[1], f + d, x * (load(KIND, before, past + d) - load(KIND, Z, d)))
                write = K
            else:
                for d in range(m):
                    x = load(KIND, G, d) * load(KIND, F, d) * load(KIND, K, d)
                    store(KIND, da[1], f + d, x * load(KIND, before, past + d))
                _sigmoid(a[2], n * strides[2] + first, bias, 2 * W + first, m, I, J)
                i, write = n * steps[2] + first, I
                for d in range(m):
                    x = load(KIND, G, d) * load(KIND, I, d) * load(KIND, J, d)
                    store(KIND, da[2], i + d, x * load(KIND, Z, d))
            if bounded:
                for d in range(m):
                    store(KIND, da[0], z + d, load(KIND, G, d) * load(KIND, write, d) * load(KIND, P, d))
            else:
                for d in range(m):
                    store(KIND, da[0], z + d, load(KIND, G, d) * load(KIND, write, d))
        for d in range(m):
            store(WIDE, dc0, b * W + first + d, load(WIDE, memory, d))
