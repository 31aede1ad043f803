"""What a run reads beside counts, and files that are nearly right: each is refused or told in words that a user can follow there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.ecology.configured import read_table
from seqsci.domains.ecology.models import covariate_capacity, harvested
from seqsci.domains.ecology.prepared import check_inputs, prepare, to_sequences
from seqsci.domains.ecology.reading.table import read_counts
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.errors import DataError
from tests.test_commands import refused, spoken

ONE = Population().frame(HISTORIES["const"], years=30, sites=1, seed=3)[["year", "count"]].round(1)
FIT = ("fit", "--config", "ecology/counts", "--no-report", "--no-compare")
HARVEST = ("--model", "harvested", "--data.effort_column", "effort", "--data.catch_column", "catch")
RAIN = ("--model", "covariate_capacity", "--data.covariate_column", "rain")


def written(path: Path, frame: pd.DataFrame, **more: object) -> Path:
    frame.to_csv(path, index=False, **more)  # type: ignore[call-overload]
    return path


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (ONE.assign(effort=2.0, catch=[1.0] * 29 + [-4.0]), HARVEST, ("a catch is negative", "-4 in series 'series', year 2009")),
        (ONE.assign(rain=3.0), RAIN, ("the covariate of K does not vary", "3 in every year", "--data.covariate_column")),
        (
            ONE.assign(rain=np.where(ONE["year"] == 1990, np.nan, ONE["year"])),
            RAIN,
            ("missing within the years that are fitted", "capacity_covariate in 1990", "begin the series after the gap"),
        ),
        (ONE.head(1), (), ("too few counts for a fit", "12 counted years at least", "add years, or series")),
        (ONE.head(8), (), ("too few counts for a fit", "got:      8")),
        (ONE.assign(year=ONE["year"].astype(str) + "-06-30"), (), ("years are dates", "1980-06-30", "keep the year alone, as 1980")),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_fix_that_a_user_can_follow(
    frame: pd.DataFrame, options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refused(capsys, *FIT, "--data", written(tmp_path / "bad.csv", frame), "--out", tmp_path / "runs", *options)
    assert all(w in text for w in words), text
    assert "forecast year" not in text and "min_rows" not in text and "horizon" not in text


def test_a_table_with_semicolons_or_tabs_or_a_wide_one_with_dates_says_so(tmp_path: Path) -> None:
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        path = written(tmp_path / "other.csv", ONE, sep=mark)
        for read in (lambda p: read_table(str(p), {}), read_counts):
            with pytest.raises(DataError, match=f"separated by {name}") as caught:
                read(path)
            assert "write.csv(" in str(caught.value)
    wide = pd.DataFrame({"date": ONE["year"].astype(str) + "-01-01", "wolf": ONE["count"]})
    with pytest.raises(DataError, match="keep the year alone, as 1980"):
        read_table(str(written(tmp_path / "wide.csv", wide)), {})


def test_a_catch_above_the_count_is_counted_and_named_and_one_below_is_not() -> None:
    frame = ONE.assign(series_id="a", effort=1.0, catch=np.where(ONE["year"] >= 2008, 1e4, 1.0))
    (told,) = check_inputs(harvested(), prepare(frame).rows)
    assert "above the count in 2 years, the first 2008 in series 'a': 10000 of" in told
    assert check_inputs(harvested(), prepare(frame.assign(catch=1.0)).rows) == []


def test_a_covariate_may_stand_still_in_one_series_of_several() -> None:
    two = Population().frame(HISTORIES["const"], years=20, sites=2, seed=3)
    moving = two.assign(capacity_covariate=np.where(two["series_id"] == "site_01", 1.0, two["year"] % 7))
    assert check_inputs(covariate_capacity(), prepare(moving).rows) == []
    with pytest.raises(DataError, match="every year of a series"):
        check_inputs(covariate_capacity(), prepare(two.assign(capacity_covariate=1.0)).rows)
    with pytest.raises(DataError, match=r"in 1985 \(series 'site_02'\)"):
        hole = moving.assign(capacity_covariate=moving["capacity_covariate"].where((two["year"] != 1985) | (two["series_id"] == "site_01")))
        to_sequences(covariate_capacity(), prepare(hole).rows)


def test_a_forecast_goes_on_with_the_usual_survey_error_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = np.where(ONE["year"] < 2000, 0.4, np.where(ONE["year"] < 2005, 0.1, 0.2))
    data = written(tmp_path / "se.csv", ONE.assign(se=error))
    out = spoken(capsys, *FIT, "--data", data, "--data.observation_sd_column", "se", "--horizon", "3", "--out", tmp_path / "runs")[0]
    assert "note: forecast.csv: observation_sd of future years is taken as the median of its last 10 values: series 0.15" in out
    assert pd.read_csv(next((tmp_path / "runs").iterdir()) / "forecast.csv")["year"].tolist() == [2010, 2011, 2012]


def test_a_forecast_never_guesses_a_catch_and_says_where_to_put_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = ONE.assign(effort=2.0, catch=1.0)
    options = ("--horizon", "2", *HARVEST)
    out = spoken(capsys, *FIT, "--data", written(tmp_path / "a.csv", frame), "--out", tmp_path / "a", *options)[0]
    assert "no forecast.csv" in out and "catch in 2010 to 2011 (series 'series')" in out
    assert "append rows of these years with an empty count and this value to the CSV" in out
    ahead = pd.DataFrame({"year": [2010, 2011], "count": [None, None], "catch": [0.0, 2.0]})
    longer = written(tmp_path / "b.csv", pd.concat([frame, ahead]))
    out = spoken(capsys, *FIT, "--data", longer, "--out", tmp_path / "b", *options)[0]
    assert "no forecast.csv" not in out and "effort of future years is taken as the median of its last 10 values: series 2" in out
    assert pd.read_csv(next((tmp_path / "b").iterdir()) / "forecast.csv")["year"].tolist() == [2010, 2011]


def test_a_state_of_which_nothing_is_known_yet_has_no_filtered_value_and_an_infinite_sd(tmp_path: Path) -> None:
    from seqsci.domains.ecology.models import smooth_capacity
    from seqsci.estimation.maximum_likelihood import MaximumLikelihood
    from seqsci.rundir import write_fit

    fit = MaximumLikelihood(min_rows=12, profile_bounds=False).fit(
        smooth_capacity(), to_sequences(smooth_capacity(), prepare(ONE.assign(series_id="a")).rows)
    )
    write_fit(tmp_path, fit)
    table = pd.read_csv(tmp_path / "states.csv")
    name = next(c for c in table if c.startswith("filtered_") and "slope" in c and not c.endswith("_sd"))
    assert np.isnan(table[name][0]) and np.isinf(table[f"{name}_sd"][0]) and np.isfinite(table[name][2:]).all()
    last = table.iloc[-1]  # in the last year nothing more will be known
    assert last["filtered_signal"] == pytest.approx(last["smoothed_signal"]) and last["filtered_signal"] != last["location"]
