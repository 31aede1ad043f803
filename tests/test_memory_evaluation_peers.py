"""Rows and RMSE(bins) are those of fsrs-optimizer; on the review logs in SEQSCI_DATA also the numbers measured before."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory.bins import bin_codes, exposure, rmse_bins
from seqsci.domains.memory.evaluation import user_scores
from seqsci.domains.memory.outliers import OptimizerOutliers, TrainingOutliers
from seqsci.domains.memory.protocol import run
from tests.memory_laws import DAY, derived, simulated, six_users
from tests.optimizer_peer import optimizer_rows
from tests.test_memory_evaluation import Share

FILE = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "memory", "anki_6users_reviews.csv.gz")
needs_file = pytest.mark.skipif(not FILE.is_file(), reason="SEQSCI_DATA does not point at a folder with memory/anki_6users_reviews.csv.gz")
needs_peer = pytest.mark.skipif(importlib.util.find_spec("fsrs_optimizer") is None, reason="fsrs-optimizer is not installed")
TESTED = {"A": 17680, "C": 3085, "D": 1725, "E": 805, "F": 390, "G": 460}


def compare_rows(frame: pd.DataFrame, day_start: int) -> int:
    """Compare the rows of one user with fsrs-optimizer's; their number."""
    theirs, rmse = optimizer_rows(frame, day_start)
    kept = frame[(frame["scored"] == 1) & ~OptimizerOutliers().anywhere(frame)]
    shown = exposure(frame).loc[kept.index]
    keys = ["card_id", "review_time"]
    pd.testing.assert_frame_equal(kept[keys].reset_index(drop=True), theirs[keys].reset_index(drop=True), check_dtype=False)
    for ours, other in (("elapsed_days", "delta_t"), ("number", "i"), ("lapses", "lapses")):
        np.testing.assert_array_equal(shown[ours], theirs[other])
    np.testing.assert_array_equal(kept["recalled"], theirs["y"])
    assert rmse_bins(kept["recalled"], theirs["p"], bin_codes(shown)) == pytest.approx(rmse, abs=1e-12)
    return len(kept)


@needs_peer
@pytest.mark.parametrize("day_start", [0, 4, 17])
def test_rows_and_rmse_bins_are_those_of_fsrs_optimizer(day_start: int) -> None:
    frame = simulated(users=1, cards=400, reviews=10, seed=3)
    late = frame["card_id"] % 40 == 7  # a second review so late that the filter takes the card
    moved = frame["review_time"] + np.where(late & (frame["review"] > 0), 150 * DAY, 0)
    raw = frame.assign(review_time=moved)[["user", "card_id", "review_time", "grade", "state", "duration_ms"]]
    frame = derived(raw, day_start)
    assert 500 < compare_rows(frame, day_start) < frame["scored"].sum()


@needs_file
@needs_peer
@pytest.mark.slow
@pytest.mark.parametrize("user", TESTED)
def test_real_rows_and_rmse_bins_are_those_of_fsrs_optimizer(user: str) -> None:
    frame = six_users(FILE)
    starts = pd.read_csv(FILE).groupby("user")["day_start_utc"].first()
    rows = compare_rows(frame[frame["user"] == user], int(starts[user]))
    assert 5 * (rows // 6) == TESTED[user]


@needs_file
def test_test_rows_and_the_constant_are_those_measured_before() -> None:
    test = run([Share()], six_users(FILE))
    assert test.predictions.groupby("user").size().to_dict() == TESTED
    table = user_scores(test, "share")
    assert round(table.loc["C", "log_loss"], 4) == 0.1444
    assert round(float(np.average(table["log_loss"], weights=table["rows"])), 4) == 0.3742
    assert round(float(table["log_loss"].mean()), 4) == 0.3839


@needs_file
def test_without_the_look_ahead_more_rows_are_tested() -> None:
    test = run([Share()], six_users(FILE), outliers=TrainingOutliers())
    assert test.predictions.groupby("user").size().to_dict() == {"A": 17910, "C": 3275, "D": 1785, "E": 925, "F": 415, "G": 510}
