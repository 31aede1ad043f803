"""Counts from tables to the one frame and to the panel; bad input is refused in words or counted."""

from __future__ import annotations

import doctest
import importlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import seqsci.domains.ecology
from seqsci.domains.ecology.reading.frame import checked, covariates, integer_counts, regular
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.reading.panel import Selection, count_panel
from seqsci.domains.ecology.reading.sources import famous, gpdd, salmon
from seqsci.domains.ecology.reading.table import CountColumns, long_counts, read_counts, wide_counts
from seqsci.errors import DataError

ROOT = Path(seqsci.domains.ecology.__file__).parent
FOLDER = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "ecology")
needs_files = pytest.mark.skipif(not FOLDER.is_dir(), reason="SEQSCI_DATA does not point at a folder with ecology/")


def frame(count: object, year: object = None, name: str = "a") -> pd.DataFrame:
    values = np.asarray(count, float)
    return pd.DataFrame({"series_id": name, "year": np.arange(1950, 1950 + len(values)) if year is None else year, "count": values})


def test_wide_and_long_tables_of_the_same_counts_are_the_same_frame(tmp_path: Path) -> None:
    wide = pd.DataFrame({"yr": [2001, 2000, 2002], "wolf": [22, 20, 24], "moose": [564.0, np.nan, 572]})
    long = pd.DataFrame({"animal": ["wolf"] * 3 + ["moose"] * 2, "yr": [2000, 2001, 2002, 2001, 2002], "n": [20, 22, 24, 564, 572]})
    one = regular(wide_counts(wide, "yr"))[["series_id", "year", "count"]]
    other = regular(long_counts(long, CountColumns("animal", "yr", "n")))[["series_id", "year", "count"]]
    pd.testing.assert_frame_equal(one, other, check_names=False)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    long.to_csv(tmp_path / "long.csv.gz", index=False)
    for name, columns in (("wide.csv", None), ("long.csv.gz", CountColumns("animal", "yr", "n"))):
        read = regular(read_counts(tmp_path / name, columns))[["series_id", "year", "count"]]
        pd.testing.assert_frame_equal(read, one, check_names=False)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: checked(frame([1, -2, 3])), "1 negative, the first -2 in series 'a', year 1951"),
        (lambda: checked(frame([1, np.inf])), "1 infinite"),
        (lambda: checked(frame([1, 2], [1950, 1950])), "a year occurs twice"),
        (lambda: checked(frame([1, 2], [1950, 1950.5])), "not a whole number"),
        (lambda: checked(frame([1, 2]).rename(columns={"count": "counts"})), "did you mean 'counts'"),
        (lambda: checked(frame([1, 2]).assign(count=["a", "b"])), "no numbers"),
        (lambda: checked(frame([])), "empty"),
        (lambda: regular(frame([np.nan, np.nan])), "without an observed count"),
        (lambda: integer_counts(frame([1, 2.5])), "1 of 2 are not whole, such as 2.5"),
        (lambda: count_panel(frame(np.zeros(30))), "no positive count in the training window"),
        (lambda: count_panel(frame([5.0])), "1 observed training years"),
        (lambda: covariates(frame([1, 2]).assign(rain=[1.0, np.nan]), ["rain"], [1950, 1951]), "rain in 1951"),
        (lambda: covariates(frame([1, 2]), ["rain"], [1950]), "missing covariate 'rain'"),
        (lambda: wide_counts(pd.DataFrame({"year": [1950]}), "year"), "no column of counts"),
        (lambda: wide_counts(pd.DataFrame({"year": [1950]}), "Year"), "did you mean 'year'"),
        (lambda: long_counts(pd.DataFrame({"year": [1950]})), "missing column 'count'"),
        (lambda: read_counts("/nowhere.csv"), "no such file"),
        (lambda: Selection(test_tenths=10), "not usable"),
    ],
)
def test_bad_counts_are_refused_in_words(make: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        make()  # type: ignore[operator]


def test_rows_out_of_order_are_sorted_by_year() -> None:
    assert checked(frame([3, 1, 2], [1952, 1950, 1951]))["count"].tolist() == [1, 2, 3]


def test_missing_years_become_rows_and_ends_without_a_count_are_cut() -> None:
    rows = regular(frame([np.nan, 4, 5, np.nan], [1949, 1950, 1953, 1960]).assign(cluster="x"))
    assert rows["year"].tolist() == [1950, 1951, 1952, 1953] and rows["cluster"].tolist() == ["x"] * 4
    assert np.isnan(rows["count"]).tolist() == [False, True, True, False]


def test_a_zero_is_worth_half_the_smallest_positive_training_count_whatever_comes_later() -> None:
    count = np.r_[0.0, 8.0, np.full(18, 20.0), np.full(8, 30.0)]
    panel = count_panel(frame(count))
    assert panel.zero_value.tolist() == [4.0] and panel.zeros.tolist() == [1]
    assert panel.log_count[0] == np.log(4.0)
    later = count_panel(frame(np.r_[count[:20], np.full(8, 0.1)]))
    assert np.array_equal(later.log_count[:20], panel.log_count[:20])


def test_series_that_do_not_enter_are_named_with_the_reason() -> None:
    sparse = frame(np.arange(1, 21), np.arange(1900, 1960, 3), "sparse")
    panel = count_panel(pd.concat([frame(np.arange(1, 31)), sparse, frame(np.arange(1, 11), name="short")]))
    assert panel.series == ("a",)
    assert panel.refused == {"sparse": "58 years with 20 observed", "short": "7 observed training years, 12 are needed"}
    assert panel.test_rows.tolist() == list(range(21, 30))


def test_the_lynx_counts_are_the_published_ones() -> None:
    counts = lynx()["count"]
    assert len(counts) == 114 and round(counts.mean(), 3) == 1538.018 and counts.iloc[[0, 46, -1]].tolist() == [269, 4254, 3396]


def test_without_the_folder_the_loaders_say_how_to_name_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEQSCI_DATA", raising=False)
    for loader in (gpdd, salmon, famous):
        with pytest.raises(DataError, match="SEQSCI_DATA is not set"):
            loader()
    monkeypatch.setenv("SEQSCI_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no file"):
        salmon()


@needs_files
def test_488_and_135_series_enter_as_published() -> None:
    birds, fish = count_panel(gpdd()), count_panel(salmon())
    assert (len(birds), len(birds.refused), len(set(birds.cluster))) == (488, 4, 77)
    assert np.isfinite(birds.log_count[birds.test_rows]).sum() == 5653
    assert (len(fish), len(fish.refused), len(set(fish.cluster))) == (135, 11, 26)
    assert len({group.split("(")[-1] for group in fish.cluster}) == 25  # Chinook and coho of the Lower Columbia River are two of 26
    assert famous()["series_id"].nunique() == 25


@needs_files
def test_the_lynx_counts_are_those_of_the_database_but_for_one_year() -> None:
    theirs = gpdd().query("series_id == 'gpdd_9371'")
    differ = theirs["count"].to_numpy() != lynx()["count"].to_numpy()
    assert theirs["year"].to_numpy()[differ].tolist() == [1867]


@pytest.mark.parametrize(
    "name", sorted(p.relative_to(ROOT).with_suffix("").as_posix() for p in ROOT.rglob("*.py") if ">>> " in p.read_text())
)
def test_examples_in_docstrings_hold(name: str) -> None:
    module = importlib.import_module("seqsci.domains.ecology." + name.replace("/", "."))
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
