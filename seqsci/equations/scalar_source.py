"""Equations of a traced model as lines of scalar Python or JavaScript that need nothing but the language."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.printing.jscode import JavascriptCodePrinter
from sympy.printing.pycode import PythonCodePrinter

from seqsci.equations.functions import Quadrature
from seqsci.equations.symbolic import Program

_WORDS = {
    "exp": "exp",
    "log": "log",
    "Log1p": "log1p",
    "Expm1": "expm1",
    "Absolute": "abs",
    "Abs": "abs",
    "Sign": "sign",
    "sign": "sign",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "LogGamma": "loggamma",
}
"""Functions that a file defines or imports, by SymPy's name."""


class _Vocabulary:
    """Printing of the vocabulary, shared by both languages; every function is called ``f.NAME``, so no declared name can clash."""

    _names: Mapping[sp.Symbol, str]
    _print: Any
    conditional: str
    equality: str
    junctions: tuple[str, str]

    def _factor(self, node: sp.Basic) -> str:
        text = str(self._print(node))
        return f"({text})" if isinstance(node, sp.Add | sp.Mul) or text.startswith("-") else text

    def _print_Symbol(self, symbol: sp.Symbol) -> str:
        return self._names[symbol]

    def _print_Function(self, function: sp.Function) -> str:
        name = function.func.__name__
        if name == "Where":
            condition, a, b = (self._print(x) for x in function.args)
            return self.conditional.format(condition=condition, a=a, b=b)
        return f"f.{_WORDS[name]}({', '.join(self._print(a) for a in function.args)})"

    _print_exp = _print_log = _print_Abs = _print_sign = _print_Function

    def _print_Number(self, number: sp.Number) -> str:
        return repr(float(number))

    _print_Integer = _print_Rational = _print_Float = _print_Half = _print_NumberSymbol = _print_Number

    def _print_Mul(self, node: sp.Mul) -> str:
        return "*".join(self._factor(a) for a in node.args)

    def _print_Pow(self, node: sp.Pow, rational: bool = False) -> str:
        base, exponent = node.args
        if exponent == -1:
            return f"f.divide(1.0, {self._print(base)})"
        if exponent == sp.Rational(1, 2):
            return f"f.sqrt({self._print(base)})"
        return f"f.power({self._print(base)}, {self._print(exponent)})"

    def _print_Relational(self, node: Any) -> str:
        sign = {"==": self.equality, "!=": "!="}.get(node.rel_op, node.rel_op)
        return f"({self._print(node.lhs)} {sign} {self._print(node.rhs)})"

    def _print_And(self, node: sp.And) -> str:
        return f"({self.junctions[0].join(sorted(self._print(a) for a in node.args))})"

    def _print_Or(self, node: sp.Or) -> str:
        return f"({self.junctions[1].join(sorted(self._print(a) for a in node.args))})"


class _PythonPrinter(_Vocabulary, PythonCodePrinter):  # type: ignore[misc]
    conditional, equality, junctions = "({a} if {condition} else {b})", "==", (" and ", " or ")

    def __init__(self, names: Mapping[sp.Symbol, str]) -> None:
        super().__init__({"fully_qualified_modules": False, "allow_unknown_functions": True, "precision": 17})
        self._names = names


class _JavascriptPrinter(_Vocabulary, JavascriptCodePrinter):  # type: ignore[misc]
    conditional, equality, junctions = "({condition} ? {a} : {b})", "===", (" && ", " || ")

    def __init__(self, names: Mapping[sp.Symbol, str]) -> None:
        super().__init__({"allow_unknown_functions": True, "precision": 17})
        self._names = names


PYTHON, JAVASCRIPT = _PythonPrinter, _JavascriptPrinter
"""The languages: what `scalar_source` prints with."""


@dataclass(frozen=True)
class Block:
    """One group of equations: the declared names it uses by role, assignments in order, and the text of each result."""

    uses: Mapping[str, tuple[str, ...]]
    assignments: tuple[tuple[str, str], ...]
    results: tuple[str, ...]


ROLES = {"parameter": "p_", "state": "s_", "known": "k_", "outcome": "y_"}
"""Prefix of the local name of each role, so that a declared name may be any word of either language."""


def has_quadrature(program: Program) -> bool:
    """Whether start, read or update need an integral over the observation's density."""
    return any(e.atoms(Quadrature) for e in (*program.start, *program.reads, *program.update))


def scalar_source(program: Program, language: type[_PythonPrinter] | type[_JavascriptPrinter]) -> dict[str, Block]:
    """The blocks ``start``, ``read`` and ``update`` of a program in a language; equal text for equal equations."""
    known, outcomes = program.inputs[: program.n_known], program.inputs[program.n_known :]
    by_role = {"parameter": program.parameters, "state": program.states, "known": known, "outcome": outcomes}
    names = {s: f"{ROLES[role]}{s.name}" for role, group in by_role.items() for s in group}
    groups = {"start": program.start, "read": program.reads, "update": program.update}
    return {name: _block(expressions, names, by_role, language) for name, expressions in groups.items()}


def _block(
    expressions: Sequence[sp.Expr],
    names: Mapping[sp.Symbol, str],
    by_role: Mapping[str, Sequence[sp.Symbol]],
    language: type[_PythonPrinter] | type[_JavascriptPrinter],
) -> Block:
    used = set().union(*(e.free_symbols for e in expressions))
    fresh = (sp.Symbol(f"v{i}", real=True) for i in itertools.count())
    shared, reduced = sp.cse(list(expressions), symbols=fresh, order="canonical")
    text = language({**names, **{s: s.name for s, _ in shared}}).doprint
    uses = {role: tuple(s.name for s in group if s in used) for role, group in by_role.items()}
    return Block(uses, tuple((s.name, text(e)) for s, e in shared), tuple(text(e) for e in reduced))
