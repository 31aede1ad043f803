"""Binds the arguments of equations by name and evaluates them on any library's values."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seqsci.equations.checking import check_source
from seqsci.equations.quadrature import JACOBIANS, NODES
from seqsci.equations.vocabulary import Expression, exp
from seqsci.errors import EquationError, did_you_mean, explain
from seqsci.gates.base import Gate
from seqsci.mechanism import Gated, Mechanism
from seqsci.observations.base import Observation


def bind(equation: Callable[..., Any], values: Mapping[str, Any], label: str) -> Any:
    """Call an equation with its arguments taken by name; raises `EquationError` for a name that is not declared."""
    check_source(equation)
    names = list(inspect.signature(equation).parameters)
    unknown = [n for n in names if n not in values]
    if unknown:
        hints = "; ".join(f"{n!r}{did_you_mean(n, values)}" for n in unknown)
        source = inspect.unwrap(getattr(equation, "__func__", equation))
        place = f"{inspect.getsourcefile(source)}:{source.__code__.co_firstlineno}" if hasattr(source, "__code__") else "?"
        raise EquationError(
            f"{label} asks for a name that is not declared\n  got:      {hints}\n  expected: {', '.join(sorted(values))}\n"
            f"  fix:      declare it on the class, or rename the argument ({place})"
        )
    try:
        return equation(**{n: values[n] for n in names})
    except TypeError as error:
        if "truth value" in str(error):
            raise EquationError(
                f"{label} branches on a value that is only known at run time\n  fix:      use where(condition, a, b)"
            ) from error
        raise


@dataclass(frozen=True)
class BoundGate:
    """A gate whose parameters are bound already: call it with its signals by keyword."""

    gate: Gate
    parameters: Mapping[str, Expression]
    known: Mapping[str, Expression]

    def __call__(self, **signals: Expression) -> Expression:
        missing = [s for s in self.gate.signals if s not in signals]
        if missing:
            raise EquationError(
                f"{type(self.gate).__name__} needs the signal {missing}\n  got:      {sorted(signals)}\n  fix:      pass it by keyword"
            )
        driven = {k.name: self.known.get(k.name, 0.0) for k in self.gate.known}
        return self.gate.opening({**signals, **driven}, {p.name: self.parameters[p.name] for p in self.gate.parameters})


@dataclass(frozen=True)
class Expectation:
    """Mean of a function of the standardised outcome, ``E g(z)`` with z of location 0 and scale 1, by a fixed quadrature.

    The weights come from the observation's own log density, so their derivative by shape parameters counts. The function must
    not depend on a state (multiply by the state outside).
    """

    observation: Observation
    shape: Mapping[str, Expression]

    def __call__(self, function: Callable[[Expression], Expression]) -> Expression:
        given = {"location": 0.0, "scale": 1.0, **self.shape}
        values = list(self.shape.values())
        if any(type(v).__module__.startswith("torch") for v in (*values, function(0.5))):
            import torch

            nodes, jacobians = torch.as_tensor(NODES), torch.as_tensor(JACOBIANS)
            weight = exp(self.observation.log_density(nodes, given)) * jacobians
            return (weight * function(nodes)).sum() / weight.sum()
        if "sympy" in sys.modules:
            import sympy as sp

            node = sp.Symbol("node_", real=True)
            body = function(node)
            if isinstance(body, sp.Basic) and (body.free_symbols - {node} or any(isinstance(v, sp.Basic) for v in values)):
                from seqsci.equations.functions import Quadrature

                weight = exp(self.observation.log_density(node, given))
                return Quadrature(weight * body, node) / Quadrature(weight, node)
        weight = exp(self.observation.log_density(NODES, given)) * JACOBIANS
        return (weight * function(NODES)).sum() / weight.sum()


@dataclass(frozen=True)
class StepResult:
    """What one step of a mechanism yields."""

    states: tuple[Expression, ...]
    gates: tuple[Gated | None, ...]


class Equations:
    """The equations of a mechanism and an observation, evaluated on whatever values are passed in.

    The same class serves SymPy (tracing), torch (the oracle loop) and numbers (derived quantities, presentation).
    """

    def __init__(self, mechanism: Mechanism, observation: Observation) -> None:
        self.mechanism, self.observation = mechanism, observation
        for equation in (observation.log_density, observation.outcome, *(gate.opening for gate in mechanism.gates.values())):
            check_source(equation)
        self.state_names = tuple(s.name for s in mechanism.states)
        self.parameters = (*mechanism.parameters, *(p for p in observation.parameters))
        names = [*self.state_names, *(k.name for k in mechanism.known), *(o.name for o in mechanism.outcomes)]
        names += [q.name for q in mechanism.presamples] + [p.name for p in self.parameters] + list(mechanism.gates) + ["expected"]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise EquationError(
                f"a name is declared twice\n  got:      {twice}\n  expected: one declaration a name\n  fix:      rename one of them"
            )

    def bound(self, parameters: Mapping[str, Expression], known: Mapping[str, Expression] | None = None) -> dict[str, Any]:
        """Parameters, known values, gates and `Expectation` by name, as equations bind them; a gate's drive is 0 where nothing is known."""
        shape = {p.name: parameters[p.name] for p in self.observation.parameters}
        gates = {name: BoundGate(gate, parameters, known or {}) for name, gate in self.mechanism.gates.items()}
        return {**parameters, **(known or {}), **gates, "expected": Expectation(self.observation, shape)}

    def _states(self, result: Any, label: str) -> tuple[Any, ...]:
        values = result if isinstance(result, tuple) else (result,)
        if len(values) != len(self.state_names):
            raise EquationError(
                explain(
                    f"{label} returns the wrong number of states",
                    len(values),
                    f"{len(self.state_names)}, for {self.state_names}",
                    "return one expression a state, in the declared order",
                )
            )
        return values

    def start(
        self, parameters: Mapping[str, Expression], known: Mapping[str, Expression], presample: Mapping[str, Expression]
    ) -> tuple[Expression, ...]:
        """States before the first step of a unit."""
        values = {**self.bound(parameters, known), **presample}
        return self._states(bind(self.mechanism.start, values, f"{type(self.mechanism).__name__}.start"), "start")

    def read(
        self, parameters: Mapping[str, Expression], states: Mapping[str, Expression], known: Mapping[str, Expression]
    ) -> dict[str, Expression]:
        """The observation's arguments, before the outcome."""
        reads = bind(self.mechanism.read, {**self.bound(parameters, known), **states}, f"{type(self.mechanism).__name__}.read")
        missing = [a for a in self.observation.arguments if a not in reads]
        if missing:
            raise EquationError(
                explain(
                    f"{type(self.mechanism).__name__}.read does not supply what {type(self.observation).__name__} needs",
                    sorted(reads),
                    self.observation.arguments,
                    f"add {missing} to the dictionary that read returns, or choose another observation",
                )
            )
        return dict(reads)

    def given(self, parameters: Mapping[str, Expression], reads: Mapping[str, Expression]) -> dict[str, Expression]:
        """Arguments and shape parameters of the observation; a read of a shape parameter's name replaces it."""
        return {**{p.name: parameters[p.name] for p in self.observation.parameters}, **reads}

    def update(
        self,
        parameters: Mapping[str, Expression],
        states: Mapping[str, Expression],
        known: Mapping[str, Expression],
        outcome: Mapping[str, Expression],
        reads: Mapping[str, Expression],
    ) -> StepResult:
        """States after the outcome, with the gates where the mechanism is gated."""
        values = {**reads, **self.bound(parameters, known), **states, **outcome}
        results = self._states(bind(self.mechanism.update, values, f"{type(self.mechanism).__name__}.update"), "update")
        gates = tuple(r if isinstance(r, Gated) else None for r in results)
        new = tuple(r.next(states[name]) if isinstance(r, Gated) else r for name, r in zip(self.state_names, results, strict=True))
        return StepResult(new, gates)

    def unobserved(
        self,
        parameters: Mapping[str, Expression],
        states: Mapping[str, Expression],
        known: Mapping[str, Expression],
        reads: Mapping[str, Expression],
    ) -> tuple[Expression, ...]:
        """States after a missing step."""
        if self.mechanism.unobserved is None:
            return tuple(states[name] for name in self.state_names)
        values = {**reads, **self.bound(parameters, known), **states}
        results = self._states(bind(self.mechanism.unobserved, values, f"{type(self.mechanism).__name__}.unobserved"), "unobserved")
        return tuple(r.next(states[n]) if isinstance(r, Gated) else r for n, r in zip(self.state_names, results, strict=True))

    def log_density(
        self, parameters: Mapping[str, Expression], reads: Mapping[str, Expression], outcome: Mapping[str, Expression]
    ) -> Expression:
        """Log density of the first declared outcome."""
        return self.observation.log_density(outcome[self.mechanism.outcomes[0].name], self.given(parameters, reads))
