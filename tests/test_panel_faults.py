"""What users do to panels: odd dates, text, other units, broken mechanisms, stores of others. Nothing is silently wrong, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seqsci
from seqsci import Sequences, fit_panel
from seqsci.bank_predictor import BankPredictor
from seqsci.domains.finance import models
from seqsci.errors import ArtefactError, DataError, ParameterError
from seqsci.estimation.bank import Bank
from seqsci.estimation.bootstrap import parametric_bootstrap
from seqsci.estimation.hypothesis_tests import likelihood_ratio, score_test, wald
from seqsci.evaluate.panel_backtest import backtest_panel
from seqsci.evaluate.panel_paths import one_by_one
from seqsci.linear_gaussian import LinearGaussian, StateSpace
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.panel.fitting import PANEL
from seqsci.panel.pooling import EmpiricalBayes, Partial
from seqsci.panel.rolling import roll
from seqsci.panel.units import dates_of, to_units
from seqsci.panel.updating import forecast_panel, update_panel
from seqsci.predictor import ModelPredictor
from tests.registry import LocalLevel

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.95, memory=0.85, intercept=0.06)


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    values = TRUTH.simulate(6 * 220, 1).outcome["log_return"].reshape(6, 220)
    return pd.DataFrame(values.T, index=pd.date_range("2020-01-01", periods=220), columns=[f"s{i}" for i in range(6)])


def long_of(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")


def test_dates_of_any_kind_sort_as_dates_and_other_text_is_refused(wide) -> None:
    days = pd.Series(pd.date_range("2020-01-30", periods=4))
    expected = days.to_numpy()
    for other in (days.astype(str), days.dt.to_period("D"), days.dt.tz_localize("Europe/Berlin"), days.dt.date):
        np.testing.assert_array_equal(dates_of(pd.Series(other)), expected)
    assert dates_of(pd.Series([3, 1])).tolist() == [3, 1]
    frame = long_of(wide)
    with pytest.raises(DataError, match="dayfirst=True"):
        fit_panel(GARCH, frame.assign(ds=frame["ds"].dt.strftime("%d/%m/%Y")), unit="percent")
    shuffled = frame.assign(ds=frame["ds"].dt.to_period("D")).sample(frac=1, random_state=0)
    assert fit_panel(GARCH, shuffled, unit="percent").table["reason"].str.startswith("unsorted dates").all()
    zoned = backtest_panel(GARCH, frame.assign(ds=frame["ds"].dt.tz_localize("UTC")), window=150, unit="percent")
    assert len(zoned.y) == 6 * 70


def test_text_in_a_series_is_a_reason_and_not_a_missing_step(wide) -> None:
    frame = long_of(wide).astype({"y": object})
    frame.loc[3, "y"] = "0,42"
    table = fit_panel(GARCH, frame, unit="percent").table
    assert table["reason"][0] == "y holds text: '0,42'" and (table["status"][1:] == "ok").all()
    with pytest.raises(DataError, match="occurs twice"):
        fit_panel(GARCH, pd.concat([frame, frame[["y"]]], axis=1), unit="percent")


def test_a_population_knows_its_unit(wide) -> None:
    prior = fit_panel(GARCH, wide / 100, unit="decimal", estimator=EmpiricalBayes(Partial(correlated=False))).population.prior
    percent = fit_panel(GARCH, wide, unit="percent", estimator=EmpiricalBayes(Partial(correlated=False))).population.prior
    data = Sequences({"log_return": wide["s0"].to_numpy()}, measure={"log_return": "percent"})
    a, b = seqsci.fit(GARCH.with_prior(prior), data), seqsci.fit(GARCH.with_prior(percent), data)
    for n in GARCH.free_names:
        assert a.value[n] == pytest.approx(b.value[n], rel=2e-2, abs=1e-3)
    with pytest.raises(ParameterError, match="another unit"):
        seqsci.fit(GARCH.with_prior(prior), Sequences({"log_return": wide["s0"].to_numpy()}))


def test_a_prior_on_fixed_parameters_alone_is_none(wide) -> None:
    data = Sequences({"log_return": wide["s0"].to_numpy()}, measure={"log_return": "percent"})
    plain, fixed = seqsci.fit(GARCH.fix(mean=0.0), data), seqsci.fit(GARCH.fix(mean=0.0).with_prior(mean=(-0.1, 0.1)), data)
    assert fixed.value == plain.value and not fixed.prior_kept and fixed.standard_error("memory") == plain.standard_error("memory")


def test_tests_and_bootstraps_refuse_posterior_modes(wide) -> None:
    data = Sequences({"log_return": wide["s0"].to_numpy()}, measure={"log_return": "percent"})
    under, plain = seqsci.fit(GARCH.with_prior(memory=(0.5, 0.9)), data), seqsci.fit(GARCH.fix(memory=0.8), data)
    for call in (
        lambda: likelihood_ratio(plain, under),
        lambda: wald(under, memory=0.8),
        lambda: score_test(plain, under),
        lambda: parametric_bootstrap(under, 20),
    ):
        with pytest.raises(ParameterError, match="under a prior"):
            call()
    assert "AIC" not in str(under.summary()) and "AIC" in str(plain.summary())


def test_a_backtest_under_a_prior_keeps_its_rule(wide) -> None:
    model = GARCH.with_prior(memory=(0.7, 0.95), persistence=(0.85, 0.99), mean=(-0.2, 0.2), intercept=(0.01, 0.5))
    units = to_units(model, wide.iloc[:, :3], unit="percent")
    arguments = (units, np.full(3, 100), 40, 60)
    ours = roll(model, *arguments, PANEL, (0.01,))
    theirs = one_by_one(ModelPredictor(model, PANEL), *arguments, "log_return", (0.01,))
    np.testing.assert_allclose(ours.variance, theirs.variance, rtol=1e-5)
    np.testing.assert_allclose(ours.log_density, theirs.log_density, rtol=1e-5)


def test_mixed_units_fail_in_a_backtest_as_in_a_fit(wide) -> None:
    mixed = wide.assign(s3=wide["s3"] / 1000)
    failures = backtest_panel(GARCH, mixed, window=150, unit="percent").failures
    assert list(failures["unique_id"]) == ["s3"] and "look like decimals" in failures["reason"].iloc[0]


def test_a_bank_alone_names_its_outcome(wide) -> None:
    bank = BankPredictor(Bank(TRUTH, {"memory": [0.7, 0.85, 0.95]}), weights=np.full(3, 1 / 3))
    found = backtest_panel(bank, wide.iloc[:, :2], window=150, unit="percent")
    assert len(found.y) == 140


def test_an_update_converts_units_and_refuses_mix_ups_and_gaps(wide) -> None:
    panel = fit_panel(GARCH, wide.iloc[:200], unit="percent")
    right = forecast_panel(update_panel(panel, wide.iloc[200:]))
    decimal = wide.iloc[200:] / 100
    decimal.attrs["unit"] = "decimal"
    pd.testing.assert_frame_equal(forecast_panel(update_panel(panel, decimal)), right, rtol=1e-9)
    pd.testing.assert_frame_equal(forecast_panel(update_panel(panel, wide.iloc[200:] / 100, unit="decimal")), right, rtol=1e-9)
    with pytest.raises(DataError, match="another size"):
        update_panel(panel, wide.iloc[200:] / 100)
    with pytest.raises(DataError, match="another size"):
        update_panel(panel, 100 + wide.iloc[200:])
    with pytest.raises(ParameterError, match="level"):
        forecast_panel(panel, level=95)


@dataclass(frozen=True)
class Fragile(LinearGaussian):
    """A local level whose starting values fail on a series that starts above 50."""

    components = ("level",)
    own_parameters = LocalLevel.own_parameters

    def matrices(self, step: Any, error: Any) -> StateSpace:
        return LocalLevel().matrices(step, error)

    def starting_values(self, outcome: Any) -> Any:
        if outcome["y"][0] > 50:
            raise ZeroDivisionError("a fault of the mechanism's")
        return [{}]


def test_a_fault_in_one_series_is_its_row_and_leaves_the_others() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(0, 1, (80, 5)).cumsum(0) + rng.normal(0, 1, (80, 5)), columns=list("abcde"))
    plain = fit_panel(Model(Fragile(), Gaussian()), frame).table
    frame["c"] += 100
    table = fit_panel(Model(Fragile(), Gaussian()), frame).table
    assert table["reason"][2] == "ZeroDivisionError: a fault of the mechanism's"
    rest = [0, 1, 3, 4]
    pd.testing.assert_frame_equal(table.iloc[rest].drop(columns="seconds"), plain.iloc[rest].drop(columns="seconds"))


def test_a_store_keeps_what_others_wrote_and_never_a_reason_that_may_go_away(wide, tmp_path) -> None:
    path = tmp_path / "done.parquet"
    broken = wide.copy()
    broken.iloc[5, 0] = np.inf
    fit_panel(GARCH, pd.concat([wide[["s1"]], wide], axis=1), unit="percent", store=path)
    mended = fit_panel(GARCH, wide, unit="percent", store=path).table
    assert (mended["status"] == "ok").all()
    fit_panel(models.garch_t(), wide.iloc[:, :2], unit="percent", store=path)
    assert len(pd.read_parquet(path)) >= 8
    first = fit_panel(GARCH, broken, unit="percent", store=path).table
    again = fit_panel(GARCH, broken, unit="percent", store=path).table
    pd.testing.assert_frame_equal(first, again)
    with pytest.raises(ArtefactError, match="does not exist"):
        fit_panel(GARCH, wide, unit="percent", store=tmp_path / "nowhere" / "x.parquet")
    with pytest.raises(ParameterError, match="threads"):
        fit_panel(GARCH, wide, unit="percent", threads=-1)
