"""Panels day by day: the states of all series move as those of single fits do, estimates stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import seqsci
from seqsci import Sequences, fit_panel
from seqsci.domains.finance import models
from seqsci.errors import ArtefactError, DataError
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.panel.artefact import load_panel, save_panel
from seqsci.panel.fitting import PANEL
from seqsci.panel.pooling import EmpiricalBayes, Partial
from seqsci.panel.updating import forecast_panel, update_panel
from tests.hard_cases import LeakyBank

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    values = TRUTH.simulate(6 * 320, 1).outcome["log_return"].reshape(6, 320)
    days = pd.date_range("2010-01-01", periods=320, freq="D", name="ds")
    frame = pd.DataFrame(values.T, index=days, columns=[f"s{i}" for i in range(6)])
    frame.iloc[:, 5] = 1.0
    frame.iloc[305, 1] = np.nan
    return frame


@pytest.mark.parametrize("unit", ["percent", "decimal"])
def test_updating_equals_single_fits_that_are_updated(wide, unit) -> None:
    frame = wide / (100 if unit == "decimal" else 1)
    panel = fit_panel(GARCH, frame.iloc[:300], unit=unit)
    one = update_panel(update_panel(panel, frame.iloc[300:310]), frame.iloc[310:])
    table = forecast_panel(one, level=0.9)
    for i in range(5):
        fit = PANEL.fit(GARCH, Sequences({"log_return": frame.iloc[:300, i].to_numpy()}, measure={"log_return": unit}))
        ahead = fit.update(Sequences({"log_return": frame.iloc[300:, i].to_numpy()}, measure={"log_return": unit})).predict(1)
        assert table["mean"][i] == pytest.approx(ahead.mean[0], rel=1e-9)
        assert table["standard_deviation"][i] ** 2 == pytest.approx(ahead.variance[0], rel=1e-9)
        z = (table["high"][i] - table["low"][i]) / (2 * table["standard_deviation"][i])
        assert z == pytest.approx(1.6448536, rel=1e-6)
    assert table.iloc[5, 1:].isna().all()
    pd.testing.assert_frame_equal(one.table, panel.table)


def test_a_single_day_long_or_wide_and_a_part_of_the_series_is_enough(wide) -> None:
    panel = fit_panel(GARCH, wide.iloc[:300], unit="percent")
    day = wide.iloc[300]
    a = forecast_panel(update_panel(panel, wide.iloc[300:301]))
    b = forecast_panel(update_panel(panel, day))
    long = pd.DataFrame({"unique_id": wide.columns, "ds": wide.index[300], "y": day.to_numpy()})
    c = forecast_panel(update_panel(panel, long.iloc[::-1]))
    pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(a, c)
    some = forecast_panel(update_panel(panel, long.iloc[:2]))
    now = forecast_panel(panel)
    assert (some.iloc[:2, 2] == a.iloc[:2, 2]).all() and (some.iloc[2:5, 2] == now.iloc[2:5, 2]).all()


def test_rows_that_do_not_continue_the_panel_are_refused(wide) -> None:
    panel = fit_panel(GARCH, wide.iloc[:300], unit="percent")
    with pytest.raises(DataError, match="2010-10-27 is not after 2010-10-27"):
        update_panel(panel, wide.iloc[299:300])
    with pytest.raises(DataError, match="'new' is not in the panel"):
        update_panel(panel, wide.iloc[300:301].assign(new=0.1))
    with pytest.raises(DataError, match="infinite"):
        update_panel(panel, wide.iloc[300:301] * np.inf)
    twice = update_panel(panel, wide.iloc[300:302])
    with pytest.raises(DataError, match="is not after"):
        update_panel(twice, wide.iloc[301:302])


def test_a_panel_is_saved_loaded_and_goes_on(wide, tmp_path) -> None:
    panel = fit_panel(GARCH, wide.iloc[:300], unit="percent", estimator=EmpiricalBayes(Partial(correlated=False)))
    path = save_panel(panel, tmp_path / "panel.parquet")
    again = load_panel(path)
    pd.testing.assert_frame_equal(again.table, panel.table)
    assert again.model == panel.model and again.unit == "percent" and again.population.prior == panel.population.prior
    expected = forecast_panel(update_panel(panel, wide.iloc[300:]))
    pd.testing.assert_frame_equal(forecast_panel(update_panel(again, wide.iloc[300:])), expected)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_panel(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(ArtefactError, match="is no panel"):
        load_panel(path)


def test_a_model_with_known_columns_needs_those_of_the_next_step() -> None:
    model = Model(LeakyBank(), Gaussian())
    rng = np.random.default_rng(0)
    parts = []
    for name in ("a", "b"):
        known = {"elapsed": rng.gamma(1.0, 6.0, 200), "signal": rng.normal(1, 1, 200)}
        y = model.simulate(200, 3, known=known).outcome["expression"]
        parts.append(pd.DataFrame({"unique_id": name, "ds": np.arange(200), "y": y, **known}))
    frame = pd.concat(parts)
    panel = fit_panel(model, frame)
    with pytest.raises(DataError, match="future=pd.DataFrame"):
        forecast_panel(panel)
    future = pd.DataFrame({"unique_id": ["b", "a"], "elapsed": [2.0, 1.0], "signal": [0.0, 0.0]})
    table = forecast_panel(panel, future=future)
    fit = PANEL.fit(model, Sequences({"expression": parts[0]["y"]}, {n: parts[0][n] for n in ("elapsed", "signal")}))
    ahead = fit.predict(1, known={"elapsed": np.array([1.0]), "signal": np.array([0.0])}, draws=20_000)
    assert table["mean"][0] == pytest.approx(ahead.mean[0], abs=0.05)
    with pytest.raises(DataError, match="none for b"):
        forecast_panel(panel, future=future[future["unique_id"] == "a"])


def test_fits_of_several_sequences_have_no_single_state(wide) -> None:
    long = wide.iloc[:, :4].reset_index().melt("ds", var_name="card", value_name="y").assign(unique_id="user")
    panel = fit_panel(GARCH, long, within="card", unit="percent")
    with pytest.raises(DataError, match="one sequence a fit"):
        forecast_panel(panel)
    assert seqsci.update_panel is update_panel


def test_a_forecast_without_future_values_offers_a_template() -> None:
    model = Model(LeakyBank(), Gaussian())
    rng = np.random.default_rng(0)
    known = {"elapsed": rng.gamma(1.0, 6.0, 120), "signal": rng.normal(1, 1, 120)}
    fit = PANEL.fit(model, model.simulate(120, 3, known=known))
    with pytest.raises(DataError, match=r"predict\(3, known=\{'elapsed': np.array\(\[..., 3 values\]\), 'signal'"):
        fit.predict(3)
