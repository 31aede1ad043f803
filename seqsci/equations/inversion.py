"""The closed form of an equation solved for one symbol, where the symbol stands in it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import sympy as sp

from seqsci.equations import vocabulary
from seqsci.equations.functions import Expm1, Log1p, Sigmoid, Softplus, Where
from seqsci.equations.symbolic import Program

Array = np.ndarray
Inverse = Callable[[Mapping[str, Array], Array], Array]
"""From parameters, states and known values by name (broadcastable), and values of a read, to the symbol that gives them."""

_NUMPY = {
    "Sigmoid": vocabulary.sigmoid,
    "Softplus": vocabulary.softplus,
    "Log1p": np.log1p,
    "Expm1": np.expm1,
    "Absolute": np.abs,
    "Sign": np.sign,
    "Where": np.where,
    "LogGamma": vocabulary.loggamma,
}


def solved(expression: sp.Expr, symbol: sp.Symbol, target: sp.Symbol) -> sp.Expr | None:
    """``expression = target`` solved for ``symbol`` by undoing one operation after the other; None where it stands there more than once.

    A power is undone as one of a positive base, and of a `Where` whose branches have the symbol once (a clamp, say) that branch is taken,
    so the result is to be checked by putting it in.

    >>> x, y, s = sp.symbols("x y s")
    >>> solved((1 + x / s) ** -2, x, y)
    s*(-1 + 1/sqrt(y))
    """
    expression = expression.replace(lambda e: isinstance(e, Where) and _branch(e, symbol) is not None, lambda e: _branch(e, symbol))
    if sum(1 for node in sp.preorder_traversal(expression) if node == symbol) != 1:
        return None
    value: sp.Expr = target
    while expression != symbol:
        inner = next(a for a in expression.args if a.has(symbol))
        rest = [a for a in expression.args if a is not inner]
        if isinstance(expression, sp.Add):
            value = value - sp.Add(*rest)
        elif isinstance(expression, sp.Mul):
            value = value / sp.Mul(*rest)
        elif isinstance(expression, sp.Pow) and expression.base.has(symbol):
            value = value ** (1 / expression.exp)
        elif isinstance(expression, sp.Pow):
            value = sp.log(value) / sp.log(expression.base)
        elif (undo := _UNDO.get(expression.func)) is not None:
            value = undo(value)
        else:
            return None
        expression = inner
    return value


_UNDO: dict[type, Callable[[sp.Expr], sp.Expr]] = {
    sp.exp: sp.log,
    sp.log: sp.exp,
    Log1p: Expm1,
    Expm1: Log1p,
    Sigmoid: lambda y: sp.log(y / (1 - y)),
    Softplus: lambda y: sp.log(Expm1(y)),
}


def _branch(node: sp.Expr, symbol: sp.Symbol) -> sp.Expr | None:
    """The only branch of a `Where` that has the symbol."""
    having = [b for b in node.args[1:] if b.has(symbol)]
    return having[0] if len(having) == 1 else None


def inverse(program: Program, read: str, known: str) -> Inverse | None:
    """The known value at which a read takes given values, as a NumPy function, or None where no closed form is found."""
    target = sp.Symbol("target_", real=True)
    symbol = next(s for s in program.inputs[: program.n_known] if s.name == known)
    form = solved(program.reads[program.read_names.index(read)], symbol, target)
    if form is None:
        return None
    symbols = sorted(form.free_symbols - {target}, key=lambda s: s.name)
    function = sp.lambdify([*symbols, target], form, modules=[_NUMPY, "numpy"], dummify=True)

    def evaluate(values: Mapping[str, Array], targets: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(*(values[s.name] for s in symbols), targets), float)

    return evaluate
