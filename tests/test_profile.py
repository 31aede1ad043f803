"""Profile intervals: they equal Wald's far from bounds, end at a bound the data allow, and hold the values the likelihood keeps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from seqsci.constraints import Interval, Real
from seqsci.domains.finance import models
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.profile import trace
from seqsci.sequences import Sequences


def test_the_profile_interval_of_a_quadratic_is_walds():
    found = trace(lambda v: 10 + (v - 2) ** 2 / (2 * 0.3**2), 2.0, 10.0, 0.3, Real())
    for level, z in ((0.9, 1.6449), (0.95, 1.96), (0.99, 2.5758)):
        assert found.interval(level) == pytest.approx((2 - z * 0.3, 2 + z * 0.3), rel=1e-3)


def test_the_interval_ends_at_a_bound_that_the_likelihood_allows():
    found = trace(lambda v: (v - 0.97) ** 2 / (2 * 0.02**2), 0.97, 0.0, 0.02, Interval(0.0, 1.0))
    low, high = found.interval(0.95)
    assert high == 1.0 and low == pytest.approx(0.97 - 1.96 * 0.02, rel=1e-3)


def test_a_parameter_on_its_bound_has_a_one_sided_interval():
    found = trace(lambda v: (1 - v) / 0.01, 1.0, 0.0, 0.005, Interval(0.0, 1.0))
    low, high = found.interval(0.95)
    assert high == 1.0 and low == pytest.approx(1 - 0.01 * 1.96**2 / 2, rel=0.05)


def test_a_fit_near_a_bound_reports_the_interval_that_the_likelihood_keeps():
    truth = models.tarch_t().start_at(mean=0.05, persistence=0.995, memory=0.9, rotation=0.95, intercept=0.02)
    data = Sequences({"log_return": truth.simulate(1500, seed=4).outcome["log_return"]}, measure={"log_return": "percent"})
    fit = MaximumLikelihood().fit(models.tarch_t(), data)
    assert fit.profiles
    for name in fit.profiles:
        low, high = fit.interval(name)
        assert low <= fit.value[name] <= high <= 1.0
        for end in (low, high):
            held = MaximumLikelihood(profile_bounds=False).fit(models.tarch_t().fix(**{name: min(end, 1 - 1e-9)}), data)
            lost = 2 * (fit.log_likelihood - held.log_likelihood)
            assert lost <= 3.9 if end == high == 1.0 else math.isclose(lost, 3.84, abs_tol=0.25)
    assert np.isnan(fit.standard_error(fit.at_bound[0])) if fit.at_bound else True


@pytest.mark.parametrize("deviation", [math.inf, math.nan, 0.0])
def test_a_profile_without_a_first_step_is_not_found_instead_of_an_error(deviation):
    found = trace(lambda v: Real().inverse(v) ** 2, 0.0, 0.0, deviation, Real())
    assert np.isnan(found.interval(0.95)).all()


def test_an_end_that_is_not_reached_is_not_found_and_leaves_the_other():
    found = trace(lambda v: max(v, 0.0) ** 2 / 2, 0.0, 0.0, 1.0, Real())
    low, high = found.interval(0.95)
    assert math.isnan(low) and high == pytest.approx(1.96, abs=0.01)


def test_a_series_of_mostly_zeros_has_a_summary_whatever_its_information():
    z = np.where(np.random.default_rng(0).random(1500) < 0.6, 0.0, np.random.default_rng(1).normal(0, 1, 1500))
    fit = MaximumLikelihood().fit(models.default(), Sequences({"log_return": z}, measure={"log_return": "percent"}))
    blind = replace(fit, covariance_raw=np.full_like(fit.covariance_raw, np.nan), stored_profiles=None)
    for found in (fit, blind):
        for row in found.estimates():
            assert math.isnan(row.low) or row.low <= row.value
    assert {e.name: e.flag for e in blind.estimates()}["shift"] == "not identified"
