"""Laws of what the finance data refuse, and with which words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from seqsci.domains.finance.data import read_returns
from seqsci.errors import ConfigError, DataError

DAYS = pd.date_range("2020-01-01", periods=300, freq="D")
FOLDER = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "finance")
needs_files = pytest.mark.skipif(not FOLDER.is_dir(), reason="SEQSCI_DATA does not point at a folder with finance/")


def walk(seed: int = 0, rows: int = 300, scale: float = 0.01) -> NDArray[np.float64]:
    """Return positive prices (rows,)."""
    return np.asarray(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, scale, rows))))


def price_frame(names: str = "AB") -> pd.DataFrame:
    """Return wide prices (300, names)."""
    return pd.DataFrame({name: walk(i) for i, name in enumerate(names)}, index=DAYS)


def long_form(wide: pd.DataFrame) -> pd.DataFrame:
    """Return the same numbers in long form."""
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": wide.index, "y": wide[name].to_numpy()}) for name in wide], ignore_index=True)


def refusal(source: Any, kind: Literal["prices", "returns"] = "prices", **options: Any) -> str:
    """Return the text of the DataError, which must have its four parts."""
    with pytest.raises(DataError) as caught:
        read_returns(source, kind=kind, **options)
    text = str(caught.value)
    assert all(part in text for part in ("got:", "expected:", "fix:"))
    return text


# --- units ---


def heavy(scale: float, rows: int = 1000) -> NDArray[np.float64]:
    """Return Student-t returns with 3 degrees of freedom and this standard deviation (rows,)."""
    return np.asarray(np.random.default_rng(7).standard_t(3, rows) * scale / 3**0.5)


def penny() -> NDArray[np.float64]:
    """Return decimal returns of a penny stock: ticks, many zeros, days of 30 % either way and one of 1.1."""
    returns = np.where(np.abs(heavy(0.09)) < 0.06, 0, np.round(heavy(0.09) / 0.11) * 0.11)
    returns[5::40], returns[6::40], returns[500] = 0.3, -0.3, -1.1
    return returns


DECIMALS = {"index": heavy(0.011), "bitcoin": heavy(0.045), "penny stock": penny(), "calm currency": heavy(0.002), "peg": heavy(0.0003)}


@pytest.mark.parametrize("name", DECIMALS)
def test_real_kinds_of_decimals_are_accepted(name: str) -> None:
    read_returns(DECIMALS[name], kind="returns", unit="decimal")


@pytest.mark.parametrize("name", ["index", "bitcoin", "penny stock", "calm currency"])
def test_the_same_in_percent_is_accepted_as_percent_and_refused_as_decimal(name: str) -> None:
    read_returns(100 * DECIMALS[name], kind="returns", unit="percent")
    assert "say unit='percent'" in refusal(100 * DECIMALS[name], kind="returns", unit="decimal")


@pytest.mark.parametrize("name", ["index", "bitcoin", "calm currency", "peg"])
def test_decimals_stated_as_percent_are_refused(name: str) -> None:
    text = refusal(DECIMALS[name], kind="returns", unit="percent")
    assert "the returns are not percent" in text and "mean |return|" in text and "say unit='decimal'" in text


def test_a_peg_in_percent_that_breaks_is_refused_as_decimal() -> None:
    returns = heavy(0.06)
    returns[700] = -17.0
    assert "largest 17" in refusal(returns, kind="returns", unit="decimal")


def test_the_advice_for_a_peg_in_percent_works() -> None:
    peg_percent = heavy(0.03)
    assert "returns / 100" in refusal(peg_percent, kind="returns", unit="percent")
    read_returns(peg_percent / 100, kind="returns", unit="decimal")


@pytest.mark.parametrize(("unit", "scale"), [("decimal", 1.0), ("percent", 100.0)])
def test_a_mean_move_of_more_than_a_tenth_a_day_is_refused_in_either_unit(unit: Literal["decimal", "percent"], scale: float) -> None:
    assert f"the returns are not {unit}" in refusal(scale * heavy(0.4), kind="returns", unit=unit)


@pytest.mark.parametrize("unit", ["decimal", "percent"])
@pytest.mark.parametrize("level", [1.1, 100.0, 30_000.0])
def test_prices_stated_as_returns_are_taken_for_prices(unit: Literal["decimal", "percent"], level: float) -> None:
    text = refusal(walk() / 100 * level, kind="returns", unit=unit)
    assert "are these prices?" in text and "kind='prices'" in text


def test_basis_points_stated_as_percent_are_refused() -> None:
    for name in ("index", "bitcoin", "calm currency"):
        assert "basis points" in refusal(1e4 * DECIMALS[name], kind="returns", unit="percent")


def test_weeks_and_days_of_a_coin_are_accepted_in_both_units() -> None:
    days, weeks = heavy(0.07), pd.Series(heavy(0.07 * 7**0.5), index=pd.date_range("2001-01-01", periods=1000, freq="7D"))
    assert 0.035 < np.abs(days).mean() < 0.05
    for series in (days, weeks):
        read_returns(series, kind="returns", unit="decimal")
        read_returns(100 * series, kind="returns", unit="percent")


def test_the_limits_follow_the_step() -> None:
    months = pd.Series(heavy(0.2, 130), index=pd.date_range("2012-01-31", periods=130, freq="31D"))
    read_returns(months, kind="returns", unit="decimal")
    refusal(months.to_numpy() * 2, kind="returns", unit="decimal")
    minutes = pd.Series(heavy(0.02), index=pd.date_range("2020-01-01", periods=1000, freq="5min"))
    read_returns(minutes, kind="returns", unit="percent")
    assert "steps of 0.00347 d" in refusal(minutes / 100, kind="returns", unit="percent")


def test_one_series_in_the_wrong_unit_is_named() -> None:
    text = refusal(pd.DataFrame({"good": heavy(0.01), "bad": heavy(1.0)}), kind="returns", unit="decimal")
    assert "series 'bad'" in text and "'good'" not in text


# --- refusals ---


def test_a_price_that_is_not_positive_is_named_with_date_and_value() -> None:
    frame = price_frame()
    frame.iloc[10, 1], frame.iloc[20, 1] = 0.0, -37.63
    text = refusal(frame)
    assert "series 'B', 2020-01-11: 0" in text and "series 'B', 2020-01-21: -37.63" in text


@pytest.mark.parametrize("kind", ["prices", "returns"])
def test_an_infinite_value_is_named_with_its_date(kind: Literal["prices", "returns"]) -> None:
    values = pd.Series(walk() if kind == "prices" else walk() / 1e4, index=DAYS, name="A")
    values.iloc[3] = np.inf
    text = refusal(values, kind=kind, unit="decimal")
    assert f"infinite {kind}" in text and "series 'A', 2020-01-04" in text
    assert "infinite values of the covariate 'x'" in refusal(price_frame().assign(x=np.inf), kind="prices", covariates=["x"])


def test_dates_out_of_order_are_refused_not_sorted() -> None:
    frame = price_frame("A").iloc[[0, 2, 1, *range(3, 300)]]
    assert "series 'A', 2020-01-02 after 2020-01-03" in refusal(frame)
    assert "and 296 more" in refusal(price_frame("A").iloc[::-1])


def test_a_date_given_twice_is_named_with_its_series() -> None:
    long = long_form(price_frame())
    text = refusal(pd.concat([long.iloc[:400], long.iloc[399:]]))
    assert "dates occur twice" in text and "series 'B', 2020-04-09" in text and "'A'" not in text


def test_dates_that_cannot_be_read_are_named_with_their_row() -> None:
    dates: list[str | None] = DAYS.strftime("%Y-%m-%d").tolist()
    dates[4], dates[6] = "soon", None
    text = refusal(pd.DataFrame({"date": dates, "A": walk()}))
    assert "row 4: 'soon'" in text and "row 6" in text and "dates that cannot be read" in text
    zones = ["2020-01-01 00:00:00-05:00", "2020-01-02 00:00:00-04:00"] * 150
    assert "utc=True" in refusal(pd.DataFrame({"date": zones, "A": walk()}))


def test_integers_read_as_nanoseconds_are_refused() -> None:
    wrong = pd.DatetimeIndex(np.arange(192607, 192907).astype("datetime64[ns]"))
    assert "all dates are 1970-01-01" in refusal(pd.Series(walk(), index=wrong))


def test_too_short_a_series_is_refused() -> None:
    assert "series 'series': 99 observed returns" in refusal(walk(rows=100))
    read_returns(walk(rows=101), kind="prices")
    assert "0 observed returns" in refusal(price_frame().assign(C=np.nan))


@pytest.mark.parametrize("values", [np.full(300, 3.7), 100 * 1.001 ** np.arange(300)], ids=["flat", "exponential"])
def test_a_series_that_does_not_vary_is_refused(values: NDArray[np.float64]) -> None:
    assert "the returns do not vary" in refusal(values)


def test_a_missing_column_is_told_with_the_existing_ones() -> None:
    frame = price_frame().assign(vix=1.0)
    text = refusal(frame, column="AA", date_column="dates", covariates=["vixx"])
    assert "column='AA'" in text and "date_column='dates'" in text and "did you mean 'vix'" in text and "one of: A, B, vix" in text
    assert "column='y'" in refusal(long_form(frame).rename(columns={"y": "price"}))


def test_a_missing_file_is_told_with_its_siblings(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("a")
    assert "did you mean 'prices.csv'" in refusal(tmp_path / "price.csv")
    assert "no such folder" in refusal(tmp_path / "nowhere" / "price.csv")


@pytest.mark.parametrize(("name", "content"), [("a.csv", b""), ("a.csv.gz", b"plain"), ("a.parquet", b"plain"), ("a.xlsx", b"x")])
def test_an_unreadable_file_is_told_with_its_path(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refusal(tmp_path / name)


def test_text_among_the_numbers_is_named() -> None:
    frame = price_frame().astype(object)
    frame.iloc[2, 0] = "1,234.5"
    assert "row 2: '1,234.5'" in refusal(frame)
    assert "holds no numbers" in refusal(price_frame().assign(when=DAYS))


@pytest.mark.parametrize(
    "source",
    [
        np.ones((3, 2)),
        pd.DataFrame({"A": []}),
        pd.DataFrame(walk(), columns=pd.MultiIndex.from_tuples([("Close", "A")])),
        pd.DataFrame(np.ones((300, 2)), columns=["A", "A"]),
        pd.DataFrame({"date": DAYS}),
        pd.DataFrame({name: walk() for name in ("Open", "High", "Low", "Close", "Volume")}),
        long_form(price_frame()).assign(unique_id=pd.Series([None, "B"]).repeat(300).to_numpy()),
    ],
    ids=["2-D", "empty", "MultiIndex", "twice", "only dates", "bars of one asset", "no name"],
)
def test_an_ambiguous_table_is_refused(source: Any) -> None:
    refusal(source)


def test_all_faults_are_told_at_once() -> None:
    frame = price_frame("ABC")
    frame.iloc[1, 0], frame.iloc[2, 1], frame["C"] = -1.0, np.inf, 5.0
    text = refusal(frame.iloc[[0, 1, 2, 2, *range(3, 300)]])
    faults = ("4 faults", "dates occur twice", "infinite prices", "zero or negative", "do not vary")
    assert all(fault in text for fault in faults)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "returns"}, "returns need their unit"),
        ({"kind": "price"}, "did you mean 'prices'"),
        ({"kind": "returns", "unit": "percents"}, "did you mean 'percent'"),
        ({"kind": "prices", "unit": "percent"}, "prices have no percent"),
        ({"kind": "prices", "covariates": "B"}, "covariates=['B']"),
        ({"kind": "prices", "covariates": ["B", "B"]}, "named twice"),
        ({"kind": "prices", "column": "A", "covariates": ["A"]}, "one column in two roles"),
    ],
)
def test_a_wrong_request_is_refused_before_the_data(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_returns(price_frame(), **options)
    assert words in str(caught.value)


@needs_files
def test_no_real_series_is_refused_in_its_unit_and_all_are_in_the_other() -> None:
    stocks = read_returns(FOLDER / "us_stocks20_1990_2022.csv.gz", kind="prices")
    coin = read_returns(FOLDER / "btc_price_fng_onchain_2015_2026.csv.gz", column="price", covariates=["vix"], kind="prices")
    panel = pd.concat([stocks, coin[["unique_id", "ds", "y"]]], ignore_index=True)
    year = panel.groupby("unique_id").cumcount() // 250  # each year alone, as a user with a short history would read it
    years = panel.assign(unique_id=panel["unique_id"] + year.astype(str))
    years = years[years.groupby("unique_id")["y"].transform("count") == 250]
    assert years["unique_id"].nunique() > 600
    read_returns(years, kind="returns", unit="decimal")
    read_returns(years.assign(y=100 * years["y"]), kind="returns", unit="percent")
    assert "and 18 more" in refusal(panel.assign(y=100 * panel["y"]), kind="returns", unit="decimal")
    assert "and 18 more" in refusal(panel, kind="returns", unit="percent")
