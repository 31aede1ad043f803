"""Cells of memory: closed forms, published definitions, what is recovered, what reaches a forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import seqsci
from seqsci.cells.additive_stability import AdditiveStability
from seqsci.cells.forgetting import Forgetting
from seqsci.domains.memory import models
from seqsci.domains.memory.sequences import to_panel, to_sequences
from seqsci.domains.memory.simulator import DesiredRetention, RandomIntervals, Relearning, simulate_log
from seqsci.errors import DataError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.prior_rule import held_out
from seqsci.gates.elapsed import ElapsedGate
from seqsci.gates.knockout import Open
from seqsci.gates.power import PowerGate
from seqsci.knockout import knock_out
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.sequences import Sequences


def reviews(seed: int = 2, cards: int = 60, count: int = 7) -> pd.DataFrame:
    return simulate_log(models.sbd(), cards, count, Relearning(RandomIntervals()), seed)


def test_half_of_the_trace_is_left_after_a_half_life_on_both_curves() -> None:
    for gate in (ElapsedGate(), PowerGate()):
        kept = gate.opening({"elapsed": 12.0}, {"half_life": 12.0, "decay": 0.4})
        assert kept == pytest.approx(0.5, abs=1e-12)
    assert PowerGate().opening({"elapsed": 30.0}, {"half_life": 12.0, "decay": 1e4}) == pytest.approx(2 ** (-30 / 12), rel=1e-3)


def test_forgetting_without_guessing_and_full_learning_is_the_curve_itself() -> None:
    model = models.power().fix(learned_at_first=1.0, learned_by_recall=1.0, learned_by_lapse=1.0, guess=0.0)
    model = model.start_at(half_life=9.0, decay=0.3)
    days = np.array([1.0, 4.0, 30.0, 2.0])
    path = model.filter(Sequences({"recalled": np.array([1.0, 0.0, 1.0, 1.0])}, {"elapsed_days": days}))
    np.testing.assert_allclose(path.reads[:, 0], (1 + (2 ** (1 / 0.3) - 1) * days / 9.0) ** -0.3, rtol=1e-12)


def test_a_trace_that_cannot_be_written_only_decays() -> None:
    model = knock_out(Model(Forgetting(Open()), Bernoulli()), None, Open())  # nothing is forgotten, every event writes all
    path = model.filter(Sequences({"recalled": np.zeros(3)}, {"elapsed_days": np.full(3, 5.0)}))
    np.testing.assert_allclose(path.states[1:, 0], 1 + (1 - 0.8) * path.states[:-1, 0], rtol=1e-12)


def sbd_by_hand(p: dict[str, float], days: np.ndarray, grades: np.ndarray) -> np.ndarray:
    """(reviews - 1, 4): S, g, n before each review after the first, and R, from the definition in its own symbols."""
    L, rho, k = np.log(p["again_stability"]), p["grade_ratio"], p["gap_root"]
    alpha, c, v, delta = np.log(p["decay"]), p["lapse_power"], np.log(p["own_growth"]), p["brittleness"]
    r = grades[0]
    S, g, n = np.exp(L) * rho ** (r - 1), r - 1, max(0.0, (3 - r) / 2)
    rows = []
    for t, r in zip(days[1:], grades[1:], strict=True):
        a = t ** (1 / k) + np.exp(v / k) * rho ** (-g / 2) * np.sqrt(S)
        R = (1 + a / S) ** -(np.exp(alpha) * (delta + n) ** c)
        rows.append((S, g, n, R))
        S = min(max(S + a if r > 1 else S * (1 - R) ** c, 0.001), 36500.0)
        g, n = r - 1, min(50.0, n + max(0.0, (3 - r) / 2))
    return np.array(rows)


@pytest.mark.parametrize("values", [{}, {"again_stability": 0.002, "lapse_power": 3.0, "decay": 0.1}, {"own_growth": 900, "gap_root": 0.6}])
def test_sbd_is_its_published_definition_bounds_included(values: dict[str, float]) -> None:
    model, rng = models.sbd().start_at(**values), np.random.default_rng(4)
    lowest, highest = np.inf, 0.0
    for _ in range(30):
        grades, days = rng.choice([1, 2, 3, 4], 60, p=[0.4, 0.1, 0.4, 0.1]), np.floor(np.exp(rng.uniform(-1, 6, 60)))
        known = {"elapsed_days": days[1:], "same_day": days[1:] < 1, "first_grade": np.full(59, grades[0])}
        path = model.filter(Sequences({"recalled": grades[1:] > 1, "grade": grades[1:]}, known))
        expected = sbd_by_hand(model.value, days, grades)
        np.testing.assert_allclose(np.column_stack([path.states, path.reads[:, 0]]), expected, rtol=1e-9, atol=1e-14)
        lowest, highest = min(lowest, expected[:, 0].min()), max(highest, expected[:, 0].max())
    if values:
        assert lowest == 0.001 or highest == 36500.0  # the case reaches a bound


def test_sbd_opens_the_write_gate_on_recall_and_keeps_a_share_on_lapse() -> None:
    frame = reviews()
    path = models.sbd().filter(to_sequences(frame))
    passed = frame.loc[frame["review"] >= 1, "recalled"].to_numpy() == 1
    forget, write = path.gates[:, 0], path.gates[:, 1]
    assert (forget[passed] == 1).all() and (write[passed] == 1).all()
    assert (write[~passed] == 0).all()
    np.testing.assert_allclose(forget[~passed], (1 - path.reads[~passed, 0]) ** 0.5, rtol=1e-9)


def test_same_day_reviews_move_the_state_and_are_not_scored() -> None:
    frame = reviews()
    sequences = to_sequences(frame)
    today = sequences.known["same_day"] == 1
    assert today.any() and (sequences.weight[today] == 0).all() and (sequences.weight[~today] == 1).all()
    path = models.sbd().filter(sequences)
    after = np.flatnonzero(today[:-1] & (sequences.reset[1:] == 0)) + 1
    assert (path.states[after, 0] != path.states[after - 1, 0]).all()


def test_rows_lead_back_to_the_frame_and_cards_must_be_whole() -> None:
    frame = reviews().sample(frac=1.0, random_state=1).sort_values(["user", "card_id", "review_time"])
    sequences = to_sequences(frame)
    np.testing.assert_array_equal(frame.loc[sequences.index, "recalled"], sequences.outcome["recalled"])
    assert len(sequences.starts) == frame["card_id"].nunique()
    with pytest.raises(DataError, match="not in order"):
        to_sequences(frame.iloc[1:])
    with pytest.raises(DataError, match="missing column scored"):
        to_sequences(frame.drop(columns="scored"))


def test_fractional_days_are_read_where_asked_for() -> None:
    frame = reviews()
    later = frame["review"] >= 1
    np.testing.assert_array_equal(to_sequences(frame, exact=True).known["elapsed_days"], frame.loc[later, "elapsed_days_exact"])
    assert (to_panel(frame, exact=True)["elapsed_days"] == frame.loc[later, "elapsed_days_exact"]).all()


def test_a_panel_row_is_the_single_fit_with_weights_and_a_second_outcome() -> None:
    frame = simulate_log([models.sbd()] * 3, 90, 7, Relearning(RandomIntervals()), 5)
    panel = seqsci.fit_panel(models.sbd(), to_panel(frame), by="user", within="card_id", threads=1)
    for user, row in panel.table.set_index("user").iterrows():
        fit = MaximumLikelihood(starts=2, profile_bounds=False, far=30.0).fit(models.sbd(), to_sequences(frame[frame["user"] == user]))
        assert row["rows"] == fit.rows < (frame["user"] == user).sum() - 90  # same-day rows are not counted
        assert row["log_likelihood"] == fit.log_likelihood
        assert [row[n] for n in fit.free_names] == [fit.value[n] for n in fit.free_names]


def test_a_panel_refuses_weights_and_outcomes_that_are_none() -> None:
    frame = to_panel(simulate_log([models.sbd()] * 2, 40, 6, RandomIntervals(), 5))
    with pytest.raises(DataError, match="grade"):
        seqsci.fit_panel(models.sbd(), frame.drop(columns="grade"), by="user", within="card_id")
    broken = frame.copy()
    broken.loc[broken["user"] == 1, "weight"] = -1.0
    table = seqsci.fit_panel(models.sbd(), broken, by="user", within="card_id", threads=1).table
    assert "weight is -1" in table["reason"].iloc[1] and table["status"].iloc[0] == "ok"


def test_sbd_names_its_source_and_reaches_ninety_percent_where_it_says() -> None:
    model = models.sbd().start_at(again_stability=0.5)
    days = model.derived_values["good_interval"]
    known = {"elapsed_days": [days], "same_day": [0.0], "first_grade": [3.0]}
    path = model.filter(Sequences({"recalled": [1.0], "grade": [3.0]}, known))
    assert path.reads[0, 0] == pytest.approx(0.9, abs=1e-9)
    assert "srs-benchmark" in (AdditiveStability.__doc__ or "")


def test_a_scheduler_keeps_recall_near_the_desired_retention_and_random_intervals_spread_it() -> None:
    model = models.fsrs6()

    def recall(frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(model.filter(to_sequences(frame)).reads[:, 0])

    driven = recall(simulate_log(model, 300, 8, DesiredRetention(0.9, fuzz=0.0), 3))
    spread = recall(simulate_log(model, 300, 8, RandomIntervals(), 3))
    assert np.mean(np.abs(driven - 0.9) < 0.02) > 0.6  # the rest are cards for which a day is too long
    assert spread.std() > 3 * driven[driven > 0.8].std()


def test_a_fit_of_many_cards_holds_out_whole_cards_against_its_prior() -> None:
    frame = simulate_log([models.sbd()] * 2, 40, 6, Relearning(RandomIntervals()), 5)
    packed = models.sbd().pack(to_sequences(frame))
    cut = int((frame["user"] == 0).sum() - 40)  # rows of the first user
    train, test = held_out(packed, np.array([0, cut, len(packed.X)]))
    assert (train + test == packed.weight).all()
    for rows in (slice(0, cut), slice(cut, None)):
        first = np.flatnonzero(test[rows])[0]
        before = np.flatnonzero(packed.reset[rows][: first + 1])[-1]
        assert (packed.weight[rows][before:first] == 0).all()  # nothing scored of that card stays in training
        assert (train[rows][first:] == 0).all()
        share = test[rows].sum() / packed.weight[rows].sum()
        assert 0.3 <= share < 0.45
