"""Scores and calibration of probability forecasts, against scikit-learn and statsmodels and by simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from seqsci.errors import DataError, ParameterError
from seqsci.evaluate.binary_scores import auc, brier, log_loss
from seqsci.evaluate.calibration import calibration_line, expected_calibration_error, reliability, wilson

RNG = np.random.default_rng(0)
P = np.round(RNG.uniform(0, 1, 500), 2)
Y = (RNG.random(500) < P).astype(float)


def test_log_loss_brier_and_auc_are_those_of_scikit_learn_ties_and_certainties_included() -> None:
    assert (P == 0).any() or (P == 1).any() or len(np.unique(P)) < P.size
    certain = np.append(P, [0.0, 1.0, 1.0])
    y = np.append(Y, [1, 0, 1])
    assert log_loss(y, certain).mean() == pytest.approx(metrics.log_loss(y, certain), rel=1e-12)
    assert brier(Y, P).mean() == pytest.approx(metrics.brier_score_loss(Y, P), rel=1e-12)
    assert auc(Y, P) == pytest.approx(metrics.roc_auc_score(Y, P), rel=1e-12)


def test_auc_of_one_class_is_not_a_number() -> None:
    assert np.isnan(auc([1, 1], [0.2, 0.3]))


@pytest.mark.parametrize(
    ("y", "p", "text"),
    [
        ([3, 1], [0.5, 0.5], "yes or no"),
        ([1, 0], [0.5, 1.5], "out of range"),
        ([1, 0], [0.5], "same shape"),
        ([1, 0], [0.5, np.nan], "not finite"),
    ],
)
def test_what_is_no_probability_forecast_is_refused(y: list[float], p: list[float], text: str) -> None:
    with pytest.raises(DataError, match=text):
        log_loss(y, p)


@pytest.mark.parametrize(("successes", "rows"), [(0, 10), (10, 10), (3, 17), (1, 1)])
def test_wilsons_interval_is_that_of_statsmodels(successes: int, rows: int) -> None:
    ours = wilson(successes, rows, 0.9)
    assert (ours.low, ours.high) == pytest.approx(proportion_confint(successes, rows, 0.1, "wilson"), abs=1e-12)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match="not a share"):
        wilson(0, 0)


def test_a_reliability_table_holds_every_row_once_and_never_splits_equal_forecasts() -> None:
    table = reliability(Y, P, groups=7)
    assert sum(r.rows for r in table) == P.size and len(table) == 7
    assert sum(r.rows * r.observed.value for r in table) == pytest.approx(Y.sum())
    assert sum(r.rows * r.forecast for r in table) == pytest.approx(P.sum())
    assert all(a.forecast < b.forecast for a, b in pairwise(table))
    few = reliability([0, 1, 1, 1, 1, 0], [0.5] * 5 + [0.1], groups=3)
    assert [r.rows for r in few] == [1, 5]


def test_the_expected_calibration_error_is_the_bias_of_a_constant_forecast() -> None:
    assert expected_calibration_error(reliability(Y, np.full(Y.size, 0.9))) == pytest.approx(abs(0.9 - Y.mean()))


def test_the_calibration_line_is_that_of_statsmodels_with_its_clustered_errors() -> None:
    p = np.clip(P, 0.01, 0.99)
    cluster = np.arange(Y.size) // 5
    line = calibration_line(Y, p, (cluster,), level=0.95)
    model = sm.GLM(Y, sm.add_constant(np.log(p / (1 - p))), family=sm.families.Binomial())
    peer = model.fit(cov_type="cluster", cov_kwds={"groups": cluster, "df_correction": True})
    n, g = Y.size, cluster.max() + 1
    errors = peer.bse / np.sqrt((n - 1) / (n - 2))  # statsmodels also corrects for the two columns
    for estimate, value, error in zip((line.intercept, line.slope), peer.params, errors, strict=True):
        assert estimate.value == pytest.approx(value, abs=1e-8)
        assert (estimate.high - estimate.low) / 2 / 1.959963984540054 == pytest.approx(error, rel=1e-6)
    assert g == 100


def test_forecasts_that_are_too_extreme_have_a_slope_below_one_and_biased_ones_an_intercept() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(1.0, 1.0, 20_000)
    y = rng.random(truth.size) < 1 / (1 + np.exp(-truth))
    extreme, low = 1 / (1 + np.exp(-2 * truth)), 1 / (1 + np.exp(-(truth - 0.5)))
    assert calibration_line(y, extreme).slope.value == pytest.approx(0.5, abs=0.03)
    biased = calibration_line(y, low)
    assert biased.in_the_large.value == pytest.approx(0.5, abs=0.05) and biased.in_the_large.low > 0


@pytest.mark.parametrize(
    ("y", "p", "text"),
    [([1, 1, 1], [0.2, 0.3, 0.4], "no line"), ([0, 1, 0], [0.5] * 3, "no line"), ([0, 0, 1, 1], [0.2, 0.3, 0.7, 0.8], "does not converge")],
)
def test_a_line_that_does_not_exist_is_refused(y: list[float], p: list[float], text: str) -> None:
    with pytest.raises(DataError, match=text):
        calibration_line(y, p)
