"""The bank of two-channel cells: exact against closed forms and statsmodels, blind to the future, scored as its samples are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqsci.domains.ecology.backtest.cluster_bootstrap import cluster_bootstrap
from seqsci.domains.ecology.backtest.comparison import BestRivals, compare
from seqsci.domains.ecology.backtest.protocol import run, targets
from seqsci.domains.ecology.backtest.student import student_cdf, student_crps
from seqsci.domains.ecology.bank import CellGrid, CrossFittedBank, FittedPopulationBank, PopulationBank, folds, student_tables
from seqsci.domains.ecology.bank_kernel import filtered, look_up, mixture_scores
from seqsci.domains.ecology.baselines.naive import RandomWalk
from seqsci.domains.ecology.baselines.regressions import Gompertz
from seqsci.domains.ecology.baselines.state_space import DriftingCapacity, GompertzStateSpace, LocalLevel, Student
from seqsci.domains.ecology.reading.panel import CountPanel, count_panel
from seqsci.errors import DataError, ParameterError

SMALL = CellGrid((0.0, 0.5, 0.8, 1.0), (0.0, 0.1), (0.0, 0.5), (0.0,), (1.0, 0.8), (0.02, 0.1), 1.5)
BANK = PopulationBank(SMALL, freedoms=(1.0, 2.0), parts=2)


def panel(seed: int = 0, series: int = 12, years: int = 36, later: float = 0.0) -> CountPanel:
    """Gompertz populations seen with error; ``later`` is added to the log counts of the last four years."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(series):
        x = np.zeros(years)
        for t in range(1, years):
            x[t] = 0.6 * x[t - 1] + 0.3 * rng.normal()
        y = 4.0 + x + 0.2 * rng.normal(size=years)
        y[-4:] += later
        y[rng.integers(3, years - 6)] = np.nan
        rows.append(pd.DataFrame({"series_id": f"s{i:02d}", "cluster": f"c{i // 3}", "year": np.arange(years), "count": np.exp(y)}))
    return count_panel(pd.concat(rows))


def test_a_cell_without_drift_has_the_exact_likelihood_of_a_local_level() -> None:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    y = np.random.default_rng(1).normal(size=30).cumsum()
    y[[5, 6]] = np.nan
    cell = CellGrid((1.0,), (0.0,), (0.7,), (0.0,), (1.0,), (0.04,), 1e8)
    heavy = replace(cell, floor=(0.04 * 1e8,))  # a, b -> infinity at b / a = 0.04: the process variance is known
    theirs = UnobservedComponents(y, "local level", use_exact_diffuse=True).loglike([0.7 * 0.04, 0.04])
    ours = filtered(y, heavy.cells)[3][0]
    constant = 0.5 * np.log(2 * np.pi)  # exact diffuse likelihoods count the first row as a constant; ours leaves it out
    assert ours == pytest.approx(theirs + constant, abs=1e-4)


def test_a_cell_is_the_gaussian_conditional_of_its_state_space() -> None:
    phi, lam, rho, tau, n = 0.6, 0.3, 0.4, 0.05, 8
    y = np.random.default_rng(2).normal(size=n)
    y[4] = np.nan
    noise = 3 + 2 * (n - 1)  # x_1 - k_1, slope, k_1 (diffuse), then the two shocks of each year
    x, k, b = np.zeros((n, noise)), np.zeros((n, noise)), np.zeros(noise)
    k[0, 2], x[0, 0], x[0, 2], b[1] = 1, 1, 1, 1
    for t in range(1, n):
        x[t] = phi * x[t - 1] + (1 - phi) * k[t - 1]
        k[t] = k[t - 1] + b
        x[t, 1 + 2 * t], k[t, 2 + 2 * t] = 1, 1
    variance = np.ones(noise)
    variance[0], variance[1], variance[2] = 1 / (1 - phi**2), tau, 1e9
    variance[4::2] = lam
    cov = x @ np.diag(variance) @ x.T + rho * np.eye(n)
    seen = [0, 1, 2, 3, 5, 6]
    weight = np.linalg.solve(cov[np.ix_(seen, seen)], cov[seen, 7])
    grid = CellGrid((phi,), (lam,), (rho,), (tau,), (1.0,), (0.1,), 1.5)
    found = FittedPopulationBank(grid, np.zeros(1)).for_series(y[:7]).predict(1)
    assert found.means[0, 0] == pytest.approx(weight @ y[seen], abs=1e-5)
    innovations = found.freedom[0] - 3.0
    assert innovations == 5
    level = np.linalg.solve(cov[np.ix_(seen, seen)], np.ones(6))
    squares = y[seen] @ np.linalg.solve(cov[np.ix_(seen, seen)], y[seen]) - (level @ y[seen]) ** 2 / level.sum()
    factor = cov[7, 7] - weight @ cov[seen, 7]
    assert found.scales[0, 0] ** 2 == pytest.approx(factor * (0.2 + squares) / 8.0, rel=1e-5)


def test_the_table_of_the_student_distribution_is_exact_to_1e_8() -> None:
    tables = student_tables(SMALL, 30)
    for count in (3, 29):
        for g, delta in enumerate((1.0, 0.8)):
            nu = 2 * SMALL.freedom + sum(delta**j for j in range(count))
            z = np.linspace(-40, 40, 401)
            mine = [look_up(tables[count, g], v, np.sqrt(nu)) for v in z]
            assert np.abs(mine - student_cdf(z, nu)).max() < 1e-8


def test_scores_of_a_mixture_are_those_of_its_samples_and_of_a_single_component() -> None:
    tables = student_tables(SMALL, 12)[11]
    nu = np.array([3.0 + 11.0, 3.0 + sum(0.8**j for j in range(11))])
    weight, mean, scale, group = np.array([0.3, 0.7]), np.array([-1.0, 0.5]), np.array([0.3, 1.2]), np.array([0, 1])
    rng = np.random.default_rng(3)
    pick = rng.choice(2, 400_000, p=weight)
    draws = mean[pick] + scale[pick] * rng.standard_t(nu[pick])
    for y in (-2.0, 0.1, 3.0):
        centre, crps, pit = mixture_scores(y, weight, mean, scale, nu, group, tables)
        sampled = np.abs(draws - y).mean() - 0.5 * np.abs(draws[::2] - draws[1::2]).mean()
        assert crps == pytest.approx(sampled, abs=0.006) and pit == pytest.approx((draws <= y).mean(), abs=0.003)
        assert centre == pytest.approx(0.05)
        one = mixture_scores(y, np.ones(1), mean[:1], scale[:1], nu[:1], group[:1], tables)[1]
        assert one == pytest.approx(scale[0] * student_crps((y - mean[0]) / scale[0], nu[0]), rel=1e-6)


def test_what_comes_later_changes_neither_prior_nor_earlier_forecasts_by_a_bit() -> None:
    plain, changed = panel(), panel(later=2.0)
    one, other = (CrossFittedBank(BANK, parts=2).forecast(p, 3) for p in (plain, changed))
    years = plain.year[plain.test_rows]
    for h in range(3):
        before = years + h < 32
        for part in ("mean", "log_density", "crps", "pit"):
            assert np.array_equal(getattr(one, part)[before, h], getattr(other, part)[before, h], equal_nan=True)
    assert not np.array_equal(one.log_density[:, 0], other.log_density[:, 0], equal_nan=True)
    assert np.array_equal(BANK.fit(plain).log_prior, BANK.fit(changed).log_prior)


def test_the_scored_forecasts_are_those_that_a_user_gets_year_by_year() -> None:
    data = panel(4)
    fitted = BANK.fit(data)
    made, outcome = fitted.forecast(data, 4), targets(data, 4)
    first, y = int(data.first[0]), data.values(0)
    user = fitted.for_series(y[:first])
    for row in range(4):
        ahead = user.predict(4)
        seen = np.isfinite(outcome[row])
        assert np.allclose(made.mean[row][seen], ahead.mean[seen], atol=1e-6)
        assert np.allclose(made.log_density[row][seen], ahead.log_density(outcome[row])[seen], atol=1e-5)
        assert np.allclose(made.pit[row][seen], ahead.cdf(outcome[row])[seen], atol=1e-5)
        user = user.update([y[first + row]])


def test_paths_follow_the_predictive_distribution_and_quasi_extinction_is_read_off_them() -> None:
    data = panel(5)
    user = BANK.fit(data).for_series(data.values(1))
    ahead = user.predict(5)
    density, count = user.paths(5, 40_000, seed=1)
    for p in (0.05, 0.5, 0.95):
        assert np.allclose(ahead.cdf(np.quantile(count, p, axis=0)), p, atol=0.012)
    assert (np.quantile(count, 0.95, axis=0) > np.quantile(density, 0.95, axis=0) - 0.02).all()
    risk = user.quasi_extinction(np.exp(3.5), 5, seed=2)
    assert risk.low < risk.probability < risk.high and np.all(np.diff(risk.by_year) >= 0)
    assert risk.probability == pytest.approx((density.min(1) <= 3.5).mean(), abs=0.02)
    assert user.quasi_extinction(1e-30, 5, draws=1000).probability < 0.01 < user.quasi_extinction(1e30, 5).probability
    for bad in (0.0, -1.0, np.inf):
        with pytest.raises(ParameterError, match="no abundance"):
            user.quasi_extinction(bad, 5)


def test_intervals_of_the_right_model_cover_and_grow_with_the_horizon() -> None:
    data = panel(6, series=40, years=50)
    found = CrossFittedBank(BANK, parts=4).forecast(data, 5)
    for h in (0, 4):
        pit = found.pit[:, h][np.isfinite(found.pit[:, h])]
        assert 0.84 < ((pit > 0.05) & (pit < 0.95)).mean() < 0.96
    scales = BANK.fit(data).for_series(data.values(0)).predict(10)
    assert (np.diff(scales.quantile(0.95) - scales.quantile(0.05)) > 0).all()


def test_pooling_beats_an_even_prior_where_all_populations_are_alike() -> None:
    data = panel(7, series=40)
    pooled, even = (CrossFittedBank(replace(BANK, rounds=r, label=str(r))) for r in (20, 0))
    found = compare(run([RandomWalk(), Gompertz(), pooled, even], data), data)
    assert found.difference("20", "0").log_score.value > 0
    assert found.difference("20", "random walk").log_crps.high < 0
    text = found.text("20")
    assert "development" in text and "Gompertz AR(1)" in text and f"{found.rows:,} forecasts" in text


def test_comparisons_are_means_of_series_and_name_what_is_missing() -> None:
    data = panel(8, series=6)
    runs = run([RandomWalk(), Gompertz()], data, 2)
    found = compare(runs, data)
    y, series = targets(data, 1)[:, 0], data.test_series
    error = [np.sqrt(np.nanmean((runs["Gompertz AR(1)"].mean[series == i, 0] - y[series == i]) ** 2)) for i in range(6)]
    assert np.allclose(found.scores["Gompertz AR(1)"].rmse, error)
    difference = found.difference("Gompertz AR(1)", "random walk")
    assert np.exp(difference.log_rmse.value) == pytest.approx(found.line("Gompertz AR(1)").rmse_ratio)
    assert found.line("random walk").crps_ratio == 1.0
    with pytest.raises(DataError, match="did you mean 'random walk'"):
        found.line("random wlk")
    assert compare(runs, data, 2).rows < found.rows


def test_no_rival_is_closer_to_ours_by_any_score_than_the_best_one_by_that_score() -> None:
    data = panel(12)
    rivals = [Gompertz(), DriftingCapacity(), LocalLevel(Student()), LocalLevel(), GompertzStateSpace(Student()), GompertzStateSpace()]
    found = compare(run([RandomWalk(), *rivals], data), data)
    names = [r.name for r in rivals]
    best = found.difference_to_best("random walk", names)
    each = [found.difference("random walk", n) for n in names]
    assert best.log_score.value == min(d.log_score.value for d in each)
    for score in ("log_rmse", "log_crps"):
        assert getattr(best, score).value == max(getattr(d, score).value for d in each)
        assert f"{getattr(found.best(names), score)} (" in best.rival
    assert found.best(names[:1]) == BestRivals(*names[:1] * 3)


def test_the_cluster_bootstrap_has_the_spread_of_cluster_means() -> None:
    rng = np.random.default_rng(9)
    effect = rng.normal(size=60)
    values, labels = np.repeat(effect, 10) + 0.01 * rng.normal(size=600), np.repeat(np.arange(60), 10)
    clustered, naive = cluster_bootstrap(values, labels), cluster_bootstrap(values, np.arange(600))
    half = 1.96 * effect.std(ddof=1) / np.sqrt(60)
    assert (clustered.high - clustered.low) / 2 == pytest.approx(half, rel=0.1)
    assert (naive.high - naive.low) < 0.5 * (clustered.high - clustered.low)
    with pytest.raises(DataError, match="one cluster"):
        cluster_bootstrap([1.0, 2.0], ["a", "a"])
    with pytest.raises(DataError, match="do not match"):
        cluster_bootstrap([1.0, 2.0], ["a"])
    with pytest.raises(ParameterError):
        cluster_bootstrap([1.0, 2.0], ["a", "b"], level=95)


def test_folds_keep_clusters_whole_and_bad_banks_are_refused() -> None:
    labels = tuple("aaaabbbccd")
    found = folds(labels, 3)
    assert all(len({f for f, c in zip(found, labels, strict=True) if c == name}) == 1 for name in "abcd") and set(found) == {0, 1, 2}
    with pytest.raises(DataError, match="too few clusters"):
        folds(("a", "a"), 2)
    for bad in ({"dependence": (1.5,)}, {"forget": (0.0,)}, {"floor": ()}, {"freedom": 0.4}, {"drift": (-1.0,)}):
        with pytest.raises(ParameterError, match="grid of cells"):
            CellGrid(**bad)  # type: ignore[arg-type]
    fitted = FittedPopulationBank(SMALL, np.zeros(SMALL.cells.shape[1]))
    for values in (np.full(3, np.nan), np.array([1.0, -np.inf]), np.zeros((2, 2))):
        with pytest.raises(DataError, match="cannot read these log counts"):
            fitted.for_series(values)
    with pytest.raises(ParameterError, match="no year"):
        fitted.for_series(np.arange(9.0)).predict(0)


def test_the_posterior_learns_the_dependence_of_a_long_series() -> None:
    rng = np.random.default_rng(10)
    y = stats.norm.rvs(size=400, random_state=rng) * 0.3
    for t in range(1, 400):
        y[t] += 0.8 * y[t - 1]
    mean, sd = FittedPopulationBank(SMALL, np.zeros(SMALL.cells.shape[1])).for_series(y).dependence
    assert abs(mean - 0.8) < 0.1 and sd < 0.15


def test_the_ablations_cost_what_they_leave_out_where_it_is_there() -> None:
    """A scale that jumps in the test years wants delta < 1; a capacity that wanders wants the slow channel."""
    rng, rows = np.random.default_rng(12), []
    for i in range(24):
        sd = np.where(np.arange(45) < 20, 0.08, 0.6)
        k = np.cumsum(rng.normal(0, 0.25, 45))
        wild, wander = 4 + sd * rng.normal(size=45), 4 + k + 0.1 * rng.normal(size=45)
        rows += [(f"wild{i:02d}", f"c{i // 3}", t, wild[t]) for t in range(45)] + [
            (f"wander{i:02d}", f"d{i // 3}", t, wander[t]) for t in range(45)
        ]
    frame = pd.DataFrame(rows, columns=["series_id", "cluster", "year", "count"]).assign(count=lambda f: np.exp(f["count"]))
    for kind, without in (("wild", {"forget": (1.0,)}), ("wander", {"drift": (0.0,), "dependence": (0.0, 0.5)})):
        data = count_panel(frame[frame["series_id"].str.startswith(kind)])
        grid = SMALL if kind == "wild" else replace(SMALL, dependence=(0.0, 0.5), drift=(0.0, 4.0))
        full, less = (
            CrossFittedBank(replace(BANK, grid=g, label=label), 2) for g, label in ((grid, "full"), (replace(grid, **without), "less"))
        )
        found = compare(run([RandomWalk(), full, less], data), data)
        assert found.difference("full", "less").log_score.low > 0, kind


def test_tables_hold_the_mean_absolute_scaled_error_and_the_coverage() -> None:
    data = panel(13, series=6)
    made = run([RandomWalk(), Gompertz()], data)
    found, (y, series) = compare(made, data), (targets(data, 1)[:, 0], data.test_series)
    f = made["Gompertz AR(1)"]
    scaled, inside = [], []
    for i in range(6):
        rows = (series == i) & np.isfinite(y)
        change = np.abs(np.diff(data.values(i)[: data.first[i]]))
        scaled.append(np.abs(f.mean[rows, 0] - y[rows]).mean() / np.nanmean(change))
        inside.append(((f.pit[rows, 0] >= 0.05) & (f.pit[rows, 0] <= 0.95)).mean())
    line = found.line("Gompertz AR(1)")
    assert line.mase == pytest.approx(np.mean(scaled)) and line.coverage == pytest.approx(np.mean(inside))
    shown = next(row for row in found.text("random walk").splitlines() if row.startswith("Gompertz"))
    assert f"{line.mase:.3f}" in shown and f"{line.coverage:.3f}" in shown
