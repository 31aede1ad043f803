"""Simulated populations: moments of the stationary process, the shapes of the six histories, growth laws, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqsci.domains.ecology.simulator import (
    HISTORIES,
    ConstantHistory,
    GompertzGrowth,
    Population,
    RandomWalkHistory,
    RickerGrowth,
)
from seqsci.errors import DataError


def shape_of(name: str, years: int = 41) -> np.ndarray:
    return HISTORIES[name].log_capacity(years, (2,), np.random.default_rng(0))[0]


def test_under_constant_capacity_the_moments_are_those_of_an_ar1_with_noise() -> None:
    y, _ = Population(dependence=0.6, process_sd=0.3, observation_sd=0.2).draw(ConstantHistory(), years=50, sites=4000, seed=3)
    y = y[0] - 5
    stationary = 0.09 / (1 - 0.36)
    assert y.var(axis=0) == pytest.approx(np.full(50, stationary + 0.04), rel=0.12)
    assert y.var() == pytest.approx(stationary + 0.04, rel=0.02)
    for lag in (1, 2, 3):
        assert np.mean(y[:, lag:] * y[:, :-lag]) == pytest.approx(stationary * 0.6**lag, rel=0.03)


def test_exponential_and_linear_decline_lose_three_quarters_one_on_each_scale() -> None:
    exponential, linear = shape_of("exp"), shape_of("linear")
    assert exponential[-1] == pytest.approx(math.log(0.25)) and linear[-1] == pytest.approx(math.log(0.25))
    assert np.diff(exponential) == pytest.approx(np.full(40, math.log(0.25) / 40))
    assert np.diff(np.exp(linear)) == pytest.approx(np.full(40, -0.75 / 40))


def test_the_two_humps_have_a_fourfold_range_and_come_back() -> None:
    sine, arch = shape_of("hump"), shape_of("hump2")
    for path in (sine, arch):
        assert path[0] == pytest.approx(0, abs=1e-12) and path[-1] == pytest.approx(0, abs=1e-12)
        assert np.ptp(path) == pytest.approx(math.log(4), rel=1e-12)
    assert (arch >= -1e-12).all() and sine[30] == pytest.approx(-math.log(2))


def test_random_walk_steps_are_independent_between_sites_and_have_their_sd() -> None:
    path = RandomWalkHistory(0.08).log_capacity(100, (300,), np.random.default_rng(1))
    steps = np.diff(path, axis=-1)
    assert (path[:, 0] == 0).all() and steps.std() == pytest.approx(0.08, rel=0.02)
    assert abs(np.corrcoef(steps[0], steps[1])[0, 1]) < 0.3 and not np.array_equal(path[0], path[1])


@pytest.mark.parametrize("growth", [GompertzGrowth(), RickerGrowth()])
@pytest.mark.parametrize("phi", [-0.3, 0.5, 0.9])
def test_growth_rests_at_capacity_and_leaves_the_share_phi_of_a_small_deviation(growth, phi: float) -> None:
    k, small = np.array(4.0), 1e-6
    assert growth.next_log_density(k, k, phi) == pytest.approx(4.0, abs=1e-12)
    slope = (growth.next_log_density(k + small, k, phi) - growth.next_log_density(k - small, k, phi)) / (2 * small)
    assert slope == pytest.approx(phi, abs=1e-6)


def test_density_follows_capacity_with_the_lag_that_phi_says() -> None:
    y, k = Population(dependence=0.8, process_sd=1e-9, observation_sd=0).draw(HISTORIES["exp"], years=60, sites=1)
    assert (y - k)[0, 0, -1] == pytest.approx(-math.log(0.25) / 59 / 0.2, rel=1e-4)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    draw = Population().draw
    for history in HISTORIES.values():
        first, again, other = (draw(history, seed=s)[0] for s in (7, 7, 8))
        assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_frame_is_long_sorted_and_holds_the_asked_share_of_gaps() -> None:
    frame = Population().frame(HISTORIES["rw"], years=50, sites=12, missing=0.2)
    assert frame.equals(frame.sort_values(["series_id", "year"], ignore_index=True))
    assert frame["count"].isna().mean() == pytest.approx(0.2, abs=0.06) and (frame["count"].dropna() > 0).all()


@pytest.mark.parametrize("fault", [{"dependence": 1.0}, {"process_sd": 0.0}, {"observation_sd": -0.1}, {"level": math.nan}])
def test_a_population_outside_its_set_is_refused(fault: dict[str, float]) -> None:
    with pytest.raises(DataError, match=r"expected: -1 < dependence < 1"):
        Population(**fault)


def test_nothing_to_simulate_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to simulate"):
        Population().draw(ConstantHistory(), years=0)
