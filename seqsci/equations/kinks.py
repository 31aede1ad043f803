"""Finds where the gradient of an equation jumps, and which parameters move those places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

from seqsci.equations.functions import Absolute, Where
from seqsci.equations.vocabulary import sigmoid, softplus

_NUMBERS = {
    "Sigmoid": sigmoid,
    "Softplus": softplus,
    "Absolute": abs,
    "Sign": lambda x: float(np.sign(x)),
    "LogGamma": math.lgamma,
    "Digamma": lambda x: (math.lgamma(x + 1e-6) - math.lgamma(x - 1e-6)) / 2e-6,
    "Log1p": math.log1p,
    "Expm1": math.expm1,
    "Where": lambda condition, a, b: a if condition else b,
}
_TOLERANCE = 1e-6


def _boundary(node: sp.Basic) -> sp.Expr | None:
    """The expression whose sign a node branches on, or None where that cannot be told."""
    if isinstance(node, Absolute):
        return node.args[0]
    condition = node.args[0]
    return condition.args[0] - condition.args[1] if isinstance(condition, sp.core.relational.Relational) else None


def _side(expression: sp.Expr, boundary: sp.Expr, sign: int) -> sp.Expr:
    """The expression on one side of a boundary."""

    def replaced(node: sp.Basic) -> sp.Basic:
        own = _boundary(node)
        direction = sign if own is not None and sp.expand(own - boundary) == 0 else -sign
        if isinstance(node, Absolute):
            return direction * node.args[0]
        below_first = isinstance(node.args[0], sp.StrictLessThan | sp.LessThan)
        return node.args[1] if (direction < 0) == below_first else node.args[2]

    def concerned(node: sp.Basic) -> bool:
        own = _boundary(node) if isinstance(node, Absolute | Where) else None
        return own is not None and (sp.expand(own - boundary) == 0 or sp.expand(own + boundary) == 0)

    return expression.replace(concerned, replaced)


def _jumps(expressions: Sequence[sp.Expr], boundary: sp.Expr, live: Sequence[sp.Symbol], point: Mapping[sp.Symbol, float]) -> bool:
    """Whether a value or a derivative by a state or a parameter differs between the two sides, on the boundary itself."""
    pivots = [s for s in boundary.free_symbols - set(live) if sp.diff(boundary, s).is_number and sp.diff(boundary, s) != 0]
    if not pivots:
        return True
    pivot = pivots[0]
    place = sp.expand(pivot - boundary / sp.diff(boundary, pivot))
    names = list(point)
    at = dict(point)
    at[pivot] = float(sp.lambdify(names, place, modules=[_NUMBERS, "math"])(*at.values()))
    for e in expressions:
        if not any(_boundary(n) is not None for n in e.atoms(Absolute, Where)):
            continue
        gap = _side(e, boundary, 1) - _side(e, boundary, -1)
        if gap == 0:
            continue
        values = sp.lambdify(names, [gap, *[sp.diff(gap, s) for s in live]], modules=[_NUMBERS, "math"])(*at.values())
        if not all(abs(v) < _TOLERANCE for v in values):
            return True
    return False


def kinks(
    expressions: Sequence[sp.Expr], states: Sequence[sp.Symbol], parameters: Sequence[sp.Symbol], point: Mapping[sp.Symbol, float]
) -> tuple[sp.Expr, ...]:
    """Boundaries that depend on a state or a parameter and across which a gradient jumps; checked at one interior point.

    ``|e|`` jumps at e = 0, while ``where(e < 0, 2, 1) e^2`` does not: its likelihood has a second derivative almost everywhere
    whose mean is the information, so the ordinary Hessian is right there.
    """
    live = (*states, *parameters)
    found: list[sp.Expr] = []
    seen: list[sp.Expr] = []
    for node in sorted({n for e in expressions for n in e.atoms(Absolute, Where)}, key=str):
        boundary = _boundary(node)
        if boundary is None:
            boundary = node.args[0]
        elif not boundary.free_symbols & set(live) or any(sp.expand(boundary - b) == 0 or sp.expand(boundary + b) == 0 for b in seen):
            continue
        seen.append(boundary)
        if not boundary.free_symbols <= set(point):  # inside a mean over the outcome: smoothed by it
            continue
        if not isinstance(boundary, sp.Expr) or _jumps(expressions, boundary, live, point):
            found.append(boundary)
    return tuple(found)


def scalers(boundaries: Sequence[sp.Basic], states: Sequence[sp.Symbol], parameters: Sequence[sp.Symbol]) -> tuple[str, ...]:
    """Names of the parameters that move a kink in proportion to a state (a shift in sigmas): their likelihood is the least quadratic."""
    live = [b for b in boundaries if isinstance(b, sp.Expr)]
    return tuple(p.name for p in parameters if any(sp.diff(b, p).free_symbols & set(states) for b in live))


def movers(boundaries: Sequence[sp.Basic], states: Sequence[sp.Symbol], parameters: Sequence[sp.Symbol]) -> tuple[str, ...]:
    """Names of the parameters that move a kink: all of them where a kink depends on a state, else those that appear in one."""
    symbols = {s for b in boundaries for s in b.free_symbols}
    if symbols & set(states):
        return tuple(p.name for p in parameters)
    return tuple(p.name for p in parameters if p in symbols)
