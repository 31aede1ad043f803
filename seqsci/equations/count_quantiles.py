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


_everywhere = np.vectorize(search, otypes=[float])


def negative_binomial_quantile(probability: Expression, mean: Expression, dispersion: Expression) -> Any:
    """Quantile of the count with a mean and the variance ``mean + dispersion mean^2``; its derivatives are 0.

    >>> float(negative_binomial_quantile(0.5, 4.0, 0.5))
    3.0
    """
    values = (probability, mean, dispersion)
    sympy, torch = sys.modules.get("sympy"), sys.modules.get("torch")
    if sympy is not None and any(isinstance(v, sympy.Basic) for v in values):
        from seqsci.equations.functions import NegativeBinomialQuantile

        return NegativeBinomialQuantile(*(sympy.sympify(v) for v in values))
    if torch is not None and any(isinstance(v, torch.Tensor) for v in values):
        numbers = (v.detach().cpu().numpy() if isinstance(v, torch.Tensor) else v for v in values)
        like = next(v for v in values if isinstance(v, torch.Tensor))
        return torch.as_tensor(_everywhere(*numbers), dtype=like.dtype, device=like.device)
    return _everywhere(*values)
