"""Refuses, by reading its source, an equation that would be traced wrongly without a word."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from seqsci.equations.vocabulary import WORDS
from seqsci.errors import EquationError

_LIBRARIES = {"math", "np", "numpy", "torch", "sp", "sympy", "scipy"}
_FIXES = {
    "==": "use where(equal(a, b), ...)",
    "!=": "use where(equal(a, b), ..., ...) with the branches swapped",
    "and/or": "nest two where(...)",
    "not": "swap the branches of where(...)",
    "if": "use where(condition, a, b)",
    "while": "write a closed form; an equation has no loops over values",
    "chained comparison": "nest two where(...)",
    "min/max": "use minimum(a, b) or maximum(a, b)",
    "library call": f"use the vocabulary: {', '.join(WORDS)}",
}


class _Reader(ast.NodeVisitor):
    """Collects faults; a name is `live` when it is an argument of the equation or was computed from one."""

    def __init__(self) -> None:
        self.live: set[str] = set()
        self.faults: list[tuple[int, str]] = []

    def touches(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.live for n in ast.walk(node))

    def fault(self, node: ast.expr | ast.stmt, kind: str) -> None:
        self.faults.append((node.lineno, kind))

    def spread(self, tree: ast.AST) -> None:
        """Make live every name that takes a live value anywhere in the tree, and the arguments of inner functions."""
        before = -1
        while len(self.live) > before:
            before = len(self.live)
            for node in ast.walk(tree):
                if isinstance(node, ast.Lambda | ast.FunctionDef):
                    self.live |= {a.arg for a in (*node.args.args, *node.args.kwonlyargs)} - {"self"}
                elif (
                    isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value and self.touches(node.value)
                ):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    self.live |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
                elif isinstance(node, ast.For | ast.comprehension) and self.touches(node.iter):
                    self.live |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}

    def visit_Match(self, node: ast.Match) -> None:
        if self.touches(node.subject):
            self.fault(node, "if")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if self.touches(node):
            if len(node.ops) > 1:
                self.fault(node, "chained comparison")
            for op in node.ops:
                if isinstance(op, ast.Eq | ast.NotEq):
                    self.fault(node, "==" if isinstance(op, ast.Eq) else "!=")
        if isinstance(node.ops[0], ast.In | ast.NotIn) and self.touches(node.left):
            self.fault(node, "==")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        if self.touches(node):
            self.fault(node, "and/or")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not) and self.touches(node):
            self.fault(node, "not")
        self.generic_visit(node)

    def _branch(self, node: ast.If | ast.IfExp | ast.While, kind: str) -> None:
        if self.touches(node.test):
            self.fault(node, kind)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._branch(node, "if")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._branch(node, "if")

    def visit_While(self, node: ast.While) -> None:
        self._branch(node, "while")

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if any(self.touches(a) for a in node.args):
            if isinstance(function, ast.Name) and function.id in ("min", "max"):
                self.fault(node, "min/max")
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in _LIBRARIES:
                self.fault(node, "library call")
        self.generic_visit(node)


@functools.cache
def _faults(function: Any) -> tuple[tuple[int, str, str], ...]:
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, or a lambda: no source of its own; tracing still refuses a truth value
        return ()
    if not isinstance(tree, ast.FunctionDef):
        return ()
    reader = _Reader()
    reader.spread(tree)
    for statement in tree.body:
        reader.visit(statement)
    return tuple((first + line - 1, kind, lines[line - 1].strip()) for line, kind in sorted(set(reader.faults)))


def check_source(equation: Callable[..., Any]) -> None:
    """Raise `EquationError` naming file, line and fix for each construct that cannot be traced."""
    function = inspect.unwrap(getattr(equation, "__func__", equation))
    found = _faults(function)
    if found:
        where = inspect.getsourcefile(function) or "?"
        text = "\n".join(f"  {where}:{line}: {code}\n    {kind} cannot be traced: {_FIXES[kind]}" for line, kind, code in found)
        raise EquationError(f"{getattr(function, '__qualname__', function)} is not an equation:\n{text}")
