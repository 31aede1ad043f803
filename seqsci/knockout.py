"""Knock-outs: a model with its forget or write gates stuck at a constant, to see what each of them is good for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.errors import EquationError, ParameterError, explain
from seqsci.gates.base import Gate
from seqsci.mechanism import Gated, Mechanism
from seqsci.model import Model
from seqsci.parameter import Derived, Known, Outcome, Parameter, Presample, State


@dataclass(frozen=True)
class KnockedOut(Mechanism):
    """A mechanism whose `Gated` updates take the constants of ``forget`` and ``write`` in place of their own gates; None keeps a gate.

    Everything else is the inner mechanism's, but for the derived quantities and the closed-form forecast: their formulas hold for
    the gates as they were. A missing step must be held or `Gated` too; any other equation of it is refused when it is needed.
    """

    inner: Mechanism
    forget: Gate | None = None
    write: Gate | None = None

    @property
    def states(self) -> tuple[State, ...]:  # type: ignore[override]
        return self.inner.states

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        return self.inner.known

    @property
    def outcomes(self) -> tuple[Outcome, ...]:  # type: ignore[override]
        return self.inner.outcomes

    @property
    def presamples(self) -> tuple[Presample, ...]:  # type: ignore[override]
        return self.inner.presamples

    @property
    def stacks(self) -> bool:
        return self.inner.stacks

    @property
    def references(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.inner.references

    @property
    def gates(self) -> dict[str, Gate]:
        return self.inner.gates

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.inner.parameters

    @property
    def derived(self) -> tuple[Derived, ...]:
        return ()

    @property
    def simpler(self) -> str:  # type: ignore[override]
        return self.inner.simpler

    @property
    def several_modes(self) -> bool:  # type: ignore[override]
        return self.inner.several_modes

    @property
    def start(self) -> Callable[..., Any]:  # type: ignore[override]
        return self.inner.start

    @property
    def read(self) -> Callable[..., Any]:  # type: ignore[override]
        return self.inner.read

    @property
    def update(self) -> Callable[..., Any]:  # type: ignore[override]
        inner = self.inner.update

        @functools.wraps(inner)
        def update(**values: Any) -> tuple[Any, ...]:
            return tuple(self._stuck(result) for result in _as_tuple(inner(**values)))

        return update

    @property
    def unobserved(self) -> Callable[..., Any] | None:  # type: ignore[override]
        inner = self.inner.unobserved
        if inner is None:
            return None

        @functools.wraps(inner)
        def unobserved(**values: Any) -> tuple[Any, ...]:
            results = _as_tuple(inner(**values))
            for state, result in zip(self.states, results, strict=True):
                if not isinstance(result, Gated) and result is not values.get(state.name):
                    raise EquationError(
                        explain(
                            f"a knock-out cannot reach the missing steps of {type(self.inner).__name__}",
                            f"unobserved moves {state.name!r} by an equation that is not Gated",
                            "a Gated, or the state itself",
                            "knock it out on sequences without missing steps, or write unobserved with Gated",
                        )
                    )
            return tuple(self._stuck(result) for result in results)

        return unobserved

    def _stuck(self, result: Any) -> Any:
        if not isinstance(result, Gated):
            return result
        forget = result.forget if self.forget is None else self.forget.opening({}, {})
        write = result.write if self.write is None else self.write.opening({}, {})
        return Gated(forget, write, result.candidate, result.leak)

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        self.inner.check(outcome, unit)

    def presample(self, outcome: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> dict[str, float]:
        return self.inner.presample(outcome, known)

    def typical_presample(self, parameters: Mapping[str, float]) -> dict[str, float]:
        return self.inner.typical_presample(parameters)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterable[dict[str, float]]:
        return self.inner.starting_values(outcome)


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def knock_out(model: Model, forget: Gate | None = None, write: Gate | None = None) -> Model:
    """Return the model with its forget and/or write gates stuck at the constant of a gate from `seqsci.gates.knockout`.

    Parameters that no equation asks for any more are fixed at their values. Raises `EquationError` where nothing is gated.

    >>> from seqsci.cells.volatility import Volatility
    >>> from seqsci.gates.knockout import Closed, Open
    >>> from seqsci.observations.student_t import StudentT
    >>> knock_out(Model(Volatility(), StudentT()), forget=Open(), write=Closed()).free_names
    ('mean', 'persistence', 'intercept', 'degrees_of_freedom')
    """
    from seqsci.equations.symbolic import trace

    stuck = {name: gate for name, gate in (("forget", forget), ("write", write)) if gate is not None}
    faults = [f"{name} = {gate!r}" for name, gate in stuck.items() if gate.parameters or gate.signals]
    if faults or not stuck:
        got = "; ".join(faults) or "forget = None and write = None"
        raise ParameterError(
            explain(
                "a knock-out needs a constant gate", got, "Open(), Closed() or Frozen(value)", "pass one for forget, for write or for both"
            )
        )
    mechanism = KnockedOut(model.mechanism, forget, write)
    program = trace(mechanism, model.observation)
    if not program.gates:
        states = ", ".join(s.name for s in mechanism.states)
        raise EquationError(
            explain(
                "nothing to knock out", f"no Gated update among {states}", "a mechanism that returns Gated", "write its update with Gated"
            )
        )
    asked = {s.name for e in (*program.start, *program.reads, *program.update, program.log_density) for s in e.free_symbols}
    idle = {p.name for p in model.parameters if p.name not in asked}
    name = f"{model.name} with {', '.join(f'{n} = {g!r}' for n, g in stuck.items())}"
    return Model(mechanism, model.observation, model.values, model.fixed | idle, name)
