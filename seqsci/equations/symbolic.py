"""A traced model: every equation as SymPy expressions, with flags, derivatives and LaTeX."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from seqsci.equations.kinks import kinks, movers, scalers
from seqsci.equations.state_space_latex import state_space_latex
from seqsci.equations.tracing import Equations
from seqsci.linear_gaussian import LinearGaussian
from seqsci.mechanism import Mechanism
from seqsci.observations.base import Observation
from seqsci.parameter import Parameter


def symbols(names: Sequence[str]) -> dict[str, sp.Symbol]:
    """Real symbols by name."""
    return {n: sp.Symbol(n, real=True) for n in names}


@dataclass(frozen=True)
class Program:
    """Everything that back ends need, as expressions in symbols named after the declarations.

    ``parameters`` are those that stay symbols; ``folded`` ones were replaced by an exact number before differentiation. ``information``:
    pairs of reads with the observation's expected curvature, where it states one.
    """

    states: tuple[sp.Symbol, ...]
    inputs: tuple[sp.Symbol, ...]
    n_known: int
    presamples: tuple[sp.Symbol, ...]
    parameters: tuple[sp.Symbol, ...]
    start: tuple[sp.Expr, ...]
    read_names: tuple[str, ...]
    reads: tuple[sp.Expr, ...]
    update: tuple[sp.Expr, ...]
    unobserved: tuple[sp.Expr, ...] | None
    gates: tuple[tuple[sp.Expr, sp.Expr, sp.Expr], ...]
    log_density: sp.Expr
    noise: sp.Symbol
    outcome: sp.Expr
    label: str
    interior: tuple[tuple[str, float], ...]
    information: tuple[tuple[str, str, sp.Expr], ...] = ()

    @functools.cached_property
    def affine(self) -> bool:
        """Whether the update is affine in the states: no second derivative by states."""
        return all(not sp.diff(e, s).has(*self.states) for e in self.update for s in self.states)

    @functools.cached_property
    def _kinks(self) -> tuple[sp.Expr, ...]:
        parts = [*self.start, *self.update, self.log_density, *(self.unobserved or ())]
        symbols = (*self.states, *self.inputs, *self.presamples, *self.parameters)
        interior = dict(self.interior)
        point = {s: interior.get(s.name, 0.37 + 0.11 * i) for i, s in enumerate(symbols)}
        return kinks(parts, self.states, self.parameters, point)

    @functools.cached_property
    def rough_parameters(self) -> tuple[str, ...]:
        """Parameters that move a kink: a place where the gradient of the likelihood jumps."""
        return movers(self._kinks, self.states, self.parameters)

    @functools.cached_property
    def kink_scalers(self) -> tuple[str, ...]:
        """Parameters that move a kink in proportion to a state."""
        return scalers(self._kinks, self.states, self.parameters)

    @property
    def kinked(self) -> bool:
        """Whether the likelihood is only piecewise smooth."""
        return bool(self.rough_parameters)


def _interior(parameters: Sequence[Parameter]) -> tuple[tuple[str, float], ...]:
    """A value strictly inside each parameter's set, off the symmetric ones where special cases hide a kink."""
    values = []
    for i, p in enumerate(parameters):
        raw = p.constraint.inverse(p.default)
        values.append((p.name, float(p.constraint.forward((raw if abs(raw) < 20 else 0.0) + 0.23 + 0.04 * (i % 5)))))
    return tuple(values)


def _sympify(values: Sequence[object]) -> tuple[sp.Expr, ...]:
    return tuple(sp.sympify(v) for v in values)


@functools.lru_cache(maxsize=256)
def trace(mechanism: Mechanism, observation: Observation, folded: tuple[tuple[str, float], ...] = (), gaps: bool = False) -> Program:
    """Trace a mechanism and an observation.

    ``folded`` parameters enter as exact numbers and simplify the equation; the equation of a missing step is traced only where
    the data have ``gaps``.
    """
    equations = Equations(mechanism, observation)
    numbers = {name: sp.nsimplify(value) if float(value).is_integer() else sp.Float(value) for name, value in folded}
    free = symbols([p.name for p in equations.parameters if p.name not in numbers])
    parameters: dict[str, sp.Expr] = {p.name: numbers.get(p.name, free.get(p.name)) for p in equations.parameters}
    states = symbols(equations.state_names)
    known = symbols([k.name for k in mechanism.known])
    outcome = symbols([o.name for o in mechanism.outcomes])
    presample = symbols([q.name for q in mechanism.presamples])
    noise = sp.Symbol("noise_", real=True)
    reads = {k: sp.sympify(v) for k, v in equations.read(parameters, states, known).items()}
    step = equations.update(parameters, states, known, outcome, reads)
    given = equations.given(parameters, reads)
    curved = {pair: e for pair, e in observation.information(given).items() if set(pair) <= set(reads)}
    unobserved = equations.unobserved(parameters, states, known, reads) if gaps and mechanism.unobserved is not None else None
    return Program(
        states=tuple(states.values()),
        inputs=(*known.values(), *outcome.values()),
        n_known=len(known),
        presamples=tuple(presample.values()),
        parameters=tuple(free.values()),
        start=_sympify(equations.start(parameters, known, presample)),
        read_names=tuple(reads),
        reads=tuple(reads.values()),
        update=_sympify(step.states),
        unobserved=None if unobserved is None else _sympify(unobserved),
        gates=tuple((sp.sympify(g.forget), sp.sympify(g.write), sp.sympify(g.candidate)) for g in step.gates if g is not None),
        log_density=sp.sympify(equations.log_density(parameters, reads, outcome)),
        noise=noise,
        outcome=sp.sympify(observation.outcome(noise, given)),
        label=f"{type(mechanism).__name__} + {type(observation).__name__}",
        interior=_interior(equations.parameters),
        information=tuple((a, b, sp.sympify(e)) for (a, b), e in curved.items()),
    )


def latex(mechanism: Mechanism, observation: Observation, folded: tuple[tuple[str, float], ...] = ()) -> list[str]:
    """LaTeX lines of the equations in the declared symbols: reads, gates, update, density; of a linear Gaussian one its state space."""
    if isinstance(mechanism, LinearGaussian):
        return state_space_latex(mechanism, folded)
    equations = Equations(mechanism, observation)
    numbers = dict(folded)
    free = symbols([p.name for p in equations.parameters])
    parameters: dict[str, sp.Expr] = {n: sp.nsimplify(numbers[n]) if n in numbers else s for n, s in free.items()}
    states, known = symbols(equations.state_names), symbols([k.name for k in mechanism.known])
    outcome = symbols([o.name for o in mechanism.outcomes])
    names: dict[sp.Symbol, str] = {free[p.name]: p.symbol for p in equations.parameters}
    for role in mechanism.states:
        names[states[role.name]] = _at(role.symbol, "t-1") or rf"{role.name}_{{t-1}}"
    for datum in (*mechanism.known, *mechanism.outcomes):
        names[{**known, **outcome}[datum.name]] = _at(datum.symbol, "t") or f"{datum.name}_t"
    lines = []
    reads = equations.read(parameters, states, known)
    read_symbols = symbols([f"{n}_read" for n in reads])
    shown: dict[str, sp.Expr] = {}
    for (name, value), symbol in zip(reads.items(), read_symbols.values(), strict=True):
        value = sp.sympify(value)
        if value.is_Atom:
            shown[name] = value
            continue
        names[symbol] = rf"\mathrm{{{name}}}_t"
        lines.append(rf"\mathrm{{{name}}}_t = {_print(value, names)}")
        shown[name] = symbol
    step = equations.update(parameters, states, known, outcome, shown)
    for role, new, gated in zip(mechanism.states, step.states, step.gates, strict=True):
        now, before = _at(role.symbol, "t") or f"{role.name}_t", names[states[role.name]]
        if gated is None:
            lines.append(rf"{now} = {_print(sp.sympify(new), names)}")
            continue
        lines += [rf"f_t = {_print(sp.sympify(gated.forget), names)}", rf"i_t = {_print(sp.sympify(gated.write), names)}"]
        lines.append(rf"z_t = {_print(sp.sympify(gated.candidate), names)}")
        leak = "" if gated.leak == 0 else f" + {_print(sp.sympify(gated.leak), names)}"
        lines.append(rf"{now} = f_t\,{before} + i_t\,z_t{leak}")
    given = equations.given(parameters, shown)
    arguments = ", ".join(_print(sp.sympify(given[n]), names) for n in (*observation.arguments, *(p.name for p in observation.parameters)))
    y = mechanism.outcomes[0]
    lines.append(rf"{_at(y.symbol, 't') or f'{y.name}_t'} \sim \mathrm{{{type(observation).__name__}}}\left({arguments}\right)")
    return lines


def _at(symbol: str, when: str) -> str:
    """A symbol at a time, whose subscript joins one that the symbol has: two in a row are no LaTeX. Empty for no symbol."""
    indexed = re.fullmatch(r"(.+)_(?:\{([^{}]+)\}|([A-Za-z0-9]))", symbol)
    if indexed:
        return f"{indexed[1]}_{{{indexed[2] or indexed[3]},{when}}}"
    return symbol and (f"{symbol}_t" if when == "t" else f"{symbol}_{{{when}}}")


def _print(expression: sp.Expr, names: Mapping[sp.Symbol, str]) -> str:
    return str(sp.latex(expression, symbol_names=dict(names)))
