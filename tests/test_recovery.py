"""The recovery study counts what it says: truth, failures, coverage by an exact test, the same for a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare, kstest

from seqsci.domains.finance import models
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.recovery import BINS, DRAWS, PriorDraws, _below, holm, recovery
from seqsci.estimation.standard_errors import Covariance, ObservedInformation
from seqsci.plots import svg
from seqsci.rank_histogram import rank_histogram
from seqsci.sequences import Sequences
from tests.registry import ALL_RECOVERED
from tests.test_design import MEAN

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


class Halved(ObservedInformation):
    """Standard errors that are half of what they should be."""

    def estimate(self, outer, information):
        return super().estimate(outer, information) / 4


@pytest.fixture(scope="module")
def drawn():
    truths = PriorDraws(MEAN, {"center": 1.0, "spread": 0.3})
    return recovery(MEAN, 1000, 150, seed=3000, estimator=MaximumLikelihood(covariance=ObservedInformation()), truths=truths)


def test_ranks_are_uniform_where_the_intervals_are_right(drawn):
    for p in drawn.parameters:
        assert len(p.ranks) + p.excluded == p.replicates == 150 - len(drawn.failures) >= 145
        assert min(p.ranks) >= 0 and max(p.ranks) <= DRAWS
        assert p.rank_p_value > 1e-3 and not p.ranks_rejected
        assert kstest((np.array(p.ranks) + 0.5) / (DRAWS + 1), "uniform").pvalue > 1e-3
        assert p.rank_p_value == chisquare(np.bincount(np.array(p.ranks) * BINS // (DRAWS + 1), minlength=BINS)).pvalue


def test_ranks_show_intervals_that_are_too_narrow():
    assert issubclass(Halved, Covariance)
    found = recovery(MEAN, 1000, 150, seed=3000, estimator=MaximumLikelihood(covariance=Halved()))
    for p in found.parameters:
        ends = np.isin(np.array(p.ranks) * BINS // (DRAWS + 1), (0, BINS - 1)).mean()
        assert p.ranks_rejected and p.rejected and ends > 0.35  # a valley: 0.2 where they are right
    assert "REJECTED: coverage, ranks" in str(found)


def test_truths_that_are_drawn_differ_between_replicates_and_are_compared_with_their_own_fit(drawn):
    spread = {p.name: p for p in drawn.parameters}["spread"]
    assert spread.truth == pytest.approx(2.0 * np.exp(0.3**2 / 2), rel=0.1)
    assert spread.rmse < 0.5 * 2.0 * 0.3  # far below the scatter of the truths themselves


def test_prior_draws_refuse_names_and_centres_that_have_no_raw_value():
    with pytest.raises(ParameterError, match="did you mean 'center'"):
        PriorDraws(MEAN, {"centre": 0.1})
    with pytest.raises(ParameterError, match="bound"):
        PriorDraws(GARCH.start_at(persistence=1.0), {"persistence": 0.1})


def test_a_study_is_the_same_for_any_number_of_threads():
    draws = PriorDraws(GARCH, {"mean": 0.1, "memory": 0.2})
    one, three = (recovery(GARCH, 400, 7, seed=1, truths=draws, threads=k) for k in (1, 3))
    assert one == three and str(one) == str(three)


def test_a_driven_gate_is_recovered_with_its_known_sequence():
    case = next(c for c in ALL_RECOVERED if c.known() is not None)
    found = recovery(case.model, 600, 3, known=case.known())
    assert found.failures == () and found.parameters[0].replicates == 3
    with pytest.raises(DataError, match="gate_drive"):
        recovery(case.model, 600, 1)


def test_the_rank_of_a_profile_is_that_of_its_signed_root():
    values = GARCH.start_at(persistence=0.995).simulate(1500, 4).outcome["log_return"]
    fit = MaximumLikelihood().fit(GARCH, Sequences({"log_return": values}, measure={"log_return": "percent"}))
    assert "persistence" in fit.profiles and "mean" not in fit.profiles
    low, high = fit.interval("persistence")
    assert _below(fit, "persistence", low) == pytest.approx(0.025, abs=0.003)
    assert high == 1.0 or _below(fit, "persistence", high) == pytest.approx(0.975, abs=0.003)
    assert _below(fit, "mean", fit.interval("mean")[1]) == pytest.approx(0.975, abs=1e-6)
    pinned = replace(fit, free_names=(), covariance_raw=np.zeros((0, 0)), at_bound=("mean",), stored_profiles={})
    assert np.isnan(_below(pinned, "mean", 0.0))


def test_the_rank_histogram_shows_every_parameter_and_its_band(drawn):
    captioned = rank_histogram(drawn)
    assert len(captioned.figure.axes) == len(drawn.parameters)
    text = svg(captioned)
    assert all(p.name in text for p in drawn.parameters) and "of 20 bars lie outside" in captioned.caption
    for axis, p in zip(captioned.figure.axes, drawn.parameters, strict=True):
        assert sum(bar.get_height() for bar in axis.patches) == len(p.ranks)
