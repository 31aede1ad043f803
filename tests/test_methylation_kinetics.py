"""Rates from passages and hours: recovered within .01, flagged where the reads do not hold them, refused where the table is wrong."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqsci.cells.methylation import DaughterStrand
from seqsci.domains.genomics.methylation import plots
from seqsci.domains.genomics.methylation.blocked_sites import BlockedSites
from seqsci.domains.genomics.methylation.change import change_of, independent_clusters
from seqsci.domains.genomics.methylation.kinetics import ByDensity, ByNeighbourLevel, fit_kinetics, kinetics_by_class, rate_classes
from seqsci.domains.genomics.methylation.models import per_division, per_time
from seqsci.domains.genomics.methylation.repli import read_repli
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.simulator import Passages
from seqsci.domains.genomics.methylation.sites import EquilibriumPrior, SiteMixture, beta_nodes, fit_prior, grid
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.artefact import load_fit, save
from seqsci.plots import svg


def hours(sites: int = 4000, seed: int = 1, coverage: float = 8.0) -> tuple[SiteSeries, np.ndarray]:
    """Sites with equilibria from a beta density and one half-life of 2 hours, at irregular times."""
    rng = np.random.default_rng(seed)
    z = rng.beta(6.0, 1.5, sites)
    times = np.array([0.5, 1.0, 4.0, 16.0])
    kept = 2 ** (-times / 2.0)
    n = rng.poisson(coverage, (sites, 4)) + 1
    m = rng.binomial(n, z[:, None] * (0.6 * kept + 1 - kept))
    return SiteSeries(np.cumsum(rng.geometric(0.001, sites) + 1), np.full(sites, "c"), m, n, times, "hours", "hg19"), z


@pytest.mark.parametrize("strands", [None, DaughterStrand()])
def test_mu_and_delta_are_recovered_within_a_hundredth(strands):
    culture = Passages() if strands is None else Passages(strands=strands)
    model = per_division() if strands is None else per_division(strands)
    found = fit_kinetics(culture.draw(1000, seed=5), model)
    assert found.identified
    for name, truth in (("maintenance", 0.96), ("de_novo", 0.17)):
        assert abs(found.fit.value[name] - truth) < 0.01
        assert abs(found.fit.value[name] - truth) < 4 * found.fit.standard_error(name)


def test_intervals_cover_by_the_binomial_rule():
    inside = 0
    for seed in range(40):
        fit = fit_kinetics(Passages(divisions=10).draw(150, seed)).fit
        low, high = fit.interval("maintenance")
        inside += low <= 0.96 <= high
    assert stats.binomtest(inside, 40, 0.95).pvalue > 1e-3


def test_divisions_that_were_not_sequenced_pass_all_the_same():
    found = fit_kinetics(Passages(every=5).draw(1000, seed=2))
    assert abs(found.fit.value["maintenance"] - 0.96) < 0.01 and abs(found.fit.value["de_novo"] - 0.17) < 0.02


def test_the_two_parametrisations_are_one_likelihood():
    series = Passages(divisions=12).draw(200, seed=3)
    a, b = fit_kinetics(series), fit_kinetics(series, per_time("divisions"))
    assert a.fit.log_likelihood == pytest.approx(b.fit.log_likelihood, abs=1e-5)
    derived = {d.name: d for d in b.fit.derived()}
    for name in ("maintenance", "de_novo"):
        assert derived[name].value == pytest.approx(a.fit.value[name], abs=1e-4)
        assert derived[name].standard_error == pytest.approx(a.fit.standard_error(name), rel=0.02)  # the delta method


def test_a_culture_at_its_equilibrium_is_flagged_and_its_fraction_is_read():
    for seed in range(4):
        found = fit_kinetics(Passages(initial_fraction=0.17 / 0.21, divisions=12).draw(300, seed))
        assert not found.identified and any("does not change visibly" in reason for reason in found.reasons)
        assert found.fit.last_state == pytest.approx(0.17 / 0.21, abs=0.03)  # the fraction itself is held all the same


def test_a_flagged_fit_says_so_before_its_numbers():
    assert str(fit_kinetics(Passages().draw(60, 0).until(1))).startswith("NOT IDENTIFIED: 1 time point")


@pytest.mark.parametrize(("times", "text"), [(1, "1 time point holds"), (2, "2 time points hold")])
def test_too_few_times_are_said_to_hold_no_rate(times, text):
    found = fit_kinetics(Passages(every=5).draw(300, 0).until(times))
    assert not found.identified and text in found.reasons[0]


def test_site_classes_have_their_own_rates_with_intervals():
    series, _ = hours(3000)
    table = kinetics_by_class(series, ByDensity(length=3000.0, cuts=(5.0,)))
    assert len(table) == 2 and table["sites"].sum() == 3000 and table["identified"].all()
    assert ((table["half_life_low"] < 2.0) & (table["half_life_high"] > 2.0)).any()
    assert kinetics_by_class(series, ByNeighbourLevel(cuts=(0.5,)))["reads"].sum() <= series.coverage.sum()
    drawn = plots.class_figure(table)
    assert "<svg" in svg(drawn)
    assert "<svg" in svg(plots.course_figure(series, fit_kinetics(series)))


def test_a_class_in_few_blocks_is_judged_by_the_blocks_of_all_sites():
    """Sites that never change, reads of a block and time depend on each other: pieces of a block must not pass for independent."""
    called, own = 0, 0
    for seed in range(12):
        series = BlockedSites(correlation=0.1).draw(12, 50, seed)
        rule = ByDensity(length=1.0, cuts=())
        low = series.rows(series.block < 4)
        own += change_of(low, independent_clusters(low)).p_value < 0.01
        part = kinetics_by_class(series, Blocks(), clusters=series.block)
        assert len(part) == 3
        called += int(part["identified"].sum())
        assert kinetics_by_class(series, rule)["sites"].tolist() == [600]
        if not seed:
            pd.testing.assert_frame_equal(part, kinetics_by_class(series, Blocks()))  # the blocks are what all sites give
    assert called <= 1 and own >= 3


class Blocks(ByDensity):
    """Classes of four blocks each."""

    def __init__(self):
        super().__init__(cuts=(3.5, 7.5))

    def values(self, series: SiteSeries) -> np.ndarray:
        return series.block.astype(float)


def test_the_bank_of_rates_and_the_mixture_of_sites_are_one_likelihood():
    series, _ = hours(60)
    axes = ([0.5, 4.0], [0.3, 0.9], [0.2])
    bank = rate_classes(series, *axes)
    h, z, c = (v.ravel() for v in np.meshgrid(*axes, indexing="ij"))
    ours = SiteMixture(z, h, c, bank.weights)
    ways = np.array(
        [stats.binom.logpmf(y, n, 0.5) - n * np.log(0.5) for y, n in zip(series.methylated, series.coverage, strict=True)]
    ).sum()
    assert ours.log_likelihoods(series).sum() + ways == pytest.approx(bank.log_likelihood, abs=1e-6)
    assert bank.mean("half_life").shape == (60,)


def test_hierarchical_sites_recover_their_prior_and_shrink_towards_it():
    series, z = hours(4000)
    prior, height = fit_prior(series, [2.0], kinds=1)
    assert prior.high_mean == pytest.approx(0.8, abs=0.02) and prior.ratio == pytest.approx(0.6, abs=0.04)
    assert prior.high_size == pytest.approx(7.5, rel=0.25)
    assert height >= EquilibriumPrior(0.0, 0.5, 5.0, 0.8, 7.5, 0.6, (2.0,), (1.0,)).mixture().log_likelihoods(series).sum() - 0.5
    mean = prior.mixture().site_equilibria(series)
    plain = series.methylated.sum(1) / series.coverage.sum(1)
    assert np.mean((mean - z) ** 2) < 0.7 * np.mean((plain - z) ** 2)


def test_the_quadrature_integrates_beta_densities():
    z, w = beta_nodes(24)
    for a, b in ((1.0, 1.0), (0.7, 3.0), (6.0, 1.5)):
        density = stats.beta(a, b).pdf(z)
        assert float(density @ w) == pytest.approx(1.0, abs=0.02)
        assert float((density * z) @ w) == pytest.approx(a / (a + b), abs=0.02)


def test_frames_and_series_are_one_table():
    series, _ = hours(20)
    back = SiteSeries.from_frame(series.frame())
    np.testing.assert_array_equal(back.methylated, series.methylated)
    np.testing.assert_array_equal(back.times, series.times)
    assert back.build == "hg19" and back.time_unit == "hours"


def test_a_fit_survives_saving(tmp_path):
    fit = fit_kinetics(Passages(strands=DaughterStrand()).draw(100, 0), per_division(DaughterStrand())).fit
    again = load_fit(save(fit, tmp_path / "model.json"))
    assert again.model == fit.model and again.value == fit.value


def wrong(**changes: object) -> SiteSeries:
    table: dict[str, object] = {
        "position": np.array([1, 9]),
        "chromosome": np.array(["c", "c"]),
        "methylated": np.array([[1, 2], [0, 3]]),
        "coverage": np.array([[2, 2], [1, 3]]),
        "times": np.array([0.0, 4.0]),
    }
    return SiteSeries(**(table | changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"methylated": np.array([[1, 2], [0, 4]])}, r"more methylated reads than coverage at 1 places, first c:9 at 4"),
        ({"coverage": np.array([[2, 2], [-1, 3]])}, "negative coverage"),
        ({"methylated": np.array([[1.5, 2], [0, 3]])}, "not whole"),
        ({"methylated": np.array([[np.nan, 2], [0, 3]])}, "missing or infinite"),
        ({"times": np.array([4.0, 4.0])}, "do not increase"),
        ({"position": np.array([9, 1])}, "not sorted"),
        ({"position": np.array([9, 9])}, "repeated"),
        ({"coverage": np.zeros((2, 3))}, "do not fit together"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(changes, text):
    with pytest.raises(DataError, match=text):
        wrong(**changes)


def test_wrong_frames_files_and_cultures_are_refused(tmp_path):
    frame = wrong().frame()
    with pytest.raises(DataError, match="twice at one time"):
        SiteSeries.from_frame(pd.concat([frame, frame]))
    with pytest.raises(DataError, match="time column"):
        SiteSeries.from_frame(frame.drop(columns="time"))
    hydroxy = frame.copy()
    hydroxy.attrs["code"] = "h"
    with pytest.raises(DataError, match="5-methylcytosine"):
        SiteSeries.from_frame(hydroxy)
    with pytest.raises(DataError, match="whole divisions"):
        wrong(times=np.array([0.5, 4.0])).per_division()
    with pytest.raises(DataError, match="cannot be simulated"):
        Passages(maintenance=1.2)
    with pytest.raises(ParameterError):
        grid([1.2], [1.0], [0.5])
    text = "pos\tm0\tu0\tm1\tu1\tm4\tu4\tm16\tu16\n" + "".join(f"{p}\t1\t2\t1\t1\t1\t0\t2\t0\n" for p in (5, 9, 30))
    good = tmp_path / "a.tsv.gz"
    good.write_bytes(gzip.compress(text.encode()))
    assert read_repli(good).coverage[0].tolist() == [3, 2, 1, 2]
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(gzip.compress(text.encode())[:-12])
    bad = tmp_path / "bad.tsv"
    bad.write_text(text.replace("30\t1", "30\tx"))
    for path, message in ((cut, "cannot be read"), (bad, "line 4"), (tmp_path / "none.tsv", "cannot be read")):
        with pytest.raises(DataError, match=message):
            read_repli(path)
