"""Comparisons of recall as tables: honest scores and verdicts, and result files; on simulated reviews."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory.backtest.evaluation import MARGIN, ONLINE, calibration, compare, difference, user_scores
from seqsci.domains.memory.backtest.srs_benchmark import write_results
from seqsci.errors import ArtefactError, DataError
from seqsci.evaluate.binary_scores import log_loss
from tests.memory_laws import simulated
from tests.memory_predictors import FRAME, ByDays, Online, Refuses, Share, backtest


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
