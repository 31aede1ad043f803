"""Tests between nested models: the laws at bounds, the three statistics against closed forms and each other, what is said and refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, multivariate_normal

from seqsci.domains.finance import models
from seqsci.errors import ParameterError
from seqsci.estimation.chi_bar_square import projection, simulated_weights, tail, weights
from seqsci.estimation.hypothesis_tests import likelihood_ratio, score_test, wald
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ObservedInformation
from seqsci.sequences import Sequences
from tests.regression import REGRESSION, draw, regressors

ONE = MaximumLikelihood(starts=1, profile_bounds=False)
TRUTH = {"level": 0.2, "a": 1.0, "b": 0.7, "c": 0.5, "spread": 1.5}


def correlation(q: int, seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(0, 1, (q, q + 1))
    covariance = root @ root.T
    return covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))


@pytest.mark.parametrize(("q", "seed"), [(1, 0), (2, 1), (2, 2), (3, 3), (3, 4)])
def test_closed_weights_are_the_shares_of_projected_draws(q, seed):
    r = correlation(q, seed)
    closed, drawn = weights(r), simulated_weights(r, 20_000, seed)
    assert closed.sum() == pytest.approx(1, abs=1e-12) and (closed > 0).all()
    assert np.abs(closed - drawn).max() < 4.5 * math.sqrt(0.25 / 20_000)
    assert np.abs(drawn[::2].sum() - 0.5) < 0.02  # even and odd ones have a half each


def test_weights_of_independent_estimates_are_binomial_and_do_not_depend_on_scale():
    for q in (2, 3, 5):
        exact = np.array([math.comb(q, j) for j in range(q + 1)]) / 2**q
        assert np.abs(weights(np.diag(np.arange(1.0, q + 1))) - exact).max() < (1e-12 if q < 4 else 0.015)
    r = correlation(3, 5)
    np.testing.assert_allclose(weights(r), weights(r * np.outer([1, 9, 0.1], [1, 9, 0.1])), atol=1e-12)


def test_the_top_weight_is_the_orthant_probability():
    r = correlation(3, 6)
    assert weights(r)[3] == pytest.approx(multivariate_normal(np.zeros(3), r).cdf(np.zeros(3)), abs=1e-4)


def test_the_projection_is_the_nearest_admissible_point():
    rng = np.random.default_rng(7)
    v = correlation(3, 8)
    metric = np.linalg.inv(v)
    for _ in range(20):
        z = rng.normal(0, 1, 3)
        x = projection(z, v)
        best = (z - x) @ metric @ (z - x)
        others = np.maximum(x + rng.normal(0, 0.3, (200, 3)), 0)
        assert (x >= 0).all() and best <= min((z - o) @ metric @ (z - o) for o in others) + 1e-12


def test_the_mixture_has_the_published_quantiles():
    assert tail(2.7055, (0.5, 0.5)) == pytest.approx(0.05, abs=1e-4)
    assert tail(5.138, (0.0, 0.5, 0.5)) == pytest.approx(0.05, abs=2e-4)  # Kodde and Palm (1986), table 1: 0.5 chi2_1 + 0.5 chi2_2
    assert tail(0.0, (0.5, 0.5)) == 1.0


@pytest.fixture(scope="module")
def regular():
    data = draw(400, 1, 0.4, **TRUTH)
    return data, ONE.fit(REGRESSION, data)


def test_the_three_statistics_of_a_regression_are_the_textbook_ones(regular):
    data, full = regular
    restricted = ONE.fit(REGRESSION.fix(level=0.0), data)
    ratio = likelihood_ratio(restricted, full)
    slopes, n = np.column_stack([data.known[k] for k in ("x1", "x2", "x3")]), len(data)
    y = data.outcome["y"]

    def residuals(design: np.ndarray) -> np.ndarray:
        return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]

    large, small = residuals(np.column_stack([np.ones(n), slopes])), residuals(slopes)
    assert ratio.statistic == pytest.approx(n * math.log((small @ small) / (large @ large)), abs=1e-5)
    assert ratio.p_value == pytest.approx(chi2.sf(ratio.statistic, 1), rel=1e-9) and ratio.note == "" and ratio.on_bound == ()
    plain = MaximumLikelihood(starts=1, profile_bounds=False, covariance=ObservedInformation()).fit(REGRESSION, data)
    assert wald(plain, level=0.0).statistic == pytest.approx(n * (small @ small - large @ large) / (large @ large), rel=1e-4)
    score = np.column_stack([small[:, None] * np.column_stack([np.ones(n), slopes]), small**2 - small @ small / n])
    ones = np.linalg.lstsq(score, np.ones(n), rcond=None)[0]
    assert score_test(restricted, REGRESSION).statistic == pytest.approx(np.sum((score @ ones) ** 2), rel=1e-4)  # n R^2 of ones


def test_walds_statistic_is_the_squared_distance_in_raw_standard_errors_and_robust_as_the_fit(regular):
    full = regular[1]
    found = wald(full, spread=1.4)
    i = full.free_names.index("spread")
    assert found.statistic == pytest.approx(math.log(full.value["spread"] / 1.4) ** 2 / full.covariance_raw[i, i], rel=1e-9)
    both = wald(full, spread=1.4, level=0.1)
    assert both.degrees_of_freedom == 2 and both.statistic >= found.statistic - 1e-9
    assert wald(full, **{n: full.value[n] for n in full.free_names}).p_value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"a": 0.0}, "a bound of its set"),
        ({"a": -1.0}, "outside"),
        ({"slope": 1.0}, "no parameter 'slope'"),
        ({"b": 0.1}, "fixed, not estimated"),
        ({}, "no value"),
    ],
)
def test_wald_refuses_bounds_and_what_was_not_estimated(regular, values, text):
    fit = ONE.fit(REGRESSION.fix(b=0.7), regular[0])
    with pytest.raises(ParameterError, match=text) as caught:
        wald(fit, **values)
    assert "likelihood_ratio" in str(caught.value)


def test_wald_refuses_a_parameter_that_sits_at_its_bound_and_warns_near_one():
    data = draw(300, 11, **{**TRUTH, "a": 0.0, "b": 0.1})
    fit = ONE.fit(REGRESSION, data)
    pinned = next(n for n in ("a", "b") if n in fit.at_bound)
    with pytest.raises(ParameterError, match="sits at its bound"):
        wald(fit, **{pinned: 0.5})
    near = ONE.fit(REGRESSION, draw(300, 12, **{**TRUTH, "b": 0.15}))
    assert "standard errors of a bound" in wald(near, b=0.2).note
    assert "bound" not in wald(near, level=0.2).note


def test_models_with_common_fixed_values_that_differ_are_not_nested(regular):
    data = regular[0]
    with pytest.raises(ParameterError, match="not nested"):
        likelihood_ratio(ONE.fit(REGRESSION.fix(b=0.7, a=0.0), data), ONE.fit(REGRESSION.fix(b=0.6), data))
    with pytest.raises(ParameterError, match="not nested"):
        score_test(ONE.fit(REGRESSION.fix(b=0.7), data), REGRESSION.fix(b=0.7))


def simulated(tests, count, truth, correlation=0.0, rows=300):
    """p-values (count, 2) of the likelihood-ratio and the score test of fixed values, and the last pair of results."""
    found = []
    for i in range(count):
        data = draw(rows, 2000 + i, correlation, **truth)
        full, restricted = ONE.fit(REGRESSION, data), ONE.fit(REGRESSION.fix(**tests), data)
        pair = likelihood_ratio(restricted, full), score_test(restricted, REGRESSION)
        found.append([p.p_value for p in pair])
    return np.array(found), pair


CASES = [
    ({"a": 0.0}, (0.5, 0.5), "half-half"),
    ({"a": 0.0, "level": 0.2}, (0.0, 0.5, 0.5), "chi-bar-square"),
    ({"a": 0.0, "b": 0.0}, None, "chi-bar-square"),
    ({"level": 0.2, "spread": 1.5}, (0.0, 0.0, 1.0), ""),
]


@pytest.mark.parametrize(("tests", "mixture", "named"), CASES, ids=["one", "one beside another", "two", "regular"])
def test_sizes_at_bounds_are_compatible_with_ten_percent(tests, mixture, named):
    p, (ratio, score) = simulated(tests, 400, {**TRUTH, **tests}, correlation=0.5)
    for column in (0, 1):
        assert binomtest(int((p[:, column] < 0.1).sum()), 400, 0.1).pvalue > 0.005
    assert named in ratio.note and named in score.note
    expected = mixture or weights(-correlation_of(0.5))  # estimates of two slopes correlate by minus the regressors' correlation
    np.testing.assert_allclose(ratio.weights, expected, atol=0.03)


def correlation_of(r):
    return np.array([[-1.0, r], [r, -1.0]])


def test_an_ignored_bound_would_be_seen():
    p, _ = simulated({"a": 0.0}, 400, {**TRUTH, "a": 0.0})
    naive = np.where(p[:, 0] < 1, 2 * p[:, 0], 1.0)  # the chi-square p-value
    assert binomtest(int((naive < 0.1).sum()), 400, 0.1).pvalue < 0.01


def test_the_score_points_out_of_the_set_where_the_estimate_sits_on_the_bound():
    agree = []
    for i in range(60):
        data = draw(300, 5000 + i, **{**TRUTH, "a": 0.0})
        full, restricted = ONE.fit(REGRESSION, data), ONE.fit(REGRESSION.fix(a=0.0), data)
        found = score_test(restricted, REGRESSION)
        agree.append(("a" in full.at_bound) == (found.statistic == 0.0 and found.p_value == 1.0))
        assert found.statistic == pytest.approx(likelihood_ratio(restricted, full).statistic, rel=0.35, abs=0.1)
    assert np.mean(agree) > 0.95


def test_an_upper_bound_is_counted_inwards():
    data = draw(300, 21, **{**TRUTH, "a": 9.7, "b": 9.5, "spread": 6.0})
    restricted = ONE.fit(REGRESSION.fix(a=10.0, b=10.0), data)
    full = ONE.fit(REGRESSION, data)
    ratio, score = likelihood_ratio(restricted, full), score_test(restricted, REGRESSION)
    assert set(ratio.on_bound) == {"a", "b"}
    assert score.statistic == pytest.approx(ratio.statistic, rel=0.4, abs=0.05)


def test_a_nuisance_parameter_on_its_bound_is_named():
    for seed in range(40):
        data = draw(200, 8000 + seed, **{**TRUTH, "b": 0.0, "a": 0.0})
        full = ONE.fit(REGRESSION, data)
        if "b" in full.at_bound:
            break
    note = likelihood_ratio(ONE.fit(REGRESSION.fix(a=0.0), data), full).note
    assert "b beside the test sits on a bound" in note and "bootstrap_test" in note and "half-half" in note


def garch(rows, seed, **values):
    truth = models.garch_normal().start_at(mean=0.02, **values)
    return Sequences({"log_return": truth.simulate(rows, seed).outcome["log_return"]}, measure={"log_return": "percent"})


def test_a_nuisance_parameter_without_information_under_the_restriction_is_named():
    data = garch(1500, 3, persistence=0.9, memory=1.0, intercept=0.1)
    base = models.garch_normal()
    constant = ONE.fit(base.fix(memory=1.0), data)  # no news enters: persistence and intercept are one number
    note = likelihood_ratio(constant, MaximumLikelihood(profile_bounds=False).fit(base, data)).note
    assert "not identified under the restriction" in note and "persistence" in note and "bootstrap_test" in note
    arch = ONE.fit(base.fix(memory=0.0), garch(1500, 3, persistence=0.4, memory=0.0, intercept=0.5))
    assert "not identified" not in score_test(arch, base).note


def test_the_tests_see_a_false_restriction():
    data = garch(2000, 5, persistence=0.95, memory=0.85, intercept=0.05)
    base = models.garch_normal()
    full, arch = MaximumLikelihood(profile_bounds=False).fit(base, data), ONE.fit(base.fix(memory=0.0), data)
    assert likelihood_ratio(arch, full).p_value < 1e-6 and score_test(arch, base).p_value < 0.05  # a score is local: far off it is weak
    assert wald(full, persistence=0.5).p_value < 1e-6


def test_statistics_do_not_depend_on_the_unit_of_the_data():
    data = garch(1000, 6, persistence=0.4, memory=0.1, intercept=0.5)
    decimal = Sequences({"log_return": data.outcome["log_return"] / 100}, measure={"log_return": "decimal"})
    base = models.garch_normal()
    pairs = [(ONE.fit(base.fix(memory=0.0), d), ONE.fit(base, d)) for d in (data, decimal)]
    for test in (likelihood_ratio, lambda r, f: score_test(r, f.model)):
        one, other = (test(r, f) for r, f in pairs)
        assert one.statistic == pytest.approx(other.statistic, rel=1e-4, abs=1e-6)


def test_a_score_that_vanishes_is_refused_with_another_way():
    known = regressors(200, 4)
    known["x1"] = np.zeros(200)
    data = REGRESSION.start_at(**TRUTH).simulate(200, 4, known)
    with pytest.raises(ParameterError, match="no score of a"):
        score_test(ONE.fit(REGRESSION.fix(a=0.0), data), REGRESSION)


def test_a_result_reads_as_a_line_and_its_notes():
    data = draw(200, 9, **{**TRUTH, "a": 0.0})
    text = str(score_test(ONE.fit(REGRESSION.fix(a=0.0), data), REGRESSION))
    assert text.startswith("score: ") and "1 restriction, p = " in text and "\n  a is restricted to a bound" in text
