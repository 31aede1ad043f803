"""LaTeX of a linear Gaussian mechanism: the state space that it declares, not the filter that is derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from seqsci.equations.vocabulary import Expression
from seqsci.linear_gaussian import LinearGaussian


def state_space_latex(mechanism: LinearGaussian, folded: tuple[tuple[str, float], ...] = ()) -> list[str]:
    """LaTeX lines: how each component moves, the outcome, covariances of the shocks where there are any, and the start.

    >>> from seqsci.cells.drifting_capacity import DriftingCapacity
    >>> state_space_latex(DriftingCapacity())[1]
    '\\\\text{log capacity}_t = \\\\text{log capacity}_{t-1} + N\\\\left(0, \\\\sigma_k^{2}\\\\right)'
    """
    numbers = dict(folded)
    values: dict[str, Expression] = {p.name: sp.Symbol(p.name, real=True) for p in mechanism.parameters}
    names = {values[p.name]: p.symbol for p in mechanism.parameters}
    values |= {n: sp.nsimplify(v) for n, v in numbers.items() if n in values}
    known = {k.name: sp.Symbol(k.name, real=True) for k in mechanism.known}
    earlier = {known[k.name]: rf"{k.symbol or k.name}_{{t-1}}" for k in mechanism.known}
    now = {known[k.name]: rf"{k.symbol or k.name}_t" for k in mechanism.known}
    space = mechanism.state_space({**values, **known})
    parts = [sp.Symbol(f"component_{i}", real=True) for i in range(len(mechanism.components))]
    words = [rf"\text{{{c.replace('_', ' ')}}}" for c in mechanism.components]
    before = names | earlier | {s: rf"{w}_{{t-1}}" for s, w in zip(parts, words, strict=True)}
    here = names | now | {s: rf"{w}_t" for s, w in zip(parts, words, strict=True)}
    moved = [*space.state_input] if len(space.state_input) else [0] * len(parts)
    lines = []
    for i, word in enumerate(words):
        mean = _combined(space.transition[i], parts) + sp.sympify(moved[i])
        lines.append(rf"{word}_t = {_print(mean, before)}{_noise(space.state_variance[i][i], before)}")
    outcome = mechanism.outcomes[0]
    seen = _combined(space.design, parts) + sp.sympify(space.observation_input)
    lines.append(rf"{outcome.symbol or outcome.name}_t = {_print(seen, here)}{_noise(space.observation_variance, here)}")
    for i in range(len(parts)):
        for j in range(i + 1, len(parts)):
            if (both := sp.sympify(space.state_variance[i][j])) != 0:
                lines.append(rf"\mathrm{{Cov}}\left({words[i]}_t, {words[j]}_t\right) = {_print(both, before)}")
    for i, word in enumerate(words):
        if mechanism.diffuse and mechanism.diffuse[i]:
            lines.append(rf"{word}_1 \sim N\left(0, \infty\right)")
        else:
            start = f"{_print(sp.sympify(space.mean[i]), here)}, {_print(sp.sympify(space.variance[i][i]), here)}"
            lines.append(rf"{word}_1 \sim N\left({start}\right)")
    return lines


def _combined(row: Sequence[Expression], parts: Sequence[sp.Symbol]) -> sp.Expr:
    return sp.Add(*(sp.sympify(c) * s for c, s in zip(row, parts, strict=True)))


def _noise(variance: Expression, names: Mapping[sp.Symbol, str]) -> str:
    value = sp.sympify(variance)
    return "" if value == 0 else rf" + N\left(0, {_print(value, names)}\right)"


def _print(expression: sp.Expr, names: Mapping[sp.Symbol, str]) -> str:
    return str(sp.latex(expression, symbol_names=dict(names)))
