"""Traced expressions as numbers, by a path of its own: SymPy's lambdify with the vocabulary's array functions."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp
import torch

from seqsci.equations import vocabulary
from seqsci.equations.count_quantiles import beta_binomial_quantile, negative_binomial_quantile


def _special(name: str) -> Any:
    def apply(x: Any) -> float:
        return float(getattr(torch.special, name)(torch.tensor(float(x), dtype=torch.float64)))

    return apply


_FUNCTIONS = {
    "Sigmoid": vocabulary.sigmoid,
    "Softplus": vocabulary.softplus,
    "Log1p": np.log1p,
    "Expm1": np.expm1,
    "Absolute": np.abs,
    "Sign": np.sign,
    "LogGamma": vocabulary.loggamma,
    "Digamma": _special("digamma"),
    "Trigamma": lambda x: float(torch.special.polygamma(1, torch.tensor(float(x), dtype=torch.float64))),
    "Where": vocabulary.where,
    "NegativeBinomialQuantile": negative_binomial_quantile,
    "BetaBinomialQuantile": beta_binomial_quantile,
}


@functools.lru_cache(maxsize=1024)
def _compiled(traced: sp.Expr) -> tuple[tuple[str, ...], Any]:
    free = sorted(traced.free_symbols, key=str)
    return tuple(s.name for s in free), sp.lambdify(free, traced, modules=[_FUNCTIONS, "numpy"], cse=True)


def evaluate(expression: object, values: Mapping[str, float]) -> float:
    """The value of a traced expression (or a plain number) at values of its symbols; raises NameError for a symbol without a value."""
    names, function = _compiled(sp.sympify(expression))
    unknown = [n for n in names if n not in values]
    if unknown:
        raise NameError(f"symbols without a value: {unknown}")
    with np.errstate(all="ignore"):
        return float(function(*(np.float64(values[n]) for n in names)))
