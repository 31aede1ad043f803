"""The restricted likelihood of drifting populations against dense normals and statsmodels, its profile against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.tsa.statespace.structural import UnobservedComponents

from seqsci.domains.ecology.inference.drift import (
    CapacityCovariate,
    ConstantCapacity,
    FlexibleTrend,
    RandomWalkCapacity,
    SmoothCapacity,
)
from seqsci.domains.ecology.inference.likelihood import likelihood
from seqsci.domains.ecology.inference.observation_error import (
    EstimatedObservationError,
    GivenObservationError,
    NoObservationError,
)
from seqsci.domains.ecology.inference.profile import CUT, GRID, estimate_dependence, interval, peak
from seqsci.domains.ecology.inference.sites import Site
from seqsci.domains.ecology.simulator import HISTORIES, Population

POINTS = np.array(
    [
        [0.5, 0.0, 0.0, 1.0],
        [0.9, 0.1, 0.0, 0.3],
        [0.2, 0.01, 0.02, 2.0],
        [-0.4, 0.0, 0.001, 0.0],
        [0.995, 0.0, 0.1, 0.5],
        [0.0, 0.3, 0.0, 0.0],
        [0.99, 0.0, 0.0, 60.0],
    ]
)


def covariance(point: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Of the log counts around their regression, by summing what every shock leaves at every later year; no filter."""
    phi, lam, tau, rho = point
    years = len(error)
    effect = []
    for s in range(years):
        for kind, variance in ((0, 1.0 if s else 1 / (1 - phi**2)), (1, lam if s else 0.0), (2, tau if s else 0.0)):
            x = k = m = 0.0
            path = np.zeros(years)
            for t in range(s, years):
                if t > s:
                    x, k, m = phi * x + (1 - phi) * k, k + m, m
                else:
                    x, k, m = float(kind == 0), float(kind == 1), float(kind == 2)
                path[t] = x
            effect.append(path * np.sqrt(variance))
    loads = np.array(effect)
    return loads.T @ loads + np.diag(rho * error)


def dense(y: np.ndarray, x: np.ndarray, v: np.ndarray, scale: float | None = None) -> float:
    """Restricted log-likelihood as the density of orthonormal contrasts; the scale is maximised over where none is given."""
    seen = np.isfinite(y)
    y, x, v = y[seen], x[seen], v[np.ix_(seen, seen)]
    contrasts = np.linalg.svd(x, full_matrices=True)[0][:, np.linalg.matrix_rank(x) :]
    z, c = contrasts.T @ y, contrasts.T @ v @ contrasts
    square, n = z @ np.linalg.solve(c, z), len(z)
    scale = square / n if scale is None else scale
    return float(-0.5 * (n * np.log(2 * np.pi * scale) + np.linalg.slogdet(c)[1] + square / scale))


def some_sites(count: int = 4, years: int = 36, missing: float = 0.2) -> list[Site]:
    rng = np.random.default_rng(5)
    paths, capacity = Population().draw(HISTORIES["rw"], years, count, seed=11)
    gaps = rng.random((count, years)) < missing
    gaps[:, [0, -1]] = False
    gaps[1:2] = gaps[0]
    variance = rng.uniform(0.01, 0.09, (count, years))
    variance[1:2] = variance[0]
    return [Site(str(i), str(i), 1, np.where(gaps[i], np.nan, paths[0, i]), variance[i], capacity[0, i]) for i in range(count)]


@pytest.mark.parametrize("drift", [ConstantCapacity(), SmoothCapacity(), FlexibleTrend(2), FlexibleTrend(7)], ids=lambda d: d.label)
def test_the_filter_is_the_dense_density_of_contrasts_with_gaps_and_all_drifts(drift) -> None:
    sites = some_sites()
    values, _ = likelihood(sites, drift, EstimatedObservationError())(POINTS)
    x = drift.regressors(36)
    expected = [[dense(s.log_count, x, covariance(p, np.ones(36))) for s in sites] for p in POINTS]
    assert values == pytest.approx(np.array(expected), abs=1e-8)


def test_sites_that_share_their_gaps_share_a_filter_and_the_order_of_sites_is_kept() -> None:
    sites = some_sites()
    together = likelihood(sites, ConstantCapacity(), EstimatedObservationError())
    assert sorted(len(g.members) for g in together.groups) == [1, 1, 2]
    alone = [likelihood([s], ConstantCapacity(), EstimatedObservationError())(POINTS)[0][:, 0] for s in sites]
    assert together(POINTS)[0] == pytest.approx(np.array(alone).T, abs=1e-10)


def test_an_error_given_by_year_is_the_dense_density_at_its_best_process_variance() -> None:
    sites = some_sites()
    values, variances = likelihood(sites, ConstantCapacity(), GivenObservationError())(POINTS[[0, 5]])
    fine = np.geomspace(1e-4, 1, 100)
    for p, row, spread in zip(POINTS[[0, 5]], values, variances, strict=True):
        for site, value, s2 in zip(sites, row, spread, strict=True):
            parts = [dense(site.log_count, np.ones((36, 1)), covariance([*p[:3], 1 / v], site.variance), v) for v in fine]
            if 0 < np.argmax(parts) < len(fine) - 1:
                assert value == pytest.approx(max(parts), abs=0.02) and s2 == pytest.approx(fine[np.argmax(parts)], rel=0.2)


def test_a_covariate_enters_filtered_by_phi_and_normalised_by_its_own_length() -> None:
    site = some_sites(1)[0]
    z = site.covariate
    values, _ = likelihood([site], CapacityCovariate(), EstimatedObservationError())(POINTS[[0, 3, 6]][:, [0, 1, 1, 3]])
    for p, value in zip(POINTS[[0, 3, 6]], values[:, 0], strict=True):
        w = np.empty(36)
        w[0] = z[0]
        for t in range(1, 36):
            w[t] = p[0] * w[t - 1] + (1 - p[0]) * z[t - 1]
        x = np.column_stack([np.ones(36), w])
        assert value == pytest.approx(dense(site.log_count, x, covariance([p[0], 0, 0, p[3]], np.ones(36))), abs=1e-8)


def test_differences_of_likelihood_are_those_of_statsmodels_with_an_exact_diffuse_level() -> None:
    y = Population().draw(HISTORIES["const"], 50, 1, seed=2)[0][0, 0]
    y[[4, 20, 21]] = np.nan
    peer = UnobservedComponents(y, level=True, irregular=True, autoregressive=1, use_exact_diffuse=True)
    ours = likelihood([Site("a", "a", 1, y)], ConstantCapacity(), EstimatedObservationError())
    found, theirs = [], []
    for phi, rho in ((0.5, 1.0), (0.9, 0.2), (-0.3, 3.0)):
        values, variances = ours(np.array([[phi, 0, 0, rho]]))
        found.append(values[0, 0])
        theirs.append(peer.loglike([rho * variances[0, 0], variances[0, 0], phi]))
    assert np.diff(found) == pytest.approx(np.diff(theirs), abs=1e-7)


@pytest.mark.parametrize("drift", [ConstantCapacity(), SmoothCapacity(), FlexibleTrend(6), RandomWalkCapacity()], ids=lambda d: d.label)
def test_levels_of_sites_and_a_common_scale_of_log_counts_do_not_matter(drift) -> None:
    paths, _ = Population().draw(HISTORIES["exp"], 40, 6, seed=4)
    first = estimate_dependence([Site(str(i), str(i), 1, y) for i, y in enumerate(paths[0])], drift, EstimatedObservationError())
    moved = [Site(str(i), str(i), 1, (3 * i - 5) + (1 + i) * y) for i, y in enumerate(paths[0])]
    again = estimate_dependence(moved, drift, EstimatedObservationError())
    assert (again.dependence, again.low, again.high) == pytest.approx((first.dependence, first.low, first.high), abs=1e-6)


@pytest.mark.parametrize("drift", [SmoothCapacity(), FlexibleTrend(4)], ids=lambda d: d.label)
def test_what_the_regressors_span_is_swept_out(drift) -> None:
    paths, _ = Population().draw(HISTORIES["const"], 40, 5, seed=4)
    x = drift.regressors(40)
    plain = [Site(str(i), str(i), 1, y) for i, y in enumerate(paths[0])]
    bent = [Site(str(i), str(i), 1, y + x @ np.arange(i, i + x.shape[1])) for i, y in enumerate(paths[0])]
    one, two = (estimate_dependence(s, drift, EstimatedObservationError()) for s in (plain, bent))
    assert (two.dependence, two.low, two.high) == pytest.approx((one.dependence, one.low, one.high), abs=1e-5)


@pytest.mark.parametrize("name", ["const", "rw"])
@pytest.mark.parametrize("drift", [SmoothCapacity(), RandomWalkCapacity(), FlexibleTrend(4)], ids=lambda d: d.label)
def test_the_refined_grid_finds_what_a_much_finer_one_finds(drift, name: str) -> None:
    paths, _ = Population().draw(HISTORIES[name], 40, 8, seed=9)
    sites = [Site(str(i), str(i), 1, y) for i, y in enumerate(paths[0])]
    function = likelihood(sites, drift, EstimatedObservationError())
    found = estimate_dependence(sites, drift, EstimatedObservationError())
    ratio = np.r_[0, np.geomspace(1e-3, 128, 40)]
    steps = np.r_[0, np.geomspace(1e-5, 0.6 if isinstance(drift, SmoothCapacity) else 16, 50)]
    phi = np.r_[np.arange(-0.5, 0.9, 0.04), 0.9, 0.95, 0.98]
    levels = steps if isinstance(drift, RandomWalkCapacity) else [0.0]
    slopes = steps if isinstance(drift, SmoothCapacity) else [0.0]
    cells = np.array(np.meshgrid(phi, levels, slopes, ratio, indexing="ij")).reshape(4, -1).T
    fine = function(cells)[0].sum(axis=1).reshape(len(phi), -1).max(axis=1)
    ours = np.array([v for p, v in found.profile if np.isclose(phi, p).any()]) + found.log_likelihood
    assert len(ours) == len(phi)
    relevant = fine > fine.max() - 2 * CUT
    assert relevant.sum() > 8 and (ours - fine)[relevant].min() > -0.1


def test_two_series_with_the_same_data_halve_the_variance() -> None:
    paths, _ = Population(observation_sd=0).draw(HISTORIES["const"], 60, 30, seed=1)
    once = [Site(str(i), str(i), 1, y) for i, y in enumerate(paths[0])]
    twice = once + [Site(f"copy {s.name}", s.name, 1, s.log_count) for s in once]
    one, two = (estimate_dependence(s, ConstantCapacity(), NoObservationError()) for s in (once, twice))
    assert two.dependence == pytest.approx(one.dependence, abs=1e-9)
    assert two.width / one.width == pytest.approx(np.sqrt(0.5), rel=0.03)
    clustered = estimate_dependence(twice, ConstantCapacity(), NoObservationError(), clustered=True)
    assert clustered.inflation > 1.3 and clustered.width > 1.15 * two.width


def test_an_interval_between_grid_points_is_that_of_the_parabola_and_open_where_nothing_is_excluded() -> None:
    phi = np.array(GRID)
    top = -0.5 * ((phi - 0.413) / 0.1) ** 2
    at, best = peak(phi, top)
    assert (at, best) == pytest.approx((0.413, 0.0), abs=1e-9)
    low, high, open_low, open_high = interval(phi, top, at, best, CUT)
    assert (low, high) == pytest.approx((0.413 - 0.1 * np.sqrt(2 * CUT), 0.413 + 0.1 * np.sqrt(2 * CUT)), abs=1e-9)
    assert not open_low and not open_high
    assert interval(phi, np.zeros(len(phi)), 0.0, 0.0, CUT) == (-0.5, 1.0, True, True)


def test_with_two_peaks_the_interval_is_the_hull_of_both() -> None:
    phi = np.array(GRID)
    top = np.maximum(-0.5 * ((phi - 0.0) / 0.05) ** 2, -1.0 - 0.5 * ((phi - 0.7) / 0.05) ** 2)
    low, high, _, _ = interval(phi, top, *peak(phi, top), CUT)
    assert low < -0.05 and high == pytest.approx(0.7 + 0.05 * np.sqrt(2 * (CUT - 1)), abs=0.02)


def test_a_single_grid_point_within_the_cut_still_has_an_interval_around_it() -> None:
    phi = np.array(GRID)
    top = -0.5 * ((phi - 0.42) / 0.004) ** 2
    at, best = peak(phi, top)
    low, high, _, _ = interval(phi, top, at, best, CUT)
    assert low < at < high and high - low < 0.05


def two_speeds() -> np.ndarray:
    """Deviations that alternate on top of others that hardly return: both a low and a high phi explain them."""
    rng, y = np.random.default_rng(9), np.zeros(80)
    for phi, sd in ((-0.3, 0.2), (0.97, 0.06)):
        x = rng.normal() * sd / np.sqrt(1 - phi**2)
        for t in range(80):
            x = phi * x + sd * rng.normal() if t else x
            y[t] += x
    return y


def test_where_the_likelihood_has_two_modes_the_global_grid_finds_the_higher_and_a_search_from_one_start_does_not() -> None:
    from scipy.optimize import minimize

    site = [Site("a", "a", 1, two_speeds())]
    function = likelihood(site, ConstantCapacity(), EstimatedObservationError())

    def climbed(phi: float, ratio: float) -> tuple[float, float]:
        def worth(p: np.ndarray) -> float:
            return -float(function(np.array([[p[0], 0, 0, np.exp(p[1])]]))[0].sum())

        found = minimize(worth, (phi, np.log(ratio)), bounds=[(-0.5, 0.995), (-7, 5)])
        return float(found.x[0]), -float(found.fun)

    (low, worse), (high, better) = climbed(-0.2, 0.1), climbed(0.9, 10.0)
    assert low < -0.3 and high > 0.85 and better > worse + 0.5
    found = estimate_dependence(site, ConstantCapacity(), EstimatedObservationError())
    assert found.dependence == pytest.approx(high, abs=0.03) and found.log_likelihood == pytest.approx(better, abs=0.05)
    profile = np.array(found.profile)
    between = profile[(profile[:, 0] > low + 0.2) & (profile[:, 0] < high - 0.1), 1]
    assert between.min() < -CUT and profile[profile[:, 0] < low + 0.1, 1].max() > -CUT  # a valley outside, a second mode inside the cut
    assert found.low < -0.4 and found.high > high
