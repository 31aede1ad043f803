"""Residuals of a fit and their tests: those of statsmodels, white where the model is right, refused where nothing can be judged."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.errors import DataError, ParameterError
from seqsci.evaluate.residuals import ResidualTest, arch_lm, autocorrelation, ljung_box, pit_histogram, residual_tests, residuals
from tests.simulated_fit import GARCH, ROWS, simulated_fit


@pytest.fixture(scope="module")
def fit():
    return simulated_fit()


@pytest.fixture(scope="module")
def noise():
    clustered = GARCH.simulate(1500, seed=8).outcome["log_return"]
    return clustered


@pytest.mark.filterwarnings("ignore:acorr_lm currently returns:FutureWarning")  # het_arch of statsmodels 0.15 calls it the old way
def test_ljung_box_and_arch_lm_are_those_of_statsmodels(noise):
    diagnostic = pytest.importorskip("statsmodels.stats.diagnostic", reason="statsmodels is not installed")
    for lags in (1, 10, 20):
        ours, theirs = ljung_box(noise, lags), diagnostic.acorr_ljungbox(noise, lags=[lags]).iloc[0]
        np.testing.assert_allclose([ours.statistic, ours.p_value], theirs[["lb_stat", "lb_pvalue"]].astype(float), rtol=1e-9)
        lm, p, *_ = diagnostic.het_arch(noise, nlags=lags)
        ours = arch_lm(noise, lags)
        np.testing.assert_allclose([ours.statistic, ours.p_value], [lm, p], rtol=1e-8)


def test_residuals_of_the_right_model_are_white_and_quantile_residuals_equal_them_under_a_normal_density(fit):
    found = residuals(fit)
    np.testing.assert_allclose(found.normal, found.standardised, atol=1e-7)
    assert not found.discrete and found.units == 1 and len(found.normal) == ROWS
    tests = residual_tests(found)
    assert [t.name for t in tests] == ["Ljung-Box", "Ljung-Box", "ARCH-LM"]
    assert all(t.p_value > 0.01 for t in tests)


def test_a_pit_histogram_has_mean_one_and_is_flat_for_uniform_numbers():
    u = np.random.default_rng(0).uniform(size=40_000)
    heights = pit_histogram(u, u, 20)
    assert heights.mean() == pytest.approx(1.0) and np.abs(heights - 1).max() < 0.1


def test_the_pit_of_a_right_discrete_forecast_is_flat_without_random_numbers():
    random = np.random.default_rng(1)
    p = random.uniform(0.1, 0.9, size=40_000)
    came = random.uniform(size=p.size) < p
    heights = pit_histogram(np.where(came, 1 - p, 0.0), np.where(came, 1.0, 1 - p), 10)
    assert heights.mean() == pytest.approx(1.0) and np.abs(heights - 1).max() < 0.05


def test_tests_refuse_what_they_cannot_judge(fit):
    found = residuals(fit)
    with pytest.raises(DataError, match="constant"):
        ljung_box(np.ones(50), 5)
    with pytest.raises(DataError, match="constant squares"):
        arch_lm(np.tile([1.0, -1.0], 30), 5)
    for lags in (0, 50):
        with pytest.raises(ParameterError, match="lags"):
            autocorrelation(np.arange(50.0), lags)
    units = type(found)(found.standardised, found.below, found.upto, found.normal, False, 2)
    with pytest.raises(DataError, match="one series"):
        residual_tests(units)
    discrete = type(found)(found.standardised, found.below, found.upto, found.normal, True, 1)
    assert [type(t) for t in residual_tests(discrete)] == [ResidualTest]
