"""Mixtures of distributions: closed forms, integrals, and a cdf and quantile that are inverse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from seqsci.errors import ParameterError
from seqsci.forecast import Distribution, Mixture
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.skew_t import SkewT
from seqsci.observations.student_t import StudentT
from seqsci.quantile_search import smallest_reaching

ROWS = 40
RNG = np.random.default_rng(5)
LOCATION, SCALE = RNG.normal(0, 2, (3, ROWS)), np.exp(RNG.normal(0, 1, (3, ROWS)))
WEIGHTS = RNG.dirichlet(np.ones(3), ROWS).T
PROBABILITIES = (1e-6, 0.01, 0.3, 0.5, 0.99, 1 - 1e-6)


def gaussians(rows=slice(None)):
    return [Distribution(Gaussian(), {"location": m[rows], "scale": s[rows]}) for m, s in zip(LOCATION, SCALE, strict=True)]


def families(location=0.0):
    """Three families of one row."""
    common = {"location": np.array([location]), "scale": np.array([0.7])}
    return (
        Distribution(Gaussian(), common),
        Distribution(StudentT(), {**common, "degrees_of_freedom": 5.0}),
        Distribution(SkewT(), {**common, "degrees_of_freedom": 8.0, "skewness": -0.5}),
    )


def test_density_cdf_and_moments_are_those_of_scipys_normals_added_up():
    mixture, y = Mixture.of(gaussians(), WEIGHTS), RNG.normal(0, 3, ROWS)
    parts = [stats.norm(m, s) for m, s in zip(LOCATION, SCALE, strict=True)]
    density = sum(w * p.pdf(y) for w, p in zip(WEIGHTS, parts, strict=True))
    np.testing.assert_allclose(mixture.log_density(y), np.log(density), rtol=1e-12)
    np.testing.assert_allclose(mixture.cdf(y), sum(w * p.cdf(y) for w, p in zip(WEIGHTS, parts, strict=True)), rtol=1e-12)
    mean = sum(w * m for w, m in zip(WEIGHTS, LOCATION, strict=True))
    second = sum(w * (m**2 + s**2) for w, m, s in zip(WEIGHTS, LOCATION, SCALE, strict=True))
    np.testing.assert_allclose(mixture.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(mixture.variance, second - mean**2, rtol=1e-10)


def test_a_stack_of_one_family_is_its_members_one_by_one():
    stack = Distribution(Gaussian(), {"location": LOCATION, "scale": SCALE})
    whole, single, y = Mixture.of((stack,), WEIGHTS), Mixture.of(gaussians(), WEIGHTS), RNG.normal(0, 3, ROWS)
    for value in (lambda m: m.mean, lambda m: m.variance, lambda m: m.log_density(y), lambda m: m.cdf(y), lambda m: m.quantile(0.2)):
        np.testing.assert_array_equal(value(whole), value(single))


def test_a_mixture_of_families_integrates_to_one_and_has_the_stated_moments():
    mixture = Mixture.of(families(0.4), [0.2, 0.5, 0.3])

    def moment(order):
        return integrate.quad(lambda y: float(y**order * np.exp(mixture.log_density(np.array([y])))[0]), -np.inf, np.inf, limit=400)[0]

    assert moment(0) == pytest.approx(1, abs=1e-7)
    assert moment(1) == pytest.approx(float(mixture.mean[0]), abs=1e-6)
    assert moment(2) - moment(1) ** 2 == pytest.approx(float(mixture.variance[0]), abs=1e-4)


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_cdf_and_quantile_are_inverse(probability):
    for mixture in (Mixture.of(gaussians(), WEIGHTS), Mixture.of(families(), [0.2, 0.5, 0.3])):
        q = mixture.quantile(probability)
        slope = np.exp(mixture.log_density(q))
        assert (np.abs(mixture.cdf(q) - probability) <= 1e-10 * slope * (1 + np.abs(q)) + 1e-16).all()


def test_well_separated_components_have_their_own_quantiles():
    far = Mixture.of([Distribution(Gaussian(), {"location": np.array([m]), "scale": 1.0}) for m in (-1e4, 1e4)], [0.5, 0.5])
    np.testing.assert_allclose(far.quantile(0.25), -1e4, atol=1e-7)
    np.testing.assert_allclose(far.quantile(0.75), 1e4, atol=1e-7)


def test_what_a_row_gets_does_not_depend_on_the_other_rows():
    whole = Mixture.of(gaussians(), WEIGHTS).quantile(0.01)
    for t in (0, 7, ROWS - 1):
        alone = Mixture.of(gaussians(slice(t, t + 1)), WEIGHTS[:, t : t + 1]).quantile(0.01)
        np.testing.assert_array_equal(alone, whole[t : t + 1])


def test_a_quantile_of_a_yes_or_no_outcome_is_the_smallest_value_whose_cdf_reaches_it():
    chance, weights = RNG.uniform(0, 1, (4, ROWS)), RNG.dirichlet(np.ones(4), ROWS).T
    mixture = Mixture.of([Distribution(Bernoulli(), {"probability": p}) for p in chance], weights)
    np.testing.assert_allclose(mixture.mean, (weights * chance).sum(0))
    np.testing.assert_allclose(mixture.variance, mixture.mean * (1 - mixture.mean), rtol=1e-9)
    for p in (0.05, 0.4, 0.9):
        np.testing.assert_array_equal(mixture.quantile(p), np.where(p <= 1 - mixture.mean, 0.0, 1.0))


def test_jumps_at_whole_numbers_are_met_exactly_and_others_from_above():
    rate = np.array([0.5, 4.0, 30.0])
    low, high = np.full(3, -1.0), np.full(3, 200.0)
    for p in (0.1, 0.5, 0.975):
        np.testing.assert_array_equal(smallest_reaching(lambda y: stats.poisson.cdf(y, rate), p, low, high), stats.poisson.ppf(p, rate))
    thirds = smallest_reaching(lambda y: stats.poisson.cdf(3 * y, rate), 0.5, low, high)
    assert (stats.poisson.cdf(3 * thirds, rate) >= 0.5).all()
    np.testing.assert_allclose(thirds, stats.poisson.ppf(0.5, rate) / 3, atol=1e-10)


def test_one_component_and_equal_components_are_the_component():
    one = gaussians()[0]
    y = RNG.normal(0, 3, ROWS)
    for mixture, exact in ((Mixture.of((one,), [1.0]), True), (Mixture.of((one, one, one), [0.2, 0.3, 0.5]), False)):
        close = np.testing.assert_array_equal if exact else lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12)
        close(mixture.mean, one.mean)
        close(mixture.variance, one.variance)
        close(mixture.log_density(y), one.log_density(y))
        close(mixture.cdf(y), one.cdf(y))
        close(mixture.quantile(0.01), one.quantile(0.01))


def test_a_component_that_is_left_out_never_enters_even_where_it_is_not_finite():
    broken = Distribution(Gaussian(), {"location": np.full(ROWS, np.nan), "scale": np.full(ROWS, np.inf)})
    with_it, without = Mixture.of((*gaussians(), broken), np.r_[WEIGHTS, np.zeros((1, ROWS))]), Mixture.of(gaussians(), WEIGHTS)
    y = RNG.normal(0, 3, ROWS)
    for value in (lambda m: m.mean, lambda m: m.variance, lambda m: m.log_density(y), lambda m: m.cdf(y), lambda m: m.quantile(0.2)):
        np.testing.assert_array_equal(value(with_it), value(without))


def test_a_weight_below_the_smallest_number_still_counts_where_the_others_cannot_be():
    sharp, wide = (Distribution(Gaussian(), {"location": np.zeros(1), "scale": s}) for s in (1e-3, 1e3))
    mixture = Mixture((sharp, wide), np.array([[0.0], [-900.0]]))
    assert mixture.log_density(np.array([10.0]))[0] == pytest.approx(-900 + wide.log_density(np.array([10.0]))[0])


@pytest.mark.parametrize("weights", [[0.2, 0.2, 0.2], [0.5, 0.5, np.nan], np.ones((3, 2, 1)) / 3])
def test_weights_that_do_not_add_up_are_refused(weights):
    with pytest.raises(ParameterError, match="weights of a mixture"):
        Mixture.of(gaussians(), weights)
