"""Backtests of recall: same rows for all, no look ahead; on simulated reviews."""

from __future__ import annotations

import doctest
import importlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

from seqsci.domains.memory.backtest.evaluation import compare
from seqsci.domains.memory.backtest.folds import Split
from seqsci.domains.memory.backtest.outliers import KeepAll
from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor, run
from seqsci.errors import DataError
from tests.memory_laws import time_contract_faults
from tests.memory_predictors import FRAME, ByDays, Leaky, Online, Refuses, Share, backtest


@pytest.mark.parametrize("name", ["bins", "outliers", "protocol", "evaluation", "srs_benchmark"])
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"seqsci.domains.memory.backtest.{name}")).failed == 0


@pytest.mark.parametrize("rows", [6, 7, 23, 60, 61, 65])
def test_folds_are_those_of_scikit_learn(rows: int) -> None:
    theirs = [test for _, test in TimeSeriesSplit(5).split(np.zeros(rows))]
    assert [list(range(rows)[s]) for s in Split(5).tests(rows)] == [t.tolist() for t in theirs]
    with pytest.raises(DataError, match="too few rows"):
        Split(5).tests(5)


def test_test_rows_follow_all_training_rows_and_cover_the_rest_once() -> None:
    seen: list[tuple[float, int]] = []

    @dataclass(frozen=True)
    class Watching(RecallPredictor):
        name: str = "watching"
        parameters: int = 0

        def fit(self, train: pd.DataFrame) -> FittedRecall:
            last = train["review_time"].max()

            class Fitted(FittedRecall):
                def predict(self, rows: pd.DataFrame) -> np.ndarray:
                    seen.append((last, rows["review_time"].max()))
                    assert set(train.index) <= set(rows.index)
                    return np.where(rows["review"] == 0, np.nan, 0.5)

            return Fitted()

    test = backtest(Watching())
    table = test.predictions
    for (user, fold), (last, end) in zip(table.groupby(["user", "fold"]).groups, seen, strict=True):
        times = table[(table["user"] == user) & (table["fold"] == fold)]["review_time"]
        assert last < times.min() and times.max() == end
    for user, rows in FRAME[FRAME["scored"] == 1].groupby("user"):
        tested = table[table["user"] == user]
        assert tested.index.is_unique and len(tested) == 5 * (len(rows) // 6)
        assert set(tested.index) == set(rows.sort_values("review_time").index[-len(tested) :])
    assert (table["y"] == FRAME.loc[table.index, "recalled"]).all()


def test_same_day_and_first_reviews_are_never_tested() -> None:
    rows = FRAME.loc[backtest(Share()).predictions.index]
    assert (FRAME["same_day"] == 1).any()
    assert (rows["same_day"] == 0).all() and (rows["review"] > 0).all()


def test_forecasts_are_the_same_in_several_processes_and_whoever_else_is_run() -> None:
    one, many = backtest(Share()), backtest(ByDays(), Share(), n_jobs=2)
    pd.testing.assert_series_equal(one.predictions["share"], many.predictions["share"])
    assert list(many.predictions.columns) == ["user", "card_id", "review_time", "fold", "y", "by days", "share"]


def test_fractional_days_change_forecasts_but_neither_rows_nor_bins() -> None:
    whole, exact = backtest(ByDays()), backtest(ByDays(), exact=True)
    assert not np.allclose(whole.predictions["by days"], exact.predictions["by days"])
    days = FRAME.loc[exact.predictions.index, "elapsed_days_exact"]
    np.testing.assert_allclose(exact.predictions["by days"], 2.0 ** (-days / 30.0))
    pd.testing.assert_frame_equal(whole.context, exact.context)
    assert exact.rules.exact and not whole.rules.exact


def test_a_predictor_that_refuses_is_left_out_with_its_reason_unless_it_is_the_first() -> None:
    test = backtest(Share(), Refuses(), Refuses("beyond one", 0, 1.5), Refuses("not a number", 0, np.nan))
    assert list(test.ran) == ["share"] and "winter" in test.skipped["refuses"] and "user 0" in test.skipped["refuses"]
    assert "not a probability" in test.skipped["beyond one"] and "not a probability" in test.skipped["not a number"]
    with pytest.raises(DataError, match="winter"):
        backtest(Refuses(), Share())


def test_a_prior_is_learned_from_the_other_users_alone() -> None:
    given: list[set[object]] = []

    @dataclass(frozen=True)
    class Pooled(RecallPredictor):
        name: str = "pooled"
        parameters: int = 0

        def fit(self, train: pd.DataFrame) -> FittedRecall:
            raise DataError("no prior")

        def given_others(self, others: pd.DataFrame) -> RecallPredictor:
            given.append(set(others["user"]))
            return Share("prior", 0, float(others["recalled"].mean()))

    test = backtest(Pooled())
    assert given == [{1, 2}, {0, 2}, {0, 1}] or sorted(map(sorted, given)) == [[0, 1], [0, 2], [1, 2]]
    for user, rows in test.predictions.groupby("user"):
        assert np.allclose(rows["pooled"], FRAME[FRAME["user"] != user]["recalled"].mean())


def test_what_is_no_review_frame_is_refused() -> None:
    with pytest.raises(DataError, match="no column day"):
        run([Share()], FRAME.drop(columns="day"))
    with pytest.raises(DataError, match="not in order"):
        run([Share()], FRAME.iloc[::-1])
    with pytest.raises(DataError, match="distinct names"):
        run([Share(), Share()], FRAME)
    with pytest.raises(DataError, match="name of a predictor is that of a column"):
        run([Share("y")], FRAME)
    with pytest.raises(DataError, match="label of the rows"):
        run([Share()], FRAME, label="holdout")
    with pytest.raises(DataError, match=r"no user has enough reviews"):
        run([Share()], FRAME.head(3))


def test_a_user_with_too_few_reviews_is_left_out_by_name() -> None:
    frame = pd.concat([FRAME, FRAME[FRAME["user"] == 0].head(4).assign(user=9)], ignore_index=True)
    test = run([Share()], frame, outliers=KeepAll())
    assert test.users == (0, 1, 2) and test.too_short == (9,)
    pd.testing.assert_frame_equal(test.predictions, backtest(Share()).predictions)
    assert "left out, too few reviews: 9" in str(compare(run([Share()], frame, outliers=KeepAll()), "share", tried=1))


@pytest.mark.parametrize("predictor", [Share(), ByDays(), Online()], ids=lambda p: p.name)
def test_the_time_contract_holds(predictor: RecallPredictor) -> None:
    assert time_contract_faults(predictor, FRAME[FRAME["user"] == 0]) == []


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("own outcome", "from then on"),
        ("mean of all", "from then on"),
        ("next of card", "from then on"),
        ("other cards", "online is False"),
        ("first review", "first review has"),
        ("writes", "handed in is changed"),
    ],
)
def test_a_broken_time_contract_is_found(what: str, fault: str) -> None:
    assert any(fault in f for f in time_contract_faults(Leaky(what), FRAME[FRAME["user"] == 0]))
