"""The population cells without a Kalman filter equal their outside implementations."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ecology_exactness import arima_gap
from seqsci.cells.adaptive_slow_channel import AdaptiveSlowChannel
from seqsci.cells.gompertz import Gompertz
from seqsci.cells.ricker import Ricker
from seqsci.cells.slow_channel import Settled, SlowChannel, WarmUp
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian, Gaussian
from seqsci.observations.location_scale_t import LocationScaleT
from seqsci.sequences import Sequences

PHI, HALF_LIFE = 0.55, 4.0
SLOW = {"dependence": PHI, "fast_write": 1.0, "capacity_half_life": HALF_LIFE, "error_sd": 0.3}


def walk(rows: int = 80, gaps: tuple[int, ...] = ()) -> np.ndarray:
    y = 3 + np.cumsum(np.random.default_rng(4).normal(0, 0.3, rows))
    y[list(gaps)] = np.nan
    return y


def test_gompertz_is_autoregression_around_log_capacity() -> None:
    sarimax = pytest.importorskip("statsmodels.tsa.statespace.sarimax", reason="statsmodels is not installed")
    y = walk(gaps=(0, 7, 8, 40))
    theirs = sarimax.SARIMAX(y, order=(1, 0, 0), trend="c").filter([3.2 * (1 - PHI), PHI, 0.3**2])
    ours = Model(Gompertz(), Gaussian()).start_at(dependence=PHI, log_capacity=3.2, process_sd=0.3).filter(Sequences({"log_count": y}))
    seen = ~np.isnan(y)
    np.testing.assert_allclose(ours.density[seen], theirs.llf_obs[seen], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.reads[:, 0], theirs.forecasts[0], rtol=0, atol=1e-10)


def test_ricker_is_least_squares_of_growth_on_density() -> None:
    model = Model(Ricker(), DiffuseGaussian()).start_at(growth_rate=0.6, log_capacity=3.0, process_sd=0.2)
    data = model.simulate(300, seed=2)
    fit = MaximumLikelihood().fit(model, data)
    x = data.outcome["log_count"]
    regressors = np.column_stack([np.ones(299), np.exp(x[:-1])])
    beta, rest, *_ = np.linalg.lstsq(regressors, np.diff(x), rcond=None)
    assert fit.value["growth_rate"] == pytest.approx(beta[0], rel=1e-4)
    assert fit.value["log_capacity"] == pytest.approx(np.log(-beta[0] / beta[1]), rel=1e-4)
    assert fit.value["process_sd"] ** 2 == pytest.approx(rest[0] / 299, rel=1e-4)
    assert model.derived_values["perturbation_half_life"] == pytest.approx(np.log(2) / -np.log(0.4))
    assert model.derived_values["carrying_capacity"] == pytest.approx(np.exp(3.0))


def test_the_first_count_starts_a_ricker_series_wherever_it_stands() -> None:
    model, y = Model(Ricker(), DiffuseGaussian()), walk(30)
    late = model.filter(Sequences({"log_count": np.concatenate([[np.nan] * 3, y])}))
    np.testing.assert_array_equal(late.density[3:], model.filter(Sequences({"log_count": y})).density)


def test_an_open_fast_gate_is_arima_111_by_its_lag_polynomial() -> None:
    signal = pytest.importorskip("scipy.signal")
    y, f = walk(), 2 ** (-1 / HALF_LIFE)
    ours = Model(SlowChannel(Settled()), DiffuseGaussian()).start_at(**SLOW).filter(Sequences({"log_count": y}))
    surprises = signal.lfilter([1, -(1 + PHI * f), PHI * f], [1, -f], y - y[0])
    arima_error = np.abs((y - ours.reads[:, 0])[1:] - surprises[1:]).max()
    assert arima_error <= 1e-10


def test_an_open_fast_gate_is_statsmodels_arima_111_from_the_same_start_and_once_another_is_forgotten() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    same, stationary = arima_gap()
    assert same <= 1e-10 and stationary <= 1e-10


def test_the_simple_cell_nests_the_random_walk_and_exponential_smoothing() -> None:
    y, f = walk(), 2 ** (-1 / HALF_LIFE)
    model = Model(SlowChannel(Settled()), DiffuseGaussian()).start_at(**SLOW)
    flat, level = model.start_at(dependence=0.0).filter(Sequences({"log_count": y})), y[0]
    for t in range(1, 80):
        assert flat.reads[t, 0] == pytest.approx(level, abs=1e-12)
        level = f * level + (1 - f) * y[t]
    stuck = model.start_at(dependence=0.999, capacity_half_life=1000.0).filter(Sequences({"log_count": y}))
    np.testing.assert_allclose(stuck.reads[1:, 0] - y[:-1], -0.001 * (y[:-1] - stuck.states[1:, 1]), atol=1e-12)


def test_a_warm_capacity_is_the_weighted_mean_of_all_densities() -> None:
    y, f = walk(), 2 ** (-1 / HALF_LIFE)
    ours = Model(SlowChannel(WarmUp()), DiffuseGaussian()).start_at(**SLOW).filter(Sequences({"log_count": y}))
    for t in (1, 2, 10, 79):
        weights = f ** np.arange(t)[::-1]
        assert ours.states[t, 1] == pytest.approx(np.average(y[:t], weights=weights), abs=1e-12)


@pytest.mark.parametrize("slow_start", [Settled(), WarmUp()], ids=lambda s: type(s).__name__)
def test_a_missing_year_shuts_the_fast_gate(slow_start: Settled | WarmUp) -> None:
    """A year without a count equals one whose count was just as forecast, and years before the first count do not exist."""
    y = walk(40, gaps=(17,))
    model = Model(SlowChannel(slow_start), DiffuseGaussian()).start_at(**{**SLOW, "fast_write": 0.7})
    gap = model.filter(Sequences({"log_count": y}))
    filled = np.where(np.isnan(y), gap.reads[:, 0], y)
    np.testing.assert_allclose(model.filter(Sequences({"log_count": filled})).states[:, :3], gap.states[:, :3], rtol=0, atol=1e-12)
    late = model.filter(Sequences({"log_count": np.concatenate([[np.nan] * 4, y])}))
    np.testing.assert_allclose(late.density[4:], gap.density, rtol=0, atol=1e-12)


def test_an_adaptive_scale_is_the_discounted_conjugate_predictive() -> None:
    stats = pytest.importorskip("scipy.stats")
    y, a, b, delta = walk(60, gaps=(0, 9)), 0.7, 0.05, 0.85
    values = {"prior_shape": a, "prior_size": b, "scale_memory": delta}
    shared = {n: v for n, v in SLOW.items() if n != "error_sd"}
    ours = Model(AdaptiveSlowChannel(), LocationScaleT()).start_at(**shared, **values).filter(Sequences({"log_count": y}))
    plain = Model(SlowChannel(), DiffuseGaussian()).start_at(**SLOW).filter(Sequences({"log_count": y}))
    np.testing.assert_allclose(ours.reads[:, 0], plain.reads[:, 0], rtol=0, atol=1e-12)
    squares, count = 0.0, 0.0
    for t in range(2, 60):
        if np.isnan(y[t]):
            assert ours.density[t] == 0
            continue
        expected = stats.t(2 * a + count, plain.reads[t, 0], np.sqrt((2 * b + squares) / (2 * a + count))).logpdf(y[t])
        assert ours.density[t] == pytest.approx(expected, abs=1e-10)
        squares, count = delta * squares + (y[t] - plain.reads[t, 0]) ** 2, delta * count + 1
    assert ours.density[1] == pytest.approx(-0.5 * np.log(2 * np.pi))


@pytest.mark.parametrize(("nu", "most"), [(1.4, 0.004), (3.0, 8e-4), (8.0, 2e-4)])
def test_simulated_t_outcomes_are_as_near_to_the_t_as_is_said(nu: float, most: float) -> None:
    special = pytest.importorskip("scipy.special")
    z = np.linspace(-6, 6, 4001)
    given = {"location": 1.0, "scale": 2.0, "degrees_of_freedom": nu, "diffuse_variance": 0.0}
    off = LocationScaleT().cdf(np.asarray(LocationScaleT().outcome(z, given)), given) - special.ndtr(z)
    assert np.abs(off).max() < most
