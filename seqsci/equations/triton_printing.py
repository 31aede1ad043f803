"""SymPy expressions as lines of Triton: every lane computes both sides of a branch and keeps one."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from seqsci.equations import functions
from seqsci.equations.printing import ScalarPrinter
from seqsci.equations.quadrature import POINTS
from seqsci.errors import EquationError, explain

_CALLS = {
    "exp": "tl.exp",
    "log": "tl.log",
    "Abs": "tl.abs",
    "Absolute": "tl.abs",
    "sign": "sign",
    "Sign": "sign",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Log1p": "log1p",
    "Expm1": "expm1",
    "LogGamma": "loggamma",
    "Digamma": "digamma",
    "Trigamma": "trigamma",
}
_KNOWN = {
    functions.Sigmoid: lambda x: 1 / (1 + sp.exp(-x)),
    functions.Softplus: lambda x: sp.log(1 + sp.exp(x)),
    functions.Log1p: lambda x: sp.log(1 + x),
    functions.Expm1: lambda x: sp.exp(x) - 1,
    functions.Reciprocal: lambda x: 1 / x,
    functions.Absolute: sp.Abs,
    functions.Sign: sp.sign,
    functions.LogGamma: sp.loggamma,
    functions.Digamma: sp.digamma,
    functions.Trigamma: lambda x: sp.polygamma(1, x),
}
"""The nodes of the vocabulary in functions that SymPy can evaluate."""
LARGEST_PRODUCT = 8
"""Integer powers up to this one are products."""


def full(value: str) -> str:
    """The text of a lane vector of one number: in a comparison, or by itself, Triton takes a bare literal in single precision."""
    return f"tl.full((BLOCK,), {value}, tl.float64)"


def is_literal(text: str) -> bool:
    """Whether a printed expression is a number."""
    try:
        float(text.strip("()"))
    except ValueError:
        return text.startswith("float(")
    return True


def vector(text: str) -> str:
    """An expression's text, made a lane vector where it is a bare number."""
    return full(text) if is_literal(text) else text


class TritonPrinter(ScalarPrinter):
    """Prints an expression over lanes; raises `EquationError` for a function that has no Triton form."""

    zero = full("0.0")
    nodes = (f"for node in range({POINTS}):", "    node_ = tl.load(NODES + node)")
    jacobian = "tl.load(JACOBIANS + node)"

    def _print(self, expr: Any, **kwargs: Any) -> str:
        """Numbers are worked out here, in double precision; Triton would take them for single."""
        if isinstance(expr, sp.Expr) and not expr.free_symbols and not expr.is_Number and expr.is_number:
            for node, known in _KNOWN.items():
                expr = expr.replace(node, known)
            return _number(float(expr))
        return str(super()._print(expr, **kwargs))

    def _print_Function(self, function: sp.Function) -> str:
        name = function.func.__name__
        if name == "Where":
            condition, a, b = (self._print(x) for x in function.args)
            return f"tl.where({condition}, {vector(a)}, {vector(b)})"
        if name not in _CALLS:
            known = ", ".join(sorted({n.lower() for n in _CALLS}))
            fix = "keep to these, or run on the CPU: leave out device="
            raise EquationError(
                explain("a function of an equation has no form on the card", f"{name}({function.args[0]}, ...)", known, fix)
            )
        return f"{_CALLS[name]}({', '.join(self._print(a) for a in function.args)})"

    _print_exp = _print_log = _print_Abs = _print_sign = _print_Function

    def _print_Rational(self, number: sp.Rational) -> str:
        return _number(float(number))

    _print_Integer = _print_Half = _print_Float = _print_Infinity = _print_NegativeInfinity = _print_NaN = _print_Rational

    def _print_Pow(self, node: sp.Pow, rational: bool = False) -> str:
        base, exponent = node.args
        text = f"({self._print(base)})"
        if exponent.is_Integer and 0 < abs(int(exponent)) <= LARGEST_PRODUCT:
            product = "*".join([text] * abs(int(exponent)))
            return f"({product})" if exponent > 0 else f"(1.0/({product}))"
        if exponent == sp.Rational(1, 2):
            return f"tl.sqrt{text}"
        if exponent == -sp.Rational(1, 2):
            return f"(1.0/tl.sqrt{text})"
        if base.is_number:
            return f"tl.exp({_number(math.log(base))} * ({self._print(exponent)}))"
        if exponent.is_number:
            return f"tl.exp({self._print(exponent)} * tl.log{text})"
        return f"power({text}, {self._print(exponent)})"

    def _print_Relational(self, node: Any) -> str:
        return f"(({vector(self._print(node.lhs))}) {node.rel_op} ({vector(self._print(node.rhs))}))"

    _print_Equality = _print_Unequality = _print_Relational

    def _print_And(self, node: sp.And) -> str:
        return f"({' & '.join(sorted(self._print(a) for a in node.args))})"

    def _print_Or(self, node: sp.Or) -> str:
        return f"({' | '.join(sorted(self._print(a) for a in node.args))})"

    def _print_Not(self, node: sp.Not) -> str:
        return f"(~{self._print(node.args[0])})"


def _number(value: float) -> str:
    text = repr(value)
    return f'float("{text}")' if text.lstrip("-") in ("inf", "nan") else text
