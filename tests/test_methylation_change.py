"""Rates are read only where sites change against themselves: blocks of dependent reads and coverage that drifts raise no false verdict."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seqsci.domains.genomics.methylation.blocked_sites import BlockedSites
from seqsci.domains.genomics.methylation.change import change_of, effective_number, independent_clusters
from seqsci.domains.genomics.methylation.kinetics import fit_kinetics
from seqsci.domains.genomics.methylation.models import per_time
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.simulator import Passages
from seqsci.errors import DataError
from seqsci.estimation.identifiability import weak_parameters


def table(m: list[list[int]], n: list[list[int]], times: tuple[float, ...] = (0.0, 4.0)) -> SiteSeries:
    sites = len(m)
    return SiteSeries(np.arange(sites) * 10, np.full(sites, "c", object), np.array(m), np.array(n), np.array(times))


@pytest.mark.parametrize(
    "static",
    [
        BlockedSites(drift=2.0),
        BlockedSites(drift=2.0, correlation=0.02),
        BlockedSites(drift_with_level=1.0),
        BlockedSites(correlation=0.1),
    ],
)
@pytest.mark.parametrize("blocks", [6, 12])
def test_static_sites_are_not_called_identified_however_coverage_shifts(static, blocks):
    called, ratio = 0, 0
    for seed in range(15):
        series = static.draw(blocks, seed=seed)
        found = fit_kinetics(series, clusters=series.block)
        called, ratio = called + found.identified, ratio + (found.ratio > stats.chi2.isf(0.001, 2))
    assert called <= 1
    assert ratio >= 5  # what the verdict must not rest on


@pytest.mark.parametrize("blocks", [3, 6, 36])
@pytest.mark.parametrize("unequal", [False, True])
def test_the_test_of_a_change_keeps_its_size(blocks, unequal):
    p = []
    for seed in range(300):
        series = BlockedSites(drift=2.0, correlation=0.05, coverage=4.0).draw(blocks, 10, seed)
        if unequal:  # one large block beside small ones, with reads that depend on each other: the worst that was found
            series = series.rows((series.position % 1_000_000 < 100) | (series.block == 0))
        p.append(change_of(series, series.block).p_value)
    assert stats.binomtest(int((np.array(p) < 0.05).sum()), 300, 0.05, "greater").pvalue > 1e-3
    assert stats.binomtest(int((np.array(p) < 0.01).sum()), 300, 0.01, "greater").pvalue > 1e-3


def test_sites_that_relax_are_identified_with_their_half_life_for_drifting_coverage_too():
    moving, inside = BlockedSites(lost=0.5, half_life=2.0, correlation=0.005, drift=0.3), 0
    for seed in range(10):
        series = moving.draw(36, seed=seed)
        found = fit_kinetics(series, clusters=series.block)
        assert found.identified and found.change.statistic > 0
        low, high = found.fit.interval("half_life")
        inside += low <= 2.0 <= high
    assert inside >= 7


def test_the_statistic_is_students_t_of_the_sites_changes_where_all_are_read_alike():
    rng = np.random.default_rng(0)
    m = rng.binomial(40, [0.4, 0.6], (40, 2))
    wanted = stats.ttest_1samp(np.diff(m, axis=1)[:, 0], 0.0)
    found = change_of(table(m.tolist(), [[40, 40]] * 40), np.arange(40))
    assert found.statistic == pytest.approx(wanted.statistic) and found.p_value == pytest.approx(wanted.pvalue)


def test_the_statistic_is_students_t_of_the_slopes_of_clusters():
    rng = np.random.default_rng(0)
    n = rng.integers(8, 12, (40, 2)) * rng.integers(3, 9, (40, 1))
    m = rng.binomial(n, [0.4, 0.5])
    cluster = np.repeat(np.arange(8), 5)
    moved = (m - n * (m.sum(1) / n.sum(1))[:, None])[:, 1]
    seen = n.prod(1) / n.sum(1)
    x = np.bincount(cluster, moved) / np.bincount(cluster, seen)
    wanted, found = stats.ttest_1samp(x, 0.0), change_of(table(m.tolist(), n.tolist()), cluster)
    assert found.statistic == pytest.approx(wanted.statistic) and found.p_value == pytest.approx(wanted.pvalue) and found.clusters == 8


def test_a_small_cluster_beside_large_ones_does_not_hide_a_change():
    series = BlockedSites(lost=0.5, correlation=0.005).draw(6, 50, seed=1)
    kept = series.rows((series.block != 5) | (series.position % 1_000_000 < 300))
    assert change_of(kept, kept.block).p_value < 0.01  # of plain sums t would be 5 and p .016, however large the change


SIZES = {
    "one large block and twenty tiny ones": (2000, *(5,) * 20),
    "one large block and five": (1000, *(50,) * 5),
    "six of all sizes": (200, 50, 20, 10, 5, 5),
    "ten targets and a hundred strays": (*(200,) * 10, *(2,) * 100),
    "eight large blocks and a tiny one": (*(500,) * 8, 20),
}


def unequal(sizes: tuple[int, ...], seed: int, lost: float, correlation: float = 0.02) -> SiteSeries:
    series = BlockedSites(lost=lost, correlation=correlation).draw(len(sizes), max(sizes), seed)
    return series.rows(series.position % 1_000_000 < 100 * np.array(sizes)[series.block])


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_a_large_change_is_seen_whatever_the_sizes_of_blocks(sizes):
    for seed in range(5):
        series = unequal(sizes, seed, 0.5, 0.005)
        assert change_of(series, series.block).p_value < 0.01 and change_of(series, independent_clusters(series)).p_value < 0.01


@pytest.mark.parametrize("sizes", [SIZES["six of all sizes"], (300, *(5,) * 20), (*(60,) * 10, *(2,) * 40)])
def test_blocks_of_unequal_sizes_keep_the_size_of_the_test(sizes):
    p = np.array([change_of(s, s.block).p_value for s in (unequal(sizes, seed, 0.0) for seed in range(200))])
    assert stats.binomtest(int((p < 0.01).sum()), 200, 0.01, "greater").pvalue > 1e-3


@pytest.mark.parametrize(
    ("sites", "coverage", "fraction", "times"),
    [(30, 1, 0.97, 4), (12, 3, 0.97, 4), (8, 1, 0.5, 2), (100, 3, 0.97, 4), (12, 10, 0.97, 4), (60, 3, 0.97, 2)],
)
def test_sparse_sites_keep_the_size_of_the_test(sites, coverage, fraction, times):
    """A site or two reads in the rarer state a cluster: its sum is skewed, and equal sums left no scatter at all."""
    rng = np.random.default_rng(1)
    p = []
    for _ in range(200):
        m = rng.binomial(coverage, fraction, (sites, times))
        series = table(m.tolist(), [[coverage] * times] * sites, (0.0, 1.0, 4.0, 16.0)[:times])
        p.append(change_of(series, np.arange(sites)).p_value)
    assert stats.binomtest(int((np.array(p) < 0.01).sum()), 200, 0.01, "greater").pvalue > 1e-3


def test_a_block_beside_strays_is_cut_into_stretches_and_one_beside_five_is_not():
    strays = unequal((3000, *(1,) * 4), 0, 0.5)  # four sites in four blocks hold little: 300 kb are cut into pieces of 10 kb
    assert len(np.unique(independent_clusters(strays)[strays.block == 0])) == 30
    assert effective_number(np.bincount(strays.block)) < 1.1
    for sizes in ((1000, *(50,) * 5), (50,) * 6, (2000, *(5,) * 20)):
        series = unequal(sizes, 0, 0.5)
        assert (independent_clusters(series) == series.block).all()


def test_what_cannot_be_tested_is_not_said_to_be_an_equilibrium():
    n = np.full((4, 4), 2)
    found = fit_kinetics(table([[0, 1, 1, 2]] + [[2, 2, 2, 2]] * 3, n.tolist(), (0.0, 1.0, 4.0, 16.0)))
    assert not found.identified and "cannot be tested" in found.reasons[0] and "does not change" not in " ".join(found.reasons)


def test_a_change_does_not_depend_on_sites_that_can_show_none():
    m, n = [[10, 50], [20, 70], [5, 60], [30, 80]], [[90, 90]] * 4
    alone = change_of(table(m, n), np.arange(4))
    more = change_of(table([*m, [0, 0], [9, 9], [3, 0]], [*n, [9, 9], [9, 9], [9, 0]]), np.arange(7))
    assert more.statistic == pytest.approx(alone.statistic) and more.clusters == alone.clusters == 4
    assert more.share < alone.share == 1.0


def test_reads_of_other_sites_at_each_time_hold_no_change_of_any_site():
    m, n = [[1, 0]] * 20 + [[0, 8]] * 20, [[9, 0]] * 20 + [[0, 9]] * 20
    found = change_of(table(m, n), np.arange(40))
    assert found.p_value == 1.0 and found.clusters == 0 and found.share == 0.0


@pytest.mark.parametrize(
    ("m", "n", "told"),
    [
        ([[5, 5]] * 3, [[5, 5]] * 3, "reads for 0 clusters of sites that could show a change, 2 are needed"),
        ([[9, 9]] * 3, [[20, 20]] * 3, "t +0.0 over 3 sites taken as independent, p 1"),
        ([[3, 3]] * 6, [[9, 9]] * 6, "t +0.0 over 3 clusters of sites, p 1"),
        ([[0, 15]] * 3, [[15, 15]] * 3, "all 3 sites taken as independent change alike, which leaves no scatter to judge a change by"),
        ([[0, 9000], [0, 1]], [[9000, 18000], [1, 2]], "reads for 1 cluster of sites that could show a change, 2 are needed"),
    ],
)
def test_what_is_certain_or_cannot_be_told_is_said(m, n, told):
    assert str(change_of(table(m, n), np.arange(len(m)))) == told


def test_a_lone_site_at_as_many_times_as_are_fitted_is_not_judged():
    found = fit_kinetics(table([[1, 5, 8]], [[9, 9, 9]], (0.0, 1.0, 4.0)), per_time())
    assert not found.identified and "one site at no more times than are fitted" in found.reasons[0]


def test_a_fit_that_rises_where_sites_fall_is_no_rate():
    rng = np.random.default_rng(1)
    low, high = np.full(200, 0.3), np.full(200, 0.9)
    falls = np.array([1.0, 0.95, 0.9, 0.85])
    n = np.concatenate([np.tile([60, 40, 10, 2], (200, 1)), np.tile([2, 10, 40, 60], (200, 1))])
    m = rng.binomial(n, np.concatenate([low, high])[:, None] * falls)
    found = fit_kinetics(table(m.tolist(), n.tolist(), (0.0, 1.0, 4.0, 16.0)))
    assert not found.identified and "sites fall" in found.reasons[0] and "fit rises" in found.reasons[0]
    assert "other sites are read at other times" in found.reasons[0] and "or the course turns" in found.reasons[0]


def test_a_course_that_turns_is_no_rate():
    rng = np.random.default_rng(2)
    z = rng.beta(6, 2, 240)[:, None] * np.array([1.0, 0.6, 0.6, 1.0])
    n = rng.poisson(8, (240, 4))
    series = table(rng.binomial(n, z).tolist(), n.tolist(), (0.0, 1.0, 4.0, 16.0))
    found = fit_kinetics(series, clusters=np.repeat(np.arange(12), 20))
    assert not found.identified and "which no relaxation does" in found.reasons[0]
    moving = BlockedSites(lost=0.5).draw(12, 50, 0)
    assert change_of(moving, moving.block).against == 0.0


def test_a_lone_site_is_judged_by_the_scatter_of_its_reads():
    n = np.full((1, 21), 400)
    course = Passages().fractions(np.array([0.2]))
    smooth = fit_kinetics(table(np.rint(n * course).astype(int).tolist(), n.tolist(), tuple(range(21))), per_time())
    assert smooth.identified and smooth.change.clusters == 1
    rough = np.clip(0.5 + 0.2 * np.random.default_rng(0).normal(size=21), 0, 1)
    still = fit_kinetics(table(np.rint(n * rough).astype(int).tolist(), n.tolist(), tuple(range(21))), per_time())
    assert not still.identified and still.ratio > stats.chi2.isf(0.001, 2)


def test_clusters_are_the_longest_stretches_of_which_there_are_six():
    few = BlockedSites().draw(3, 20, 0)
    assert len(np.unique(independent_clusters(few))) == 60  # 2 kb in each of three blocks: sites
    assert (independent_clusters(BlockedSites().draw(6, 20, 0)) == BlockedSites().draw(6, 20, 0).block).all()
    one = Passages().draw(1000, 0)  # about 100 kb
    assert len(np.unique(independent_clusters(one))) == len(np.unique(one.position // 10_000)) >= 6
    with pytest.raises(DataError, match="one a site"):
        change_of(few, np.arange(3))


def test_an_interval_without_an_end_is_wide_and_no_fault():
    series = BlockedSites(drift=2.0).draw(12, seed=27)
    fit = fit_kinetics(series, clusters=series.block).fit
    assert any(np.isinf(e.high) for e in fit.unflagged()) and "half_life" in weak_parameters(fit)


def test_static_sites_whose_half_life_runs_off_are_judged():
    """Three reads of sixty sites that hardly vary: a step along the half-life leaves what a float can hold."""
    rng = np.random.default_rng(5)
    judged = []
    for _ in range(6):
        m = rng.binomial(3, 0.97, (60, 4))
        found = fit_kinetics(table(m.tolist(), [[3] * 4] * 60, (0.0, 1.0, 4.0, 16.0)))
        assert all(np.isfinite(v) for d in found.fit.weak_directions for _, v in d.values)
        judged.append(found.identified)
    assert sum(judged) <= 1


@pytest.mark.parametrize("wrong", [{"coverage": 0.0}, {"correlation": 1.0}, {"lost": 2.0}, {"times": (1.0, 1.0)}, {"half_life": 0.0}])
def test_impossible_sites_are_refused(wrong):
    with pytest.raises(DataError, match="cannot be simulated"):
        BlockedSites(**wrong)
