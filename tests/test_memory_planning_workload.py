"""The workload simulator loses no card, keeps every limit, repeats itself by seed, and says that it extrapolates."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.domains.memory.planning.cards import CardModel
from seqsci.domains.memory.planning.habits import Habits
from seqsci.domains.memory.planning.intervals import next_interval
from seqsci.domains.memory.planning.states import last_states
from seqsci.domains.memory.planning.workload import Deck, Plan, minutes_by_retention, simulate_workload
from seqsci.errors import DataError
from tests.memory_cells import ADDITIVE, GATED, MODELS, cards_of, log_of

PLAN = Plan(new_cards=300, new_per_day=7, max_reviews=25, retention=0.85, days=60, maximum_interval=90)


def deck_of(model, n):
    rng = np.random.default_rng(8)
    return Deck(cards_of(model, n), rng.integers(0, 200, n).astype(float), rng.choice([1.0, 2.0, 3.0, 4.0], n))


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(sorted(MODELS)),
    new=st.integers(0, 80),
    a_day=st.integers(0, 30),
    most=st.integers(0, 40),
    longest=st.integers(1, 400),
    retention=st.floats(0.5, 0.98),
    old=st.sampled_from([0, 1, 50]),
    seed=st.integers(0, 5),
)
def test_cards_are_conserved_and_limits_are_kept(name, new, a_day, most, longest, retention, old, seed):
    plan = Plan(new, a_day, most, retention, 40, longest, seed=seed)
    w = simulate_workload(MODELS[name], plan, deck_of(MODELS[name], old) if old else None)
    d = w.daily
    assert (d["new"] <= a_day).all() and (d["reviews"] <= most).all() and w.longest_interval <= longest
    assert (d["due"] == d["reviews"] + d["backlog"]).all() and (d["failed"] <= d["reviews"]).all()
    assert (d["introduced"] == old + d["new"].cumsum()).all() and d["new"].sum() == min(new, 40 * a_day)
    assert w.introduced.sum() == old + d["new"].sum() and len(w.introduced) == old + new
    assert (d["expected_known"] >= 0).all() and (d["expected_known"] <= d["introduced"] + 1e-9).all()
    assert (d["backlog"].to_numpy()[:-1] <= d["due"].to_numpy()[1:]).all()  # who waits is still due tomorrow
    assert (w.elapsed_days[w.introduced] >= 1).all() and np.isnan(w.elapsed_days[~w.introduced]).all()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_does_not():
    first, again = (simulate_workload(ADDITIVE, PLAN, deck_of(ADDITIVE, 40)) for _ in range(2))
    pd.testing.assert_frame_equal(first.daily, again.daily)
    other = simulate_workload(ADDITIVE, replace(PLAN, seed=1), deck_of(ADDITIVE, 40))
    assert not first.daily.equals(other.daily)


def test_without_lapses_a_card_comes_back_exactly_when_its_interval_is_over():
    sure = GATED.start_at(first=1e6)  # recall is 1 but for nothing
    habits = Habits(first=(0, 0, 1, 0), passed=(0, 1, 0))
    w = simulate_workload(sure, Plan(1, 1, 5, 0.9, 50, 10, habits))
    seen = w.daily.loc[w.daily["reviews"] > 0, "day"].tolist()
    assert seen == [10, 20, 30, 40] and w.daily["failed"].sum() == 0
    assert w.daily["minutes"].sum() == pytest.approx((15 + 4 * 7) / 60)


def test_reviews_are_passed_as_often_as_the_retention_says():
    w = simulate_workload(GATED, Plan(400, 400, 10**6, 0.8, 300, 365, Habits(), 3))
    reviews, failed = w.daily["reviews"].sum(), w.daily["failed"].sum()
    assert reviews > 2000  # whole days blur the retention of intervals of a few days
    assert 1 - failed / reviews == pytest.approx(0.8, abs=0.03)


def test_a_review_moves_the_state_as_the_model_does():
    habits = Habits(first=(0, 0, 1, 0), passed=(0, 1, 0))
    w = simulate_workload(GATED.start_at(first=1e6), Plan(1, 1, 5, 0.9, 7, 3, habits))
    cards = CardModel.of(GATED.start_at(first=1e6))
    state = cards.start([3])
    for _ in range(2):
        state = cards.after(state, [3.0], [3])
    assert w.states["stability"] == pytest.approx(state["stability"]) and w.states["reviews"] == pytest.approx([2.0])
    assert w.elapsed_days == pytest.approx([1.0])


def test_old_cards_are_due_when_the_model_says_or_when_they_are_told():
    states = cards_of(GATED, 60)
    interval = np.clip(np.rint(next_interval(GATED, states, 0.9).days), 1, 36500)
    elapsed = np.zeros(60)
    plan = Plan(0, 0, 1000, 0.9, 1)
    assert simulate_workload(GATED, plan, Deck(states, interval, np.full(60, 3.0))).daily["due"][0] == 60
    assert simulate_workload(GATED, plan, Deck(states, elapsed, np.full(60, 3.0))).daily["due"][0] == 0
    told = Deck(states, elapsed + 1, np.full(60, 3.0), np.r_[np.zeros(25), np.full(35, 4.0)])
    assert simulate_workload(GATED, plan, told).daily["due"][0] == 25


def test_the_longest_overdue_come_first():
    due = np.array([-5.0, -1.0, -9.0, 0.0])
    deck = Deck({"reviews": np.zeros(4), "stability": np.full(4, 9.0)}, np.full(4, 20.0), np.full(4, 3.0), due)
    w = simulate_workload(GATED, Plan(0, 0, 2, 0.9, 1), deck)
    assert (w.elapsed_days == 1.0).tolist() == [True, False, True, False]


def test_what_is_out_of_reach_is_counted_and_said():
    w = simulate_workload(ADDITIVE, replace(PLAN, retention=0.985), deck_of(ADDITIVE, 100))
    assert w.daily["unreachable"].sum() > 0 and "out of reach" in str(w)
    assert simulate_workload(GATED, PLAN).daily["unreachable"].sum() == 0


def test_the_result_says_that_it_extrapolates():
    w = simulate_workload(GATED, replace(PLAN, days=2))
    table = minutes_by_retention(GATED, replace(PLAN, days=5), retentions=(0.8, 0.9))
    for text in (str(w), str(table), w.warning):
        assert "made under the old scheduler" in text


def test_plans_that_leave_reviews_over_are_named():
    table = minutes_by_retention(GATED, replace(PLAN, max_reviews=3), retentions=(0.5, 0.95))
    assert table.table["backlog"].iloc[-1] > 0 and "0.95 reviews were left over" in str(table)


def test_the_best_retention_is_sought_among_plans_that_leave_no_review_over():
    plan = replace(PLAN, new_per_day=3, max_reviews=20, days=40)
    some = minutes_by_retention(GATED, plan, retentions=(0.5, 0.6, 0.99))
    left = some.table.set_index("retention")["backlog"]
    assert left[0.99] > 0 and (left[[0.5, 0.6]] == 0).all() and some.best in (0.5, 0.6)
    none = minutes_by_retention(GATED, replace(plan, max_reviews=0), retentions=(0.5, 0.9))
    assert (none.table["backlog"] > 0).all() and np.isnan(none.best) and "no retention is named best" in str(none)
    assert "fewest minutes" not in str(none) and not none.at_edge


def test_minutes_by_retention_are_those_of_each_plan_and_the_best_is_the_least():
    plan = replace(PLAN, days=120)
    table = minutes_by_retention(GATED, plan, retentions=(0.7, 0.8, 0.9, 0.95))
    for row in table.table.itertuples():
        alone = simulate_workload(GATED, replace(plan, retention=row.retention))
        assert (row.minutes_per_known, row.minutes_per_day) == (alone.minutes_per_known, alone.daily["minutes"].mean())
    assert table.best == table.table.loc[table.table["minutes_per_known"].idxmin(), "retention"]
    assert table.at_edge == (table.best in (0.7, 0.95))
    with pytest.raises(DataError, match="nothing to compare"):
        minutes_by_retention(GATED, plan, retentions=(0.9,))


def test_a_deck_of_a_log_can_be_simulated():
    log = log_of()
    deck = Deck(*last_states(GATED, log, int(log["day"].max()) + 1))
    w = simulate_workload(GATED, replace(PLAN, habits=Habits.from_reviews(log)), deck)
    assert w.daily["introduced"].iloc[0] == 40 + 7


def test_habits_of_a_log_are_its_shares_and_medians():
    log = log_of(200)
    h, first = Habits.from_reviews(log), log["review"] == 0
    assert h.first == pytest.approx([np.mean(log.loc[first, "grade"] == g) for g in (1, 2, 3, 4)]) and h.first[1] == 0
    assert (
        h.seconds == (5.0, 6.0, 7.0, 8.0)
        and h.first_seconds[0] == 5.0
        and h.first_seconds[1] == log.loc[first, "duration_ms"].median() / 1000
    )
    with pytest.raises(DataError, match="nothing of habits"):
        Habits.from_reviews(log[first])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"days": 0}, "days = 0"),
        ({"new_per_day": -1}, "new_per_day = -1"),
        ({"retention": 1.2}, "retention = 1.2"),
        ({"seed": -2}, "seed = -2"),
        ({"days": 10.5}, "days = 10.5"),
        ({"new_per_day": 2.5}, "new_per_day = 2.5"),
        ({"max_reviews": "200"}, "max_reviews = '200'"),
        ({"retention": None}, "retention = None"),
    ],
)
def test_plans_that_cannot_be_meant_are_refused(change, text):
    with pytest.raises(DataError, match=text):
        replace(PLAN, **change)


def test_habits_and_decks_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"passed adds to 1.1"):
        Habits(passed=(0.2, 0.8, 0.1))
    with pytest.raises(DataError, match="seconds"):
        Habits(seconds=(1.0, 2.0, np.nan, 3.0))
    states = cards_of(GATED, 5)
    for deck in (
        Deck(states, np.zeros(4), np.ones(5)),
        Deck(states, np.full(5, -1.0), np.ones(5)),
        Deck(states, np.zeros(5), np.ones(5), np.zeros(3)),
    ):
        with pytest.raises(DataError, match="a deck is not whole"):
            simulate_workload(GATED, PLAN, deck)


@pytest.mark.slow
def test_twenty_thousand_cards_and_a_year_take_seconds():
    plan = Plan(10_000, 30, 400, 0.9, 365)
    clock = time.perf_counter()
    w = simulate_workload(ADDITIVE, plan, deck_of(ADDITIVE, 10_000))
    assert time.perf_counter() - clock < 60 and len(w.introduced) == 20_000
