"""A memory mechanism: states, what is read from them before the outcome, and how they are updated by it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seqsci.equations.vocabulary import Expression
from seqsci.errors import EquationError, explain
from seqsci.gates.base import Gate
from seqsci.parameter import Derived, Known, Outcome, Parameter, Presample, State


@dataclass(frozen=True)
class Gated:
    """The library forms ``forget * state + write * candidate + leak``, so that knock-outs, telemetry and half-life see the gates.

    Adding an expression to a `Gated` adds it to the ungated ``leak``.
    """

    forget: Expression
    write: Expression
    candidate: Expression
    leak: Expression = 0

    def __add__(self, other: Expression) -> Gated:
        return Gated(self.forget, self.write, self.candidate, self.leak + other)

    __radd__ = __add__

    def next(self, state: Expression) -> Expression:
        """The updated state."""
        return self.forget * state + self.write * self.candidate + self.leak


class Mechanism:
    """Abstract base of every mechanism. A concrete one is a frozen dataclass that is never subclassed.

    It declares its roles and parameters as class attributes and writes four equations in the vocabulary, as methods whose
    arguments are bound BY NAME to states, known sequences, outcomes, presample numbers, parameters, reads, the names of gate
    fields, and ``expected`` (the mean of a function of the standardised outcome):

        start(presample, known, parameters) -> state(s)           may depend on parameters; its derivative counts
        read(states, known, parameters) -> {argument of the observation: expression}      before the outcome
        update(states, known, outcome, parameters, reads) -> Gated | expression, one per state
        unobserved(states, known, parameters, reads) -> state(s)  a missing step; without it the state is held
    """

    states: ClassVar[tuple[State, ...]]
    known: ClassVar[tuple[Known, ...]] = ()
    outcomes: ClassVar[tuple[Outcome, ...]]
    presamples: ClassVar[tuple[Presample, ...]] = ()
    own_parameters: ClassVar[tuple[Parameter, ...]] = ()
    own_derived: ClassVar[tuple[Derived, ...]] = ()
    references: ClassVar[tuple[str, ...]] = ()
    simpler: ClassVar[str] = "use a mechanism with fewer states"
    """What to do where its derivatives are too many to compile."""
    several_modes: ClassVar[bool] = False
    """Whether likelihoods have modes of their own where a parameter lies at its bound: all intervals are then profiles that visit them."""
    stacked: ClassVar[bool] = False
    """Whether `check`, `presample` and `starting_values` also take equally long units, (units, rows), to the same bits: an entry a unit.

    It is said of the three as they are in the class that says so; of a class that overrides one of them it has to be said again.
    """

    start: Callable[..., Any]
    read: Callable[..., Any]
    update: Callable[..., Any]
    unobserved: Callable[..., Any] | None = None

    @property
    def stacks(self) -> bool:
        """Whether `stacked` holds of the three methods that this mechanism has."""
        return self.stacked and _stacks(type(self))  # type: ignore[arg-type]  # a class has the hash of its kind

    def __init_subclass__(cls) -> None:
        missing = [name for name in ("states", "outcomes", "start", "read", "update") if not hasattr(cls, name)]
        if missing and not cls.__dict__.get("abstract", False):
            raise EquationError(
                explain(f"{cls.__name__} is not a complete Mechanism", f"no {', '.join(missing)}", Mechanism.__doc__, "define them")
            )

    @property
    def gates(self) -> dict[str, Gate]:
        """The gate fields by name."""
        held = ((name, getattr(self, name)) for name in getattr(self, "__dataclass_fields__", {}))
        return {name: value for name, value in held if isinstance(value, Gate)}

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Own parameters, then those of the gates."""
        return (*self.own_parameters, *(p for gate in self.gates.values() for p in gate.parameters))

    @property
    def derived(self) -> tuple[Derived, ...]:
        """Quantities computed from the parameters."""
        return self.own_derived

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        """Raise `DataError` where observed outcomes contradict their stated unit; default: nothing is checked."""

    def presample(self, outcome: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The presample numbers of one unit from its training rows (observed rows only); default: none."""
        return {}

    def forecast_moments(self, state: np.ndarray, bound: Mapping[str, Any], horizon: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and variance of the next ``horizon`` outcomes in closed form, or None; ``bound`` holds what equations bind."""
        return None

    def typical_presample(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Presample numbers for a simulation from these parameter values; default: zeros."""
        return {q.name: 0.0 for q in self.presamples}

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterable[dict[str, float]]:
        """Values to start an estimation from, the best guess first, given the observed outcomes; default: the declared defaults."""
        return [{}]


@functools.cache
def _stacks(kind: type[Mechanism]) -> bool:
    """Whether no class nearer than the one that says `stacked` overrides what it is said of."""
    kinds = kind.__mro__

    def owner(name: str) -> int:
        return next(place for place, one in enumerate(kinds) if name in vars(one))

    return all(owner("stacked") <= owner(name) for name in ("check", "presample", "starting_values"))
