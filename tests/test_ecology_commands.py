"""The commands on counts, as a user types them: what a run holds, what is refused and in which words, what R reads."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import seqsci
from seqsci import load_fit
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.estimation.smoother import smooth
from seqsci.registry import names, read_config
from tests.test_commands import refused, spoken

ROOT = Path(seqsci.__file__).parent.parent
COUNTS = Population().frame(HISTORIES["const"], years=30, sites=2, seed=3)[["series_id", "year", "count"]].round(1)
ONE = COUNTS[COUNTS["series_id"] == "site_01"].drop(columns="series_id")
FIT = ("fit", "--config", "ecology/counts", "--no-report")


def written(path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(path, index=False)
    return path


def quick(folder: Path, data: Path, **more: object) -> Path:
    """A configuration with two baselines."""
    table = {"domain": "ecology", "data": {"path": str(data), **more}, "model": "random_walk_capacity"}
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump(table | {"comparison": {"baselines": ["random_walk", "second_order"]}}))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of one series and of two, with what the command wrote."""
    folder = tmp_path_factory.mktemp("ecology")
    one, two = written(folder / "one.csv", ONE), written(folder / "two.csv", COUNTS)
    for data in (one, two):
        seqsci_cli = pytest.importorskip("seqsci.cli")
        seqsci_cli.main(["fit", "--config", str(quick(folder, data)), "--out", str(folder / data.stem), "--no-report"])
    return {data.stem: next((folder / data.stem).iterdir()) for data in (one, two)}


@pytest.fixture
def run(runs: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the run of one series that a test may change."""
    return Path(shutil.copytree(runs["one"], tmp_path / "one-001"))


def columns(path: Path) -> list[str]:
    with path.open(newline="") as stream:
        return next(csv.reader(stream))


def test_a_run_holds_what_the_figures_and_other_programs_read(runs: dict[str, Path]) -> None:
    files = "model.json parameters.csv states.csv flexibility.csv dependence.csv verdict.csv forecast.csv scores.csv differences.csv"
    for folder in runs.values():
        assert {p.name for p in folder.iterdir()} >= {*files.split(), "comparison.txt"}
    assert columns(runs["one"] / "scores.csv") == ["model", "mase", "rmse", "crps", "log_score", "coverage_90", "seconds"]
    text = (runs["two"] / "comparison.txt").read_text()
    assert "18 one-year-ahead forecasts of 2 series" in text and "not compared: bank of two-channel cells" in text


def test_states_of_a_linear_model_are_smoothed_and_those_of_several_series_named(runs: dict[str, Path]) -> None:
    table, fit = pd.read_csv(runs["two"] / "states.csv"), load_fit(runs["two"] / "model.json")
    assert table["series_id"].tolist() == ["site_01"] * 30 + ["site_02"] * 30
    for name, values in smooth(fit).columns().items():
        np.testing.assert_allclose(table[name], values, rtol=1e-9)
    seen, signal = table["log_count"].to_numpy(), table["filtered_signal"].to_numpy()
    gain = (signal - table["location"])[1:30] / (seen - table["location"])[1:30]  # the row's own outcome is in it
    assert ((gain > 0) & (gain <= 1 + 1e-9)).all()
    assert "series_id" not in columns(runs["one"] / "states.csv") and "smoothed_deviation" in columns(runs["one"] / "states.csv")


def test_predict_continues_one_series_and_takes_new_years_in(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = spoken(capsys, "predict", run, "--horizon", 10)
    assert [line.split(",")[1] for line in out.splitlines()[1:]] == [str(y) for y in range(2010, 2020)]
    assert "forecast.csv" in err and "log_count" in err
    later = written(tmp_path / "later.csv", pd.DataFrame({"year": [2010, 2011], "count": [150.0, 160.0]}))
    out, err = spoken(capsys, "predict", run, "--horizon", 1, "--data.path", later)
    assert "2 rows taken in" in err and out.splitlines()[1].split(",")[1] == "2012"
    gap = written(tmp_path / "gap.csv", pd.DataFrame({"year": [2013], "count": [150.0]}))
    assert "2013 after 2009" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", gap)
    whole = written(tmp_path / "whole.csv", pd.concat([ONE, pd.DataFrame({"year": [2013], "count": [150.0]})]))
    assert "4 rows taken in" in spoken(capsys, "predict", run, "--horizon", 1, "--data.path", whole)[1]
    many = written(tmp_path / "many.csv", COUNTS)
    assert "--data.series NAME" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", many)
    zero = written(tmp_path / "zero.csv", pd.DataFrame({"year": [2010, 2011], "count": [0.0, 160.0]}))
    assert "pass the whole series" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", zero)


def test_predict_of_several_series_points_to_their_forecasts(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "predict", runs["two"], "--horizon", 5)
    assert "2 units" in text and f"read {runs['two'] / 'forecast.csv'}" in text and "--data.series" in text


def test_compare_works_on_one_run_and_puts_scores_of_several_in_one_table(
    run: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = pd.read_csv(run / "scores.csv").drop(columns="seconds")
    assert "Paired differences: random-walk K (ours) minus the other" in spoken(capsys, "compare", run)[0]
    pd.testing.assert_frame_equal(pd.read_csv(run / "scores.csv").drop(columns="seconds"), before)
    head = spoken(capsys, "compare", run, runs["two"])[0].splitlines()[0]
    assert all(word in head for word in ("MASE", "CRPS", "log score", "cover 90%"))


def test_show_knows_every_shipped_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (n for n in names() if n.startswith("ecology/")):
        text = spoken(capsys, "show", name)[0]
        assert "share of a deviation from K" in text and "random_walk" in text and read_config(name)["domain"] == "ecology"
        assert r"\text{log capacity}_t = \text{log capacity}_{t-1} + " in text and "cases" not in text  # the state space, not its filter


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (ONE.replace({"count": {ONE["count"].iloc[5]: -3.0}}), (), "1 negative, the first -3 in series 'series', year 1985"),
        (ONE.assign(count=0), (), "every count is zero"),
        (ONE.head(1), (), "12 counted years at least"),
        (ONE.assign(count=7), (), "log_count is constant"),
        (pd.concat([ONE, ONE.tail(1)]), (), "a year occurs twice in a series"),
        (ONE.assign(year=ONE["year"] + 0.5), (), "a year is not a whole number"),
        (ONE.assign(count=["many", *ONE["count"].iloc[1:]]), (), "count holds values that are no numbers"),
        (ONE.assign(year=[*ONE["year"].iloc[:-1], 20090]), (), "is a year mistyped"),
        (ONE, ("--model", "count_slow_channel"), "a count model needs whole numbers"),
        (ONE, ("--data.count_column", "cuont"), "no column 'cuont' (did you mean 'count'?)"),
        (ONE.rename(columns={"year": "yr"}), (), "no column 'year' (did you mean 'yr'?)"),
        (COUNTS.rename(columns={"series_id": "site"}), (), "--data.series_column NAME"),
        (COUNTS.rename(columns={"count": "n"}), (), "--data.count_column"),
        (COUNTS, ("--data.series", "site_3"), "no series 'site_3' (did you mean 'site_0"),
        (ONE, ("--model", "covariate_capacity"), "--data.covariate_column NAME"),
        (
            ONE.assign(z=[np.nan, *range(29)]),
            ("--model", "covariate_capacity", "--data.covariate_column", "z"),
            "capacity_covariate in 1980",
        ),
        (ONE.assign(se=[0.1, np.nan] * 15), ("--data.observation_sd_column", "se"), "15 counted years without one, the first 1981"),
        (ONE.assign(hours=2), ("--data.effort_column", "hours"), "does not read effort"),
    ],
)
def test_bad_counts_are_refused_in_words(
    frame: pd.DataFrame, options: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refused(capsys, *FIT, "--data", written(tmp_path / "bad.csv", frame), "--out", tmp_path / "runs", *options)
    assert words in text
    assert not list((tmp_path / "runs").glob("*")), "a run that failed leaves nothing"


def test_zeros_gaps_disorder_and_wide_tables_are_read_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = ONE["count"].to_numpy().copy()
    count[4] = 0.0
    wide = pd.DataFrame({"Year": ONE["year"], "wolf": count, "moose": np.where(ONE["year"] == 1990, np.nan, 9.0 + count)})
    path = written(tmp_path / "wide.csv", wide.sample(frac=1.0, random_state=1))
    out = spoken(capsys, *FIT, "--no-compare", "--data", path, "--out", tmp_path / "runs")[0]
    assert "2 series, 59 years counted of 60, 1980 to 2009" in out
    assert "zeros: 1" in out and f"wolf {count[count > 0].min() / 2:g}" in out
    states = pd.read_csv(next((tmp_path / "runs").iterdir()) / "states.csv")
    assert states["series_id"].unique().tolist() == ["moose", "wolf"] and states["log_count"].isna().sum() == 1


def test_a_covariate_without_a_value_in_a_forecast_year_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rain = np.sin(np.arange(33.0))
    years = np.arange(1980, 2013)
    frame = pd.DataFrame({"year": years, "count": [*ONE["count"], None, None, None], "rain": rain})
    options = ("--model", "covariate_capacity", "--data.covariate_column", "rain", "--horizon", "3", "--no-compare")
    full = written(tmp_path / "full.csv", frame)
    out = spoken(capsys, *FIT, *options, "--data", full, "--out", tmp_path / "full")[0]
    assert "no forecast.csv" not in out
    run = next((tmp_path / "full").iterdir())
    assert pd.read_csv(run / "forecast.csv")["year"].tolist() == [2010, 2011, 2012]
    gap = written(tmp_path / "gap.csv", frame.assign(rain=np.where(years == 2011, np.nan, rain)))
    out = spoken(capsys, *FIT, *options, "--data", gap, "--out", tmp_path / "gap")[0]
    assert "note: no forecast.csv" in out and "capacity_covariate" in out and "2011" in out
    text = refused(capsys, "predict", run, "--horizon", 2)
    assert "capacity_covariate" in text and "--future" in text


def test_without_the_published_panels_the_message_says_how_to_name_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SEQSCI_DATA", raising=False)
    for name in ("gpdd", "salmon"):
        text = refused(capsys, "fit", "--config", f"ecology/{name}")
        assert "SEQSCI_DATA is not set" in text and "export SEQSCI_DATA" in text


def test_short_series_are_fitted_one_by_one_by_fit_panel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = written(tmp_path / "two.csv", pd.concat([COUNTS, ONE.head(8).assign(series_id="short")]))
    spoken(capsys, "fit-panel", "--config", "ecology/counts", "--data", data, "--out", tmp_path / "runs")
    table = pd.read_csv(next((tmp_path / "runs").iterdir()) / "parameters.csv").set_index("series_id")
    assert (table.loc[["site_01", "site_02"], "status"] == "ok").all() and (table.loc[["site_01", "site_02"], "rows"] == 30).all()
    assert table.loc["short", "status"] != "ok" and "12" in table.loc["short", "reason"]


def test_the_r_example_reads_columns_that_a_run_has(runs: dict[str, Path]) -> None:
    text = (ROOT / "examples" / "read_run.R").read_text()
    assert len(text.splitlines()) <= 60
    code = "\n".join(line.split(" #")[0] for line in text.splitlines() if not line.startswith("#"))
    files = dict(re.findall(r'(\w+) <- read_table\("([\w.]+)"\)', code))
    assert set(files) == {"parameters", "states", "forecast", "along"}
    used = [(files[name], column) for name, column in re.findall(r"\b(\w+)\$(\w+)", code) if name in files]
    used += re.findall(r'read_table\("([\w.]+)"\)\$(\w+)', code)
    used += [("parameters.csv", c) for c in re.findall(r'"(\w+)"', re.search(r"parameters\[, c\((.*?)\)\]", code)[1])]  # type: ignore[index]
    assert len(used) > 20
    named = ("states.csv", "series_id")
    assert named in used and 'if ("series_id" %in% names(states))' in code  # only where there are several series
    for key, run in runs.items():
        for name, column in used if key == "two" else [u for u in used if u != named]:
            assert column in columns(run / name), f"{column} of {name}"
