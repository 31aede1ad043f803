"""A knocked-out model has the closed form of its constant gates, and is otherwise the model that it was."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from seqsci.cells.volatility import Variance, Volatility
from seqsci.errors import EquationError, ParameterError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.gates.constant import ConstantGate
from seqsci.gates.knockout import Closed, Frozen, Open
from seqsci.knockout import KnockedOut, knock_out
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.student_t import StudentT
from seqsci.sequences import Sequences
from seqsci.testing.requirement import require_pickles
from tests.hard_cases import AdditiveStability, LeakyBank, hard_case
from tests.registry import VOLATILITY, level, returns

STARTED = 1.3


def remembered(model: Model, sequences: Sequences) -> np.ndarray:
    """States before each step and after the last (rows + 1,), from one presample number."""
    path = model.filter(sequences, np.array([[STARTED]]))
    return np.append(path.states[:, 0], path.last[0, 0])


def started(model: Model) -> float:
    v = model.value
    return v["intercept"] + v["persistence"] * STARTED


def test_without_forget_and_write_only_the_intercept_is_left() -> None:
    """forget = 1, write = 0: c_t = c_0 + t intercept, whatever the returns are."""
    sequences = returns(40)
    path = remembered(knock_out(VOLATILITY, forget=Open(), write=Closed()), sequences)
    assert path == pytest.approx(started(VOLATILITY) + np.arange(41) * VOLATILITY.value["intercept"], rel=1e-13)


def test_without_forget_only_the_last_news_and_the_intercept_are_remembered() -> None:
    """forget = 0: c_t = persistence (1 - memory) tilt |e - shift sigma| / sqrt(1 + shift^2) + intercept."""
    sequences, v = returns(40), VOLATILITY.value
    path = remembered(knock_out(VOLATILITY, forget=Closed()), sequences)
    news = sequences.outcome["log_return"] - v["mean"] - v["shift"] * path[:-1]
    tilt = np.where(news < 0, 1 + v["rotation"], 1 - v["rotation"])
    expected = v["persistence"] * (1 - v["memory"]) * tilt * np.abs(news) / np.hypot(1, v["shift"]) + v["intercept"]
    assert path[1:] == pytest.approx(expected, rel=1e-12)
    assert path[0] == pytest.approx(started(VOLATILITY), rel=1e-15)


def test_frozen_gates_of_the_variance_are_an_exponential_average_of_squares() -> None:
    """forget = f, write = w: c_t = f^t c_0 + sum over past s of f^(t-1-s) (w e_s^2 + intercept)."""
    model = Model(Volatility(Variance()), StudentT()).start_at(mean=0.03, intercept=0.05, persistence=0.95)
    sequences = returns(40)
    path = remembered(knock_out(model, Frozen(0.9), Frozen(0.07)), sequences)
    inflow = 0.07 * (sequences.outcome["log_return"] - 0.03) ** 2 + 0.05
    expected = [0.9**t * started(model) + sum(0.9 ** (t - 1 - s) * inflow[s] for s in range(t)) for t in range(41)]
    assert path == pytest.approx(np.array(expected), rel=1e-12)


def test_missing_steps_are_knocked_out_where_they_are_gated() -> None:
    """forget = 0, write = 0 empties both stores of the bank at every step, observed or not."""
    model, sequences = hard_case("leaky_bank")
    assert not np.all(sequences.observed)
    knocked = knock_out(model, Closed(), Closed()).filter(sequences)
    assert np.all(knocked.states == 0.0)
    assert np.any(model.filter(sequences).states != 0.0)


def test_missing_steps_that_a_knock_out_cannot_reach_are_refused() -> None:
    knocked = knock_out(VOLATILITY, forget=Closed())
    with pytest.raises(EquationError, match=r"cannot reach the missing steps of Volatility(.|\n)*'remembered'"):
        knocked.filter(returns(40, missing=(5,)))
    assert np.isfinite(knocked.filter(returns(40)).states).all()


def test_parameters_that_no_longer_enter_are_fixed_at_their_values() -> None:
    knocked = knock_out(VOLATILITY, Open(), Closed())
    assert knocked.fixed == {"rotation", "shift", "memory"}
    assert knocked.value == VOLATILITY.value
    assert knock_out(VOLATILITY, Closed()).fixed == frozenset()
    assert knock_out(VOLATILITY.fix(mean=0.0), Closed()).fixed == {"mean"}


def test_a_knocked_out_model_is_fitted_no_better_than_the_whole_one() -> None:
    sequences = VOLATILITY.simulate(800, seed=2)
    estimator = MaximumLikelihood(starts=1, warm=True)
    whole, knocked = estimator.fit(VOLATILITY, sequences), estimator.fit(knock_out(VOLATILITY, Open(), Closed()), sequences)
    assert knocked.log_likelihood < whole.log_likelihood - 10
    assert "memory" not in knocked.free_names
    assert knocked.derived() == ()


def test_what_cannot_be_knocked_out_is_refused() -> None:
    with pytest.raises(ParameterError, match="forget = None and write = None"):
        knock_out(VOLATILITY)
    with pytest.raises(ParameterError, match=r"forget = ConstantGate\(\)"):
        knock_out(VOLATILITY, forget=ConstantGate())
    with pytest.raises(EquationError, match=r"nothing to knock out(.|\n)*stability, ease, lapses"):
        knock_out(Model(AdditiveStability(), Bernoulli()), forget=Closed())
    with pytest.raises(EquationError, match="nothing to knock out"):
        knock_out(level()[0], forget=Closed())


def test_a_knocked_out_model_is_a_value_with_a_name_that_tells() -> None:
    knocked = knock_out(VOLATILITY, forget=Frozen(0.5))
    require_pickles(knocked)
    assert knocked == knock_out(VOLATILITY, forget=Frozen(0.5))
    assert knocked != knock_out(VOLATILITY, write=Frozen(0.5))
    assert knocked.name == "Volatility + StudentT with forget = Frozen(value=0.5)"
    twice = knock_out(knock_out(Model(LeakyBank(), Gaussian()), forget=Open()), write=Closed())
    assert twice.filter(hard_case("leaky_bank")[1]).gates[0, :2].tolist() == [1.0, 0.0]


def test_everything_that_a_mechanism_offers_is_forwarded() -> None:
    """A new member of Mechanism has to be forwarded by KnockedOut, or named here with a reason."""
    not_valid_any_more = {"derived", "own_derived", "forecast_moments"}
    built_on_forwarded = {"own_parameters"}
    offered = {n for n in {*vars(Mechanism), *Mechanism.__annotations__} if not n.startswith("_")}
    forwarded = {n for n in vars(KnockedOut) if not n.startswith("_")}
    said_of_a_class = {"stacked"}  # which `stacks` answers for the inner mechanism
    assert offered - forwarded == (not_valid_any_more | built_on_forwarded | said_of_a_class) - {"derived"}
    inner, outer = VOLATILITY.mechanism, KnockedOut(VOLATILITY.mechanism, forget=Closed())
    for name in ("states", "known", "outcomes", "presamples", "references", "gates", "parameters"):
        assert getattr(outer, name) == getattr(inner, name)
    for name in ("start", "read", "update", "unobserved"):
        assert inspect.signature(getattr(outer, name)) == inspect.signature(getattr(inner, name))
    values = {"log_return": returns(80).outcome["log_return"]}
    assert outer.presample(values, {}) == inner.presample(values, {})
    assert list(outer.starting_values(values)) == list(inner.starting_values(values))
    assert outer.typical_presample(VOLATILITY.value) == inner.typical_presample(VOLATILITY.value)
    assert outer.derived == ()
    assert outer.forecast_moments(np.array([1.0]), {}, 3) is None
