"""Baselines of annual counts against closed forms and statsmodels; none of them sees the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from seqsci.domains.ecology.backtest.protocol import SeriesForecaster, run
from seqsci.domains.ecology.backtest.student import StudentForecast, student_cdf, student_crps, student_log_density
from seqsci.domains.ecology.baselines.catalogue import BASELINES, SLOW
from seqsci.domains.ecology.baselines.empirical_dynamics import SMap
from seqsci.domains.ecology.baselines.empirical_dynamics_kernel import simplex, smap
from seqsci.domains.ecology.baselines.naive import HistoricalMean, RandomWalk, RandomWalkDrift
from seqsci.domains.ecology.baselines.regressions import Gompertz, Ricker, SecondOrder
from seqsci.domains.ecology.baselines.state_space import DriftingCapacity, GompertzStateSpace, LocalLevel, PlugIn, Student
from seqsci.domains.ecology.baselines.state_space_kernel import likeliest
from seqsci.domains.ecology.baselines.statsmodels_models import AutomaticArima, DampedSmoothing
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.reading.panel import count_panel
from seqsci.errors import DataError

FAST = [n for n in BASELINES if n not in SLOW]


def series(seed: int = 0, years: int = 40, gaps: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = np.empty(years)
    y[0] = 5.0
    for t in range(1, years):
        y[t] = 2.0 + 0.6 * y[t - 1] + 0.4 * rng.normal()
    if gaps:
        y[[7, 8, 20, 33]] = np.nan
    return y


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("gaps", [False, True])
def test_what_comes_later_does_not_change_a_forecast_by_a_bit(name: str, gaps: bool) -> None:
    years, cut, first = (40, 34, 28) if name not in SLOW else (26, 23, 20)
    y, forecaster = series(1, years, False), BASELINES[name]()
    if gaps:
        y[[4, first + 1]] = np.nan
    before = forecaster.at_origins(y, first, 2)
    changed = y.copy()
    changed[cut:] = 9.0 + np.arange(len(y) - cut)
    after = forecaster.at_origins(changed, first, 2)
    same = slice(0, cut - first + 1)
    for part in ("mean", "scale", "freedom"):
        assert np.array_equal(getattr(before, part)[same], getattr(after, part)[same], equal_nan=True)
    assert not np.array_equal(before.mean[cut - first + 1 :], after.mean[cut - first + 1 :], equal_nan=True)


@pytest.mark.parametrize("name", FAST)
def test_the_forecast_past_the_end_is_that_of_an_origin_there(name: str) -> None:
    y, forecaster = series(2, gaps=True), BASELINES[name]()
    whole = forecaster.at_origins(y, 30, 3)
    alone = forecaster.ahead(y[:36], 3)
    assert np.array_equal(whole.mean[6], alone.mean, equal_nan=True) and np.array_equal(whole.scale[6], alone.scale, equal_nan=True)


@pytest.mark.parametrize("name", FAST)
def test_a_series_with_equal_counts_still_has_a_density(name: str) -> None:
    found = BASELINES[name]().at_origins(np.full(30, 3.0), 20, 1)
    assert np.isfinite(found.log_density(np.full((10, 1), 3.0))).all() and np.allclose(found.mean, 3.0, atol=1e-6)


def test_adding_a_constant_shifts_the_forecast_of_every_scale_free_baseline() -> None:
    y = series(3, gaps=True)
    for name in FAST:
        if name != "ricker":
            a, b = BASELINES[name]().at_origins(y, 30, 1), BASELINES[name]().at_origins(y + 4.0, 30, 1)
            assert np.allclose(a.mean + 4.0, b.mean, atol=1e-6) and np.allclose(a.scale, b.scale, rtol=1e-5), name


def test_student_scores_are_those_of_scipy_and_of_the_integral() -> None:
    for freedom in (3.0, 7.5, np.inf):
        law = stats.norm() if np.isinf(freedom) else stats.t(freedom)
        for z in (-2.5, 0.0, 1.0):
            assert student_cdf(z, freedom) == pytest.approx(law.cdf(z), abs=1e-12)
            assert student_log_density(z, freedom) == pytest.approx(law.logpdf(z), abs=1e-12)
            low = integrate.quad(lambda x, law=law: law.cdf(x) ** 2, -np.inf, z)[0]
            high = integrate.quad(lambda x, law=law: law.sf(x) ** 2, z, np.inf)[0]
            assert student_crps(z, freedom) == pytest.approx(low + high, abs=1e-7)
    forecast = StudentForecast(np.array([1.0]), np.array([2.0]), np.array([5.0]))
    assert forecast.cdf(forecast.quantile(0.9)) == pytest.approx(0.9)
    assert student_crps(0.5, 1.0) == np.inf


def test_the_random_walks_and_the_mean_are_their_formulas() -> None:
    y = np.r_[series(4, 20), np.nan, 6.0]
    change = np.diff(y[:20])
    walk, drift, mean = (f.at_origins(y, 20, 2) for f in (RandomWalk(), RandomWalkDrift(), HistoricalMean()))
    assert walk.mean[0].tolist() == [y[19]] * 2 and walk.mean[1].tolist() == [y[19]] * 2
    root = np.sqrt(np.mean(change**2))
    assert np.allclose(walk.scale, root * np.sqrt([[1, 2], [2, 3]]))
    assert np.allclose(drift.mean[0], y[19] + change.mean() * np.array([1, 2]))
    assert np.allclose(drift.scale[0, 0], change.std(ddof=1) * np.sqrt(1 + 1 / 19)) and drift.freedom[0, 0] == 18
    assert mean.mean[0, 0] == pytest.approx(y[:20].mean())


def test_the_regressions_are_least_squares_of_statsmodels() -> None:
    import statsmodels.api as sm

    y = series(5, 30)
    designs = {Gompertz(): np.column_stack([np.ones(28), y[1:29]]), SecondOrder(): np.column_stack([np.ones(28), y[1:29], y[:28]])}
    for forecaster, X in designs.items():
        skip = 0 if isinstance(forecaster, SecondOrder) else None
        rows, target = (X, y[2:]) if skip == 0 else (np.column_stack([np.ones(29), y[:29]]), y[1:])
        fit = sm.OLS(target, rows).fit()
        at = np.r_[1.0, y[29], y[28]][: rows.shape[1]]
        theirs = fit.get_prediction(at[None])
        ours = forecaster.ahead(y, 1)
        assert ours.mean[0] == pytest.approx(theirs.predicted_mean[0], abs=1e-10)
        assert ours.scale[0] == pytest.approx(theirs.se_obs[0], rel=1e-9) and ours.freedom[0] == fit.df_resid
    change = sm.OLS(np.diff(y), sm.add_constant(np.exp(y[:-1]))).fit()
    theirs = change.get_prediction([[1.0, np.exp(y[-1])]])
    assert Ricker().ahead(y).mean[0] == pytest.approx(y[-1] + theirs.predicted_mean[0], abs=1e-7)


def test_the_filter_has_the_exact_diffuse_likelihood_of_statsmodels() -> None:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    y = series(6, gaps=True)
    ratio = 1.7
    model = UnobservedComponents(y, "local level", use_exact_diffuse=True)
    mean, factor, process, _ = likeliest(y, 30, 3, np.ones(1), np.zeros(1), np.array([ratio]))
    for row, t in enumerate(range(30, 40)):
        part = UnobservedComponents(y[:t], "local level", use_exact_diffuse=True)
        ahead = part.smooth([ratio * process[row], process[row]]).get_forecast(3)
        assert np.allclose(mean[row], ahead.predicted_mean, atol=1e-9) and np.allclose(factor[row] * process[row], ahead.var_pred_mean)
    assert model.nobs == 40


def test_the_grid_finds_the_likelihood_that_a_search_finds() -> None:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    y = series(7, 60)
    model = UnobservedComponents(y, "local level", use_exact_diffuse=True)
    best = model.fit(disp=False).llf
    _, _, process, cell = likeliest(np.r_[y, np.nan], 60, 1, *LocalLevel().grid())
    error = LocalLevel().grid()[2][int(cell[0])]
    assert model.loglike([error * process[0], process[0]]) == pytest.approx(best, abs=0.01)


def test_the_student_predictive_has_the_same_centre_and_wider_tails() -> None:
    y = series(8)
    for build in (DriftingCapacity, GompertzStateSpace, LocalLevel):
        plug_in, student = build().ahead(y, 10), build(Student()).ahead(y, 10)
        assert np.array_equal(plug_in.mean, student.mean) and (student.quantile(0.99) > plug_in.quantile(0.99)).all()
        assert build(Student()).name == f"{build().name}, Student"
    plug_in = DriftingCapacity().ahead(y, 10)
    assert (np.diff(plug_in.scale) >= 0).all()
    assert GompertzStateSpace().ahead(y, 10).scale[-1] < DriftingCapacity().ahead(y, 10).scale[-1] + 1e-9


def test_an_s_map_at_theta_zero_is_an_autoregression_and_a_simplex_meets_a_repeated_cycle() -> None:
    y = series(9, 30)
    assert SMap(1, (0.0,)).ahead(y).mean[0] == pytest.approx(Gompertz().ahead(y).mean[0], abs=0.02)
    cycle = np.tile([1.0, 3.0, 2.0, 5.0], 8)
    for target in range(28, 32):
        assert simplex(cycle, 28, target, -1, 2) == pytest.approx(cycle[target], abs=1e-4)
        assert smap(cycle - 2.5, 28, target, -1, 3, 0.0) + 2.5 == pytest.approx(cycle[target], abs=0.2)


@pytest.mark.parametrize("lags", [1, 2, 3])
def test_simplex_and_s_map_agree_with_pyedm(lags: int) -> None:
    edm = pytest.importorskip("pyEDM", reason="pyEDM is not installed")
    y = series(10, 60)
    where = {"dataFrame": pd.DataFrame({"year": np.arange(1, 61), "y": y}), "columns": "y", "target": "y", "lib": [1, 50], "pred": [51, 58]}
    theirs = edm.Simplex(**where, E=lags, Tp=1).dropna()
    assert len(theirs) >= 6
    ours = [simplex(y, 50, int(t) - 1, -1, lags) for t in theirs["Time"]]
    np.testing.assert_allclose(ours, theirs["Predictions"], rtol=0, atol=1e-9)
    for theta in (0.0, 1.5, 8.0):  # on the whole library: by default pyEDM leaves out the farthest vector
        theirs = edm.SMap(**where, E=lags, Tp=1, theta=theta, knn=50 - lags)["predictions"].dropna()
        ours = [smap(y, 50, int(t) - 1, -1, lags, theta, 0.0) for t in theirs["Time"]]
        np.testing.assert_allclose(ours, theirs["Predictions"], rtol=0, atol=1e-7)


def test_an_s_map_without_ridge_is_weighted_least_squares_and_a_simplex_weighs_its_nearest_neighbours() -> None:
    """The textbook formulas in NumPy, for machines without pyEDM."""
    y, last, target, lags = series(10, 60), 50, 55, 2
    rows = np.arange(lags, last)
    past = np.column_stack([y[rows - j] for j in range(1, lags + 1)])
    at = np.array([y[target - j] for j in range(1, lags + 1)])
    distance = np.sqrt(np.square(past - at).sum(1))
    near = np.argsort(distance)[: lags + 1]
    weight = np.exp(-distance[near] / distance[near[0]])
    assert simplex(y, last, target, -1, lags) == pytest.approx(np.average(y[rows[near]], weights=weight), abs=1e-12)
    root = np.exp(-2.5 * distance / distance.mean())[:, None]
    design = np.column_stack([np.ones(len(rows)), past])
    beta = np.linalg.lstsq(root * design, root[:, 0] * y[rows], rcond=None)[0]
    assert smap(y, last, target, -1, lags, 2.5, 0.0) == pytest.approx(beta[0] + beta[1:] @ at, abs=1e-9)


def test_the_statsmodels_baselines_forecast_through_gaps() -> None:
    y = series(11, 26)
    y[[3, 22]] = np.nan
    for name in SLOW:
        found = BASELINES[name]().at_origins(y, 20, 2)
        assert np.isfinite(found.mean).all() and (found.scale > 0).all()
        assert np.abs(found.mean - 5.0).max() < 2.0


@pytest.mark.parametrize("build", [DampedSmoothing, AutomaticArima])
def test_the_student_predictive_of_a_statsmodels_baseline_is_the_gaussian_one_with_its_residuals_as_freedom(build) -> None:
    y = series(12, 24)
    y[5] = np.nan
    plain, student = build(interval=PlugIn()), build()
    a, b = plain.at_origins(y, 20, 2), student.at_origins(y, 20, 2)
    differenced = 20 - 1 - b.freedom[0, 0] - 1  # of 20 years one is missing, and one parameter is charged
    assert differenced in (0, 1, 2) and np.array_equal(b.freedom[:, 0], np.arange(19, 23) - differenced - 1)
    assert np.array_equal(a.mean, b.mean) and np.isinf(a.freedom).all() and plain.name != student.name
    np.testing.assert_allclose(b.scale, a.scale * np.sqrt((b.freedom + 1) / b.freedom), rtol=1e-12)


def test_runs_refuse_repeated_names_and_short_or_infinite_series() -> None:
    panel = count_panel(lynx())
    with pytest.raises(DataError, match="the same name"):
        run([RandomWalk(), RandomWalk()], panel)
    short: SeriesForecaster = Gompertz()
    for values in (np.ones(5), np.r_[np.ones(20), -np.inf]):
        with pytest.raises(DataError, match="cannot forecast this series"):
            short.ahead(values)
