"""Backtests of panels: each series as if it were alone, the same rows for all, no look-ahead, and a refused series is a row."""

from __future__ import annotations

import importlib.util

import joblib
import numpy as np
import pandas as pd
import pytest

from seqsci import ModelPredictor, Sequences
from seqsci.baselines.ewma import ExponentialSmoothing
from seqsci.domains.finance import models
from seqsci.domains.finance.baselines import GARCH_N, HeterogeneousAutoregression
from seqsci.errors import DataError
from seqsci.evaluate import panel_paths
from seqsci.evaluate.backtest import Protocol, backtest
from seqsci.evaluate.panel_backtest import EVERY, PanelBacktest, backtest_panel
from seqsci.panel.fitting import PANEL
from seqsci.panel.units import to_units

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
EWMA, HAR = ExponentialSmoothing(), HeterogeneousAutoregression()
FIELDS = ("mean", "variance", "log_density")


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    values = TRUTH.simulate(5 * 400, 1).outcome["log_return"].reshape(5, 400)
    days = pd.date_range("2010-01-01", periods=400, freq="D", name="ds")
    return pd.DataFrame(values.T, index=days, columns=[f"s{i}" for i in range(5)])


def run(frame: pd.DataFrame, *predictors, **options) -> PanelBacktest:
    ours, *others = predictors or (EWMA, HAR)
    return backtest_panel(ours, frame, baselines=others, unit="percent", **options)


def of(test: PanelBacktest, series: str, name: str) -> dict[str, np.ndarray]:
    mine = test.code == test.series.index(series)
    path = test.paths[name]
    return {f: getattr(path, f)[mine] for f in FIELDS} | {f"below {v}": b[mine] for v, b in path.below.items()}


def assert_same(a: PanelBacktest, b: PanelBacktest, series: str, **tolerance: float) -> None:
    for name in a.paths:
        x, y = of(a, series, name), of(b, series, name)
        for field, values in x.items():
            np.testing.assert_allclose(values, y[field], **(tolerance or {"rtol": 0}), err_msg=f"{name} {series} {field}")


@pytest.mark.parametrize("window", [None, 200])
def test_one_series_of_a_panel_is_the_backtest_of_that_series(wide: pd.DataFrame, window: int | None) -> None:
    found = run(wide.iloc[:, :2], ModelPredictor(GARCH, PANEL), EWMA, GARCH_N, window=window, refit=50)
    first = window or 280
    for i, name in enumerate(found.series):
        sequences = Sequences({"log_return": wide[name].to_numpy()}, measure={"log_return": "percent"})
        with panel_paths.one_thread():
            single = backtest((ModelPredictor(GARCH, PANEL), EWMA, GARCH_N), sequences, "log_return", Protocol(first, 400, 50, window))
        np.testing.assert_array_equal(found.y[found.code == i], single.y)
        assert found.centers[i] == single.center and found.factor == single.factor and found.returns
        for label, path in single.paths.items():
            mine = of(found, name, label)
            for field in FIELDS:
                np.testing.assert_allclose(mine[field], getattr(path, field), rtol=1e-6 if label == GARCH.name else 0)
            np.testing.assert_array_equal(mine["below 0.05"], path.below[0.05])


def test_forecasts_use_nothing_from_their_own_row_on(wide: pd.DataFrame) -> None:
    changed = wide.copy()
    changed.iloc[340:] = np.random.default_rng(0).normal(0, 4, (60, 5))
    a, b = (run(f, GARCH, EWMA, HAR, first=280, refit=40) for f in (wide, changed))
    row = np.tile(np.arange(280, 400), 5)
    for name in a.paths:
        for field in ("mean", "variance"):
            x, y = getattr(a.paths[name], field), getattr(b.paths[name], field)
            np.testing.assert_array_equal(x[row <= 340], y[row <= 340])
        assert (a.paths[name].variance[row > 340] != b.paths[name].variance[row > 340]).all()


def test_the_order_of_the_series_and_the_shape_of_the_frame_change_nothing(wide: pd.DataFrame) -> None:
    expected = run(wide)
    long = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    for frame in (wide.iloc[:, ::-1], long, long.sort_values("ds", kind="stable")):
        found = run(frame)
        for name in wide.columns:
            assert_same(expected, found, name)
    assert found.table().columns[:3].tolist() == ["unique_id", "ds", "y"] and len(found.table()) == 5 * 120
    pd.testing.assert_series_equal(found.table()["y"], long[long["ds"] >= wide.index[280]]["y"].reset_index(drop=True))


def test_poisoned_series_are_failures_and_leave_the_others_bit_equal(wide: pd.DataFrame) -> None:
    clean = run(wide)
    poisoned = wide.assign(flat=1.5, empty=np.nan, infinite=wide["s0"].where(wide.index != wide.index[7], np.inf))
    poisoned["short"] = wide["s1"].where(np.arange(400) < 10)
    poisoned["gap"] = wide["s1"].where(np.arange(400) != 350)
    found = run(poisoned)
    for name in wide.columns:
        assert_same(clean, found, name)
    reasons = {(r.predictor, r.unique_id): r.reason for r in found.failures.itertuples()}
    assert "constant" in reasons["EWMA", "flat"] and "infinite" in reasons["HAR", "infinite"]
    assert reasons[EVERY, "empty"] == "no observed value" and "too few" in reasons["HAR", "short"]
    assert "missing" in reasons["HAR", "gap"] and ("EWMA", "gap") not in reasons
    assert found.series == tuple(wide.columns) and "HAR: 4 series not forecast" in repr(found)
    assert found.protocol.missing == 1 and found.protocol.unscored == 120 + 120 + 119 + 3


def test_ragged_listings_and_missing_steps_are_scored_where_they_are_observed(wide: pd.DataFrame) -> None:
    ragged = wide.iloc[:, :3].copy()
    ragged.iloc[:100, 0] = np.nan
    ragged.iloc[350:, 1] = np.nan
    ragged.iloc[[50, 390], 2] = np.nan
    found = run(ragged, GARCH, EWMA, first="2010-11-01")
    assert np.bincount(found.code).tolist() == [96, 46, 95] and found.protocol.missing == 1
    assert found.index.min() == np.datetime64("2010-11-01")
    alone = run(ragged[["s0"]].dropna(), GARCH, EWMA, first=204)
    assert_same(alone, found, "s0")


def test_what_one_predictor_cannot_forecast_is_scored_for_none_and_who_forecasts_nothing_is_left_out(wide: pd.DataFrame) -> None:
    gaps = wide.iloc[:, :2].copy()
    gaps.iloc[300, 0] = np.nan
    assert run(gaps, EWMA, GARCH_N).series == ("s1",)
    gaps.iloc[300, 1] = np.nan
    found = run(gaps, EWMA, GARCH_N)
    assert found.series == ("s0", "s1") and list(found.paths) == ["EWMA"] and "missing" in found.skipped["GARCH-n"]
    with pytest.raises(DataError, match="GARCH-n can forecast no series"):
        run(gaps, GARCH_N, EWMA)


def test_joblib_settings_of_the_user_decide_where_baselines_run(wide: pd.DataFrame, monkeypatch) -> None:
    seen: list[tuple[str, int]] = []

    class Spy(joblib.Parallel):
        def __init__(self, *positional: object, **named: object) -> None:
            assert not positional and not named
            super().__init__()
            seen.append((type(self._backend).__name__, self.n_jobs))

    monkeypatch.setattr(joblib, "Parallel", Spy)
    serial = run(wide)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        threads = run(wide)
    for name in wide.columns:
        assert_same(serial, threads, name)
    assert {n for _, n in seen[:2]} == {1} and seen[2:] == [("ThreadingBackend", 2)] * 2


def test_tasks_are_small_and_hold_every_series_once(wide: pd.DataFrame, monkeypatch) -> None:
    units = to_units(GARCH, wide, unit="percent")
    for workers, most in ((1, 2**21), (2, 2**21), (1, 8 * 400)):
        monkeypatch.setattr(panel_paths, "CHUNK_BYTES", most)
        chunks = panel_paths._chunks([0, 1, 2, 4], units, workers)
        assert [i for chunk in chunks for i, _ in chunk] == [0, 1, 2, 4]
        assert all(sum(8 * (c.stop - c.start) for _, c in chunk) <= most for chunk in chunks)


def test_what_concerns_the_whole_panel_is_an_error(wide: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="two predictors have the same name"):
        run(wide, EWMA, EWMA)
    with pytest.raises(DataError, match="unit of log_return is not stated"):
        backtest_panel(GARCH, wide)
    with pytest.raises(DataError, match="protocol is not usable"):
        run(wide, label="final")
    with pytest.raises(DataError, match="frame has none"):
        run(wide.reset_index(drop=True), first="2010-11-01")
    with pytest.raises(DataError, match="neither a row number nor a date"):
        run(wide, first="soon")
    with pytest.raises(DataError, match="none before it"):
        run(wide, first=0)


@pytest.mark.skipif(importlib.util.find_spec("seqsci.panel.rolling") is None, reason="there is no compiled path yet")
@pytest.mark.parametrize("window", [None, 250])
def test_the_compiled_path_of_a_model_is_its_predictor_one_series_at_a_time(wide: pd.DataFrame, window: int | None) -> None:
    ragged = wide.copy()
    ragged.iloc[:60, 0] = np.nan
    ragged.iloc[[30, 320], 1] = np.nan
    units = to_units(GARCH, ragged, unit="percent")
    first, levels = np.full(5, 300), (0.01, 0.05)
    fast = panel_paths.of_model(GARCH, units, first, 40, window, PANEL, levels, None)
    slow = panel_paths.one_by_one(ModelPredictor(GARCH, PANEL), units, first, 40, window, "log_return", levels)
    at = np.searchsorted(fast.rows, slow.rows)
    np.testing.assert_array_equal(np.asarray(fast.rows)[at], slow.rows)
    for field in FIELDS:
        np.testing.assert_allclose(np.asarray(getattr(fast, field))[at], getattr(slow, field), rtol=1e-6, atol=1e-6)
