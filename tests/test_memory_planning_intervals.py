"""Intervals: recall at the interval is the retention, longer for less retention, and what is out of reach is said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.domains.memory.planning.cards import CardModel
from seqsci.domains.memory.planning.intervals import closed_form, next_interval, next_states
from seqsci.equations.functions import Expm1, Log1p, Sigmoid, Where
from seqsci.equations.inversion import solved
from seqsci.equations.vocabulary import exp
from seqsci.errors import DataError, EquationError
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.parameter import Known, Outcome, State
from tests.memory_cells import ADDITIVE, GATED, MODELS, TWO, WITHOUT_A_FORM, cards_of
from tests.registry import VOLATILITY


@dataclass(frozen=True)
class Hinted(Mechanism):
    """Recall that depends on something known besides time."""

    states, outcomes = (State("stability"),), (Outcome("recalled"), Outcome("grade"))
    known = (Known("elapsed_days"), Known("hint"))
    own_parameters = ()

    def start(self):
        return 1.0

    def read(self, stability, elapsed_days, hint):
        return {"probability": exp(-elapsed_days / (stability * hint))}

    def update(self, stability):
        return stability


@pytest.mark.parametrize("name", MODELS)
def test_recall_at_the_interval_is_the_desired_retention(name):
    model = MODELS[name]
    states = cards_of(model, 300)
    wanted = np.random.default_rng(3).uniform(0.3, 0.97, 300)
    found = next_interval(model, states, wanted)
    inside = found.reachable & ~found.capped
    assert inside.sum() > 80
    at = CardModel.of(model).retention(states, np.where(inside, found.days, 0.0))
    assert np.abs(at - wanted)[inside].max() < 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_the_closed_form_and_the_bracketed_root_are_one_number(name, monkeypatch):
    from seqsci.domains.memory.planning import intervals

    states = cards_of(MODELS[name], 200)
    first = next_interval(MODELS[name], states, 0.8).days
    assert (closed_form(CardModel.of(MODELS[name])) is None) == (name in WITHOUT_A_FORM)
    monkeypatch.setattr(intervals, "closed_form", lambda cards: None)
    second = next_interval(MODELS[name], states, 0.8).days
    np.testing.assert_allclose(first, second, rtol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_a_smaller_retention_never_has_a_shorter_interval(name):
    states = cards_of(MODELS[name], 100)
    days = [np.where((i := next_interval(MODELS[name], states, r)).reachable, i.days, 0) for r in np.linspace(0.5, 0.99, 30)]
    assert (np.diff(days, axis=0) <= 1e-9 * np.array(days)[:-1]).all()


def test_the_power_curve_has_its_known_interval():
    stability = np.array([1.0, 7.5, 300.0])
    found = next_interval(GATED, {"reviews": np.zeros(3), "stability": stability}, 0.9)
    np.testing.assert_allclose(found.days, stability, rtol=1e-12)
    np.testing.assert_allclose(next_interval(GATED, {"reviews": np.zeros(3), "stability": stability}, 0.9, maximum=100).days, [1, 7.5, 100])


def test_the_interval_of_additive_stability_is_its_formula():
    states, v, r = cards_of(ADDITIVE, 50), ADDITIVE.value, 0.85
    beta = np.exp(v["log_decay"]) * (v["offset"] + states["lapses"]) ** v["lapse_power"]
    rho = np.exp((v["high"] - v["low"]) / 3)
    at_once = np.exp(v["gain"] / v["curvature"]) * rho ** (-states["ease"] / 2) * np.sqrt(states["stability"])
    room = states["stability"] * (r ** (-1 / beta) - 1) - at_once
    found = next_interval(ADDITIVE, states, r, maximum=1e9)
    assert (found.reachable == (room >= 0)).all() and (room < 0).any()
    np.testing.assert_allclose(found.days[found.reachable], room[room >= 0] ** v["curvature"], rtol=1e-8)


def test_a_retention_out_of_reach_is_said_with_the_largest_that_is_not():
    states = cards_of(ADDITIVE, 200)
    found = next_interval(ADDITIVE, states, 0.99)
    limit = CardModel.of(ADDITIVE).retention(states, np.zeros(200))
    np.testing.assert_allclose(found.largest, limit)
    assert (~found.reachable).any() and (found.reachable == (limit >= 0.99)).all() and np.isnan(found.days[~found.reachable]).all()
    with pytest.raises(DataError, match=rf"cannot be reached\n.*\n.*at most {limit.min():.4f}"):
        found.required()
    just = next_interval(ADDITIVE, states, limit * (1 - 1e-12))
    assert just.reachable.all() and just.required().min() >= 0


@settings(max_examples=25, deadline=None)
@given(
    low=st.floats(-2, 2),
    spread=st.floats(0, 4),
    curvature=st.floats(1.1, 8),
    power=st.floats(0.05, 1.5),
    gap=st.floats(0, 400),
    retention=st.floats(0.5, 0.97),
)
def test_a_better_grade_never_shortens_the_interval_of_additive_stability(low, spread, curvature, power, gap, retention):
    model = ADDITIVE.start_at(low=low, high=low + spread, curvature=curvature, lapse_power=power)
    found = next_states(model, cards_of(model, 40), gap, retention)
    assert found.ordered.all() and "for each" in str(found)


def test_where_the_model_does_not_order_the_grades_it_is_said():
    turned = ADDITIVE.start_at(low=3.0, high=-0.5)
    found = next_states(turned, cards_of(turned, 60), 5.0, 0.7)
    assert 0 < found.ordered.sum() < 60 or not found.ordered.any()
    assert "better grade leads to the shorter interval" in str(found)
    worse = GATED.start_at(bonus=-0.4)
    assert not next_states(worse, cards_of(worse, 5), 3.0, 0.9).ordered.any()


def test_next_states_are_those_of_each_grade_by_itself():
    states, cards = cards_of(GATED, 20), CardModel.of(GATED)
    elapsed = np.linspace(0, 30, 20)
    found = next_states(GATED, states, elapsed, 0.9)
    for row, grade in enumerate((1, 2, 3, 4)):
        alone = cards.after(states, elapsed, np.full(20, grade))
        np.testing.assert_array_equal(found.states["stability"][row], alone["stability"])
        np.testing.assert_allclose(found.intervals.days[row], next_interval(GATED, alone, 0.9).days)


def test_cards_are_independent_of_their_neighbours():
    states = cards_of(TWO, 30)
    together = next_interval(TWO, states, 0.8).days
    alone = [next_interval(TWO, {n: v[[i]] for n, v in states.items()}, 0.8).days[0] for i in range(30)]
    np.testing.assert_array_equal(together, alone)


def test_recall_that_rises_with_time_is_refused():
    states = {"reviews": np.zeros(2), "stability": np.array([5.0, -5.0])}
    with pytest.raises(DataError, match="does not fall"):
        next_interval(GATED, states, 0.9)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"retention": 1.0}, "0 < retention < 1"),
        ({"shortest": 5.0, "maximum": 5.0}, "shortest < maximum"),
        ({"states": {"reviews": [0.0]}}, "add stability"),
        ({"states": {"reviews": [0.0], "stability": [np.nan]}}, "1 not finite"),
        ({"states": {"reviews": [0.0, 1.0], "stability": [1.0]}}, "arrays of one length"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, text):
    arguments = {"states": {"reviews": [0.0], "stability": [4.0]}, "retention": 0.9} | change
    with pytest.raises(DataError, match=text):
        next_interval(GATED, **arguments)


def test_grades_times_and_other_models_are_checked():
    cards = CardModel.of(GATED)
    with pytest.raises(DataError, match="out of range"):
        cards.start([0, 3])
    with pytest.raises(DataError, match="not negative"):
        cards.after(cards.start([3]), [-1.0], [3])
    hinted = Model(Hinted(), Bernoulli())
    with pytest.raises(DataError, match=r"needs to know hint\n.*\n.*\n.*pass them in known="):
        next_interval(hinted, {"stability": [3.0]}, 0.9)
    assert next_interval(hinted, {"stability": [3.0]}, np.exp(-1), {"hint": np.array([2.0])}).days == pytest.approx([6.0])
    with pytest.raises(EquationError, match="not a model of recall"):
        CardModel.of(VOLATILITY)


def test_an_equation_is_solved_where_its_symbol_stands_once():
    x, y, s, d = sp.symbols("x y s d", real=True)
    functions = [{"Sigmoid": lambda v: 1 / (1 + np.exp(-v)), "Log1p": np.log1p, "Expm1": np.expm1}, "numpy"]
    for form in (sp.exp(-x / s), (1 + x**d / s) ** -d, Sigmoid(s - d * sp.log(1 + x)), 3 - Log1p(s * x), d**x, s / Expm1(x)):
        forward = sp.lambdify([x, s, d], form, functions)(2.1, 1.3, 0.7)
        assert sp.lambdify([y, s, d], solved(form, x, y), functions)(forward, 1.3, 0.7) == pytest.approx(2.1, rel=1e-12)
    clamped = sp.exp(-Where(x > s, x, s) / d)  # holds where the clamp is off
    assert sp.lambdify([y, s, d], solved(clamped, x, y), functions)(np.exp(-2.1 / 0.7), 1.3, 0.7) == pytest.approx(2.1, rel=1e-12)
    for form in (x + sp.exp(x), Where(x < 1, x, 2 * x), s, Where(x < 1, d, s)):
        assert solved(form, x, y) is None
