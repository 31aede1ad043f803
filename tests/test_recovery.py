"""The recovery study counts what it says: truth, failures, coverage by an exact test, the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from seqsci.domains.finance import models
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.recovery import holm, recovery

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.95, memory=0.88, intercept=0.05)


@pytest.fixture(scope="module")
def study():
    return recovery(GARCH, 1500, 40, seed=100, likelihood_intervals=True)


def test_coverage_is_not_impossible_under_the_nominal_level(study):
    for p in study.parameters:
        assert p.p_value == binomtest(round(p.coverage * p.replicates), p.replicates, 0.95).pvalue
        assert p.p_value > 1e-4 and not p.rejected
        assert 0.8 <= p.likelihood_coverage <= 1.0


def test_estimates_scatter_around_the_truth_as_their_standard_errors_say(study):
    for p in study.parameters:
        assert abs(p.bias) < 4 * p.rmse / np.sqrt(p.replicates) + 0.5 * p.rmse
        assert 0.6 < p.error_ratio < 1.7


def test_the_same_seed_gives_the_same_study_and_another_seed_another():
    a, b, c = (recovery(GARCH, 300, 3, seed=s) for s in (1, 1, 2))
    assert str(a) == str(b) != str(c)


def test_a_replicate_that_cannot_be_fitted_is_a_row_with_a_reason():
    found = recovery(GARCH, 300, 3, seed=5, estimator=MaximumLikelihood(starts=1, evaluations=2))
    assert [seed for seed, _ in found.failures] == [5, 6, 7]
    assert all("did not converge" in reason for _, reason in found.failures)
    assert found.parameters == ()


def test_holms_adjustment_is_monotone_and_never_below_the_raw_value():
    p = np.array([0.04, 0.001, 0.5, 0.01])
    adjusted = holm(p)
    assert (adjusted >= p).all() and adjusted.max() <= 1
    np.testing.assert_allclose(adjusted, [0.08, 0.004, 0.5, 0.03])
