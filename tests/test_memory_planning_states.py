"""The annotated log is the kernel's own states; a card from SM-2 has the retention that was assumed."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.domains.memory.planning.cards import CardModel
from seqsci.domains.memory.planning.intervals import next_interval, next_states
from seqsci.domains.memory.planning.migration import state_from_sm2
from seqsci.domains.memory.planning.states import annotate, gated_states, last_states
from seqsci.errors import DataError
from seqsci.sequences import Sequences
from tests.memory_cells import ADDITIVE, GATED, MODELS, TWO, cards_of, log_of


@pytest.mark.parametrize("name", MODELS)
def test_the_table_is_what_the_equations_give_review_by_review(name):
    model, log = MODELS[name], log_of()
    table, cards = annotate(model, log), CardModel.of(MODELS[name])
    assert table.index.equals(log.index) and len(table) == len(log)
    state = {}
    for (_, row), (_, found) in zip(log.iterrows(), table.iterrows(), strict=True):
        if row["review"] == 0:
            state = cards.start([row["grade"]])
            assert np.isnan(found["retention"]) and all(np.isnan(found[f"{n}_before"]) for n in cards.names)
        else:
            known = {"same_day": np.array([row["same_day"]]), "first_grade": np.array([row["first_grade"]])}
            elapsed = np.array([row["elapsed_days"]])
            assert found["retention"] == pytest.approx(cards.retention(state, elapsed, known)[0], rel=1e-12)
            assert [found[f"{n}_before"] for n in cards.names] == pytest.approx([state[n][0] for n in cards.names], rel=1e-12)
            state = cards.after(state, elapsed, [row["grade"]], known)
        assert [found[f"{n}_after"] for n in cards.names] == pytest.approx([state[n][0] for n in cards.names], rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_is_the_kernels_pass(name):
    model, log = MODELS[name], log_of(cards=25, seed=9)
    later = log[log["review"] > 0]
    known = {k.name: later[k.name].to_numpy(float) for k in model.mechanism.known}
    outcome = {"recalled": later["recalled"].to_numpy(float), "grade": later["grade"].to_numpy(float)}
    s = Sequences(outcome, known, reset=later["review"].to_numpy() == 1)
    path, table = model.filter(s), annotate(model, log).loc[later.index]
    names = [x.name for x in model.kernel().program.states]
    np.testing.assert_array_equal(table[[f"{n}_before" for n in names]], path.states)
    ends = np.r_[np.flatnonzero(s.reset)[1:], len(s)] - 1
    np.testing.assert_array_equal(table[[f"{n}_after" for n in names]].to_numpy()[ends], path.last)
    again = annotate(model, log, s)
    np.testing.assert_array_equal(again.to_numpy(float), annotate(model, log).to_numpy(float))


def test_gates_are_shown_for_gated_states_and_make_the_update():
    log = log_of()
    table = annotate(GATED, log)
    assert gated_states(CardModel.of(GATED)) == ("stability",) and gated_states(CardModel.of(TWO)) == ()
    later, passed = log["review"] > 0, log["grade"] > 1
    assert table.loc[~later, "forget_stability"].isna().all()
    assert set(table.loc[later & passed, "forget_stability"]) == {1.0} and set(table.loc[later & passed, "write_stability"]) == {0.5, 1.0}
    assert set(table.loc[later & ~passed, "forget_stability"]) == {0.4} and set(table.loc[later & ~passed, "write_stability"]) == {0.0}
    z = np.sqrt(1 + table["stability_before"]) * np.exp(0.3 * (log["grade"] - 3))
    update = table["forget_stability"] * table["stability_before"] + table["write_stability"] * z
    np.testing.assert_allclose(update[later], table.loc[later, "stability_after"], rtol=1e-12)
    assert not [c for c in annotate(ADDITIVE, log) if c.startswith("forget")]


def test_a_review_does_not_change_what_was_said_before_it():
    log = log_of()
    changed = log.copy()
    row = int(np.flatnonzero(log["review"] == 2)[3])
    changed.loc[row, ["grade", "recalled"]] = (1, 0) if log.loc[row, "grade"] > 1 else (4, 1)
    a, b = annotate(ADDITIVE, log), annotate(ADDITIVE, changed)
    before = [c for c in a if c.endswith("_before") or c == "retention"]
    np.testing.assert_array_equal(a.loc[:row, before], b.loc[:row, before])
    assert a.loc[row, "stability_after"] != b.loc[row, "stability_after"]


def test_cards_with_one_review_and_subsets_of_cards_have_the_same_rows():
    log = log_of()
    whole = annotate(GATED, log)
    for card in (0, 7):
        some = log[log["card_id"] == card]
        np.testing.assert_array_equal(annotate(GATED, some).to_numpy(float), whole.loc[some.index].to_numpy(float))
    only = log[log["review"] == 0]
    np.testing.assert_array_equal(annotate(TWO, only)["stability_after"], whole.loc[only.index, "grade"] * 3.0)


def test_a_log_that_is_not_whole_is_refused():
    log = log_of()
    broken = log.drop(index=log.index[log["review"] == 2][0] - 1)
    for rows, text in (
        (log[log["review"] > 0], "a card is not whole"),
        (broken, "without the one before it"),
        (log.drop(columns="same_day"), "the log lacks same_day"),
        (log.iloc[:0], "without a review"),
    ):
        with pytest.raises(DataError, match=text):
            annotate(GATED, rows)
    with pytest.raises(DataError, match="sequences of another log"):
        annotate(GATED, log, Sequences({"recalled": np.ones(3)}))


def test_the_last_states_are_the_last_rows():
    log = log_of()
    day = int(log["day"].max()) + 3
    states, elapsed, first = last_states(GATED, log, day)
    ends = log.groupby(["user", "card_id"], sort=False).tail(1)
    np.testing.assert_array_equal(states["stability"], annotate(GATED, log).loc[ends.index, "stability_after"])
    np.testing.assert_array_equal(elapsed, day - ends["day"])
    np.testing.assert_array_equal(first, ends["first_grade"])
    with pytest.raises(DataError, match="goes on after"):
        last_states(GATED, log, 5)


@pytest.mark.parametrize("model", [ADDITIVE, GATED, TWO], ids=["additive", "gated", "two traces"])
def test_a_card_of_sm2_has_the_assumed_retention_after_its_interval(model):
    rng = np.random.default_rng(0)
    interval, ease, kept = np.round(rng.gamma(1.2, 40.0, 200)) + 1, rng.uniform(1.3, 3.0, 200), rng.uniform(0.6, 0.9, 200)
    states = state_from_sm2(model, ease, interval, kept, rng.integers(0, 3, 200), {"reviews": np.full(200, 5.0)})
    recall = CardModel.of(model).retention(states, interval)
    np.testing.assert_allclose(recall, kept, rtol=1e-9)


def test_ease_and_lapses_are_carried_over_by_the_stated_formula():
    states = state_from_sm2(ADDITIVE, [1.3, 2.5, 3.1, 9.0], 30, 0.8, [4, 0, 1, 2])
    np.testing.assert_allclose(states["ease"], [1.0, 2.0, 2.5, 3.0])
    np.testing.assert_array_equal(states["lapses"], [4, 0, 1, 2])
    assert list(states) == ["stability", "ease", "lapses"]
    longer = state_from_sm2(ADDITIVE, 2.5, [5.0, 50.0, 500.0], 0.8)["stability"]
    assert (np.diff(longer) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((ADDITIVE, 2.5, 0.0), "interval_days 0 to 0"),
        ((ADDITIVE, 2500, 10.0), "250 % is 2.5"),
        ((ADDITIVE, 2.5, 10.0, 1.0), "retention 1 to 1"),
        ((ADDITIVE, 2.5, 10.0, 0.9, -1), "lapses -1 to -1"),
        ((GATED, 2.5, 10.0), "pass given={name: values} for reviews"),
        ((TWO, 2.5, 36000.0, 0.9), "no stability has that retention"),
    ],
)
def test_cards_of_sm2_that_cannot_be_carried_over_are_refused(arguments, text):
    with pytest.raises(DataError, match=text):
        state_from_sm2(*arguments)


def test_states_of_the_helper_are_on_whole_cards():
    assert all(np.isfinite(v).all() for v in cards_of(ADDITIVE, 10).values())


def test_columns_that_do_not_fit_the_cards_are_explained():
    states = cards_of(GATED, 4)
    with pytest.raises(DataError, match=r"(?s)retention does not fit.*shape \(3,\) for 4 cards.*fix:"):
        next_interval(GATED, states, [0.9, 0.8, 0.7])
    with pytest.raises(DataError, match="elapsed_days does not fit"):
        next_states(GATED, states, [1.0, 2.0], 0.9)
    with pytest.raises(DataError, match="known first_grade does not fit"):
        next_states(GATED, states, 1.0, 0.9, {"first_grade": np.ones(3)})
    with pytest.raises(DataError, match="retention is no number"):
        next_interval(GATED, states, "often")
    with pytest.raises(DataError, match=r"(?s)columns of cards differ in length.*interval_days 2.*beside 3 cards"):
        state_from_sm2(GATED, [2.5, 2.0, 1.3], [10.0, 20.0], given={"reviews": 1.0})
    with pytest.raises(DataError, match="reviews 2"):
        state_from_sm2(GATED, [2.5, 2.0, 1.3], 10.0, given={"reviews": np.ones(2)})
    assert len(state_from_sm2(GATED, [2.5, 2.0, 1.3], 10.0, given={"reviews": 1.0})["stability"]) == 3
    assert next_interval(GATED, states, 0.9).days.shape == next_interval(GATED, states, [0.9]).days.shape == (4,)
