"""Population cells recover what an independent simulation put in: a covariate's effect, catch, effort, errors of each year."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seqsci import fit
from seqsci.cells.capacity_laws import ConstantCapacity, CovariateCapacity
from seqsci.cells.drifting_capacity import DriftingCapacity
from seqsci.cells.survey import GivenError
from seqsci.domains.ecology.models import count_slow_channel, covariate_capacity, flexible_trend, harvested
from seqsci.domains.ecology.trends import cosine_trend
from seqsci.errors import DataError, EquationError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.frames import to_sequences
from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian
from seqsci.sequences import Sequences

PHI, PROCESS, ERROR, EFFECT, CATCH = 0.6, 0.2, 0.15, 0.8, 0.3
YEARS, GAPS = 400, [9, 10, 200]


def population(rng: np.random.Generator, years: int, sd: np.ndarray | float, capacity: np.ndarray, catch: np.ndarray) -> np.ndarray:
    """Log counts by the definition: a deviation from log K that decays, loses the catch of the year before, and is seen with error."""
    deviation = np.empty(years)
    deviation[0] = rng.normal(0, PROCESS / np.sqrt(1 - PHI**2))
    for t in range(1, years):
        deviation[t] = PHI * deviation[t - 1] - CATCH * catch[t - 1] + rng.normal(0, PROCESS)
    return capacity + deviation + rng.normal(0, 1, years) * sd


def covers(found: Fit, name: str, truth: float) -> bool:
    low, high = found.interval(name)
    return bool(low <= truth <= high)


def wave(rng: np.random.Generator, years: int) -> np.ndarray:
    return np.asarray(np.cumsum(rng.normal(0, 0.15, years)))


def test_the_effect_of_a_covariate_on_capacity_is_recovered_with_an_honest_interval() -> None:
    rng, found = np.random.default_rng(11), []
    for _ in range(20):
        z = wave(rng, 120)
        y = population(rng, 120, ERROR, 4 + EFFECT * z, np.zeros(120))
        y[GAPS[:2]] = np.nan
        found.append(MaximumLikelihood().fit(covariate_capacity(), Sequences({"log_count": y}, {"capacity_covariate": z})))
    assert np.mean([f.value["capacity_effect"] for f in found]) == pytest.approx(EFFECT, abs=0.04)
    assert np.mean([f.value["dependence"] for f in found]) == pytest.approx(PHI, abs=0.12)
    assert np.mean([covers(f, "capacity_effect", EFFECT) for f in found]) >= 0.8


def test_noise_in_the_covariate_shrinks_its_effect_and_is_taken_for_persistence() -> None:
    rng = np.random.default_rng(12)
    z = wave(rng, YEARS)
    y = population(rng, YEARS, ERROR, 4 + EFFECT * z, np.zeros(YEARS))
    exact, noisy = (
        MaximumLikelihood().fit(covariate_capacity(), Sequences({"log_count": y}, {"capacity_covariate": z + sd * rng.normal(size=YEARS)}))
        for sd in (0.0, 1.0)
    )
    assert covers(exact, "capacity_effect", EFFECT) and noisy.value["capacity_effect"] < 0.6 * EFFECT
    assert noisy.value["dependence"] > exact.value["dependence"] + 0.1


def test_catch_is_an_input_and_effort_an_offset_that_a_fit_needs() -> None:
    rng = np.random.default_rng(13)
    catch, effort = rng.gamma(2.0, 0.5, YEARS), rng.normal(0, 0.5, YEARS)
    y = population(rng, YEARS, ERROR, 4 + np.cumsum(rng.normal(0, 0.03, YEARS)), catch) + effort
    y[GAPS] = np.nan
    found = MaximumLikelihood().fit(harvested(), Sequences({"log_count": y}, {"catch": catch, "log_effort": effort}))
    for name, truth in (("catch_effect", CATCH), ("dependence", PHI), ("process_sd", PROCESS), ("observation_sd", ERROR)):
        assert abs(found.value[name] - truth) < 3 * found.standard_error(name), name
    assert found.value["catch_effect"] > 4 * found.standard_error("catch_effect")
    blind = MaximumLikelihood().fit(harvested(), Sequences({"log_count": y}, {"catch": catch, "log_effort": np.zeros(YEARS)}))
    assert blind.log_likelihood < found.log_likelihood - 50 and blind.value["observation_sd"] > 2 * ERROR


def test_an_error_given_by_year_leaves_the_process_alone_and_weighs_the_years() -> None:
    rng = np.random.default_rng(14)
    sd = np.where(np.arange(YEARS) % 2 == 0, 0.05, 0.5)
    y = population(rng, YEARS, sd, np.full(YEARS, 4.0), np.zeros(YEARS))
    model = Model(DriftingCapacity(ConstantCapacity(), GivenError()), DiffuseGaussian())
    assert "observation_sd" not in {p.name for p in model.parameters}
    found, wrong = (
        MaximumLikelihood().fit(model, Sequences({"log_count": y}, {"observation_sd": s})) for s in (sd, np.full(YEARS, sd.mean()))
    )
    for name, truth in (("process_sd", PROCESS), ("dependence", PHI)):
        assert abs(found.value[name] - truth) < 3 * found.standard_error(name), name
    assert wrong.log_likelihood < found.log_likelihood - 50


def test_a_covariate_that_is_missing_or_absent_is_refused() -> None:
    y, z = np.sin(np.arange(60.0)), np.r_[np.arange(59.0), np.nan]
    with pytest.raises(DataError, match="capacity_covariate"):
        MaximumLikelihood().fit(covariate_capacity(), Sequences({"log_count": y}, {"capacity_covariate": z}))
    with pytest.raises(DataError, match="capacity_covariate"):
        MaximumLikelihood().fit(covariate_capacity(), Sequences({"log_count": y}))


def test_a_cell_whose_derivatives_would_compile_for_minutes_is_refused_at_once_and_still_filters() -> None:
    years = np.arange(60)
    data = Sequences({"log_count": np.random.default_rng(15).normal(size=60)}, cosine_trend(years, 7, 0, 59))
    with pytest.raises(EquationError, match=r"(?s)2631 derivatives of 55 states.*at most 500.*at most 3 trend terms.*ecology\.inference"):
        MaximumLikelihood().fit(flexible_trend(7), data)
    with pytest.raises(EquationError, match="666 derivatives"):
        _ = flexible_trend(4).kernel().information_function
    assert np.isfinite(flexible_trend(7).filter(data).density).all()
    for terms in (1, 2, 3):
        assert flexible_trend(terms).kernel().derivatives <= 500
    assert Model(DriftingCapacity(CovariateCapacity()), DiffuseGaussian()).kernel().derivatives < 100


def test_a_forecast_year_without_its_covariate_is_refused() -> None:
    rng = np.random.default_rng(16)
    z = wave(rng, 80)
    y = population(rng, 80, ERROR, 4 + EFFECT * z, np.zeros(80))
    found = MaximumLikelihood().fit(covariate_capacity(), Sequences({"log_count": y}, {"capacity_covariate": z}))
    with pytest.raises(DataError, match=r"capacity_covariate.*gaps"):
        found.predict(2, known={"capacity_covariate": np.array([1.0, np.nan])})
    with pytest.raises(DataError, match=r"(?s)cannot forecast this.*capacity_covariate of shape \(2,\)"):
        found.predict(2)


def test_a_count_model_refuses_counts_that_are_not_whole_or_negative_in_a_frame_and_in_sequences() -> None:
    counts = pd.DataFrame({"ds": np.arange(1950, 2011), "count": np.r_[np.arange(10.0, 70.0), 2.5]})
    model = count_slow_channel()
    for data in (counts, Sequences({"count": counts["count"].to_numpy()})):
        with pytest.raises(DataError, match=r"(?s)no count.*2\.5.*whole numbers >= 0"):
            fit(model, data)
    with pytest.raises(DataError, match="no count"):
        fit(model, counts.assign(count=-counts["count"].round()))
    assert len(to_sequences(model, counts[:-1])) == 60
