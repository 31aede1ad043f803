"""The smoother equals statsmodels' exact diffuse smoother, and the dense conditional law, gaps included."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ecology_exactness import CASES, DRIFT, ERROR, PHI, PROCESS, cell, counts, outside
from seqsci.cells.capacity_laws import ConstantCapacity, FlexibleTrend, SmoothCapacity
from seqsci.cells.drifting_capacity import DriftingCapacity
from seqsci.cells.survey import EstimatedError
from seqsci.cells.volatility import Volatility
from seqsci.errors import DataError, EquationError
from seqsci.estimation.kalman import kalman_filter
from seqsci.estimation.smoother import smoothed_states
from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian
from seqsci.observations.student_t import StudentT
from seqsci.sequences import Sequences
from tests.test_population_cells import dense_restricted


@pytest.mark.parametrize("name", CASES)
def test_the_signal_and_the_filtered_states_equal_statsmodels(name: str) -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    case, y = CASES[name], counts()
    found = smoothed_states(cell(case.law, EstimatedError(), observation_sd=ERROR, **case.values), Sequences({"log_count": y}))
    theirs, z = outside(y, case, ERROR), np.array(case.design, float)
    m = len(z)
    np.testing.assert_allclose(found.state("signal")[0], theirs.smoothed_state.T @ z, rtol=0, atol=1e-8)
    spread = np.einsum("i,ijt,j->t", z, theirs.smoothed_state_cov, z)
    np.testing.assert_allclose(found.state("signal")[1] ** 2, spread, rtol=0, atol=1e-8)
    proper = np.isfinite(found.filtered_sd).all(1)
    assert proper.sum() > 55 and not proper[0]
    np.testing.assert_allclose(found.filtered[proper, :m], theirs.filtered_state.T[proper], rtol=0, atol=1e-8)


def test_filter_on_numbers_is_the_compiled_filter() -> None:
    y = counts()
    model = cell(SmoothCapacity(), EstimatedError(), observation_sd=ERROR, slope_sd=DRIFT)
    sequences = Sequences({"log_count": y}, unit=np.repeat([0, 1], [25, 35]))
    steps, compiled = kalman_filter(model, sequences), model.filter(sequences)
    np.testing.assert_allclose([s.density for s in steps], compiled.density, rtol=0, atol=1e-10)
    np.testing.assert_allclose([s.mean for s in steps], compiled.states[:, :3], rtol=0, atol=1e-10)


def test_the_last_smoothed_state_is_the_last_filtered_one_and_hindsight_is_never_less_sure() -> None:
    y = counts()
    sequences = Sequences({"log_count": y}, unit=np.repeat([0, 1], [25, 35]))
    found = smoothed_states(cell(SmoothCapacity(), EstimatedError(), observation_sd=ERROR, slope_sd=DRIFT), sequences)
    for last in (24, 59):
        np.testing.assert_allclose(found.smoothed[last], found.filtered[last], rtol=0, atol=1e-10)
        np.testing.assert_allclose(found.smoothed_sd[last], found.filtered_sd[last], rtol=0, atol=1e-10)
    assert (found.smoothed_sd <= found.filtered_sd + 1e-9).all()
    assert set(found.columns()) >= {"filtered_signal", "smoothed_log_capacity_sd"}


def test_a_vague_prior_of_trend_coefficients_leaves_the_restricted_likelihood() -> None:
    """Differences of the likelihood along phi are those of the dense REML formula, with seven terms."""
    y, rows = counts(), np.arange(60)
    columns = {f"trend_{j}": np.cos(np.pi * j * (rows + 0.5) / 60) for j in range(1, 8)}
    x = np.column_stack([np.ones(60), *columns.values()])
    base = cell(FlexibleTrend(7), EstimatedError(), observation_sd=ERROR)
    gaps = []
    for phi in (-0.3, 0.2, 0.6, 0.9):
        steps = kalman_filter(base.start_at(dependence=phi), Sequences({"log_count": y}, columns))
        gaps.append(sum(s.density for s in steps) - dense_restricted(y, x, ERROR, phi))
    np.testing.assert_allclose(gaps, gaps[0], rtol=0, atol=0.01)


def test_smoothed_trend_is_generalised_least_squares() -> None:
    """With trend columns and no other drift, log K is the GLS fit of the columns: the prior and dense formulas give means and variances."""
    y, terms = counts(), 7
    rows = np.arange(60)
    columns = {f"trend_{j}": np.cos(np.pi * j * (rows + 0.5) / 60) for j in range(1, terms + 1)}
    model = cell(FlexibleTrend(terms), EstimatedError(), observation_sd=ERROR)
    found = smoothed_states(model, Sequences({"log_count": y}, columns))
    seen = ~np.isnan(y)
    x = np.column_stack([np.ones(60), *columns.values()])
    gap = np.abs(np.subtract.outer(rows, rows))[np.ix_(seen, seen)]
    inverse = np.linalg.inv(PROCESS**2 / (1 - PHI**2) * PHI**gap + ERROR**2 * np.eye(seen.sum()))
    spread = np.linalg.inv(x[seen].T @ inverse @ x[seen] + np.diag([0.0] + [0.01] * terms))
    beta = spread @ x[seen].T @ inverse @ y[seen]
    for t in (0, 10, 30, 59):
        np.testing.assert_allclose(found.smoothed[t, 1:-1], beta, rtol=0, atol=1e-8)
        np.testing.assert_allclose(found.smoothed_sd[t, 1:-1] ** 2, np.diag(spread), rtol=0, atol=1e-8)


def test_states_that_the_outcomes_do_not_hold_are_refused() -> None:
    y = np.array([1.0, np.nan, np.nan])
    with pytest.raises(DataError, match="capacity_slope"):
        smoothed_states(Model(DriftingCapacity(SmoothCapacity()), DiffuseGaussian()), Sequences({"log_count": y}))
    with pytest.raises(EquationError, match="LinearGaussian"):
        smoothed_states(Model(Volatility(), StudentT()), Sequences({"log_return": np.ones(3)}))
    found = smoothed_states(Model(DriftingCapacity(ConstantCapacity()), DiffuseGaussian()), Sequences({"log_count": y}))
    with pytest.raises(DataError, match="deviation"):
        found.state("capacity")
