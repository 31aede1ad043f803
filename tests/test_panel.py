"""Panels: the fit of a single series, bit for bit, for very many; what cannot be fitted is a row with a reason."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

import seqsci
from seqsci import Sequences, fit_panel
from seqsci.domains.finance import models
from seqsci.errors import ArtefactError, DataError, ParameterError
from seqsci.estimation.standard_errors import ObservedInformation, OuterProduct, Sandwich
from seqsci.panel import fitting, pool
from seqsci.panel.job import Job
from seqsci.panel.units import to_units

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
ONE = fitting.PANEL


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    values = TRUTH.simulate(12 * 400, 1).outcome["log_return"].reshape(12, 400)
    days = pd.date_range("2010-01-01", periods=400, freq="D", name="ds")
    return pd.DataFrame(values.T, index=days, columns=[f"s{i:02d}" for i in range(12)])


def long_of(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.reset_index().melt("ds", var_name="unique_id", value_name="y")


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds"])


@pytest.mark.parametrize("build", [models.garch_normal, models.garch_t, models.tarch_t, models.default])
def test_every_row_is_the_single_fit_bit_for_bit(build, wide: pd.DataFrame) -> None:
    model = build()
    table = fit_panel(model, wide.iloc[:, :5], unit="percent").table
    for name, row in zip(wide.columns, table.itertuples(index=False), strict=False):
        single = ONE.fit(model, Sequences({"log_return": wide[name].to_numpy()}, measure={"log_return": "percent"}))
        found = row._asdict()
        assert found["status"] == "ok" and found["log_likelihood"] == single.log_likelihood
        assert found["at_bound"] == ", ".join(single.at_bound)
        for p in model.free_names:
            assert found[p] == single.value[p]
            if p in single.free_names:
                assert found[f"se_{p}"] == pytest.approx(single.standard_error(p), rel=1e-6)
            else:
                assert np.isnan(found[f"se_{p}"])


def test_decimal_returns_are_reported_in_decimal(wide: pd.DataFrame) -> None:
    percent = fit_panel(GARCH, wide.iloc[:, :3], unit="percent").table
    decimal = fit_panel(GARCH, wide.iloc[:, :3] / 100, unit="decimal").table
    np.testing.assert_allclose(decimal["mean"], percent["mean"] / 100, rtol=1e-6)
    np.testing.assert_allclose(decimal["se_intercept"], percent["se_intercept"] / 1e4, rtol=1e-5)
    np.testing.assert_allclose(decimal["log_likelihood"], percent["log_likelihood"] + 400 * np.log(100), rtol=1e-9)


def test_long_wide_shuffled_and_any_number_of_threads_are_the_same(wide: pd.DataFrame) -> None:
    expected = numbers(fit_panel(GARCH, wide, unit="percent").table)
    long = long_of(wide)
    for frame, threads in ((long, 1), (long, 2), (long.sort_values("ds", kind="stable"), 2)):
        found = numbers(fit_panel(GARCH, frame, unit="percent", threads=threads).table)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_poisoned_series_are_rows_with_reasons_and_leave_the_others_bit_equal(wide: pd.DataFrame) -> None:
    clean = numbers(fit_panel(GARCH, wide, unit="percent").table)
    poisoned = wide.copy()
    poisoned["s00"] = np.nan
    poisoned["s01"] = 1.5
    poisoned.iloc[7, 2] = np.inf
    poisoned.iloc[30:, 3] = np.nan
    poisoned["s04"] = poisoned["s04"] / 1000
    found = fit_panel(GARCH, poisoned, unit="percent").table
    reasons = dict(zip(found["unique_id"], found["reason"], strict=True))
    assert reasons["s00"] == "no observed value"
    assert "constant: 1.5" in reasons["s01"]
    assert "infinite" in reasons["s02"]
    assert "30 observed values, fewer than 50" in reasons["s03"]
    assert "look like decimals" in reasons["s04"]
    assert (found["status"][:5] == "failed").all() and not found["converged"][:5].any()
    pd.testing.assert_frame_equal(numbers(found)[5:], clean[5:], check_exact=True)


def test_ragged_listings_and_missing_steps_are_single_fits_too(wide: pd.DataFrame) -> None:
    ragged = wide.iloc[:, :3].copy()
    ragged.iloc[:100, 0] = np.nan
    ragged.iloc[350:, 1] = np.nan
    ragged.iloc[[50, 200], 2] = np.nan
    table = fit_panel(GARCH, ragged, unit="percent").table
    for i, rows in enumerate((slice(100, None), slice(0, 350), slice(None))):
        y = ragged.iloc[rows, i].to_numpy()
        single = ONE.fit(GARCH, Sequences({"log_return": y}, measure={"log_return": "percent"}))
        assert table["log_likelihood"][i] == single.log_likelihood
        assert table["rows"][i] == single.rows == int((~np.isnan(y)).sum())


def test_sequences_of_one_group_share_one_fit(wide: pd.DataFrame) -> None:
    long = long_of(wide.iloc[:, :4]).rename(columns={"unique_id": "card"})
    long["unique_id"] = np.where(long["card"].isin(["s00", "s01"]), "a", "b")
    table = fit_panel(GARCH, long, within="card", unit="percent").table
    assert list(table["unique_id"]) == ["a", "b"]
    y = np.concatenate([wide["s00"], wide["s01"]])
    both = Sequences({"log_return": y}, unit=np.repeat([0, 1], 400), measure={"log_return": "percent"})
    single = ONE.fit(GARCH, both)
    assert table["log_likelihood"][0] == single.log_likelihood and table["rows"][0] == 800
    assert table["se_memory"][0] == pytest.approx(single.standard_error("memory"), rel=1e-6)


def test_bad_dates_and_ids_name_themselves(wide: pd.DataFrame) -> None:
    long = long_of(wide.iloc[:, :3])
    long.loc[5, "ds"] = long.loc[4, "ds"]
    long.loc[[410, 411], "ds"] = long.loc[[411, 410], "ds"].to_numpy()
    table = fit_panel(GARCH, long, unit="percent").table
    assert "duplicate dates" in table["reason"][0] and "unsorted dates" in table["reason"][1] and table["status"][2] == "ok"
    twice = wide.iloc[:, [0, 1, 1]]
    assert list(fit_panel(GARCH, twice, unit="percent").table["status"]) == ["ok", "failed", "failed"]


def test_what_concerns_the_whole_frame_is_an_error(wide: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="unit of log_return is not stated"):
        fit_panel(GARCH, wide)
    with pytest.raises(DataError, match="missing column 'y'"):
        fit_panel(GARCH, long_of(wide).rename(columns={"y": "value"}), unit="percent")
    with pytest.raises(DataError, match="not a wide frame of numbers"):
        fit_panel(GARCH, long_of(wide).rename(columns={"unique_id": "name"}), unit="percent")
    with pytest.raises(ParameterError, match="no free parameter"):
        fit_panel(GARCH.fix(**GARCH.value), wide, unit="percent")
    with pytest.raises(DataError, match="known columns"):
        fit_panel(models.driven_gate(), wide, unit="percent")
    assert len(fit_panel(GARCH, long_of(wide).iloc[:0], unit="percent").table) == 0


def test_a_store_is_gone_on_with_and_belongs_to_its_data_and_model(wide: pd.DataFrame, tmp_path, monkeypatch) -> None:
    path = tmp_path / "done.parquet"
    first = fit_panel(GARCH, wide.iloc[:, :6], unit="percent", store=path).table
    fitted: list[int] = []
    run = Job.run
    monkeypatch.setattr(Job, "run", lambda self, positions: fitted.extend(positions) or run(self, positions))
    again = fit_panel(GARCH, wide.iloc[:, :8], unit="percent", store=path).table
    assert sorted(fitted) == [6, 7]
    pd.testing.assert_frame_equal(again[:6], first, check_exact=True)
    fitted.clear()
    fit_panel(models.garch_t(), wide.iloc[:, :6], unit="percent", store=path)
    assert len(fitted) == 6
    path.write_bytes(b"no parquet")
    with pytest.raises(ArtefactError, match="cannot be read"):
        fit_panel(GARCH, wide, unit="percent", store=path)


def test_ctrl_c_keeps_what_is_done(wide: pd.DataFrame, monkeypatch, capsys) -> None:
    monkeypatch.setattr(pool, "CHUNK", 2)
    lock, calls, run = threading.Lock(), [], Job.run

    def slow(self, positions):
        with lock:
            calls.append(positions)
        return run(self, positions)

    def stopped(*arguments, **options):
        if len(calls) >= 2:
            raise KeyboardInterrupt
        return wait(*arguments, **options)

    wait = pool.wait
    monkeypatch.setattr(Job, "run", slow)
    monkeypatch.setattr(pool, "wait", stopped)
    table = fit_panel(GARCH, wide, unit="percent", threads=1).table
    assert len(table) == 12 and set(table["status"]) <= {"ok", "not run"} and "not run" in set(table["status"])
    assert "interrupted" in capsys.readouterr().err


def test_the_progress_bar_tells_share_speed_and_time_left(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = pool.Bar(200, "series")
    bar.done = 50
    assert bar.line(10.0) == f"seqsci: [{'#' * 7:<30}]  25%  50 of 200 series, 5 a second, 30 s left "
    bar.advance(150)
    bar.close()
    assert "200 of 200 series" in capsys.readouterr().err


def test_stacked_variances_equal_the_single_covariance_also_where_ill_conditioned() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 4, 30))
    outer, bread = a @ a.transpose(0, 2, 1), (b := rng.normal(size=(5, 4, 30))) @ b.transpose(0, 2, 1)
    bread[2, 3] = bread[2, :, 3] = 0.0
    for covariance in (Sandwich(), OuterProduct(), ObservedInformation()):
        found = covariance.variances(outer, bread)
        for j in range(5):
            expected = np.diag(covariance.estimate(outer[j], lambda j=j: bread[j]))
            np.testing.assert_allclose(found[j], expected, rtol=1e-9)
    assert np.isnan(Sandwich().variances(outer, bread)[2, 3])


def test_units_keep_the_order_in_which_they_appear(wide: pd.DataFrame) -> None:
    long = long_of(wide.iloc[:, ::-1])
    units = to_units(GARCH, long, unit="percent")
    assert units.ids == list(wide.columns[::-1]) and len(units.outcome) == wide.size
    assert repr(seqsci.fit_panel(GARCH, long, unit="percent")).startswith("GARCH-n (ours): 12 series (12 ok)")


def test_sizes_tell_repeated_values_fit_by_fit() -> None:
    from seqsci.estimation.search import log_spread
    from seqsci.panel.batch import _sizes

    parts = [np.array([1.0, 2.0, 3.0]), np.array([3.0, 3.0, 3.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0]), np.array([5.0])]
    y = np.concatenate(parts)
    count, spread = _sizes(y, np.ones(len(y), bool), np.cumsum([0, *map(len, parts)]))
    assert count.tolist() == [3, 4, 4, 1]
    np.testing.assert_allclose(spread, [log_spread(p) for p in parts])
    assert np.isfinite(spread).tolist() == [False, True, True, False]


def test_a_level_that_wanders_far_is_no_collapse() -> None:
    from seqsci.model import Model
    from seqsci.observations.gaussian import Gaussian
    from tests.registry import LocalLevel

    rng = np.random.default_rng(4)
    y = np.cumsum(rng.normal(0, 1, 600)) + rng.normal(0, 0.01, 600)
    model = Model(LocalLevel(), Gaussian())
    assert np.diff(y).std() < 0.15 * y.std()
    found = fit_panel(model, pd.DataFrame({"a": y, "b": 0.5 + rng.normal(0, 1, 600)})).table
    assert (found["status"] == "ok").all() and found["step"][0] == pytest.approx(1.0, rel=0.1)
    assert "step" in found["at_bound"][1] and found["step"][1] == 0.0  # no level noise at all: a bound, not a collapse
