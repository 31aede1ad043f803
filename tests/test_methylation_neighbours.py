"""Leaky neighbours, forecasts and imputation: exact over gaps, blind to what is masked or later, and scored by blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from seqsci.domains.genomics.methylation.baselines import Boosting, GlobalMean, LastValue, Logistic, PooledCounts, chosen
from seqsci.domains.genomics.methylation.binomial_regression import fit_regression
from seqsci.domains.genomics.methylation.forecasting import ForecastTask, cross_forecast
from seqsci.domains.genomics.methylation.hybrid import Hybrid, NeighbourPrior, TiedGate
from seqsci.domains.genomics.methylation.imputation import (
    IMPUTERS,
    MOST_WEIGHT,
    BoostingImputer,
    LeakyBank,
    NeighbourMean,
    at_time,
    seen_sums,
)
from seqsci.domains.genomics.methylation.neighbours import leaky_sums
from seqsci.domains.genomics.methylation.scoring import folds, paired_interval, read_losses
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError

SMALL = Boosting(iterations=10, smallest_leaf=20)
FORECASTERS = (GlobalMean(), LastValue(), PooledCounts(), Logistic(neighbours=False), Logistic(), Logistic(products=True), SMALL)
OURS = (TiedGate(rounds=20), NeighbourPrior(classes=4, rounds=10), Hybrid())


def landscape(sites: int = 1500, seed: int = 0) -> SiteSeries:
    """Sites of two chromosomes whose equilibria follow a smooth landscape of about 300 bp; one half-life of 2 hours."""
    rng = np.random.default_rng(seed)
    position = np.cumsum(rng.geometric(0.01, sites) + 1) * 20
    level = np.zeros(sites)
    for i in range(1, sites):
        keep = np.exp(-(position[i] - position[i - 1]) / 3000)
        level[i] = keep * level[i - 1] + np.sqrt(1 - keep**2) * rng.normal()
    z = special.expit(1.5 + 1.5 * level)
    times = np.array([0.5, 1.0, 4.0, 16.0])
    kept = 2 ** (-times / 2.0)
    n = rng.poisson([8, 3, 3, 3], (sites, 4)) + 1
    m = rng.binomial(n, z[:, None] * (0.6 * kept + 1 - kept))
    names = np.where(np.arange(sites) < sites // 2, "a", "b").astype(object)
    return SiteSeries(position, names, m, n, times, "hours")


SERIES = landscape()


def with_last(series: SiteSeries, chosen_sites: np.ndarray) -> SiteSeries:
    """The same series with the counts of some sites at the last time turned over."""
    m = series.methylated.copy()
    m[chosen_sites, -1] = (series.coverage - series.methylated)[chosen_sites, -1]
    return replace(series, methylated=m)


def test_leaky_sums_are_weighted_sums_over_the_other_sites():
    rng = np.random.default_rng(0)
    position, values = np.cumsum(rng.integers(1, 400, 80)), rng.normal(size=(80, 2))
    weight = np.exp(-np.abs(position[:, None] - position) / 150.0)
    np.fill_diagonal(weight, 0.0)
    weight[:30, 30:] = weight[30:, :30] = 0.0
    breaks = np.arange(80) == 30
    np.testing.assert_allclose(leaky_sums(position, values, [50.0, 150.0], breaks)[:, 1], weight @ values, rtol=1e-10, atol=1e-12)


def test_a_sites_own_value_never_enters_its_leaky_sum():
    values = np.random.default_rng(0).normal(size=len(SERIES))
    before = leaky_sums(SERIES.position, values, [300.0], SERIES.breaks)
    for i in (0, 7, 749, 750, len(SERIES) - 1):
        other = values.copy()
        other[i] = 1e6
        after = leaky_sums(SERIES.position, other, [300.0], SERIES.breaks)
        assert after[i] == before[i] and (after != before).any()


def test_leaky_sums_refuse_unsorted_sites_and_values_that_are_missing():
    for position, values, lengths in (([5, 2], [1.0, 1.0], [9.0]), ([2, 5], [1.0, np.nan], [9.0]), ([2, 5], [1.0, 1.0], [0.0])):
        with pytest.raises(DataError, match="leaky channels"):
            leaky_sums(position, values, lengths)


@pytest.mark.parametrize("imputer", (*IMPUTERS[:-1], BoostingImputer(SMALL)), ids=lambda i: i.name)
@pytest.mark.parametrize("mask", ["random", "blocks"])
def test_a_masked_site_is_imputed_without_its_own_reads(imputer, mask):
    one = at_time(landscape(600, seed=7), 3)
    train = np.random.default_rng(0).random(len(one)) < 0.7 if mask == "random" else folds(one.block, 3) != 0
    before = imputer.impute(one, train)
    assert ((before > 0) & (before < 1)).all()
    for k, (methylated, coverage) in enumerate([(0, 60), (60, 60), (0, 0)]):
        masked = np.flatnonzero(~train[:-1] & ~train[1:])[10 + 10 * k]  # the site after it is masked as well
        m, n = one.methylated.copy(), one.coverage.copy()
        m[masked], n[masked] = methylated, coverage
        after = imputer.impute(replace(one, methylated=m, coverage=n), train)
        assert after[masked] == before[masked]
        np.testing.assert_array_equal(after[train], before[train])  # what was learned saw no masked read
        assert (after != before).any() == (imputer.name != "global mean")  # other masked sites do see it
    turned = one.methylated.copy()
    turned[train] = (one.coverage - one.methylated)[train]
    assert (imputer.impute(replace(one, methylated=turned), train) != before)[~train].any()


@pytest.mark.parametrize("forecaster", (*FORECASTERS, *OURS), ids=lambda f: f.name)
def test_later_counts_enter_through_training_sites_alone(forecaster):
    train = folds(SERIES.block, 3) != 1
    before = forecaster.forecast(ForecastTask(SERIES), train)
    assert before.shape == (len(SERIES),) and ((before > 0) & (before < 1)).all()
    after = forecaster.forecast(ForecastTask(with_last(SERIES, ~train)), train)
    np.testing.assert_array_equal(after, before)
    again = forecaster.forecast(ForecastTask(with_last(SERIES, train)), train)
    assert (again != before).any() == (forecaster not in (LastValue(), PooledCounts()))


def test_neighbours_help_where_there_is_a_landscape_and_the_mechanism_beats_raw_values():
    series = landscape(4000, seed=3)
    task, fold = ForecastTask(series), folds(series.block, 3)

    def loss(forecaster):
        return read_losses(task.methylated, task.coverage, cross_forecast(forecaster, task, fold)).sum() / task.coverage.sum()

    alone, informed, last, mean = (loss(f) for f in (TiedGate(), NeighbourPrior(classes=6), LastValue(), GlobalMean()))
    assert informed < alone < min(last, mean)
    assert loss(Hybrid()) < loss(Logistic(neighbours=False))


def test_the_bank_of_channels_finds_that_near_sites_tell_more():
    series = at_time(landscape(4000, seed=4), 3)
    train = np.ones(len(series), bool)
    m, n = series.methylated[:, 0], series.coverage[:, 0]
    bank = LeakyBank((300.0, 3000.0, 30000.0))
    assert (bank.weights(series, train) >= 0).all()
    value = [read_losses(m, n, i.impute(series, train)).sum() for i in (bank, NeighbourMean())]
    assert value[0] < value[1]


@pytest.mark.parametrize("spacing", [10, 100, 1000])
def test_no_other_weights_of_the_bank_are_more_likely(spacing):
    rng = np.random.default_rng(2)
    sites = 3000
    island = np.repeat(rng.beta(0.5, 0.5, sites // 20), 20)  # near sites are alike
    n = rng.poisson(4.0, (sites, 1))
    m = rng.binomial(n, island[:, None])
    series = SiteSeries(np.cumsum(rng.geometric(1 / spacing, sites) + 1), np.full(sites, "c", object), m, n, np.array([0.0]))
    bank, train = LeakyBank(), np.ones(sites, bool)
    sums, g = seen_sums(series, train), (m.sum() + 0.5) / (n.sum() + 1)

    def loss(w):
        return read_losses(m[:, 0], n[:, 0], (g + sums[:, :, 0] @ w) / (1 + sums[:, :, 1] @ w)).sum() / n.sum()

    found = bank.weights(series, train)
    best = loss(found)
    for k in range(len(found)):
        for other in (found[k] * 1.3, found[k] / 1.3, found[k] + 0.02 / sums[:, k, 1].mean(), 0.0):
            moved = found.copy()
            moved[k] = min(other, MOST_WEIGHT)
            assert loss(moved) >= best - 1e-8
    for _ in range(100):
        other = found * np.exp(rng.normal(0, 1, 6)) + rng.exponential(0.1, 6) * rng.integers(0, 2, 6)
        assert loss(np.minimum(other, MOST_WEIGHT)) > best - 1e-12


def test_a_length_that_no_training_site_sees_has_no_weight_where_another_chromosome_does():
    """Sites 1.5 kb apart teach nothing of pairs 10 bp apart, whose reads are all drawn at .7."""
    rng = np.random.default_rng(0)
    position = np.r_[np.arange(480) * 1500, np.repeat(np.arange(40) * 20_000, 2) + np.tile([0, 10], 40)]
    names = np.repeat(["chr1", "chr2"], [480, 80]).astype(object)
    n = rng.integers(4, 10, (560, 1))
    series = SiteSeries(position, names, rng.binomial(n, 0.7), n, np.array([0.0]))
    train = names == "chr1"
    w = LeakyBank().weights(series, train)
    assert w[:2].tolist() == [0.0, 0.0] and (w < 1).all()
    p = LeakyBank().impute(series, train)
    assert np.abs(p[~train] - 0.7).max() < 0.1
    assert LeakyBank().weights(series, np.arange(560) == 0).tolist() == [0.0] * 6  # a lone site sees nobody


def test_sites_that_copy_each_other_teach_large_weights_and_no_certainty():
    """Neighbours of which each is wholly methylated or not at all: the likelihood rises without end."""
    pairs = np.random.default_rng(0).random(300) < 0.7
    position = np.repeat(np.arange(300) * 30_000, 2) + np.tile([0, 10], 300)
    n = np.full((600, 1), 8)
    series = SiteSeries(position, np.full(600, "c", object), n * np.repeat(pairs, 2)[:, None], n, np.array([0.0]))
    w = LeakyBank().weights(series, np.ones(600, bool))
    assert 10 < w.max() <= MOST_WEIGHT * (1 + 1e-9)
    p = LeakyBank().impute(series, np.ones(600, bool))
    assert ((p > 0.99) == np.repeat(pairs, 2)).all() and ((p > 0) & (p < 1)).all()


def test_the_regression_is_that_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(0)
    x, n = rng.normal(size=(400, 3)), rng.poisson(4, 400) + 1
    m = rng.binomial(n, special.expit(0.3 + x @ np.array([1.0, -0.5, 0.0])))
    theirs = sm.GLM(np.column_stack([m, n - m]), sm.add_constant(x), family=sm.families.Binomial()).fit()
    np.testing.assert_allclose(fit_regression(x, m, n, ridge=0.0).probability(x), theirs.fittedvalues, rtol=1e-6)
    with pytest.raises(DataError, match="no regression"):
        fit_regression(x, m, m - 1)


def test_blocks_are_never_cut_and_the_interval_resamples_them_whole():
    fold = folds(SERIES.block, 3)
    assert all(len(np.unique(fold[SERIES.block == b])) == 1 for b in np.unique(SERIES.block))
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(40), 50)
    shared = rng.normal(0.0, 1.0, 40)[block]
    wide = paired_interval(shared + rng.normal(0, 0.1, 2000), np.zeros(2000), np.ones(2000), block)
    naive = paired_interval(shared + rng.normal(0, 0.1, 2000), np.zeros(2000), np.ones(2000), np.arange(2000))
    assert wide.blocks == 40 and wide.low <= wide.difference <= wide.high
    assert wide.high - wide.low > 4 * (naive.high - naive.low)
    assert wide.excludes_zero == (wide.low > 0 or wide.high < 0)
    for bad in (lambda: folds(np.zeros(5, int)), lambda: paired_interval(shared, shared, np.ones(2000), np.zeros(2000, int))):
        with pytest.raises(DataError):
            bad()


def test_the_block_interval_covers_by_the_binomial_rule():
    rng = np.random.default_rng(1)
    block, hits = np.repeat(np.arange(36), 20), 0
    for seed in range(200):
        d = rng.normal(0.0, 1.0, 36)[block] + rng.normal(0.3, 1.0, 720)
        found = paired_interval(d, np.zeros(720), np.ones(720), block, resamples=500, seed=seed)
        hits += found.low <= 0.3 <= found.high
    assert 0.88 <= hits / 200 <= 0.98  # percentile intervals of 36 blocks are a little short


def test_a_choice_among_rivals_reads_training_blocks_alone():
    series = landscape(3000, seed=5)
    train = folds(series.block, 3) != 0
    pick = chosen((GlobalMean(), Logistic()), ForecastTask(series), train)
    assert pick == chosen((GlobalMean(), Logistic()), ForecastTask(with_last(series, ~train)), train) == Logistic()


def test_forecasts_that_cannot_be_scored_are_refused():
    for m, p in ((np.array([3.0]), np.array([0.5])), (np.array([1.0]), np.array([1.0]))):
        with pytest.raises(DataError, match="cannot be scored"):
            read_losses(m, np.array([2.0]), p)
    with pytest.raises(DataError, match="nothing to forecast"):
        ForecastTask(SERIES.until(1))
