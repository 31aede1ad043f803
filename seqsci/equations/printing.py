"""Turns groups of SymPy expressions into lines of scalar Python that numba compiles well."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from seqsci.equations.functions import Log1p, Quadrature, Reciprocal
from seqsci.errors import EquationError, explain

_CALLS = {
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Sign": "sign",
    "sign": "sign",
    "Absolute": "abs",
    "Abs": "abs",
    "LogGamma": "loggamma",
    "Digamma": "digamma",
    "Trigamma": "trigamma",
    "Log1p": "math.log1p",
    "Expm1": "math.expm1",
    "NegativeBinomialQuantile": "negative_binomial_quantile",
    "BetaBinomialQuantile": "beta_binomial_quantile",
}


class ScalarPrinter(PythonCodePrinter):  # type: ignore[misc]
    """Prints an expression in names that the generated module reserves; ``branches``: `Where` is an inline branch, not a call.

    ``zero``, ``nodes``, ``jacobian``: how a sum over the nodes of a quadrature begins, runs and is weighted.
    """

    zero = "0.0"
    nodes = ("for node in range(NODES.shape[0]):", "    node_ = NODES[node]")
    jacobian = "JACOBIANS[node]"

    def __init__(self, names: Mapping[sp.Symbol, str], branches: bool = True) -> None:
        super().__init__({"fully_qualified_modules": True, "allow_unknown_functions": True, "precision": 17})
        self._names, self._branches = names, branches

    def _print_Symbol(self, symbol: sp.Symbol) -> str:
        return self._names.get(symbol, symbol.name)

    def _print_Function(self, function: sp.Function) -> str:
        name = function.func.__name__
        if name == "Where":
            condition, a, b = (self._print(x) for x in function.args)
            return f"({a} if {condition} else {b})" if self._branches else f"select({condition}, {a}, {b})"
        return f"{_CALLS[name]}({', '.join(self._print(a) for a in function.args)})"

    def _print_Reciprocal(self, node: sp.Expr) -> str:
        return f"(1.0/({self._print(node.args[0])}))"

    _print_Abs = _print_sign = _print_Function

    def _print_Rational(self, number: sp.Rational) -> str:
        return repr(float(number))

    _print_Integer = _print_Half = _print_Rational

    def _print_Float(self, number: sp.Float) -> str:
        return repr(float(number))

    def _print_Pow(self, node: sp.Pow, rational: bool = False) -> str:
        base, exponent = node.args
        text = f"({self._print(base)})"
        if exponent.is_Integer and 0 < abs(int(exponent)) <= 4:
            product = "*".join([text] * abs(int(exponent)))
            return f"({product})" if exponent > 0 else f"(1.0/({product}))"
        if exponent == sp.Rational(1, 2):
            return f"math.sqrt{text}"
        if exponent == -sp.Rational(1, 2):
            return f"(1.0/math.sqrt{text})"
        return f"{text}**({self._print(exponent)})"


def _divide_once(expression: sp.Basic) -> sp.Basic:
    """Rewrite negative powers as powers of one shared reciprocal."""

    def rewrite(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        if exponent.q == 1:
            return Reciprocal(base) ** (-exponent)
        return Reciprocal(sp.sqrt(base)) ** (-2 * exponent)

    powers = expression.atoms(sp.Pow)
    chosen = {p for p in powers if p.exp.is_Rational and p.exp < 0 and p.exp.q in (1, 2) and not p.base.is_number}
    if not chosen:
        return expression
    return expression.replace(
        lambda e: e in chosen or (isinstance(e, sp.Pow) and e.exp.is_Rational and e.exp < 0 and e.exp.q in (1, 2)),
        lambda e: rewrite(e.base, e.exp),
    )


def split_logarithms(density: sp.Expr, constants: Sequence[sp.Symbol]) -> tuple[sp.Expr, list[tuple[sp.Expr, sp.Expr]]]:
    """Split a log density into a rest and terms ``coefficient * log(argument)`` whose coefficient depends on parameters alone.

    A sum of such logarithms over time is the logarithm of a product: one multiplication a step instead of one call.
    """
    fixed = set(constants)
    rest: list[sp.Expr] = []
    logs: list[tuple[sp.Expr, sp.Expr]] = []
    for term in sp.Add.make_args(sp.expand_mul(density, deep=False)):
        factors = sp.Mul.make_args(term)
        live = [f for f in factors if f.free_symbols - fixed]
        if len(live) == 1 and isinstance(live[0], sp.log | Log1p):
            argument = live[0].args[0] if isinstance(live[0], sp.log) else 1 + live[0].args[0]
            logs.append((sp.Mul(*[f for f in factors if f is not live[0]]), argument))
        else:
            rest.append(term)
    return sp.Add(*rest), logs


def _hoist(
    expression: sp.Basic, constants: frozenset[sp.Symbol], table: dict[sp.Basic, sp.Symbol], memo: dict[sp.Basic, sp.Basic]
) -> sp.Basic:
    """Replace every maximal part that depends on parameters alone by a symbol, so that it is computed before the time loop."""
    if expression in memo:
        return memo[expression]
    symbols = expression.free_symbols
    if not expression.args:
        result = expression
    elif symbols and symbols <= constants and isinstance(expression, sp.Expr):
        result = table.setdefault(expression, sp.Symbol(f"h{len(table)}_", real=True))
    elif isinstance(expression, sp.Add | sp.Mul):
        fixed = [a for a in expression.args if a.free_symbols <= constants]
        rest = [_hoist(a, constants, table, memo) for a in expression.args if not a.free_symbols <= constants]
        head = expression.func(*fixed)
        if head.free_symbols and head.args:
            head = table.setdefault(head, sp.Symbol(f"h{len(table)}_", real=True))
        result = expression.func(head, *rest, evaluate=False) if fixed else expression.func(*rest, evaluate=False)
    else:
        result = expression.func(*(_hoist(a, constants, table, memo) for a in expression.args))
    memo[expression] = result
    return result


class Block:
    """Lines that compute a group of expressions: ``before`` the time loop, ``inside`` it, and the text of each ``result``."""

    def __init__(
        self,
        expressions: Sequence[sp.Expr],
        names: Mapping[sp.Symbol, str],
        constants: Sequence[sp.Symbol],
        prefix: str,
        branches: bool = True,
        printer: type[ScalarPrinter] = ScalarPrinter,
    ) -> None:
        integrals = {
            q: sp.Symbol(f"{prefix}u{i}_", real=True)
            for i, q in enumerate(sorted({q for e in expressions for q in sp.sympify(e).atoms(Quadrature)}, key=str))
        }
        if any(q.free_symbols - set(constants) for q in integrals):
            raise EquationError(
                explain(
                    "expected(...) depends on a state or an input",
                    "a state in it",
                    "the standardised outcome and parameters",
                    "multiply outside of it",
                )
            )
        self.is_zero = [e == 0 for e in expressions]
        expressions = [_divide_once(sp.sympify(e).xreplace(integrals)) for e in expressions]
        constants = (*constants, *integrals.values())
        table: dict[sp.Basic, sp.Symbol] = {}
        memo: dict[sp.Basic, sp.Basic] = {}
        fixed = frozenset(constants)
        hoisted = [_hoist(sp.sympify(e), fixed, table, memo) for e in expressions]
        counter = itertools.count()
        fresh = (sp.Symbol(f"{prefix}s{next(counter)}_", real=True) for _ in itertools.count())
        shared, reduced = sp.cse(hoisted, symbols=fresh, order="none")
        heads, values = list(table.values()), list(table.keys())
        early = (sp.Symbol(f"{prefix}e{next(counter)}_", real=True) for _ in itertools.count())
        outer, outer_values = sp.cse(values, symbols=early, order="none") if values else ([], [])
        renamed = {h: f"{prefix}{h.name}" for h in heads}
        text = printer({**names, **renamed}, branches).doprint
        self.before = self._loop(integrals, names, prefix, printer)
        self.before += [f"{s.name} = {text(e)}" for s, e in outer]
        self.before += [f"{renamed[h]} = {text(e)}" for h, e in zip(heads, outer_values, strict=True)]
        self.inside = [f"{s.name} = {text(e)}" for s, e in shared]
        self.results = [text(e) for e in reduced]

    @staticmethod
    def _loop(
        integrals: Mapping[sp.Basic, sp.Symbol], names: Mapping[sp.Symbol, str], prefix: str, printer: type[ScalarPrinter]
    ) -> list[str]:
        """One loop over the nodes that accumulates every quadrature of the block."""
        if not integrals:
            return []
        fresh = (sp.Symbol(f"{prefix}w{i}_", real=True) for i in itertools.count())
        shared, reduced = sp.cse([q.args[0] for q in integrals], symbols=fresh, order="none")
        text = printer(names).doprint
        lines = [f"{s.name} = {printer.zero}" for s in integrals.values()] + list(printer.nodes)
        lines += [f"    {s.name} = {text(e)}" for s, e in shared]
        return lines + [f"    {s.name} += {printer.jacobian} * ({text(e)})" for s, e in zip(integrals.values(), reduced, strict=True)]


SUMS = """for a in range({k}):
    score[a] += w * G[a]
    if full:
        for b in range(a + 1):
            info[a, b] += w * G[a] * G[b]
    if rows.shape[0] > 0:
        rows[t, a] = w * G[a]"""
"""Lines that add a row's gradient G to the score, the outer products and the rows, by loops."""


def mirror(k: int) -> list[str]:
    """Lines that copy the lower triangle of ``info`` to the upper one."""
    return [f"for a in range({k}):", "    for b in range(a):", "        info[b, a] = info[a, b]"]
