"""Laws of the volatility baselines: the time contract, equality with arch, closed forms, units, and what is refused."""

from __future__ import annotations

import functools
import pickle
import sys

import numpy as np
import pytest
import statsmodels.api as sm
from arch.univariate import ConstantMean, Normal, SkewStudent, StudentsT
from numpy.typing import NDArray

from seqsci.domains.finance.arch_models import ArchPredictor, FittedArch, PowerRecursion
from seqsci.domains.finance.baselines import BASELINES, EGARCH_T, GARCH_N, GARCH_T, GJR_T, TARCH_SKEWT, HeterogeneousAutoregression
from seqsci.domains.finance.data import load_series
from seqsci.errors import DataError, MissingExtraError, ParameterError
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.skew_t import SkewT
from seqsci.observations.student_t import StudentT
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences

Array = NDArray[np.float64]
ALL = (*BASELINES, TARCH_SKEWT)
ARCH = tuple(b for b in ALL if isinstance(b, ArchPredictor))
DENSITIES = {Gaussian: Normal, StudentT: StudentsT, SkewT: SkewStudent}
TRAIN, TEST = 700, 120
every = pytest.mark.parametrize("baseline", ALL, ids=lambda b: b.name)
every_arch = pytest.mark.parametrize("baseline", ARCH, ids=lambda b: b.name)


@functools.cache
def sp500() -> Array:
    """Percent returns (5030,)."""
    values = np.asarray(load_series("sp500")["y"], float)
    return 100 * values[~np.isnan(values)]


def sequences(values: Array, unit: str = "percent") -> Sequences:
    """Returns as sequences of one unit."""
    return Sequences({"log_return": values}, measure={"log_return": unit})


def train_and_test() -> tuple[Sequences, Sequences]:
    """The crisis of 2008 begins inside the training rows."""
    values = sp500()[1800 : 1800 + TRAIN + TEST]
    return sequences(values[:TRAIN]), sequences(values[TRAIN:])


@functools.cache
def fitted(baseline: Predictor) -> FittedPredictor:
    """The baseline on the training rows."""
    return baseline.fit(train_and_test()[0])


def arch_model(baseline: ArchPredictor, returns: Array) -> ConstantMean:
    """The same model as a user of arch writes it."""
    density = DENSITIES[type(baseline.density)]()
    return ConstantMean(returns, volatility=baseline.recursion.process(), distribution=density, rescale=False)


# --- the time contract and the Predictor interface ---


@every
@pytest.mark.parametrize("row", [0, 1, 40, TEST - 1])
def test_outcomes_from_a_row_on_do_not_move_predictions_up_to_it(baseline, row):
    here = fitted(baseline)
    test = train_and_test()[1].outcome["log_return"]
    before = here.predict_rows(sequences(test))
    for other in (np.full(TEST, 1e3), -7.3 * test, np.zeros(TEST)):
        changed = test.copy()
        changed[row:] = other[row:]
        after = here.predict_rows(sequences(changed))
        assert np.array_equal(before.mean[: row + 1], after.mean[: row + 1])
        assert np.array_equal(before.variance[: row + 1], after.variance[: row + 1])
        assert row + 1 == TEST or not np.array_equal(before.variance, after.variance)


@every
def test_rows_taken_in_one_by_one_give_the_predictions_of_one_call(baseline):
    here, test = fitted(baseline), train_and_test()[1]
    whole = here.predict_rows(test)
    parts = [here.predict_rows(test.rows(0, 1)), here.update(test.rows(0, 1)).predict_rows(test.rows(1, 50))]
    parts.append(here.update(test.rows(0, 1)).update(test.rows(1, 50)).predict_rows(test.rows(50, TEST)))
    np.testing.assert_allclose(np.concatenate([p.variance for p in parts]), whole.variance, rtol=1e-13)
    np.testing.assert_array_equal(np.concatenate([p.mean for p in parts]), whole.mean)


@every
def test_first_step_ahead_is_the_prediction_of_the_next_row(baseline):
    test = train_and_test()[1]
    here = fitted(baseline).update(test)
    ahead, row = here.predict(1, draws=50), here.predict_rows(test.rows(0, 1))
    np.testing.assert_allclose([ahead.mean[0], ahead.variance[0]], [row.mean[0], row.variance[0]], rtol=1e-12)


@every
def test_paths_repeat_with_their_seed_and_scatter_as_the_moments_say(baseline):
    here = fitted(baseline)
    first, again, other = here.predict(5, 20000, seed=1), here.predict(5, 20000, seed=1), here.predict(5, 20000, seed=2)
    assert np.array_equal(first.paths, again.paths) and not np.array_equal(first.paths, other.paths)
    assert first.paths.shape == (20000, 5) and np.all(np.isfinite(first.paths))
    np.testing.assert_allclose(first.paths.mean(0), first.mean, atol=0.1)
    np.testing.assert_allclose(first.paths.var(0), first.variance, rtol=0.15)
    assert first.closed_form == (baseline.name in {"EWMA", "GARCH-n", "GARCH-t", "GJR-t"})


@every
def test_forecasts_come_back_in_the_unit_of_the_returns(baseline):
    train, test = train_and_test()
    decimal = baseline.fit(sequences(train.outcome["log_return"] / 100, "decimal"))
    small, large = decimal.predict_rows(sequences(test.outcome["log_return"] / 100, "decimal")), fitted(baseline).predict_rows(test)
    np.testing.assert_allclose(100 * small.mean, large.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(1e4 * small.variance, large.variance, rtol=1e-4)
    ahead = decimal.predict(4, draws=200)
    np.testing.assert_allclose(1e4 * ahead.variance, fitted(baseline).predict(4, draws=200).variance, rtol=1e-3)
    if isinstance(decimal, FittedArch):
        assert decimal.log_likelihood == pytest.approx(fitted(baseline).log_likelihood + TRAIN * np.log(100), rel=1e-6)


@every
def test_baselines_and_their_fits_survive_pickling(baseline):
    here, test = fitted(baseline), train_and_test()[1]
    copy = pickle.loads(pickle.dumps((baseline, here)))
    assert copy[0] == baseline
    np.testing.assert_array_equal(copy[1].predict_rows(test).variance, here.predict_rows(test).variance)


def test_baselines_have_distinct_names_and_end_with_the_strongest():
    assert [b.name for b in BASELINES] == ["EWMA", "HAR", "GARCH-n", "GARCH-t", "GJR-t", "EGARCH-t", "TARCH-t"]


# --- arch ---


@every_arch
def test_conditional_volatility_is_that_of_arch_on_the_training_rows(baseline):
    here, returns = fitted(baseline), train_and_test()[0].outcome["log_return"]
    fixed = arch_model(baseline, returns).fix(list(here.parameters.values()))
    np.testing.assert_allclose(here.conditional_volatility, fixed.conditional_volatility, rtol=1e-10)
    assert here.log_likelihood == pytest.approx(fixed.loglikelihood, rel=1e-10)


@every_arch
def test_predictions_are_those_of_arch_with_fixed_parameters_and_the_training_start(baseline):
    here, (train, test) = fitted(baseline), train_and_test()
    returns = np.concatenate([train.outcome["log_return"], test.outcome["log_return"]])
    model = arch_model(baseline, returns)
    mean, *rest = here.parameters.values()
    start = model.volatility.backcast(returns[:TRAIN] - returns[:TRAIN].mean())
    count = model.volatility.num_params
    variance = np.zeros(len(returns))
    model.volatility.compute_variance(np.array(rest[:count]), returns - mean, variance, start, model.volatility.variance_bounds(returns))
    distribution = here.predict_rows(test)
    np.testing.assert_allclose(distribution.variance, variance[TRAIN:], rtol=1e-12)
    density = model.distribution.loglikelihood(rest[count:], test.outcome["log_return"] - mean, variance[TRAIN:], individual=True)
    np.testing.assert_allclose(distribution.log_density(test.outcome["log_return"]), density, rtol=1e-10)


@every_arch
def test_estimates_are_at_least_as_likely_as_those_of_arch(baseline):
    own = arch_model(baseline, train_and_test()[0].outcome["log_return"]).fit(disp="off", show_warning=False)
    assert fitted(baseline).log_likelihood >= own.loglikelihood - 1e-4
    assert fitted(baseline).converged


@every_arch
def test_a_warm_start_never_lowers_the_likelihood(baseline):
    train = train_and_test()[0]
    early = baseline.fit(train.rows(0, TRAIN - 60))
    assert baseline.fit(train, early).log_likelihood >= fitted(baseline).log_likelihood - 1e-4
    assert baseline.fit(train, fitted(ALL[0])).parameters == fitted(baseline).parameters


def test_several_steps_of_garch_follow_the_closed_form():
    here, test = fitted(GJR_T), train_and_test()[1]
    p = here.parameters
    variance = [here.predict_rows(test).variance[0]]
    for _ in range(9):
        variance.append(p["omega"] + (p["alpha[1]"] + p["gamma[1]"] / 2 + p["beta[1]"]) * variance[-1])
    np.testing.assert_allclose(here.predict(10, draws=10).variance, variance, rtol=1e-12)


def test_a_fit_escapes_where_arch_reports_success_far_below_the_maximum():
    generator = np.random.default_rng(0)
    prices = np.exp(np.cumsum(0.03 * generator.standard_t(3, 1500)))
    ticks = np.maximum(np.round(8 * prices / prices.min()), 1) / 16  # a penny stock: most days no move, then a tick
    returns = 100 * np.diff(np.log(ticks))
    own = arch_model(EGARCH_T, returns).fit(disp="off", show_warning=False)
    assert EGARCH_T.fit(sequences(returns)).log_likelihood > own.loglikelihood + 1000


def test_a_failed_climb_is_recorded_and_arch_leaves_no_warning_filter_behind():
    import warnings

    noise = np.random.default_rng(10).standard_normal(120)
    filters = list(warnings.filters)
    here = EGARCH_T.fit(sequences(noise))
    assert not here.converged and np.isfinite(here.log_likelihood)
    assert warnings.filters == filters


# --- the heterogeneous autoregression ---


def test_heterogeneous_autoregression_is_least_squares_on_daily_weekly_and_monthly_means():
    train, test = train_and_test()
    values = np.concatenate([train.outcome["log_return"], test.outcome["log_return"]])
    squares = (values - values[:TRAIN].mean()) ** 2
    x = np.array([[1.0, squares[t - 1], squares[t - 5 : t].mean(), squares[t - 22 : t].mean()] for t in range(22, len(values))])
    y, rows = squares[22:], TRAIN - 22
    here = fitted(HeterogeneousAutoregression())
    ols = sm.OLS(y[:rows], x[:rows]).fit()
    np.testing.assert_allclose(here.coefficients, ols.params, rtol=1e-9)
    np.testing.assert_allclose(here.coefficients, np.linalg.lstsq(x[:rows], y[:rows], rcond=None)[0], rtol=1e-9)
    expected = np.maximum(x[rows:] @ ols.params, 0.05 * squares[:TRAIN].mean())
    np.testing.assert_allclose(here.predict_rows(test).variance, expected, rtol=1e-9)


def test_heterogeneous_autoregression_never_forecasts_less_than_its_floor():
    here = HeterogeneousAutoregression(floor=0.5).fit(train_and_test()[0])
    calm = here.predict_rows(sequences(np.full(60, here.mean))).variance
    assert calm.min() == pytest.approx(0.5 * np.var(train_and_test()[0].outcome["log_return"]), rel=1e-12)


# --- what is refused ---


@pytest.mark.parametrize("baseline", [HeterogeneousAutoregression(), GARCH_N], ids=["HAR", "GARCH-n"])
def test_missing_returns_are_refused_with_advice(baseline):
    values = train_and_test()[0].outcome["log_return"].copy()
    values[7] = np.nan
    with pytest.raises(DataError, match=r"1 missing, the first at row 7[\s\S]*drop the missing rows"):
        baseline.fit(sequences(values))
    with pytest.raises(DataError, match="cannot take missing"):
        fitted(baseline).predict_rows(sequences(values))
    with pytest.raises(DataError, match="cannot take missing"):
        fitted(baseline).update(sequences(values))


@every
def test_other_units_several_series_and_weights_are_refused(baseline):
    train, test = train_and_test()
    values, codes = train.outcome["log_return"], np.repeat([0, 1], TRAIN // 2)
    measure = {"log_return": "percent"}
    with pytest.raises(DataError, match="changed its unit"):
        fitted(baseline).predict_rows(sequences(test.outcome["log_return"], "decimal"))
    with pytest.raises(DataError, match="one unit at a time"):
        baseline.fit(Sequences({"log_return": values}, unit=codes, measure=measure))
    with pytest.raises(DataError, match="one unit at a time"):
        fitted(baseline).predict_rows(Sequences({"log_return": values}, unit=codes, measure=measure))
    with pytest.raises(DataError, match="cannot weight rows"):
        baseline.fit(Sequences({"log_return": values}, weight=codes.astype(float), measure=measure))
    with pytest.raises(DataError, match="one outcome"):
        baseline.fit(Sequences({"log_return": values, "other": values}, measure=measure))
    with pytest.raises(DataError, match="is constant"):
        baseline.fit(sequences(np.ones(TRAIN)))
    with pytest.raises(DataError, match="too few"):
        baseline.fit(sequences(values[:1]))


def test_returns_without_a_unit_are_refused_by_arch_models():
    with pytest.raises(DataError, match="unit of log_return is not stated"):
        GARCH_T.fit(Sequences({"log_return": sp500()}))


def test_a_baseline_without_arch_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "arch.univariate", None)
    with pytest.raises(MissingExtraError, match=r"seqsci\[finance\]"):
        GARCH_T.fit(train_and_test()[0])


def test_settings_outside_their_sets_are_refused():
    with pytest.raises(ParameterError, match="Gaussian, StudentT or SkewT"):
        ArchPredictor("odd", PowerRecursion(asymmetric=False), Bernoulli())
    with pytest.raises(ParameterError, match="0 < floor < 1"):
        HeterogeneousAutoregression(floor=0.0)
