"""Laws of every baseline of recall, and of the helpers they share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.catalogue import BASELINES, online, schedulable
from seqsci.domains.memory.baselines.constant import ConstantRecall
from seqsci.domains.memory.baselines.fsrs_default import DefaultFsrs6
from seqsci.domains.memory.baselines.half_life import HalfLife
from seqsci.domains.memory.baselines.half_life_regression import HalfLifeRegression, OriginalLoss, SharedHalfLifeRegression
from seqsci.domains.memory.baselines.histories import LEAST, counts_before, steps
from seqsci.domains.memory.baselines.kept_default import FittedOrDefault, KeepDefault, held_out
from seqsci.domains.memory.baselines.moving_average import EstimatedMovingAverage, MovingAverage
from seqsci.domains.memory.baselines.sm2 import SM2, CalibratedSM2
from seqsci.errors import ConvergenceError, DataError
from tests.memory_histories import before, frame_of, regraded, simulated

OTHERS = pd.concat([simulated(30, 6, 50, user="v"), simulated(20, 6, 51, user="w")])
PREDICTORS: tuple[RecallPredictor, ...] = (
    ConstantRecall(),
    MovingAverage(),
    EstimatedMovingAverage(),
    HalfLife(),
    HalfLife(exact=True),
    HalfLifeRegression(),
    HalfLifeRegression(exact=True),
    HalfLifeRegression(criterion=OriginalLoss()),
    SharedHalfLifeRegression().given_others(OTHERS),
    SM2(),
    CalibratedSM2(),
    CalibratedSM2().or_default(),
    DefaultFsrs6(),
    DefaultFsrs6(exact=True),
)
WITHOUT_FIT = (MovingAverage, SM2, DefaultFsrs6, KeepDefault)
each = pytest.mark.parametrize("predictor", PREDICTORS, ids=lambda p: f"{p.name}-{getattr(p, 'exact', '')}-{type(p).__name__}")
HISTORY = simulated(60, 7, 1)


@each
def test_every_row_but_a_first_review_has_a_probability_inside_the_bounds(predictor: RecallPredictor) -> None:
    found = predictor.fit(before(HISTORY, 0.6)).predict(HISTORY)
    first = HISTORY["review"].to_numpy() == 0
    assert found.shape == (len(HISTORY),) and np.isnan(found[first]).all()
    assert (found[~first] >= LEAST).all() and (found[~first] <= 1 - LEAST).all()


@each
def test_outcomes_at_and_after_a_time_do_not_move_predictions_up_to_it(predictor: RecallPredictor) -> None:
    fitted, times = predictor.fit(before(HISTORY, 0.5)), HISTORY["review_time"].to_numpy()
    plain = fitted.predict(HISTORY)
    for share in (0.5, 0.8):
        cut = int(np.sort(times)[int(share * len(times))])
        other = regraded(HISTORY, cut, 4)
        moved = fitted.predict(other)
        assert np.array_equal(moved[times <= cut], plain[times <= cut], equal_nan=True)


@each
def test_predictions_do_not_depend_on_reviews_that_follow(predictor: RecallPredictor) -> None:
    fitted, cut = predictor.fit(before(HISTORY, 0.5)), HISTORY["review_time"].quantile(0.7)
    early = (HISTORY["review_time"] <= cut).to_numpy()
    np.testing.assert_allclose(fitted.predict(HISTORY[early]), fitted.predict(HISTORY)[early], rtol=1e-12, atol=0)


@each
@pytest.mark.parametrize("grade", [1, 3])
def test_equal_outcomes_give_finite_forecasts_on_their_side(predictor: RecallPredictor, grade: int) -> None:
    frame = HISTORY.assign(grade=grade, recalled=int(grade > 1))
    found = predictor.fit(frame).predict(frame)[frame["scored"].to_numpy() == 1]
    assert np.isfinite(found).all()
    if isinstance(predictor, ConstantRecall | HalfLife | CalibratedSM2 | EstimatedMovingAverage):
        assert (found.mean() > 0.9) if grade > 1 else (found.mean() < 0.1)


@each
def test_one_card_is_enough(predictor: RecallPredictor) -> None:
    card = frame_of([[(0.2, 3), (0.25, 1), (1.3, 3), (4.2, 1), (5.4, 2), (9.3, 4)]])
    found = predictor.fit(card).predict(card)
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()


@each
def test_without_training_reviews_a_fit_refuses_and_a_default_stands(predictor: RecallPredictor) -> None:
    empty = HISTORY[:0]
    if isinstance(predictor, WITHOUT_FIT):
        assert np.isfinite(predictor.fit(empty).predict(HISTORY)[HISTORY["review"].to_numpy() > 0]).all()
    else:
        with pytest.raises(DataError, match="too few scored training reviews"):
            predictor.fit(empty)


@each
def test_a_user_who_never_presses_easy_is_fitted(predictor: RecallPredictor) -> None:
    frame = simulated(30, 6, 7, easy=False)
    assert frame["grade"].max() == 3
    assert np.isfinite(predictor.fit(frame).predict(frame)[frame["review"].to_numpy() > 0]).all()


@each
def test_predicting_no_rows_gives_none(predictor: RecallPredictor) -> None:
    assert predictor.fit(HISTORY).predict(HISTORY[:0]).shape == (0,)


@each
def test_row_labels_do_not_matter(predictor: RecallPredictor) -> None:
    named = HISTORY.set_index(pd.Index([f"r{k}" for k in range(len(HISTORY))]))
    assert np.array_equal(predictor.fit(named).predict(named), predictor.fit(HISTORY).predict(HISTORY), equal_nan=True)


@each
def test_a_card_cut_at_its_front_is_refused(predictor: RecallPredictor) -> None:
    with pytest.raises(DataError, match=r"0, 1, 2 \.\.\."):
        predictor.fit(HISTORY).predict(HISTORY[1:])


def test_whole_and_fractional_days_are_both_read() -> None:
    for pair in ((HalfLife(), HalfLife(True)), (HalfLifeRegression(), HalfLifeRegression(True)), (DefaultFsrs6(), DefaultFsrs6(True))):
        whole, exact = (p.fit(HISTORY).predict(HISTORY) for p in pair)
        assert np.nanmax(np.abs(whole - exact)) > 1e-4


def test_whole_day_baselines_do_not_read_the_column_that_may_hold_fractions() -> None:
    exact = HISTORY.assign(elapsed_days=HISTORY["elapsed_days_exact"])
    for predictor in (SM2(), CalibratedSM2()):
        assert np.array_equal(predictor.fit(exact).predict(exact), predictor.fit(HISTORY).predict(HISTORY), equal_nan=True)


@each
def test_fitted_numbers_are_finite_and_as_many_as_are_said(predictor: RecallPredictor) -> None:
    values = dict(predictor.fit(HISTORY).values())
    assert np.isfinite(list(values.values())).all()
    if not isinstance(predictor, WITHOUT_FIT):
        assert len(values) == predictor.parameters


def test_a_prior_from_others_needs_others() -> None:
    with pytest.raises(DataError, match="given_others"):
        SharedHalfLifeRegression().fit(HISTORY)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="elapsed_days_exact"):
        ConstantRecall().fit(HISTORY.drop(columns="elapsed_days_exact"))


def test_a_grade_outside_the_four_is_refused() -> None:
    with pytest.raises(DataError, match="a grade is unknown"):
        ConstantRecall().fit(HISTORY.assign(grade=0))


def test_the_walk_over_cards_meets_every_row_once_in_the_order_of_its_card() -> None:
    seen = np.full(len(HISTORY), -1)
    owner = HISTORY["card_id"].to_numpy()
    for k, card, row in steps(HISTORY):
        assert (seen[row] == -1).all() and (HISTORY["review"].to_numpy()[row] == k).all()
        assert np.array_equal(np.unique(owner)[card], owner[row])
        seen[row] = k
    assert (seen >= 0).all()


def test_counts_are_of_earlier_reviews_of_the_same_card() -> None:
    frame = frame_of([[(0.2, 3), (1.2, 1), (2.2, 4)], [(0.2, 1), (3.2, 2)]])
    right, wrong = counts_before(frame)
    assert right.tolist() == [0, 1, 1, 0, 0] and wrong.tolist() == [0, 0, 1, 0, 1]


def test_the_constant_is_the_mean_recall_of_scored_training_reviews() -> None:
    frame = frame_of([[(0.2, 3), (0.3, 1), (1.2, 3), (2.2, 1), (9.2, 3)]])
    assert ConstantRecall().fit(frame).predict(frame)[-1] == pytest.approx(2 / 3)


class Fixed(FittedRecall):
    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.full(len(rows), self.value)


class Canned(RecallPredictor):
    """Predicts one value; remembers how many rows it was fitted on."""

    def __init__(self, value: float, error: Exception | None = None) -> None:
        self.value, self.error, self.rows = value, error, []

    name, online, parameters = "canned", False, 1

    def fit(self, train: pd.DataFrame) -> Fixed:
        self.rows.append(len(train))
        if self.error is not None and len(self.rows) == 1:
            raise self.error
        return Fixed(self.value)


def rule(fitted: Canned, default: Canned, frame: pd.DataFrame = HISTORY) -> FittedOrDefault:
    return KeepDefault(fitted, default).fit(frame)


def test_a_fit_better_than_its_default_on_the_last_reviews_is_taken_and_refitted_on_all() -> None:
    mean = HISTORY["recalled"][HISTORY["scored"] == 1].mean()
    good = Canned(mean)
    found = rule(good, Canned(0.01))
    assert found.kept == "" and found.chosen.value == mean and found.default_kept() == ""
    assert good.rows[0] < len(HISTORY) and good.rows[1] == len(HISTORY)


def test_a_fit_worse_than_its_default_is_dropped_with_the_reason() -> None:
    mean = HISTORY["recalled"][HISTORY["scored"] == 1].mean()
    found = rule(Canned(0.01), Canned(mean))
    assert "nats worse than the default" in found.kept and found.chosen.value == mean and found.default_kept() == found.kept


def test_a_tie_goes_to_the_fit() -> None:
    assert rule(Canned(0.7), Canned(0.7)).kept == ""


@pytest.mark.parametrize("error", [DataError("too few"), ConvergenceError("diverged")])
def test_early_reviews_that_cannot_be_fitted_keep_the_default(error: Exception) -> None:
    found = rule(Canned(0.5, error), Canned(0.6))
    assert str(error) in found.kept and found.chosen.value == 0.6


def test_other_errors_of_a_fit_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        rule(Canned(0.5, ZeroDivisionError()), Canned(0.6))


def test_three_tenths_of_the_scored_reviews_are_held_out_the_last_in_time() -> None:
    early, late = held_out(HISTORY)
    times, scored = HISTORY["review_time"].to_numpy(), HISTORY["scored"].to_numpy() == 1
    assert late.sum() == round(0.3 * scored.sum()) and scored[late].all()
    assert times[early].max() < times[late].min() and (early | (times >= times[late].min())).all()


def test_nothing_to_hold_out_keeps_the_default() -> None:
    frame = frame_of([[(0.2, 3), (1.2, 3)]])
    assert "too few" in rule(Canned(0.5), Canned(0.6), frame).kept


def test_the_named_baselines_have_distinct_names_and_say_who_is_online() -> None:
    names = [p.name for p in BASELINES]
    assert len(set(names)) == len(names) and "FSRS-6, fsrs-optimizer, or default" in names
    assert not any(p.online for p in schedulable()) and all(p.online for p in online())
    exact = {type(p): p for p in schedulable(exact=True) if hasattr(p, "exact")}
    assert len(exact) >= 4 and all(p.exact for p in exact.values())
    assert exact[HalfLife].fit(HISTORY).predict(HISTORY)[3] != HalfLife().fit(HISTORY).predict(HISTORY)[3]


def test_naming_the_baselines_loads_no_network_library() -> None:
    module = "seqsci.domains.memory.baselines.catalogue"
    code = f"import sys, {module}; assert not {{'torch', 'pytorch_lightning'}} & set(sys.modules), 'heavy'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
