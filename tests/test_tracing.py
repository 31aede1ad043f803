"""The tracer refuses what it would trace wrongly, and names the line and the fix."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from seqsci.constraints import Positive, Real
from seqsci.equations import vocabulary
from seqsci.equations.functions import Where
from seqsci.equations.symbolic import latex, trace
from seqsci.equations.tracing import Equations
from seqsci.equations.vocabulary import (
    WORDS,
    absolute,
    equal,
    exp,
    expm1,
    log,
    log1p,
    loggamma,
    sigmoid,
    softplus,
    sqrt,
    where,
)
from seqsci.errors import EquationError
from seqsci.gates.constant import ConstantGate
from seqsci.mechanism import Gated, Mechanism
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Known, Outcome, Parameter, State
from seqsci.testing.traced import evaluate
from tests.hard_cases import LeakyBank
from tests.registry import VOLATILITY


@dataclass(frozen=True)
class Average(Mechanism):
    """A moving average with one fault of declaration or of an equation."""

    fault: str = ""
    keep: ConstantGate = ConstantGate()
    states = (State("average"),)
    known = (Known("elapsed_days"),)
    outcomes = (Outcome("y"),)
    own_parameters = (Parameter("spread", Positive(), 1.0, "1", "s", "scatter"),)

    def start(self) -> Any:
        return (0.0, 1.0) if self.fault == "start" else 0.0

    @property
    def read(self) -> Callable[..., Any]:  # type: ignore[override]
        def read(average: Any, spread: Any) -> Any:
            return {"location": average} if self.fault == "read" else {"location": average, "scale": spread}

        def peek(average: Any, spread: Any, y: Any) -> Any:
            return {"location": y, "scale": spread}

        return peek if self.fault == "peek" else read

    @property
    def update(self) -> Callable[..., Any]:  # type: ignore[override]
        def update(average: Any, y: Any, keep: Any) -> Any:
            kept = keep() if self.fault == "signal" else keep(shock=absolute(y))
            return Gated(kept, 1 - kept, y)

        def misspelt(average: Any, elapsed_day: Any) -> Any:
            return average + elapsed_day

        def two(average: Any, y: Any) -> Any:
            return average, y

        return {"misspelt": misspelt, "two": two}.get(self.fault, update)


FAULTS = {
    "start": r"start returns the wrong number of states\n  got:      2\n  expected: 1, for \('average',\)",
    "two": "update returns the wrong number of states",
    "read": r"Average.read does not supply what Gaussian needs(.|\n)*add \['scale'\]",
    "peek": r"Average.read asks for a name that is not declared\n  got:      'y'",
    "misspelt": r"Average.update asks for a name(.|\n)*'elapsed_day' \(did you mean 'elapsed_days'\?\)",
    "signal": r"ConstantGate needs the signal \['shock'\]",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_equation_that_does_not_fit_its_declarations_is_refused(fault: str) -> None:
    trace(Average(), Gaussian())
    with pytest.raises(EquationError, match=FAULTS[fault]):
        trace(Average(fault), Gaussian())


def test_the_place_of_a_misspelt_name_is_given() -> None:
    with pytest.raises(EquationError, match=rf"{__file__}:\d+"):
        trace(Average("misspelt"), Gaussian())


@dataclass(frozen=True)
class Twice(Mechanism):
    """A parameter with the name of a state, and one with a reserved name."""

    states = (State("level"),)
    outcomes = (Outcome("y"),)
    own_parameters = (Parameter("level", Real(), 1.0, "1", "l", "level"), Parameter("expected", Real(), 1.0, "1", "e", "reserved"))

    def start(self, level: Any) -> Any:
        return level

    def read(self, level: Any) -> Any:
        return {"location": level, "scale": 1.0}

    def update(self, level: Any) -> Any:
        return level


def test_a_name_that_is_declared_twice_is_refused() -> None:
    with pytest.raises(EquationError, match=r"declared twice\n  got:      \['expected', 'level'\]"):
        trace(Twice(), Gaussian())


def test_an_incomplete_mechanism_is_refused_at_its_definition() -> None:
    with pytest.raises(EquationError, match="no outcomes, read, update"):

        class Half(Mechanism):
            states = (State("level"),)

            def start(self) -> float:
                return 0.0


# What a trace says.


class BranchOnOutcome(Gaussian):
    """A density with a branch on the outcome alone."""

    def log_density(self, y: Any, given: Mapping[str, Any]) -> Any:
        return super().log_density(y, given) + where(y > 0, 0.0, 0.1 * y)


def test_a_branch_is_a_kink_where_it_depends_on_a_state_or_a_parameter_and_not_where_on_the_outcome_alone() -> None:
    assert trace(VOLATILITY.mechanism, VOLATILITY.observation).kinked
    assert not trace(LeakyBank(), Gaussian()).kinked
    program = trace(LeakyBank(), BranchOnOutcome())
    assert program.log_density.atoms(Where)
    assert not program.kinked


def test_folding_the_parameters_that_move_a_kink_leaves_a_smooth_equation() -> None:
    still = (("mean", 0.0), ("rotation", 0.0), ("shift", 0.0))
    assert not trace(VOLATILITY.mechanism, VOLATILITY.observation, still).kinked


def test_an_update_is_affine_where_it_is_linear_in_the_states() -> None:
    assert trace(LeakyBank(), Gaussian()).affine
    assert not trace(VOLATILITY.mechanism, VOLATILITY.observation).affine


def test_latex_uses_the_declared_symbols_and_shows_the_gates() -> None:
    text = "\n".join(latex(VOLATILITY.mechanism, VOLATILITY.observation))
    for part in (r"f_t = ", r"i_t = ", r"c_t = f_t\,c_{t-1} + i_t\,z_t", r"\phi", r"\rho", r"\sim \mathrm{StudentT}"):
        assert part in text


POINTS = (-3.0, -0.5, 0.25, 2.0)
UNARY = {"exp": exp, "expm1": expm1, "sigmoid": sigmoid, "softplus": softplus, "absolute": absolute}
POSITIVE = {"log": log, "log1p": log1p, "sqrt": sqrt, "loggamma": loggamma}


@pytest.mark.parametrize(("word", "x"), [*itertools.product(UNARY, POINTS), *itertools.product(POSITIVE, (0.25, 2.0, 30.0))])
def test_a_word_is_the_same_number_on_floats_arrays_tensors_and_symbols(word: str, x: float) -> None:
    function = (UNARY | POSITIVE)[word]
    value = float(function(x))
    assert float(function(np.array([x, x]))[1]) == pytest.approx(value, rel=1e-15)
    assert float(function(torch.tensor(x, dtype=torch.float64))) == pytest.approx(value, rel=1e-13)
    assert evaluate(function(sp.Symbol("x", real=True)), {"x": x}) == pytest.approx(value, rel=1e-15)


def test_the_vocabulary_is_exactly_what_the_error_offers() -> None:
    public = {n for n, v in vars(vocabulary).items() if inspect.isfunction(v) and not n.startswith("_")}
    assert public == set(WORDS)


def test_equal_and_where_pick_the_same_branch_everywhere() -> None:
    x = sp.Symbol("x", real=True)
    traced = where(equal(x, 1), 10.0, 20.0)
    for value in (1.0, 1.5):
        expected = 10.0 if value == 1 else 20.0
        assert where(equal(value, 1), 10.0, 20.0) == expected
        assert float(where(equal(torch.tensor(value), 1), 10.0, 20.0)) == expected
        assert float(traced.subs(x, value)) == expected
    assert traced.has(x)


def test_equations_evaluate_on_floats_as_they_are_traced() -> None:
    equations = Equations(LeakyBank(), Gaussian())
    values = {p.name: p.default for p in equations.parameters}
    step = equations.update(values, {"short": 1.0, "long": 2.0}, {"elapsed": 10.0, "signal": 3.0}, {"expression": 0.0}, {})
    assert step.states == pytest.approx((0.5 * 1 + 0.5 * 3, 2 * 2**-0.25 + 3))
