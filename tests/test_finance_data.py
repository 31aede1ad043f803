"""Laws of the finance data: what is read, in which order and unit, and that reading changes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqsci.domains.finance.data import load_series, load_sp500_windows, read_returns
from seqsci.errors import ConfigError, MissingExtraError

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


# --- round trips ---


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e6))
def test_returns_do_not_depend_on_the_currency_of_the_prices(seed: int, scale: float) -> None:
    prices = walk(seed, 150)
    one, other = (read_returns(values, kind="prices") for values in (prices, scale * prices))
    np.testing.assert_allclose(one["y"], other["y"], rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    listed=st.integers(0, 100),
    delisted=st.integers(0, 50),
    holes=st.lists(st.integers(120, 200), max_size=9),
)
def test_long_and_wide_are_the_same_data(seed: int, listed: int, delisted: int, holes: list[int]) -> None:
    wide = pd.DataFrame({"A": walk(seed), "B": walk(seed + 1)}, index=DAYS)
    wide.iloc[:listed, 1] = np.nan
    wide.iloc[300 - delisted :, 1] = np.nan
    wide.iloc[holes, 1] = np.nan
    long = long_form(wide)
    long = long[(long["unique_id"] == "A") | long["ds"].between(DAYS[listed], DAYS[299 - delisted])]
    pd.testing.assert_frame_equal(read_returns(wide, kind="prices"), read_returns(long, kind="prices"))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.lists(st.integers(1, 298), max_size=20))
def test_prices_made_from_returns_give_these_returns_back(seed: int, missing: list[int]) -> None:
    returns = np.random.default_rng(seed).normal(0, 0.01, 300)
    prices = pd.Series(np.exp(np.cumsum(np.r_[0.0, returns])), index=pd.date_range("2020-01-01", periods=301), name="A")
    prices.iloc[missing] = np.nan
    touched = {step for price in missing for step in (price - 1, price)}
    frame = read_returns(prices, kind="prices")
    assert set(np.flatnonzero(frame["y"].isna())) == touched
    np.testing.assert_allclose(frame["y"].dropna(), np.delete(returns, sorted(touched)), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["prices", "returns"]), long=st.booleans())
def test_reading_never_changes_the_input(seed: int, kind: Literal["prices", "returns"], long: bool) -> None:
    source = pd.DataFrame({"A": walk(seed), "B": walk(seed + 1)}, index=DAYS)
    source = source if kind == "prices" else source.map(np.log).diff()
    source = long_form(source).sample(frac=1, random_state=1).sort_values("ds") if long else source
    source.attrs["mine"] = 1
    before = source.copy(deep=True)
    result = read_returns(source, kind=kind, unit="decimal")
    result.loc[:, "y"] = -1.0
    pd.testing.assert_frame_equal(source, before)
    assert source.attrs == before.attrs and "mine" not in result.attrs


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), unit=st.sampled_from(["decimal", "percent"]))
def test_reading_twice_is_reading_once(seed: int, unit: Literal["decimal", "percent"]) -> None:
    values = np.random.default_rng(seed).normal(0, 0.01 if unit == "decimal" else 1.0, (200, 2))
    values[5] = np.nan
    once = read_returns(pd.DataFrame(values, columns=["b", "a"]), kind="returns", unit=unit)
    twice = read_returns(once, kind="returns", unit=unit)
    pd.testing.assert_frame_equal(once, twice)
    assert once.attrs == twice.attrs == {"unit": unit}


def test_a_series_an_array_a_column_and_a_file_say_the_same(tmp_path: Path) -> None:
    frame = price_frame()
    expected = read_returns(frame, column="A", kind="prices")
    frame.rename_axis("Date").to_csv(tmp_path / "p.csv")
    frame.to_csv(tmp_path / "p.csv.gz")
    frame.reset_index(names="time").to_csv(tmp_path / "q.csv")
    frame.reset_index(names="date").to_parquet(tmp_path / "p.parquet")
    sources: list[Any] = [frame["A"], tmp_path / "p.csv", str(tmp_path / "p.csv.gz"), tmp_path / "p.parquet", ToPandas(frame)]
    for source in sources:
        got = read_returns(source, column="A", kind="prices")
        pd.testing.assert_frame_equal(got.assign(ds=got["ds"].astype(expected["ds"].dtype)), expected, rtol=1e-9)
    assert set(read_returns(tmp_path / "q.csv", kind="prices")["unique_id"]) == {"A", "B"}
    array = read_returns(frame["A"].to_numpy(), kind="prices")
    np.testing.assert_array_equal(array["y"], expected["y"])
    assert array["ds"].tolist() == list(range(1, 300)) and set(array["unique_id"]) == {"series"}


class ToPandas:
    """A table of another library."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


def test_a_read_only_array_can_be_read() -> None:
    prices = walk()
    prices.flags.writeable = False
    assert len(read_returns(prices, kind="prices")) == 299


def test_interleaved_ids_come_out_one_series_after_the_other() -> None:
    long = long_form(price_frame("BA"))
    mixed = read_returns(long.sort_values("ds", kind="stable"), kind="prices")
    pd.testing.assert_frame_equal(mixed, read_returns(long, kind="prices"))
    assert mixed["unique_id"].drop_duplicates().tolist() == ["B", "A"]


def test_ids_that_are_numbers_become_text_and_missing_dates_become_positions() -> None:
    long = long_form(price_frame()).drop(columns="ds").assign(unique_id=np.repeat([2, 1], 300)).rename(columns={"unique_id": "asset"})
    frame = read_returns(long, id_column="asset", kind="prices")
    assert frame["unique_id"].drop_duplicates().tolist() == ["2", "1"]
    assert frame.loc[frame["unique_id"] == "1", "ds"].tolist() == list(range(1, 300))


def test_covariates_travel_at_the_date_of_the_return() -> None:
    vix = np.arange(300.0)
    wide = price_frame().assign(vix=vix)
    for source in (wide, long_form(wide[["A", "B"]]).assign(vix=np.tile(vix, 2))):
        frame = read_returns(source, kind="prices", covariates=["vix"])
        assert list(frame.columns) == ["unique_id", "ds", "y", "vix"]
        assert frame["vix"].tolist() == 2 * vix[1:].tolist()


def test_nan_of_returns_is_a_missing_step_and_is_kept() -> None:
    returns = np.random.default_rng(0).normal(0, 0.01, 200)
    returns[[0, 50, 199]] = np.nan
    frame = read_returns(returns, kind="returns", unit="decimal")
    assert np.flatnonzero(frame["y"].isna()).tolist() == [0, 50, 199]


def test_a_dot_of_fred_is_a_missing_price(tmp_path: Path) -> None:
    rows = [f"{day:%Y-%m-%d},{'.' if i == 7 else price}" for i, (day, price) in enumerate(zip(DAYS, walk(), strict=True))]
    (tmp_path / "fred.csv").write_text("\n".join(["observation_date,DCOIL", *rows]))
    frame = read_returns(tmp_path / "fred.csv", kind="prices")
    assert frame["ds"].iloc[0] == pd.Timestamp("2020-01-02") and np.flatnonzero(frame["y"].isna()).tolist() == [6, 7]


@pytest.mark.parametrize(
    "dates",
    [
        DAYS.strftime("%Y%m%d").astype(int),
        DAYS.strftime("%d %b %Y"),
        DAYS.strftime("%m/%d/%Y"),
        DAYS.tz_localize("Asia/Tokyo"),
        DAYS.to_period("D"),
        DAYS.date,
    ],
    ids=["integers", "month names", "American", "zone", "periods", "dates"],
)
def test_every_common_kind_of_date_is_read(dates: Any) -> None:
    for source in (pd.DataFrame({"date": dates, "A": walk()}), pd.DataFrame({"A": walk()}, index=dates)):
        frame = read_returns(source, kind="prices")
        assert (frame["ds"].to_numpy() == DAYS[1:].to_numpy()).all() and set(frame["unique_id"]) == {"A"}


def test_hours_with_a_zone_become_utc() -> None:
    hours = pd.date_range("2020-10-20", periods=300, freq="h", tz="America/New_York")  # has the hour that occurs twice
    frame = read_returns(pd.Series(walk(), index=hours), kind="prices")
    assert (frame["ds"].diff().dropna() == pd.Timedelta("1h")).all() and frame["ds"].iloc[0] == pd.Timestamp("2020-10-20 05:00")


# --- shipped and local series ---


@pytest.mark.parametrize(
    ("name", "rows", "first"), [("sp500", 5030, "1999-01-05"), ("nasdaq", 5030, "1999-01-05"), ("wti", 8320, "1986-01-03")]
)
def test_embedded_series_have_their_published_length(name: str, rows: int, first: str) -> None:
    pytest.importorskip("arch")
    frame = load_series(name)
    assert frame.shape == (rows, 3) and frame.attrs == {"unit": "decimal"} and not frame["y"].isna().any()
    assert set(frame["unique_id"]) == {name} and frame["ds"].iloc[0] == pd.Timestamp(first)
    assert frame["y"].std() == pytest.approx(0.025 if name == "wti" else 0.014, abs=0.002)


def test_an_unknown_series_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sp500'"):
        load_series("sp5000")


def test_without_arch_or_pyarrow_the_pip_command_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1")
    for module in ("arch.data.wti", "pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seqsci\[finance\]'"):
        load_series("wti")
    with pytest.raises(MissingExtraError, match=r"pip install 'seqsci\[data\]'"):
        read_returns(tmp_path / "p.parquet", kind="prices")


def test_without_local_files_there_are_no_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEQSCI_DATA", raising=False)
    assert load_sp500_windows() is None
    monkeypatch.setenv("SEQSCI_DATA", str(tmp_path))
    assert load_sp500_windows() is None


def test_windows_switch_source_once_and_scale_the_variance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "finance").mkdir()
    prices = pd.Series(walk(), index=DAYS, name="SP500")
    returns = 100 * prices.map(np.log).diff().dropna()
    early = pd.DataFrame({"return": returns, "open_close": 0.0, "rv": 1.5, "vix": 20.0})[:150]
    early.rename_axis("date").to_csv(tmp_path / "finance" / "spx_ret_rv_vix_1971_2018.csv.gz")
    prices[100:].rename_axis("Date").to_csv(tmp_path / "finance" / "sp500_index_1990_2022.csv.gz")
    monkeypatch.setenv("SEQSCI_DATA", str(tmp_path))
    frame = load_sp500_windows()
    assert frame is not None and frame.attrs == {"unit": "decimal"}
    np.testing.assert_allclose(frame["y"], returns / 100, atol=1e-9)
    assert frame["realized_variance"].dropna().tolist() == [1.5e-4] * 150 and frame["vix"].count() == 150


@needs_files
def test_the_real_windows_are_one_unbroken_series() -> None:
    frame = load_sp500_windows()
    assert frame is not None
    assert frame.columns.tolist() == ["unique_id", "ds", "y", "realized_variance", "vix"] and len(frame) == 13113
    assert frame["ds"].is_monotonic_increasing and frame["ds"].is_unique and frame["ds"].diff().max() <= pd.Timedelta("7D")
    assert not frame["y"].isna().any() and frame["realized_variance"].count() == 4600
    index = read_returns(FOLDER / "sp500_index_1990_2022.csv.gz", kind="prices")
    both = frame.merge(index, on="ds", suffixes=("", "_index"))
    assert len(both) == 8312 and (both["y"] - both["y_index"]).abs().max() < 1e-6
    recent = both[both["realized_variance"].notna()]
    assert 0.5 < recent["realized_variance"].mean() / recent["y"].var() < 1.1
