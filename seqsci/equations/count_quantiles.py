"""Quantiles of counts as equations, so that a generated simulator can draw them: whole numbers, with a derivative of 0."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from seqsci.equations.vocabulary import Expression


def search(probability: float, mean: float, dispersion: float) -> float:
    """The smallest count whose cdf reaches a probability, by adding up masses outwards from the mode; numba compiles this very function."""
    if not mean > 0.0:
        return 0.0 if mean == 0.0 else math.nan
    size = 1.0 / dispersion
    share = mean / (mean + size)
    mode = math.floor(max((1.0 - dispersion) * mean, 0.0))
    mass = math.exp(
        math.lgamma(mode + size) - math.lgamma(size) - math.lgamma(mode + 1.0) - size * math.log1p(mean / size) + mode * math.log(share)
    )
    k, term, total = float(mode), mass, mass
    while k > 0.0 and term > 1e-18 * total:
        term *= k / ((k - 1.0 + size) * share)
        k -= 1.0
        total += term
    k, term = float(mode), mass
    if probability <= total:
        while k > 0.0 and total - term >= probability:
            total -= term
            term *= k / ((k - 1.0 + size) * share)
            k -= 1.0
        return k
    while total < probability and term > 1e-18:
        k += 1.0
        term *= (k - 1.0 + size) / k * share
        total += term
    return k


def search_share(probability: float, coverage: float, share: float, overdispersion: float) -> float:
    """The smallest number of successes whose cdf reaches a probability; relative masses are added up outwards from the mean.

    The ratio of neighbouring masses is ``(n-k)/(k+1) (p (1-rho) + k rho) / ((1-p) (1-rho) + (n-k-1) rho)``: rho = 0 is the binomial.
    numba compiles this very function.
    """
    if not (coverage >= 0.0 and 0.0 <= share <= 1.0 and 0.0 <= overdispersion < 1.0):
        return math.nan
    if coverage == 0.0 or share == 0.0:
        return 0.0
    if share == 1.0:
        return coverage
    on, off = share * (1.0 - overdispersion), (1.0 - share) * (1.0 - overdispersion)
    middle = math.floor(coverage * share)
    k, term, below = float(middle), 1.0, 1.0
    while k > 0.0 and term > 0.0:
        term *= k * (off + (coverage - k) * overdispersion) / ((coverage - k + 1.0) * (on + (k - 1.0) * overdispersion))
        k -= 1.0
        below += term
    k, term, total = float(middle), 1.0, below
    while k < coverage and term > 0.0:
        term *= (coverage - k) * (on + k * overdispersion) / ((k + 1.0) * (off + (coverage - k - 1.0) * overdispersion))
        k += 1.0
        total += term
    target = probability * total
    k, term = float(middle), 1.0
    if target <= below:
        while k > 0.0 and below - term >= target:
            below -= term
            term *= k * (off + (coverage - k) * overdispersion) / ((coverage - k + 1.0) * (on + (k - 1.0) * overdispersion))
            k -= 1.0
        return k
    while below < target and k < coverage:
        term *= (coverage - k) * (on + k * overdispersion) / ((k + 1.0) * (off + (coverage - k - 1.0) * overdispersion))
        k += 1.0
        below += term
    return k


_everywhere = np.vectorize(search, otypes=[float])
_shares = np.vectorize(search_share, otypes=[float])


def _stepped(node: str, everywhere: Any, values: tuple[Expression, ...]) -> Any:
    """A step function in the library of its arguments: a SymPy node, a tensor without a gradient, or an array."""
    sympy, torch = sys.modules.get("sympy"), sys.modules.get("torch")
    if sympy is not None and any(isinstance(v, sympy.Basic) for v in values):
        from seqsci.equations import functions

        return getattr(functions, node)(*(sympy.sympify(v) for v in values))
    if torch is not None and any(isinstance(v, torch.Tensor) for v in values):
        numbers = (v.detach().cpu().numpy() if isinstance(v, torch.Tensor) else v for v in values)
        like = next(v for v in values if isinstance(v, torch.Tensor))
        return torch.as_tensor(everywhere(*numbers), dtype=like.dtype, device=like.device)
    return everywhere(*values)


def negative_binomial_quantile(probability: Expression, mean: Expression, dispersion: Expression) -> Any:
    """Quantile of the count with a mean and the variance ``mean + dispersion mean^2``; its derivatives are 0.

    >>> float(negative_binomial_quantile(0.5, 4.0, 0.5))
    3.0
    """
    return _stepped("NegativeBinomialQuantile", _everywhere, (probability, mean, dispersion))


def beta_binomial_quantile(probability: Expression, coverage: Expression, share: Expression, overdispersion: Expression) -> Any:
    """Quantile of the number of successes in ``coverage`` draws of a share with variance ``share (1 - share) overdispersion``.

    An overdispersion of 0 is the binomial; the derivatives are 0.

    >>> float(beta_binomial_quantile(0.5, 10, 0.3, 0.0))
    3.0
    """
    return _stepped("BetaBinomialQuantile", _shares, (probability, coverage, share, overdispersion))
