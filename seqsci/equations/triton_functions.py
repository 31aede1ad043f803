"""Scalar functions of the vocabulary that Triton lacks, in double precision; their text goes into every generated module that needs them.

Nothing here is compiled by itself: `seqsci.equations.triton_backend` copies the sources, so that a file of kernels stands alone.
"""

from __future__ import annotations

import triton.language as tl


def log1p(x: tl.tensor) -> tl.tensor:
    """``log(1 + x)``: Kahan's correction of the rounding of 1 + x."""
    u = 1.0 + x
    return tl.where(u == 1.0, x, tl.where(u == float("inf"), x, tl.log(u) * (x / (u - 1.0))))


def expm1(x: tl.tensor) -> tl.tensor:
    """``e^x - 1``: Kahan's correction near 0, the plain difference elsewhere."""
    u = tl.exp(x)
    plain = u - 1.0
    return tl.where(tl.abs(x) > 0.5, plain, tl.where(u == 1.0, x, plain * (x / tl.log(u))))


def sigmoid(x: tl.tensor) -> tl.tensor:
    """``1 / (1 + e^-x)`` without overflow."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0.0, 1.0, e) / (1.0 + e)


def softplus(x: tl.tensor) -> tl.tensor:
    """``log(1 + e^x)`` without overflow; NaN stays NaN."""
    return tl.where(x > 0.0, x, tl.where(x <= 0.0, 0.0, x)) + log1p(tl.exp(-tl.abs(x)))


def sign(x: tl.tensor) -> tl.tensor:
    """-1, 0 or 1."""
    return tl.where(x > 0.0, 1.0, tl.where(x < 0.0, -1.0, 0.0)).to(tl.float64)


def power(x: tl.tensor, exponent: tl.tensor) -> tl.tensor:
    """``x^exponent`` for x >= 0; relative error about ``|exponent log x|`` roundings."""
    return tl.where(exponent == 0.0, 1.0, tl.exp(exponent * tl.log(x)))


def loggamma(x: tl.tensor) -> tl.tensor:
    """Stirling's series at x, or at x + 10 less ``log(x (x + 1) ... (x + 9))`` where x < 10."""
    small = x < 10.0
    product = x
    for i in tl.static_range(1, 10):
        product = product * (x + i)
    z = tl.where(small, x + 10.0, x)
    f = 1.0 / (z * z)
    series = f * (1 / 1260 - f * (1 / 1680 - f * (1 / 1188 - f * (691 / 360360))))
    value = (z - 0.5) * tl.log(z) - z + 0.9189385332046727 + (1 / 12 - f / 360 + f * series) / z
    value = value - tl.where(small, tl.log(tl.where(small, product, 1.0)), 0.0)
    return tl.where(x >= 0.0, value, float("nan"))


def digamma(x: tl.tensor) -> tl.tensor:
    """Asymptotic series at x, or at x + 10 less the logarithmic derivative of ``x (x + 1) ... (x + 9)`` where x < 10."""
    small = x < 10.0
    product = x
    slope = tl.full((1,), 1.0, tl.float64)
    for i in tl.static_range(1, 10):
        slope = slope * (x + i) + product
        product = product * (x + i)
    z = tl.where(small, x + 10.0, x)
    f = 1.0 / (z * z)
    series = 1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f * (1 / 132 - f * (691 / 32760)))))
    return tl.log(z) - 0.5 / z - f * series - tl.where(small, slope / tl.where(small, product, 1.0), 0.0)


def trigamma(x: tl.tensor) -> tl.tensor:
    """Asymptotic series after ten steps of ``psi'(x) = psi'(x + 1) + 1 / x^2`` where x < 10."""
    small = x < 10.0
    shift = 1.0 / (x * x)
    for i in tl.static_range(1, 10):
        shift = shift + 1.0 / ((x + i) * (x + i))
    z = tl.where(small, x + 10.0, x)
    f = 1.0 / (z * z)
    series = 1 / 6 - f * (1 / 30 - f * (1 / 42 - f * (1 / 30 - f * (5 / 66 - f * (691 / 2730)))))
    return tl.where(small, shift, 0.0) + 1.0 / z + 0.5 * f + f * series / z


def absorb(product: tl.tensor, exponent: tl.tensor, factor: tl.tensor) -> tl.tensor:
    """A running product times a factor, as a number in [1, 2) and a count of halvings; NaN after a negative factor."""
    product = product * tl.where(factor < 0.0, float("nan"), factor)
    bits = product.to(tl.int64, bitcast=True)
    field = (bits >> 52) & 2047
    normal = (field > 0) & (field < 2047)
    exponent = exponent + tl.where(normal, field - 1023, 0)
    mantissa = ((bits & 4503599627370495) | 4607182418800017408).to(tl.float64, bitcast=True)
    return tl.where(normal, mantissa, product), exponent


NAMES = ("log1p", "expm1", "sigmoid", "softplus", "sign", "power", "loggamma", "digamma", "trigamma", "absorb")
"""The functions, those that others call first."""
