"""Backtests and comparisons: same rows, same refit dates, no look-ahead, and a verdict that says when we lose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from seqsci import Gated, Mechanism, Model, Outcome, Parameter, State, compare, fit
from seqsci.baselines.ewma import ExponentialSmoothing
from seqsci.constraints import Positive, UnitInterval
from seqsci.domains.finance import models
from seqsci.errors import DataError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.evaluate.backtest import Protocol, backtest
from seqsci.evaluate.compare import compare as compare_paths
from seqsci.evaluate.compare import losses
from seqsci.evaluate.comparison import Difference, verdict
from seqsci.observations.gaussian import Gaussian
from seqsci.predictor import ModelPredictor, SelectedPredictor
from seqsci.sequences import Sequences

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
FAST = MaximumLikelihood(starts=1)


def percent(returns):
    return Sequences({"log_return": returns}, measure={"log_return": "percent"})


@pytest.fixture(scope="module")
def returns():
    return GARCH.simulate(1400, seed=3).outcome["log_return"]


def test_forecasts_use_nothing_from_their_own_row_on(returns):
    protocol = Protocol(900, 1000, refit=50)
    changed = returns.copy()
    changed[960:] = np.random.default_rng(0).normal(0, 4, len(changed) - 960)
    predictors = (ModelPredictor(GARCH, FAST), ExponentialSmoothing())
    a, b = (backtest(predictors, percent(r), "log_return", protocol) for r in (returns, changed))
    for name in a.paths:
        np.testing.assert_array_equal(a.paths[name].variance[:61], b.paths[name].variance[:61])
        assert not np.array_equal(a.paths[name].variance[61:], b.paths[name].variance[61:])


def test_a_refit_date_is_the_same_for_all_and_changes_only_later_rows(returns):
    often, once = (
        backtest((ModelPredictor(GARCH, FAST),), percent(returns), "log_return", Protocol(900, 1000, refit=r)) for r in (50, 100)
    )
    name = GARCH.name
    np.testing.assert_array_equal(often.paths[name].variance[:50], once.paths[name].variance[:50])
    assert not np.array_equal(often.paths[name].variance[50:], once.paths[name].variance[50:])


def test_the_generating_model_beats_a_wrong_one_and_the_loser_is_told_so(returns):
    wrong = models.garch_t().named("wrong").fix(persistence=0.2, memory=0.1)
    test = backtest((ModelPredictor(GARCH, FAST), ModelPredictor(wrong, FAST)), percent(returns), "log_return", Protocol(700, 1400, 350))
    ahead, behind = compare_paths(test, GARCH.name, 2), compare_paths(test, "wrong", 2)
    assert ahead.difference("NLL", "wrong").verdict == "we are better"
    assert behind.difference("NLL", GARCH.name).verdict == "WE ARE WORSE"
    assert "significantly WORSE than: " + GARCH.name in verdict(behind)
    assert ahead.difference("QLIKE", "wrong").mean == pytest.approx(-behind.difference("QLIKE", GARCH.name).mean)


def test_losses_are_in_percent_whatever_the_unit(returns):
    decimal = Sequences({"log_return": returns / 100}, measure={"log_return": "decimal"})
    tests = [backtest((ModelPredictor(GARCH, FAST),), s, "log_return", Protocol(900, 950, 50)) for s in (percent(returns), decimal)]
    for score in ("QLIKE", "MSE", "NLL"):
        a, b = (losses(t, GARCH.name)[score] for t in tests)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_selection_keeps_the_restriction_unless_the_training_rows_pay_for_it():
    free = models.default()
    plain = models.tarch_t().start_at(persistence=0.95, memory=0.9, rotation=0.3, intercept=0.05).simulate(1500, seed=1)
    shifted = models.shift_only().start_at(memory=0.85, shift=1.0, intercept=0.05).simulate(2500, seed=1)
    rule = SelectedPredictor(free, (("shift", 0.0),), FAST)
    assert "shift" in rule.fit(percent(plain.outcome["log_return"])).fit.model.fixed
    assert "shift" not in rule.fit(percent(shifted.outcome["log_return"])).fit.model.fixed


def test_compare_of_a_fit_states_rows_dates_label_and_number_tried(returns):
    found = fit(GARCH, returns[:1000], unit="percent", estimator=FAST)
    text = str(compare(found, (ExponentialSmoothing(),), test_share=0.2, refit=100, label="confirmation", tried_before=7))
    assert (
        "confirmation data" in text
        and "200 one-step-ahead forecasts" in text
        and "9 models were tried" in text
        and "refit every 100 rows" in text
    )
    assert "WORSE" in text


def test_a_significant_loss_is_capitals_and_a_tie_is_called_one():
    assert Difference("QLIKE", "b", 0.1, 0.05, 0.2, 0.01).verdict == "WE ARE WORSE"
    assert Difference("QLIKE", "b", -0.1, -0.2, 0.1, 0.3).verdict == "no significant difference"


def test_two_optimisers_at_one_maximum_are_equal_not_better_or_worse():
    tiny = Difference("NLL", "b", 1.6e-7, 4e-8, 3e-7, 0.007)
    assert tiny.verdict == "equal to four decimals" and not tiny.significant


def test_missing_outcomes_move_the_memory_but_are_not_scored(returns):
    holes = returns.copy()
    holes[[50, 940, 950]] = np.nan
    found = backtest((ModelPredictor(GARCH, FAST),), percent(holes), "log_return", Protocol(900, 1000))
    path = found.paths[GARCH.name]
    assert len(found.y) == len(path.variance) == len(path.log_density) == 98
    assert np.isfinite(path.log_density).all()
    fitted = FAST.fit(GARCH, percent(holes[:900])).update(percent(holes[900:960]))
    np.testing.assert_allclose(path.variance[:58], fitted.path.reads[900:, 1][~np.isnan(holes[900:960])] ** 2, rtol=1e-12)


def test_a_baseline_that_cannot_take_the_data_is_left_out_with_its_reason(returns):
    class Picky(ExponentialSmoothing):
        name = "Picky"

        def fit(self, train, previous=None):
            raise DataError("this one cannot take gaps\n  got: NaN")

    fitted = fit(GARCH, returns, unit="percent", estimator=FAST)
    text = str(compare(fitted, [ExponentialSmoothing(), Picky(decay=0.9)], refit=200))
    assert "not compared: Picky: " in text and "this one cannot take gaps" in text


def test_a_study_brings_its_whole_protocol_and_fits_and_models_are_baselines_too(returns):
    from seqsci.study import Study

    fitted = fit(models.default().fix(shift=0.0), returns, unit="percent", estimator=FAST)
    study = Study("s", fitted.model, None, (ExponentialSmoothing(),), tried_before=3, refit=300, label="confirmation", test_share=0.2)
    found = compare(fitted, study)
    assert (found.tried, found.backtest.protocol.label, found.backtest.protocol.refit, len(found.backtest.y)) == (
        5,
        "confirmation",
        300,
        280,
    )
    assert {d.baseline for d in compare(fitted, [GARCH, ExponentialSmoothing()], refit=300).differences} == {GARCH.name, "EWMA"}


def test_realized_variance_is_a_score_and_must_be_there(returns):
    fitted = fit(GARCH, returns, unit="percent", estimator=FAST)
    realized = np.full(len(returns), 1.3)
    found = compare(fitted, [ExponentialSmoothing()], refit=300, realized=realized)
    mean = np.mean([np.log(v) + 1.3 / v - np.log(1.3) - 1 for v in found.backtest.paths["EWMA"].variance])
    row = next(r for r in found.scores if r.model == "EWMA")
    assert row.realized_qlike == pytest.approx(mean, rel=1e-9) and found.difference("RV-QLIKE", "EWMA").score == "RV-QLIKE"
    realized[-3] = np.nan
    with pytest.raises(DataError, match="realized variance is missing"):
        compare(fitted, [ExponentialSmoothing()], refit=300, realized=realized)


def test_useless_protocols_and_data_are_refused(returns):
    with pytest.raises(DataError, match="protocol"):
        Protocol(10, 5)
    with pytest.raises(DataError, match="development or confirmation"):
        Protocol(5, 10, label="test")
    with pytest.raises(DataError, match="reaches past"):
        backtest((ModelPredictor(GARCH, FAST),), percent(returns), "log_return", Protocol(900, 5000))
    holes = returns.copy()
    holes[900:1000] = np.nan
    with pytest.raises(DataError, match="no outcome in the test window"):
        backtest((ModelPredictor(GARCH, FAST),), percent(holes), "log_return", Protocol(900, 1000))
    with pytest.raises(DataError, match="same name"):
        backtest((ModelPredictor(GARCH), ModelPredictor(GARCH)), percent(returns), "log_return", Protocol(900, 1000))


def test_unstated_or_contradicted_units_and_unsorted_dates_are_refused(returns):
    pd = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="unit of log_return is not stated"):
        fit(GARCH, returns)
    with pytest.raises(DataError, match="look like percent"):
        fit(GARCH, returns, unit="decimal")
    with pytest.raises(DataError, match="look like decimals"):
        fit(GARCH, returns / 100, unit="percent")
    days = pd.date_range("2001-01-01", periods=len(returns))
    with pytest.raises(DataError, match="unsorted"):
        fit(GARCH, pd.Series(returns, index=days[::-1]), unit="percent")
    with pytest.raises(DataError, match=r"missing column 'y'"):
        fit(GARCH, pd.DataFrame({"ds": days, "ret": "a"}), unit="percent")


def test_a_frame_a_series_and_an_array_give_the_same_fit(returns):
    pd = pytest.importorskip("pandas")
    days = pd.date_range("2001-01-01", periods=len(returns))
    frame = pd.DataFrame({"unique_id": "a", "ds": days, "y": returns})
    frame.attrs["unit"] = "percent"
    fits = [fit(GARCH, d, unit="percent", estimator=FAST) for d in (returns, pd.Series(returns, index=days), frame)]
    assert fits[0].value == fits[1].value == fits[2].value


@dataclass(frozen=True)
class Average(Mechanism):
    """A moving average of outcomes that are no returns."""

    states = (State("average"),)
    outcomes = (Outcome("y"),)
    own_parameters = (
        Parameter("memory", UnitInterval(), 0.8, "1", "f", "share of the old average that is kept"),
        Parameter("spread", Positive(), 1.0, "1", r"\sigma", "scatter around the average"),
    )

    def start(self):
        return 0.0

    def read(self, average, spread):
        return {"location": average, "scale": spread}

    def update(self, y, memory):
        return Gated(forget=memory, write=1 - memory, candidate=y)


def test_an_outcome_that_is_no_return_is_scored_by_its_mean():
    model = Model(Average(), Gaussian()).named("average")
    fitted = fit(model, model.simulate(500, 1), estimator=FAST)
    found = compare(fitted, [model.fix(memory=0.2).named("short")], refit=200)
    assert {d.score for d in found.differences} == {"MSE", "NLL"} and "QLIKE" not in str(found) and "percent" not in str(found)
    path = found.backtest.paths["average"]
    assert found.scores[0].mse == pytest.approx(np.mean((found.backtest.y - path.mean) ** 2))
    assert found.difference("MSE", "short").verdict == "we are better"
