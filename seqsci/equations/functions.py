"""SymPy nodes of the vocabulary, with derivatives that stay in it and are stable far out."""

from __future__ import annotations

from typing import Any

import sympy as sp


class _RealFunction(sp.Function):  # type: ignore[misc]
    """A real function of real arguments."""

    def _eval_is_extended_real(self) -> bool:
        return True


class Sigmoid(_RealFunction):
    """``1 / (1 + e^-x)``; derivative ``s (1 - s)``."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.Rational(1, 2) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * Sigmoid(-self.args[0])

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{sigmoid}}\left({printer.doprint(self.args[0])}\right)"


class Softplus(_RealFunction):
    """``log(1 + e^x)``; derivative sigmoid(x)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sigmoid(self.args[0])

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{softplus}}\left({printer.doprint(self.args[0])}\right)"


class Log1p(_RealFunction):
    """``log(1 + x)``."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.Integer(0) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 1 / (1 + self.args[0])

    def _latex(self, printer: Any) -> str:
        return rf"\log\left(1 + {printer.doprint(self.args[0])}\right)"


class Expm1(_RealFunction):
    """``e^x - 1``."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(self.args[0])

    def _latex(self, printer: Any) -> str:
        return rf"\left(e^{{{printer.doprint(self.args[0])}}} - 1\right)"


class Reciprocal(_RealFunction):
    """``1 / x`` as a node of its own, so that kernels divide once and multiply afterwards."""

    nargs = 1


class Sign(_RealFunction):
    """-1, 0 or 1; its derivative is taken as 0 (the kink itself is reported by the `kinked` flag)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{sign}}\left({printer.doprint(self.args[0])}\right)"


class Absolute(_RealFunction):
    """``|x|``."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.Abs(x) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sign(self.args[0])

    def _eval_power(self, exponent: sp.Expr) -> sp.Expr | None:
        return self.args[0] ** exponent if exponent.is_even else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\left|{printer.doprint(self.args[0])}\right|"
        return text if exp is None else f"{text}^{{{exp}}}"


class LogGamma(_RealFunction):
    """``log Gamma(x)``, x > 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Digamma(self.args[0])

    def _latex(self, printer: Any) -> str:
        return rf"\log\Gamma\left({printer.doprint(self.args[0])}\right)"


class Digamma(_RealFunction):
    """Derivative of log Gamma."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Trigamma(self.args[0])


class Trigamma(_RealFunction):
    """Second derivative of log Gamma."""

    nargs = 1


class NegativeBinomialQuantile(_RealFunction):
    """Quantile of a count at (probability, mean, dispersion); a step function, so its derivatives are 0."""

    nargs = 3

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)


class BetaBinomialQuantile(_RealFunction):
    """Quantile of a number of successes at (probability, coverage, share, overdispersion); a step function, so its derivatives are 0."""

    nargs = 4

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)


class Where(_RealFunction):
    """``a`` where the condition holds, else ``b``; differentiated branch by branch."""

    nargs = 3

    @classmethod
    def eval(cls, condition: sp.Basic, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if condition == sp.true or a == b:
            return a
        return b if condition == sp.false else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        condition, a, b = self.args
        return Where(condition, a.diff(s), b.diff(s))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        condition, a, b = (printer.doprint(x) for x in self.args)
        text = rf"\begin{{cases}} {a} & \text{{if }} {condition} \\ {b} & \text{{otherwise}} \end{{cases}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class Quadrature(_RealFunction):
    """``sum_j jacobian_j body(node_j)`` over the fixed nodes of `seqsci.equations.quadrature`; ``node`` is bound inside."""

    nargs = 2

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return set(self.args[0].free_symbols - {self.args[1]})

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        body = self.args[0].diff(s)
        return sp.Integer(0) if body == 0 else Quadrature(body, self.args[1])

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\int {printer.doprint(self.args[0])}\,d{printer.doprint(self.args[1])}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def where(condition: Any, a: Any, b: Any) -> sp.Expr:
    """Build a `Where`; a condition that is a plain bool picks its branch at once."""
    return Where(sp.sympify(condition), sp.sympify(a), sp.sympify(b))


def log(x: sp.Expr) -> sp.Expr:
    """Natural logarithm of a positive expression; ``log(x^q) = q log x`` for a rational q saves a root in the kernel."""
    return x.exp * sp.log(x.base) if isinstance(x, sp.Pow) and x.exp.is_Rational and not x.base.is_number else sp.log(x)


WORDS = {
    "exp": sp.exp,
    "log": log,
    "log1p": Log1p,
    "expm1": Expm1,
    "sqrt": sp.sqrt,
    "absolute": Absolute,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
    "loggamma": LogGamma,
}
