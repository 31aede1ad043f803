"""Before a diffuse start nothing is forecast, and cdf, quantiles and variance say so instead of being no numbers."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.domains.ecology.models import adaptive_slow_channel, count_slow_channel, gompertz_state_space
from seqsci.evaluate.residuals import residuals
from seqsci.forecast import Distribution, Mixture, one_step
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.observations.gaussian import DiffuseGaussian, Gaussian
from seqsci.observations.location_scale_t import LocationScaleT
from seqsci.observations.negative_binomial import NegativeBinomial
from seqsci.sequences import Sequences

LADDER = np.array([0.025, 0.3, 0.5, 0.7, 0.975])
FIRST = {"location": 1.0, "scale": 2.0, "degrees_of_freedom": 4.0, "mean": 3.0, "dispersion": 0.2, "diffuse_variance": 1.0}
OBSERVATIONS = [DiffuseGaussian(), LocationScaleT(), NegativeBinomial()]


def test_the_first_cdf_and_quantiles_are_the_limits_of_a_normal_without_end() -> None:
    y, wide = np.array([-3.0, 0.0, 8.0]), {"location": 1.0, "scale": 1e9}
    for observation in OBSERVATIONS[:2]:
        np.testing.assert_allclose(observation.cdf(y, FIRST), Gaussian().cdf(y, wide), rtol=0, atol=1e-8)
        assert observation.cdf(np.array([-np.inf, np.inf]), FIRST).tolist() == [0.0, 1.0]
        beyond = np.abs(Gaussian().quantile(LADDER, wide)) > 1e8
        np.testing.assert_array_equal(np.isinf(observation.quantile(LADDER, FIRST))[beyond], True)
        assert np.sign(observation.quantile(LADDER[beyond], FIRST)).tolist() == [-1, -1, 1, 1]


def test_the_first_count_lies_between_none_and_any_number() -> None:
    assert NegativeBinomial().quantile(LADDER, FIRST).tolist() == [0, 0, 0, np.inf, np.inf]
    assert NegativeBinomial().cdf(np.array([-1.0, 0.0, 900.0]), FIRST).tolist() == [0.0, 0.5, 0.5]


@pytest.mark.parametrize("observation", OBSERVATIONS, ids=lambda o: type(o).__name__)
def test_a_quantile_is_the_smallest_value_that_the_cdf_allows(observation: Observation) -> None:
    for p in LADDER:
        q = observation.quantile(np.asarray(p), FIRST)
        assert np.isinf(q) or observation.cdf(q, FIRST) >= p
        below = observation.cdf(np.asarray(-1.0 if isinstance(observation, NegativeBinomial) else -1e300), FIRST)
        assert q == -np.inf or below < p


@pytest.mark.parametrize("model", [gompertz_state_space(), adaptive_slow_channel(), count_slow_channel()], ids=lambda m: m.name)
def test_every_interval_of_a_filtered_series_has_ends_and_the_first_holds_whatever_comes(model: Model) -> None:
    y = np.array([np.nan, 7.0, 3.0, np.nan, 5.0, 4.0])
    reads = model.filter(Sequences({model.mechanism.outcomes[0].name: y})).reads
    ahead = one_step(model, reads, model.kernel(True).program.read_names)
    low, high = ahead.quantile(0.05), ahead.quantile(0.95)
    assert not np.isnan(low).any() and not np.isnan(high).any()
    assert np.isinf(high).tolist() == [True, True, False, False, False, False]
    seen = ~np.isnan(y)
    assert (low[1] <= y[1] <= high[1]) and not np.isnan(ahead.cdf(y)[seen]).any() and np.isinf(ahead.variance[:2]).all()


def test_a_mixture_of_first_years_is_a_first_year() -> None:
    given = {"location": np.array([0.0, 1.0]), "scale": 1.0, "diffuse_variance": np.array([1.0, 0.0])}
    both = Mixture.of((Distribution(DiffuseGaussian(), given), Distribution(DiffuseGaussian(), given)), [0.4, 0.6])
    assert both.quantile(0.05)[0] == -np.inf and both.quantile(0.95)[0] == np.inf
    assert both.quantile(0.95)[1] == pytest.approx(1 + 1.6448536, abs=1e-6) and both.cdf(np.zeros(2))[0] == pytest.approx(0.5)


def test_the_first_year_is_no_residual() -> None:
    from seqsci.estimation.maximum_likelihood import MaximumLikelihood

    y = 3 + 0.3 * np.random.default_rng(1).normal(size=60)
    fit = MaximumLikelihood().fit(gompertz_state_space(), Sequences({"log_count": y}))
    assert len(residuals(fit).standardised) == 59
