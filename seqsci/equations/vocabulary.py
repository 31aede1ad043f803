"""The words that equations are written in; each works on SymPy expressions, torch tensors, NumPy arrays and floats.

Nothing here imports torch or SymPy by itself: the type of the argument decides.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

Expression = Any
"""A SymPy expression while an equation is traced, a torch tensor in the oracle, an array or float elsewhere."""

WORDS = (
    "exp log log1p expm1 sqrt absolute sigmoid softplus where equal maximum minimum power loggamma".split()  # the whole vocabulary
)


def _library(*arguments: Any) -> str:
    """Return which library the arguments belong to: 'sympy', 'torch' or 'numpy'."""
    sympy, torch = sys.modules.get("sympy"), sys.modules.get("torch")
    if sympy is not None and any(isinstance(a, sympy.Basic) for a in arguments):
        return "sympy"
    if torch is not None and any(isinstance(a, torch.Tensor) for a in arguments):
        return "torch"
    return "numpy"


def _apply(word: str, numpy_function: Any, x: Any) -> Any:
    library = _library(x)
    if library == "sympy":
        from seqsci.equations import functions

        return functions.WORDS[word](x)
    if library == "torch":
        import torch

        torch_function: Any = {"absolute": torch.abs, "loggamma": torch.lgamma, "softplus": torch.nn.functional.softplus}.get(word)
        return (torch_function or getattr(torch, word))(x)
    return numpy_function(x)


def exp(x: Expression) -> Expression:
    """``e^x``."""
    return _apply("exp", np.exp, x)


def log(x: Expression) -> Expression:
    """Natural logarithm."""
    return _apply("log", np.log, x)


def log1p(x: Expression) -> Expression:
    """``log(1 + x)``, accurate near zero."""
    return _apply("log1p", np.log1p, x)


def expm1(x: Expression) -> Expression:
    """``e^x - 1``, accurate near zero."""
    return _apply("expm1", np.expm1, x)


def sqrt(x: Expression) -> Expression:
    """Square root."""
    return _apply("sqrt", np.sqrt, x)


def absolute(x: Expression) -> Expression:
    """``|x|``; its derivative is sign(x), taken as 0 at 0."""
    return _apply("absolute", np.abs, x)


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1.0, e) / (1.0 + e)


def sigmoid(x: Expression) -> Expression:
    """``1 / (1 + e^-x)``, stable for every x, as is its derivative."""
    return _apply("sigmoid", _sigmoid, x)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def softplus(x: Expression) -> Expression:
    """``log(1 + e^x)``, stable for every x."""
    return _apply("softplus", _softplus, x)


def _loggamma(x: Any) -> Any:
    return np.vectorize(math.lgamma, otypes=[float])(x) if np.ndim(x) else math.lgamma(x)


def loggamma(x: Expression) -> Expression:
    """``log Gamma(x)`` for x > 0."""
    return _apply("loggamma", _loggamma, x)


def power(x: Expression, exponent: Expression) -> Expression:
    """``x^exponent`` for x > 0."""
    return x**exponent


def where(condition: Expression, a: Expression, b: Expression) -> Expression:
    """``a`` where the condition (a comparison, or `equal`) holds, else ``b``."""
    library = _library(condition, a, b)
    if library == "sympy":
        from seqsci.equations import functions

        return functions.where(condition, a, b)
    if library == "torch":
        import torch

        reference = next(v for v in (a, b, condition) if isinstance(v, torch.Tensor))
        dtype = reference.dtype if reference.dtype != torch.bool else torch.float64
        a, b = (v if isinstance(v, torch.Tensor) else torch.as_tensor(v, dtype=dtype, device=reference.device) for v in (a, b))
        return torch.where(torch.as_tensor(condition, device=reference.device), a, b)
    return np.where(condition, a, b) if np.ndim(condition) or np.ndim(a) or np.ndim(b) else (a if condition else b)


def equal(a: Expression, b: Expression) -> Expression:
    """The condition ``a = b``, to be used inside `where` (``==`` would compare the expressions themselves)."""
    if _library(a, b) == "sympy":
        import sympy

        return sympy.Eq(a, b)
    return a == b


def maximum(a: Expression, b: Expression) -> Expression:
    """The larger of two; kinked where they are equal."""
    return where(a > b, a, b)


def minimum(a: Expression, b: Expression) -> Expression:
    """The smaller of two; kinked where they are equal."""
    return where(a < b, a, b)
