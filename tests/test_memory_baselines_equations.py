"""Each baseline of recall against its equation by hand, simulated parameters, or an outside implementation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory.baselines.fsrs_default import DEFAULTS, FittedFsrs6, memory_states, retrievability
from seqsci.domains.memory.baselines.fsrs_optimizer import OptimisedFsrs6, training_set
from seqsci.domains.memory.baselines.half_life import LONGEST, HalfLife
from seqsci.domains.memory.baselines.half_life_regression import (
    Criterion,
    HalfLifeRegression,
    Likelihood,
    OriginalLoss,
    SharedHalfLifeRegression,
    features,
)
from seqsci.domains.memory.baselines.histories import log_loss, outcomes, scored
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.domains.memory.baselines.moving_average import EstimatedMovingAverage, FittedMovingAverage, MovingAverage
from seqsci.domains.memory.baselines.sm2 import SM2, CalibratedSM2, intervals, intervals_before
from seqsci.errors import DataError, MissingExtraError, ParameterError
from tests.memory_histories import before, frame_of, simulated

HISTORY = simulated(60, 7, 1)
MANY = simulated(1500, 8, 3)


# --- moving average ---
def test_the_moving_average_steps_by_a_share_of_each_surprise() -> None:
    frame = frame_of([[(0.1, 3), (1.1, 1), (1.2, 3), (4.3, 3)], [(0.2, 2), (2.2, 4)]])
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    x1 = 1.2 + 0.3 * (0 - sigmoid(1.2))  # day 1: failed
    x2 = x1 + 0.3 * (1 - sigmoid(x1))  # day 2, the other card: recalled
    found = MovingAverage().fit(frame).predict(frame)
    assert found[[1, 2, 3, 5]] == pytest.approx(sigmoid(np.array([1.2, x1, x2, x1])), abs=1e-15)


def test_the_fitted_moving_average_beats_the_published_values_on_its_training_rows() -> None:
    loss = []
    for predictor in (EstimatedMovingAverage(), MovingAverage()):
        rows = scored(HISTORY)
        loss.append(log_loss(outcomes(HISTORY)[rows], predictor.fit(HISTORY).predict(HISTORY)[rows]))
    assert loss[0] < loss[1]


def test_the_fitted_moving_average_finds_a_rate_near_zero_where_recall_does_not_move() -> None:
    found = EstimatedMovingAverage().fit(simulated(500, 6, 4, lambda grades, days: 0.7)).values()
    assert found["rate"] < 0.1 and found["start"] == pytest.approx(np.log(0.7 / 0.3), abs=1.0)


@pytest.mark.parametrize(("start", "rate"), [(np.nan, 0.3), (1.2, -0.1)])
def test_a_moving_average_that_cannot_run_is_refused(start: float, rate: float) -> None:
    with pytest.raises(ParameterError):
        MovingAverage(start, rate)


def test_the_default_of_the_fitted_moving_average_is_the_published_one() -> None:
    kept = EstimatedMovingAverage().or_default().fit(HISTORY[:0])
    assert kept.chosen == FittedMovingAverage(1.2, 0.3)


# --- half-lives ---
def test_a_simulated_half_life_is_recovered() -> None:
    frame = simulated(1500, 6, 2, lambda grades, days: 2 ** (-days / 9.0))
    assert HalfLife(exact=True).fit(frame).half_life == pytest.approx(9.0, rel=0.05)


def test_the_half_life_of_two_reviews_at_one_gap_has_its_closed_form() -> None:
    frame = frame_of([[(0.1, 3), (3.1, 3)], [(0.1, 3), (3.2, 3)], [(0.1, 3), (3.3, 1)]])
    assert HalfLife().fit(frame).half_life == pytest.approx(-3 / np.log2(2 / 3), rel=1e-6)


def test_a_user_who_never_forgets_has_the_longest_half_life() -> None:
    assert HalfLife().fit(frame_of([[(0.1, 3), (3.1, 3), (9.1, 3)]])).half_life == pytest.approx(LONGEST)


def test_simulated_weights_of_half_life_regression_are_recovered() -> None:
    found = HalfLifeRegression(exact=True, ridge=1e-3).fit(MANY).weights
    assert found == pytest.approx([1.0, 1.2, -0.4], abs=0.25)


def test_half_life_regression_is_a_complementary_log_log_model_of_forgetting() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rows = scored(HISTORY)
    x, lost = features(HISTORY)[rows], 1 - outcomes(HISTORY)[rows]
    offset = np.log(HISTORY["elapsed_days"].to_numpy()[rows] * np.log(2))
    glm = sm.GLM(lost, -x * np.log(2), family=sm.families.Binomial(link=sm.families.links.CLogLog()), offset=offset).fit(tol=1e-12)
    assert HalfLifeRegression(ridge=1e-9).fit(HISTORY).weights == pytest.approx(glm.params, abs=1e-4)


@pytest.mark.parametrize("criterion", [Likelihood(), OriginalLoss()], ids=lambda c: type(c).__name__)
def test_the_slope_of_a_criterion_is_its_derivative(criterion: Criterion) -> None:
    doublings, days, recalled = np.array([-1.0, 0.5, 2.0, 6.0]), np.array([1.0, 0.2, 7.0, 30.0]), np.array([1.0, 0.0, 0.0, 1.0])
    slope, h = criterion.loss(doublings, days, recalled)[1], 1e-6
    for k in range(4):
        step = h * np.eye(4)[k]
        up, down = (criterion.loss(doublings + s, days, recalled)[0] for s in (step, -step))
        assert slope[k] == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-5)


def test_the_original_loss_is_the_papers_sum() -> None:
    value, _ = OriginalLoss().loss(np.array([2.0]), np.array([3.0]), np.array([0.6]))
    assert value == pytest.approx((0.6 - 2 ** (-3 / 4)) ** 2 + 0.01 * (4 - 3 / -np.log2(0.6)) ** 2)


def test_more_reviews_of_one_kind_change_the_half_life_only_through_the_counts() -> None:
    frame = frame_of([[(0.1, 3), (1.1, 1), (5.1, 3)], [(0.1, 1), (3.1, 3), (9.1, 3)]])
    half_lives = HalfLifeRegression().fit(HISTORY).half_lives(frame)
    assert half_lives[2] == pytest.approx(half_lives[5]) and half_lives[0] == pytest.approx(half_lives[3])


def test_a_prior_from_others_pulls_a_user_with_few_reviews() -> None:
    few = frame_of([[(0.1, 3), (1.1, 3), (2.1, 1)]])
    shared = SharedHalfLifeRegression(HalfLifeRegression(exact=True)).given_others(MANY)
    assert isinstance(shared, KeepDefault)
    centre = shared.default.fit(few).values()
    assert list(centre.values()) == pytest.approx([1.0, 1.2, -0.4], abs=0.25)
    assert list(shared.fitted.fit(few).values().values()) == pytest.approx(list(centre.values()), abs=1.5)


def test_half_life_regression_needs_a_ridge() -> None:
    with pytest.raises(ParameterError):
        HalfLifeRegression(ridge=0.0)


# --- SM-2 ---
def test_sm2_gives_the_intervals_worked_by_hand() -> None:
    #        day 0: good        day 1: hard         day 7: easy        day 22: again  23: good  24: again, good the same day
    card = [(0.1, 3), (1.1, 2), (7.1, 4), (22.1, 1), (23.1, 3), (29.1, 1), (29.2, 3), (30.1, 3)]
    interval, ease = intervals(frame_of([card]))
    # I(1) = 1, I(2) = 6; EF = 2.5, 2.36 (hard), 2.46 (easy): I(3) = ceil(6 * 2.46) = 15; failed: 1; then 6; failed: 1; repeated: no change
    assert interval.tolist() == [1, 6, 15, 1, 6, 1, 1, 6]
    assert ease == pytest.approx([2.5, 2.36, 2.46, 2.46, 2.46, 2.46, 2.46, 2.46])


def test_sm2_never_lowers_the_ease_below_its_least() -> None:
    interval, ease = intervals(frame_of([[(float(d) + 0.1, 2) for d in range(12)]]))
    assert ease[-1] == 1.3 and interval[2] == np.ceil(6 * (2.5 - 3 * 0.14))


def test_sm2_sees_recall_fall_to_nine_tenths_at_its_interval() -> None:
    frame = frame_of([[(0.1, 3), (1.1, 3), (7.1, 3), (19.1, 3)]])
    assert intervals_before(frame).tolist() == [1, 1, 6, 15]
    assert SM2().fit(frame).predict(frame)[1:] == pytest.approx([0.9, 0.9, 0.9 ** (12 / 15)])


def test_the_calibrated_curve_is_the_logistic_regression_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rows = scored(MANY)
    x = np.column_stack([np.ones(len(rows)), np.log(MANY["elapsed_days"].to_numpy()[rows]), np.log(intervals_before(MANY)[rows])])
    expected = sm.Logit(outcomes(MANY)[rows], x).fit(disp=0).params
    assert CalibratedSM2().fit(MANY).coefficients == pytest.approx(expected, abs=2e-3)


# --- FSRS-6 ---
def test_fsrs_recall_is_nine_tenths_after_its_stability() -> None:
    assert retrievability(np.array([0.0, 7.0]), np.array([7.0, 7.0]), 0.1542) == pytest.approx([1.0, 0.9])


def whole_day_log(seed: int) -> pd.DataFrame:
    """Reviews at noon and minutes later, so that study days and spans of 24 hours count alike."""
    rng = np.random.default_rng(seed)
    cards = []
    for _ in range(40):
        day, minutes, card = int(rng.integers(0, 30)), 0, []
        for _ in range(int(rng.integers(2, 12))):
            card.append((day + 0.5 + minutes / 1440, int(rng.integers(1, 5))))
            gap = int(rng.choice([0, 1, 3, 20, 300]))
            day, minutes = day + gap, minutes + 1  # later each time: a day is never a minute short
        cards.append(card)
    return frame_of(cards)


@pytest.mark.parametrize("seed", [0, 1])
def test_fsrs_states_are_those_of_py_fsrs(seed: int) -> None:
    fsrs = pytest.importorskip("fsrs")
    rng = np.random.default_rng(seed)
    w = np.array(DEFAULTS) * (1 if seed == 0 else rng.uniform(0.8, 1.05, 21))
    w[7] += 0.02 * seed  # a reversion that is seen
    frame = whole_day_log(seed)
    recall, stability, difficulty = memory_states(frame, w)
    scheduler = fsrs.Scheduler(parameters=tuple(w.tolist()), enable_fuzzing=False)
    epoch = datetime(2020, 1, 1, tzinfo=UTC)
    for _, rows in frame.groupby("card_id"):
        card = fsrs.Card()
        for at, time, grade in zip(rows.index, rows["review_time"], rows["grade"], strict=True):
            now = epoch + timedelta(milliseconds=int(time))
            if at != rows.index[0]:
                assert recall[at] == pytest.approx(scheduler.get_card_retrievability(card, now), abs=1e-9)
            card, _ = scheduler.review_card(card, fsrs.Rating(int(grade)), now)
            assert stability[at] == pytest.approx(min(card.stability, 36500.0), rel=1e-9)
            assert difficulty[at] == pytest.approx(card.difficulty, abs=1e-9)
            card.stability = min(card.stability, 36500.0)  # the bound of fsrs-optimizer


def test_fsrs_refuses_parameters_of_another_version() -> None:
    with pytest.raises(ParameterError, match="19 numbers"):
        FittedFsrs6(DEFAULTS[:19])


# --- fsrs-optimizer ---
def test_the_optimisers_rows_hold_the_whole_history_of_the_card() -> None:
    frame = frame_of([[(0.1, 3), (0.2, 1), (1.1, 3), (1.2, 2), (4.1, 1)], [(0.1, 2), (9.1, 4)]])
    found = training_set(frame)
    assert found["r_history"].tolist() == ["3,1", "3,1,3,2", "2"]
    assert found["t_history"].tolist() == ["0,0", "0,0,1,0", "0"]
    assert found["delta_t"].tolist() == [1, 3, 9] and found["i"].tolist() == [2, 3, 2] and found["y"].tolist() == [1, 0, 1]


def test_without_the_package_the_error_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsrs_optimizer", None)
    monkeypatch.delitem(__import__("sys").modules, "fsrs_optimizer.fsrs_optimizer", raising=False)
    with pytest.raises(MissingExtraError, match=r"needs fsrs-optimizer, which is not installed: pip install 'seqsci\[fsrs\]'") as found:
        OptimisedFsrs6().fit(HISTORY)
    assert "\n" not in str(found.value)
    with pytest.raises(MissingExtraError):
        OptimisedFsrs6().or_default().fit(HISTORY)


needs_package = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("fsrs_optimizer") is None, reason="fsrs-optimizer is not installed"
)


@needs_package
def test_the_optimiser_fits_better_than_the_defaults_and_twice_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    train = simulated(250, 7, 8)
    first, again = OptimisedFsrs6().fit(train), OptimisedFsrs6().fit(train)
    assert first == again and first.parameters != DEFAULTS
    rows = scored(train)
    fitted, default = (log_loss(outcomes(train)[rows], f.predict(train)[rows]) for f in (first, FittedFsrs6()))
    assert fitted < default
    assert OptimisedFsrs6(recency=True).fit(train) != first
    assert capfd.readouterr() == ("", "")


@needs_package
def test_our_forward_pass_is_that_of_the_optimiser() -> None:
    import torch
    from fsrs_optimizer import fsrs_optimizer as package

    package.Optimizer()
    collection = package.Collection(list(DEFAULTS))
    recall = memory_states(HISTORY, DEFAULTS)[0][scored(HISTORY)]
    for p, row in zip(recall, training_set(HISTORY).itertuples(), strict=True):
        stability = float(collection.predict(row.t_history, row.r_history)[0])
        theirs = package.power_forgetting_curve(row.delta_t, stability, -DEFAULTS[20])
        assert p == pytest.approx(theirs, abs=1e-5)
    assert torch.get_default_dtype() == torch.float32


@needs_package
def test_the_optimiser_leaves_warnings_and_the_folder_as_they_were(tmp_path, monkeypatch) -> None:
    import warnings

    monkeypatch.chdir(tmp_path)
    filters = list(warnings.filters)
    OptimisedFsrs6().fit(before(HISTORY, 0.9))
    assert warnings.filters == filters and not list(tmp_path.iterdir())


@needs_package
def test_the_optimiser_refuses_histories_that_it_would_drop() -> None:
    frame = frame_of([[(0.1 + d, 3) for d in range(4)]])
    with pytest.raises(DataError, match="fsrs-optimizer cannot start"):
        OptimisedFsrs6().fit(frame.assign(scored=[0, 0, 1, 1]))
