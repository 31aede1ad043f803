"""Backtests of recall: same rows for all, no look ahead, honest tables; on simulated reviews."""

from __future__ import annotations

import doctest
import importlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

from seqsci.domains.memory.bins import bin_codes, exposure, rmse_bins
from seqsci.domains.memory.evaluation import MARGIN, ONLINE, calibration, compare, difference, user_scores
from seqsci.domains.memory.folds import Split
from seqsci.domains.memory.outliers import KeepAll, OptimizerOutliers, TrainingOutliers, outlying_cards
from seqsci.domains.memory.protocol import FittedRecall, RecallBacktest, RecallPredictor, run
from seqsci.domains.memory.srs_benchmark import write_results
from seqsci.errors import ArtefactError, DataError
from seqsci.evaluate.binary_scores import log_loss
from tests.memory_laws import DAY, derived, simulated, time_contract_faults


@dataclass(frozen=True)
class FittedShare(FittedRecall):
    share: float

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.where(rows["review"] == 0, np.nan, self.share)

    def values(self) -> dict[str, float]:
        return {"share": self.share}


@dataclass(frozen=True)
class Share(RecallPredictor):
    """The share recalled among the scored training rows, or a stated one."""

    name: str = "share"
    parameters: int = 1
    stated: float | None = None

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return FittedShare(float(train.loc[train["scored"] == 1, "recalled"].mean()) if self.stated is None else self.stated)


@dataclass(frozen=True)
class ByDays(RecallPredictor):
    """Recall that falls with the elapsed days handed in."""

    name: str = "by days"
    parameters: int = 0
    half_life: float = 30.0

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        half_life = self.half_life

        class Fitted(FittedRecall):
            def predict(self, rows: pd.DataFrame) -> np.ndarray:
                return np.where(rows["review"] == 0, np.nan, 2.0 ** (-rows["elapsed_days"] / half_life))

        return Fitted()


@dataclass(frozen=True)
class Leaky(RecallPredictor):
    """Reads something that it must not."""

    what: str
    name: str = "leaky"
    parameters: int = 0

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        what = self.what

        class Fitted(FittedRecall):
            def predict(self, rows: pd.DataFrame) -> np.ndarray:
                y = rows["recalled"].astype(float)
                if what == "own outcome":
                    p = 0.4 + 0.2 * y
                elif what == "mean of all":
                    p = pd.Series(y.mean(), index=rows.index)
                elif what == "next of card":
                    p = 0.4 + 0.2 * y.groupby(rows["card_id"]).shift(-1).fillna(0.0)
                elif what == "other cards":
                    order = np.argsort(rows["review_time"].to_numpy(), kind="stable")
                    p = pd.Series(0.5, index=rows.index)
                    p.iloc[order] = 0.4 + 0.2 * y.iloc[order].shift(1).fillna(0.0).to_numpy()
                elif what == "first review":
                    return np.full(len(rows), 0.5)
                else:
                    rows["recalled"] = 1
                    p = pd.Series(0.5, index=rows.index)
                return np.where(rows["review"] == 0, np.nan, p)

        return Fitted()


@dataclass(frozen=True)
class Online(RecallPredictor):
    """The outcome of the user's row before."""

    name: str = "row before"
    parameters: int = 0

    @property
    def online(self) -> bool:
        return True

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return Leaky("other cards").fit(train)


@dataclass(frozen=True)
class Refuses(RecallPredictor):
    name: str = "refuses"
    parameters: int = 0
    result: float | None = None

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        if self.result is None:
            raise DataError("there is no winter in these data\n  got: summer")
        return FittedShare(self.result)


@pytest.mark.parametrize("name", ["bins", "outliers", "protocol", "evaluation", "srs_benchmark"])
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"seqsci.domains.memory.{name}")).failed == 0


FRAME = simulated(users=3, cards=25, reviews=10)


def backtest(*predictors: RecallPredictor, frame: pd.DataFrame = FRAME, **options: object) -> RecallBacktest:
    return run(predictors, frame, outliers=options.pop("outliers", KeepAll()), **options)  # type: ignore[arg-type]


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
    assert exact.exact and not whole.exact


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
            return FittedShare(0.5)

    frame = simulated(users=1, cards=200, reviews=5)
    every = run([Watching()], frame, outliers=TrainingOutliers()).predictions
    assert set(every.index) == set(run([Share()], frame, outliers=KeepAll()).predictions.index)
    assert 0 < len(run([Share()], frame, outliers=OptimizerOutliers()).predictions) < len(every)
    for train in trained:
        gone = outlying_cards(frame.loc[train.index])
        assert ((train["scored"] == 1) == ((frame.loc[train.index, "scored"] == 1) & ~gone)).all()
        assert (train["scored"] == 1).any() and (train["scored"] != frame.loc[train.index, "scored"]).any()


def test_weighted_scores_are_those_of_all_rows_and_means_those_of_users() -> None:
    test = backtest(Share(), ByDays())
    rows = log_loss(test.predictions["y"].to_numpy(), test.predictions["by days"].to_numpy())
    row = compare(test, "share", tried=2).score("by days")
    assert row.weighted["log_loss"] == pytest.approx(rows.mean())
    assert row.mean["log_loss"] == pytest.approx(pd.Series(rows).groupby(test.predictions["user"].to_numpy()).mean().mean())
    assert user_scores(test, "by days")["rows"].sum() == len(rows)
    assert sum(r.rows for r in calibration(test, "by days")) == len(rows)


def test_a_predictor_against_itself_is_equivalent_and_a_bad_one_worse() -> None:
    test = backtest(Share(), Share("again"), Share("off", 0, 0.3), frame=simulated(users=4, cards=30, reviews=12, seed=1))
    found = compare(test, "share", tried=3)
    assert found.verdict("again") == "equivalent within 0.003"
    assert found.verdict("off") == "worse" and found.difference("off").won == 0
    summary = str(found).split("against share, by log loss:")[1].splitlines()
    assert [line.split(":")[1].strip() for line in summary if "worse:" in line] == ["off"] * 3
    assert [line.split(":")[1].strip() for line in summary if "equivalent" in line] == ["again"] * 3
    assert difference(test, "share", "off").widest.verdict(MARGIN) == "better"


def test_one_user_says_nothing_about_others() -> None:
    test = backtest(Share(), Share("off", 0, 0.6), frame=FRAME[FRAME["user"] == 0])
    found = compare(test, "share", tried=2).difference("off")
    assert found.beyond is None and found.per_user is None and found.widest is found.here
    assert str(compare(test, "share", tried=2))


def test_online_predictors_are_marked_and_never_ranked_with_schedulers() -> None:
    test = backtest(Share(), Online(), Share("off", 0, 0.3))
    found = compare(test, "share", tried=40)
    assert [d.model for d in found.online] == ["row before"] and [d.model for d in found.differences] == ["off"]
    assert found.verdict("row before") == ONLINE and bool(found.to_frame().loc["row before", "online"])
    ranked = str(found).split("Online predictors minus share")[0].split("Paired differences")[1]
    assert "row before" not in ranked
    with pytest.raises(DataError, match="not a reference"):
        compare(test, "row before", tried=1)


def test_a_comparison_prints_what_was_tried_and_what_the_rows_are_and_travels_as_json() -> None:
    test = backtest(Share(), Share("off", 0, 0.3), Online(), Refuses(), label="confirmation")
    found = compare(test, "share", tried=41, note="the default of something was chosen on these rows")
    page = str(found)
    for text in ("41 models were tried", "confirmation data", "not compared: refuses", "KeepAll", "whole days", "chosen on these rows"):
        assert text in page
    table = json.loads(found.to_json())
    assert table["tried"] == 41 and table["label"] == "confirmation" and [d["model"] for d in table["differences"]] == ["off", "row before"]
    assert table["scores"][1]["line"] is None or isinstance(table["scores"][1]["line"]["slope"]["value"], float)
    assert list(found.to_frame().index) == ["share", "off", "row before"]


def test_result_files_have_the_benchmarks_layout(tmp_path: Path) -> None:
    test = backtest(Share(), ByDays())
    lines = [json.loads(line) for line in write_results(test, "share", tmp_path / "result").read_text().splitlines()]
    assert [line["user"] for line in lines] == [0, 1, 2]
    for line in lines:
        rows = test.predictions[test.predictions["user"] == line["user"]]
        assert line["size"] == len(rows) and set(line["metrics"]) == {"RMSE", "LogLoss", "RMSE(bins)", "AUC"}
        assert line["metrics"]["LogLoss"] == pytest.approx(log_loss(rows["y"], rows["share"]).mean(), abs=1e-6)
        assert line["metrics"]["RMSE"] == pytest.approx(np.sqrt(np.square(rows["y"] - rows["share"]).mean()), abs=1e-6)
        last = rows[rows["fold"] == 4]["share"].iloc[0]
        assert line["parameters"] == {"0": [pytest.approx(last, abs=1e-6)]}
    assert "parameters" not in json.loads(write_results(test, "by days", tmp_path).read_text().splitlines()[0])
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(DataError, match="no such predictor"):
        write_results(test, "shre", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError):
        write_results(test, "share", tmp_path / "file" / "sub")
