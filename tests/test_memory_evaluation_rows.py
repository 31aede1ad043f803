"""Which rows a backtest of recall is about: bins, and the rules for outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory.backtest.bins import bin_codes, exposure, rmse_bins
from seqsci.domains.memory.backtest.outliers import KeepAll, OptimizerOutliers, TrainingOutliers, outlying_cards
from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor, run
from tests.memory_laws import DAY, derived, simulated
from tests.memory_predictors import FRAME, Fixed, Share


def test_same_day_reviews_count_neither_as_reviews_nor_as_lapses() -> None:
    times = [0, 0.001, 1, 1.001, 4, 9]
    rows = [(1, 1, int(1.6e12 + t * DAY), g, 1, 0) for t, g in zip(times, [1, 1, 1, 1, 3, 3], strict=True)]
    frame = derived(pd.DataFrame(rows, columns=["user", "card_id", "review_time", "grade", "state", "duration_ms"]))
    shown = exposure(frame)
    assert shown["number"].tolist() == [1, 1, 2, 2, 3, 4]
    assert shown["lapses"].tolist() == [0, 0, 0, 1, 1, 1]
    assert frame["lapses"].tolist() == [0, 1, 2, 3, 4, 4]


def test_rmse_bins_is_zero_for_the_share_of_each_bin_and_the_bias_for_a_constant() -> None:
    rows = exposure(FRAME)[FRAME["scored"] == 1]
    y = FRAME.loc[rows.index, "recalled"].to_numpy(float)
    codes = bin_codes(rows)
    share = pd.Series(y).groupby(codes).transform("mean")
    assert len(set(codes)) > 10
    assert rmse_bins(y, share, codes) == pytest.approx(0.0, abs=1e-12)
    assert rmse_bins(y, np.full(y.size, 0.8), np.zeros(y.size, int)) == pytest.approx(abs(y.mean() - 0.8))


def second_reviews(days: list[int], grade: int = 3) -> pd.DataFrame:
    rows = []
    for card, wait in enumerate(days):
        for k, moment in enumerate((0, wait, wait + 5)):
            rows.append((1, card, int(1.6e12) + moment * DAY + card * 1000, grade if k == 0 else 3, 1, 0))
    return derived(pd.DataFrame(rows, columns=["user", "card_id", "review_time", "grade", "state", "duration_ms"]))


def dropped_days(frame: pd.DataFrame) -> set[int]:
    gone = outlying_cards(frame)
    return set(frame[gone & (frame["review"] == 1).to_numpy()]["elapsed_days"].astype(int))


def test_rare_first_intervals_and_very_long_ones_are_outliers() -> None:
    days = [1] * 300 + [2] * 60 + [3] * 5 + [7] * 5 + [150] * 30 + [40] * 11
    assert dropped_days(second_reviews(days)) == {3, 7, 150}  # 10 rare rows; 40 would make 21 of 411, 150 is too long
    assert dropped_days(second_reviews(days, grade=4)) == {3, 7}
    assert dropped_days(second_reviews([1] * 10)) == {1}  # below 20 rows all of them go


def test_all_that_follows_an_outlier_on_its_card_goes_too_and_the_first_review_stays() -> None:
    frame = second_reviews([1] * 300 + [90] * 3)
    gone = outlying_cards(frame)
    cards = set(frame[frame["elapsed_days"] == 90]["card_id"])
    assert (gone == (frame["card_id"].isin(cards) & (frame["review"] > 0))).all()


def test_training_outliers_never_drop_a_test_row_and_know_nothing_of_later_rows() -> None:
    trained: list[pd.DataFrame] = []

    @dataclass(frozen=True)
    class Watching(RecallPredictor):
        name: str = "watching"
        parameters: int = 0

        def fit(self, train: pd.DataFrame) -> FittedRecall:
            trained.append(train)
            return Fixed(0.5)

    frame = simulated(users=1, cards=200, reviews=5)
    every = run([Watching()], frame, outliers=TrainingOutliers()).predictions
    assert set(every.index) == set(run([Share()], frame, outliers=KeepAll()).predictions.index)
    assert 0 < len(run([Share()], frame, outliers=OptimizerOutliers()).predictions) < len(every)
    for train in trained:
        gone = outlying_cards(frame.loc[train.index])
        assert ((train["scored"] == 1) == ((frame.loc[train.index, "scored"] == 1) & ~gone)).all()
        assert (train["scored"] == 1).any() and (train["scored"] != frame.loc[train.index, "scored"]).any()
