"""Compiled passes of one model over packed sequences: states, adjoint, score, objective, simulate."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.constraints import Constraint
from seqsci.equations.symbolic import Program, trace
from seqsci.errors import EquationError, explain
from seqsci.mechanism import Mechanism
from seqsci.observations.base import Observation

Array = np.ndarray
MOST_DERIVATIVES = 500
"""Derivatives of a row that are still compiled: 373 take 15 s a function, with 666 one took 162 s."""


@dataclass(frozen=True)
class Packed:
    """Sequences as kernels read them; see `seqsci.equations.numba_backend` for shapes."""

    X: Array
    observed: Array
    weight: Array
    reset: Array
    Q: Array
    S0: Array
    given: int

    @property
    def arguments(self) -> tuple[Any, ...]:
        """In the kernels' order."""
        return (self.X, self.observed, self.weight, self.reset, self.Q, self.S0, self.given)


@dataclass(frozen=True)
class Pass:
    """Result of a forward pass: states before each step (N, n), reads (N, r), gates (N, 3 g), log density (N,), last states (units, n)."""

    states: Array
    reads: Array
    gates: Array
    density: Array
    last: Array


@dataclass(frozen=True)
class Score:
    """Negative log-likelihood, its gradient, the sum of outer products of per-step gradients, and those gradients if asked for."""

    nll: float
    gradient: Array
    outer: Array
    rows: Array


class Kernel:
    """The generated code of a program; every function is written, compiled and cached on disk at its first use.

    ``simpler`` says what to do where the derivatives are too many to compile.
    """

    def __init__(self, program: Program, constraints: tuple[Constraint, ...], simpler: str = "use a mechanism with fewer states") -> None:
        self.program = program
        self.constraints = constraints
        self.simpler = simpler
        self.label = program.label
        self.n, self.k = len(program.states), len(program.parameters)

    @functools.cached_property
    def _writer(self) -> Any:
        from seqsci.equations.numba_backend import Writer

        return Writer(self.program)

    @property
    def derivatives(self) -> int:
        """Derivatives of the updated states by states and parameters that are not zero: what a compiled score computes every row."""
        moving = {*self.program.states, *self.program.parameters}
        return sum(len(e.free_symbols & moving) for e in self.program.update)

    def _differentiated(self) -> Any:
        """The writer of code that holds derivatives; raises `EquationError` where there are so many that compiling would take minutes."""
        if (many := self.derivatives) > MOST_DERIVATIVES:
            what = f"{self.label} is too large for a compiled fit: compiling its derivatives takes minutes, or does not end"
            got = f"{many} derivatives of {self.n} states"
            fix = f"{self.simpler}; filtering, simulating and forecasting at given values work as they are"
            raise EquationError(explain(what, got, f"at most {MOST_DERIVATIVES}", fix))
        return self._writer

    def _load(self, name: str, body: str) -> Callable[..., Any]:
        from seqsci.equations.numba_backend import HEADER
        from seqsci.equations.numba_cache import load

        return load(HEADER.format(label=self.label) + "\n\n" + body, name, self.label)  # type: ignore[no-any-return]

    @functools.cached_property
    def score_function(self) -> Callable[..., Any]:
        """Compiled score in natural parameters."""
        return self._load("score", self._score_source)

    @functools.cached_property
    def _score_source(self) -> str:
        writer = self._differentiated()
        return writer.score() + "\n\n" + writer.objective(self.constraints)  # type: ignore[no-any-return]

    @functools.cached_property
    def objective_function(self) -> Callable[..., Any]:
        """Compiled score on the raw scale."""
        return self._load("objective", self._score_source)

    @property
    def source(self) -> str:
        """The generated code of the score: what a likelihood is."""
        return self._score_source

    @functools.cached_property
    def _states(self) -> Callable[..., Any]:
        return self._load("states", self._writer.states())

    @functools.cached_property
    def _adjoint(self) -> Callable[..., Any]:
        return self._load("adjoint", self._differentiated().adjoint())

    @functools.cached_property
    def _simulate(self) -> Callable[..., Any]:
        return self._load("simulate", self._writer.simulate())

    @functools.cached_property
    def information_function(self) -> Callable[..., Any]:
        """Compiled Gauss-Newton information in natural parameters."""
        from seqsci.equations.numba_information import information

        return self._load("information", information(self._differentiated()))

    def information(self, parameters: Array, data: Packed) -> Array:
        """Gauss-Newton information (k, k) in natural parameters: what a kinked likelihood has in place of a Hessian."""
        found = np.zeros((self.k, self.k))
        self.information_function(np.ascontiguousarray(parameters, float), *data.arguments, found)
        return found

    def states(self, parameters: Array, data: Packed) -> Pass:
        """Filter the sequences."""
        rows, units = len(data.X), len(data.Q)
        result = Pass(
            np.empty((rows, self.n)),
            np.empty((rows, len(self.program.reads))),
            np.empty((rows, 3 * len(self.program.gates))),
            np.empty(rows),
            np.empty((units, self.n)),
        )
        self._states(parameters, *data.arguments, result.states, result.reads, result.gates, result.density, result.last)
        return result

    def adjoint(
        self, parameters: Array, data: Packed, states: Array, cotangents: tuple[Array, Array, Array, Array]
    ) -> tuple[Array, Array, Array, Array]:
        """Gradients by inputs (N, m), parameters (k,), presamples (units, q) and initial states (units, n)."""
        out = np.zeros_like(data.X), np.zeros(self.k), np.zeros_like(data.Q), np.zeros((len(data.Q), self.n))
        self._adjoint(parameters, *data.arguments, states, *(np.ascontiguousarray(c) for c in cotangents), *out)
        return out

    def score(self, parameters: Array, data: Packed, per_row: bool = False) -> Score:
        """Negative log-likelihood, gradient and outer products in natural parameters."""
        gradient, outer = np.zeros(self.k), np.zeros((self.k, self.k))
        rows = np.zeros((len(data.X) if per_row else 0, self.k))
        nll = self.score_function(np.ascontiguousarray(parameters, float), *data.arguments, gradient, outer, rows)
        return Score(nll, gradient, outer, rows)

    def row_scores(self, raw: Sequence[float], data: Packed) -> Array:
        """Per-step gradients (N, k) of the negative log-likelihood in natural parameters, at a raw point; bounds (+-inf) are allowed."""
        rows, gradient, natural, slope = np.zeros((len(data.X), self.k)), np.zeros(self.k), np.zeros(self.k), np.zeros(self.k)
        self.objective_function(np.array(raw, float), *data.arguments, gradient, np.zeros((0, 0)), rows, natural, slope)
        return rows

    def simulate(self, parameters: Array, data: Packed, noise: Array) -> Array:
        """Fill the first outcome's column of ``data.X`` in place from noise (N,), but at missing steps; returns the states before each."""
        states = np.empty((len(data.X), self.n))
        self._simulate(parameters, data.X, data.observed, data.reset, data.Q, data.S0, data.given, noise, states)
        return states


@functools.lru_cache(maxsize=256)
def kernel_of(mechanism: Mechanism, observation: Observation, folded: tuple[tuple[str, float], ...] = (), gaps: bool = False) -> Kernel:
    """The kernel of a mechanism, an observation and the parameters that were folded into the equation."""
    program = trace(mechanism, observation, folded, gaps)
    gone = {name for name, _ in folded}
    declared = (*mechanism.parameters, *observation.parameters)
    return Kernel(program, tuple(p.constraint for p in declared if p.name not in gone), mechanism.simpler)
