"""Two-channel population cells equal outside implementations: statsmodels' exact diffuse filter, and dense REML."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ecology_exactness import CASES, DRIFT, ERROR, ERRORS, PHI, PROCESS, cell, counts, nile_gap, two_channel_gap
from seqsci.cells.capacity_laws import ConstantCapacity, CovariateCapacity, LaggedRandomWalkCapacity, RandomWalkCapacity, SmoothCapacity
from seqsci.cells.drifting_capacity import DriftingCapacity
from seqsci.cells.survey import Catch, Effort, EstimatedError, NoError
from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian
from seqsci.sequences import Sequences


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", CASES)
def test_filter_and_smoother_equal_statsmodels_with_an_exact_diffuse_start(name: str, error: str) -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    gap = two_channel_gap(name, error)
    assert gap.filtered <= 1e-8 and gap.smoothed <= 1e-8


def test_the_local_level_model_of_the_nile_is_that_of_statsmodels() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    assert nile_gap().filtered <= 1e-8


def test_without_dependence_a_wandering_capacity_is_the_local_level_model() -> None:
    structural = pytest.importorskip("statsmodels.tsa.statespace.structural", reason="statsmodels is not installed")
    y = counts()
    theirs = structural.UnobservedComponents(y, "llevel", use_exact_diffuse=True).smooth([0.3**2, DRIFT**2])
    model = cell(RandomWalkCapacity(), NoError()).start_at(dependence=0.0, process_sd=0.3, capacity_sd=DRIFT)
    ours, seen = model.filter(Sequences({"log_count": y})), ~np.isnan(y)
    np.testing.assert_allclose(ours.density[seen], theirs.llf_obs[seen], rtol=0, atol=1e-8)


def test_a_lagged_capacity_is_the_equation_of_a_density_that_follows_a_year_late() -> None:
    """x_t = phi x_{t-1} + (1 - phi) k_{t-1} + noise, written in x and k themselves with a vague start."""
    y = counts()
    model = cell(LaggedRandomWalkCapacity(), EstimatedError(), capacity_sd=DRIFT, observation_sd=ERROR)
    ours = model.filter(Sequences({"log_count": y}))
    transition, noise = np.array([[PHI, 1 - PHI], [0, 1]]), np.diag([PROCESS**2, DRIFT**2])
    start = (PROCESS**2 + DRIFT**2) / (1 - PHI**2)
    mean, spread = np.zeros(2), 1e7 * np.ones((2, 2)) + np.diag([start, 0])
    for t in range(60):
        if t > 10:
            np.testing.assert_allclose(ours.reads[t, 0], mean[0], rtol=0, atol=1e-5)
        if not np.isnan(y[t]):
            gain = spread[:, 0] / (spread[0, 0] + ERROR**2)
            mean, spread = mean + gain * (y[t] - mean[0]), spread - np.outer(gain, spread[0])
        mean, spread = transition @ mean, transition @ spread @ transition.T + noise


def dense_restricted(y: np.ndarray, regressors: np.ndarray, error: float, phi: float = PHI) -> float:
    """REML of regressors with AR(1) and white noise: the dense formula, up to no constant of the exact diffuse likelihood."""
    seen = ~np.isnan(y)
    gap = np.abs(np.subtract.outer(np.arange(len(y)), np.arange(len(y))))[np.ix_(seen, seen)]
    cov, x, v = PROCESS**2 / (1 - phi**2) * phi**gap + error**2 * np.eye(seen.sum()), regressors[seen], y[seen]
    inverse = np.linalg.inv(cov)
    inner = x.T @ inverse @ x
    rest = v - x @ np.linalg.solve(inner, x.T @ inverse @ v)
    logs = np.linalg.slogdet(cov)[1] + np.linalg.slogdet(inner)[1] + seen.sum() * np.log(2 * np.pi)
    return float(-0.5 * (logs + rest @ inverse @ rest))


def test_a_diffuse_start_makes_the_restricted_likelihood() -> None:
    y, z = counts(), np.sin(np.arange(60) / 5)
    ones = np.ones((60, 1))
    constant = cell(ConstantCapacity(), EstimatedError(), observation_sd=ERROR).filter(Sequences({"log_count": y}))
    assert constant.density.sum() == pytest.approx(dense_restricted(y, ones, ERROR), abs=1e-8)
    line = np.column_stack([ones, np.arange(60)])
    smooth = cell(SmoothCapacity(), EstimatedError(), observation_sd=ERROR, slope_sd=1e-12).filter(Sequences({"log_count": y}))
    assert smooth.density.sum() == pytest.approx(dense_restricted(y, line, ERROR), abs=1e-7)
    covariate = cell(CovariateCapacity(), EstimatedError(), observation_sd=ERROR, capacity_effect=0.7)
    given = covariate.filter(Sequences({"log_count": y}, {"capacity_covariate": z}))
    assert given.density.sum() == pytest.approx(dense_restricted(y - 0.7 * z, ones, ERROR), abs=1e-8)


def test_effort_is_an_offset_and_catch_lowers_next_years_density() -> None:
    y, rng = counts(), np.random.default_rng(5)
    effort, catch = rng.normal(0, 0.5, 60), rng.gamma(2.0, 0.5, 60)
    mechanism = DriftingCapacity(ConstantCapacity(), EstimatedError(), (Catch(), Effort()))
    values = {"dependence": PHI, "process_sd": PROCESS, "observation_sd": ERROR, "catch_effect": 0.3}
    model = Model(mechanism, DiffuseGaussian()).start_at(**values)
    ours = model.filter(Sequences({"log_count": y}, {"catch": catch, "log_effort": effort}))
    pressed = np.zeros(60)
    for t in range(1, 60):
        pressed[t] = PHI * pressed[t - 1] - 0.3 * catch[t - 1]
    plain = cell(ConstantCapacity(), EstimatedError(), observation_sd=ERROR)
    by_hand = plain.filter(Sequences({"log_count": y - effort - pressed}))
    np.testing.assert_allclose(ours.density, by_hand.density, rtol=0, atol=1e-9)


def test_derived_quantities_are_their_closed_forms() -> None:
    values = cell(ConstantCapacity(), NoError()).derived_values
    assert values["perturbation_half_life"] == pytest.approx(np.log(2) / -np.log(PHI))
    assert values["stationary_sd"] == pytest.approx(PROCESS / np.sqrt(1 - PHI**2))
    assert cell(ConstantCapacity(), NoError()).start_at(dependence=-PHI).derived_values == values
    late = cell(LaggedRandomWalkCapacity(), NoError(), capacity_sd=DRIFT).derived_values["stationary_sd"]
    assert late == pytest.approx(np.sqrt((PROCESS**2 + DRIFT**2) / (1 - PHI**2)))
