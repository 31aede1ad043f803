"""Clustered intervals against statsmodels, closed forms and their coverage; the equivalence test against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from seqsci.errors import DataError, ParameterError
from seqsci.evaluate.equivalence import clustered_mean, codes_of, equivalent, jackknife_mean, multiway_variance, widest
from seqsci.evaluate.joint_bootstrap import Estimate


def crossed(rng: np.random.Generator, cards: int, days: int, rows: int, card_sd: float, day_sd: float) -> tuple[np.ndarray, ...]:
    """Values with an effect of their card and one of their day."""
    card, day = rng.integers(cards, size=rows), rng.integers(days, size=rows)
    x = rng.normal(0, card_sd, cards)[card] + rng.normal(0, day_sd, days)[day] + rng.normal(0, 1, rows)
    return x, card, day


def test_two_way_variance_is_that_of_statsmodels() -> None:
    x, card, day = crossed(np.random.default_rng(0), 40, 30, 600, 0.5, 0.5)
    fit = sm.OLS(x, np.ones(x.size)).fit()
    both, by_card, by_day = cov_cluster_2groups(fit, card, day, use_correction=True)
    centred = x - x.mean()
    assert multiway_variance(centred, [card]) / x.size**2 == pytest.approx(by_card.item(), rel=1e-10)
    assert multiway_variance(centred, [day]) / x.size**2 == pytest.approx(by_day.item(), rel=1e-10)
    assert multiway_variance(centred, [card, day]) / x.size**2 == pytest.approx(both.item(), rel=1e-10)


def test_without_clusters_it_is_the_variance_of_independent_rows() -> None:
    x = np.random.default_rng(1).normal(size=50)
    assert multiway_variance(x - x.mean()) == pytest.approx(x.size * x.var(ddof=1))
    ours = clustered_mean(x, level=0.9)
    low, high = stats.t.interval(0.9, x.size - 1, x.mean(), stats.sem(x))
    assert (ours.low, ours.high) == pytest.approx((low, high))


def test_clusters_nested_in_others_leave_the_outer_ones() -> None:
    x, card, day = crossed(np.random.default_rng(2), 60, 30, 900, 1.0, 0.0)
    user = card // 10
    inside_day = codes_of(user, day)
    centred = x - x.mean()
    outer = multiway_variance(centred, [user])
    three = multiway_variance(centred, [user, card, inside_day])
    assert three == pytest.approx(outer, rel=0.02)  # up to the G / (G - 1) of the finer ways
    assert multiway_variance(centred, [card, card]) == pytest.approx(multiway_variance(centred, [card]))


def test_the_variance_is_never_below_that_of_one_way() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        x, card, day = crossed(rng, 4, 4, 12, 0.0, 0.0)
        centred = x - x.mean()
        both = multiway_variance(centred, [card, day])
        assert both >= multiway_variance(centred, [card]) and both >= multiway_variance(centred, [day])


def test_two_way_intervals_cover_where_one_way_intervals_do_not() -> None:
    rng = np.random.default_rng(4)
    hits = {"both": 0, "card": 0, "day": 0}
    for _ in range(300):
        x, card, day = crossed(rng, 60, 60, 1500, 0.5, 0.5)
        for name, ways in (("both", [card, day]), ("card", [card]), ("day", [day])):
            e = clustered_mean(x, ways)
            hits[name] += e.low < 0 < e.high
    assert hits["both"] / 300 > 0.91
    assert hits["card"] / 300 < 0.88 and hits["day"] / 300 < 0.88


def test_with_equal_weights_the_jackknife_is_the_t_interval() -> None:
    means = np.array([0.3, -0.1, 0.8, 0.4, 0.0, 0.2])
    found = jackknife_mean(means)
    low, high = stats.t.interval(0.95, 5, means.mean(), stats.sem(means))
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high)) and found.freedom == pytest.approx(5.0)


def test_the_jackknife_variance_is_that_of_the_estimates_without_one_cluster() -> None:
    means, weights = np.array([0.3, -0.1, 0.8, 0.4]), np.array([5.0, 1.0, 2.0, 1.0])
    without = [np.average(np.delete(means, g), weights=np.delete(weights, g)) for g in range(4)]
    mean = np.average(means, weights=weights)
    variance = 3 / 4 * np.square(without - mean).sum()
    found = jackknife_mean(means, weights)
    half = stats.t.ppf(0.975, found.freedom) * np.sqrt(variance)
    assert found.estimate.high - mean == pytest.approx(half) and 1.0 <= found.freedom < 3.0


ROWS = np.array([17680, 3085, 1725, 805, 390, 460])
"""Rows of six users, of whom one has 73 %."""


@pytest.mark.parametrize("weights", [ROWS, np.ones(6), np.array([5, 4, 3, 2, 1, 1])], ids=["dominated", "equal", "uneven"])
def test_jackknife_intervals_of_six_clusters_cover_and_those_of_a_bootstrap_do_not(weights: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    share = weights / weights.sum()
    hits, bootstrap = 0, 0
    for _ in range(600):
        means = rng.normal(size=6)
        e = jackknife_mean(means, weights).estimate
        hits += e.low < 0 < e.high
        pick = rng.integers(6, size=(200, 6))
        low, high = np.quantile((share[pick] * means[pick]).sum(1) / share[pick].sum(1), [0.025, 0.975])
        bootstrap += low < 0 < high
    assert hits / 600 > 0.925
    assert bootstrap / 600 < 0.92


def test_equivalence_is_both_one_sided_tests() -> None:
    rng = np.random.default_rng(6)
    for _ in range(200):
        x = rng.normal(rng.uniform(-0.6, 0.6), 1.0, 30)
        margin = 0.5
        above = stats.ttest_1samp(x, -margin, alternative="greater").pvalue < 0.05
        below = stats.ttest_1samp(x, margin, alternative="less").pvalue < 0.05
        assert equivalent(clustered_mean(x, level=0.9), margin) == (above and below)


def test_a_difference_at_the_margin_is_called_equivalent_in_at_most_five_percent() -> None:
    rng = np.random.default_rng(7)
    called = 0
    for _ in range(400):
        x, card, day = crossed(rng, 40, 40, 800, 0.3, 0.3)
        called += equivalent(clustered_mean(x + 0.4, [card, day], level=0.9), 0.4)
    assert called / 400 < 0.08


@pytest.mark.parametrize("weights", [ROWS, np.ones(6)], ids=["dominated", "equal"])
def test_six_users_that_differ_at_the_margin_are_called_equivalent_in_at_most_five_percent(weights: np.ndarray) -> None:
    rng = np.random.default_rng(8)
    called = sum(equivalent(jackknife_mean(rng.normal(0.003, 0.001, 6), weights, 0.9).estimate, 0.003) for _ in range(1000))
    assert called / 1000 < 0.07


def test_the_widest_interval_is_found_and_bad_arguments_are_refused() -> None:
    assert widest(Estimate(0, -1, 1), Estimate(0, -3, 3)).high == 3
    with pytest.raises(ParameterError, match="margin"):
        equivalent(Estimate(0, -1, 1), 0.0)
    with pytest.raises(ParameterError, match="level"):
        clustered_mean([1.0, 2.0], level=1.0)
    with pytest.raises(DataError, match="label a row"):
        multiway_variance([1.0, 2.0], [[1]])
    with pytest.raises(DataError, match="one cluster"):
        clustered_mean([1.0, 2.0], [[1, 1]])
    with pytest.raises(DataError, match="clusters"):
        jackknife_mean([1.0])
