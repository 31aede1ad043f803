"""Forecasts many years ahead: closed forms with known parameters, honest intervals with unknown ones, and errors that name the year."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.ecology.bank import CellGrid, PopulationBank
from seqsci.domains.ecology.horizons import COLUMNS, bank_horizons, forecast_counts
from seqsci.domains.ecology.models import MODELS, covariate_capacity, flexible_trend, gompertz, harvested, random_walk_capacity
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.reading.panel import count_panel
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.domains.ecology.trends import cosine_trend
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.parameter_draws import draw_parameters
from seqsci.estimation.provenance import Provenance
from seqsci.estimation.result import Fit
from seqsci.model import Model
from seqsci.sequences import Sequences

TRUTH = {"dependence": 0.5, "process_sd": 0.2, "capacity_sd": 0.08, "observation_sd": 0.15}
SLOW = ("flexible_trend", "harvested")
"""Their likelihoods take long to compile; parameters are taken as known here."""


def estimated(model: Model, sequences: Sequences) -> Fit:
    return MaximumLikelihood(starts=2, min_rows=20, profile_bounds=False).fit(model, sequences)


def fixed(model: Model, sequences: Sequences) -> Fit:
    """Parameters taken as known: what a forecast does with them is then a closed form."""
    given = Provenance("none", 0, 0.0, False, "test")
    held, none = model.fix(**model.value), np.zeros((0, 0))
    return Fit(held, (), none, (), 0.0, len(sequences), sequences, np.zeros((len(sequences.starts), 0)), given)


def simulated(years: int = 40, seed: int = 3, units: int = 1) -> Sequences:
    y = [random_walk_capacity().start_at(**TRUTH).simulate(years + 1, seed + i).outcome["log_count"][1:] + 4 for i in range(units)]
    calendar = np.tile(np.arange(1980, 1980 + years), units)
    return Sequences({"log_count": np.concatenate(y)}, unit=np.repeat(np.arange(units), years), index=calendar)


@pytest.fixture(scope="module")
def drifting() -> Fit:
    return estimated(random_walk_capacity(), simulated())


def known_of(model: Model, rows: int) -> dict[str, np.ndarray]:
    columns = {"capacity_covariate": np.sin(np.arange(rows) / 5), "catch": np.full(rows, 0.1), "log_effort": np.zeros(rows)}
    columns |= cosine_trend(np.arange(rows), 1, 0, 39)
    return {k.name: columns[k.name] for k in model.mechanism.known}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_forecasts_one_series_and_many(name: str) -> None:
    model = flexible_trend(1) if name == "flexible_trend" else MODELS[name]()
    for units in (1, 2):
        data = simulated(units=units)
        if model.mechanism.outcomes[0].name == "count":
            data = Sequences({"count": np.round(np.exp(data.outcome["log_count"]))}, unit=data.unit, index=data.index)
        columns = known_of(model, 44)
        data = data.with_known({n: np.tile(v[:40], units) for n, v in columns.items()})
        future = pd.DataFrame({"year": range(2020, 2024), **{n: v[40:] for n, v in columns.items()}})
        fit = fixed(model, data) if name in SLOW else estimated(model, data)
        found = forecast_counts(fit, 4, draws=1000, known=future)
        assert tuple(found.columns) == COLUMNS and len(found) == 4 * units
        assert found["year"].tolist() == [2020, 2021, 2022, 2023] * units
        ordered = found[["low95", "low80", "low50", "median", "high50", "high80", "high95"]].to_numpy()
        assert (np.diff(ordered, axis=1) >= 0).all() and np.isfinite(found.drop(columns="series_id").to_numpy(float)).all()


def test_a_random_walk_with_known_parameters_has_the_closed_form() -> None:
    """phi = 0 and no deviation: a random walk seen without error widens as sqrt(h); the chance of a fall follows from reflection."""
    step, at = 0.3, 4.0
    model = random_walk_capacity().fix(dependence=1e-9, process_sd=1e-6, capacity_sd=step, observation_sd=1e-6)
    y = np.r_[np.random.default_rng(1).normal(at, step, 30), at]
    found = forecast_counts(fixed(model, Sequences({"log_count": y})), 10, threshold=math.exp(at - 0.5), draws=40_000)
    h = np.arange(1, 11)
    np.testing.assert_allclose(found["mean_log"], at, atol=0.02)
    np.testing.assert_allclose(found["sd_log"], step * np.sqrt(h), rtol=0.02)
    np.testing.assert_allclose(np.log(found["high95"]), at + 1.95996 * step * np.sqrt(h), atol=0.06)
    normal = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)))
    np.testing.assert_allclose(found["below"], normal(-0.5 / (step * np.sqrt(h))), atol=0.01)
    rng = np.random.default_rng(2)
    walks = np.minimum.accumulate(np.cumsum(rng.normal(0, step, (200_000, 10)), axis=1), axis=1)
    np.testing.assert_allclose(found["quasi_extinction"], (walks <= -0.5).mean(0), atol=0.01)
    assert (found["quasi_extinction"] <= 2 * found["below"] + 0.01).all()  # reflection: a walk in continuous time has equality


def test_moments_with_known_parameters_are_those_of_the_simulated_model(drifting: Fit) -> None:
    """The drawn state and its survey error together have the law of the innovations that the kernel simulates."""
    found, paths = forecast_counts(fixed(drifting.model, drifting.sequences), 6, draws=40_000), drifting.predict(6, draws=40_000, seed=9)
    np.testing.assert_allclose(found["mean_log"], paths.mean, atol=0.02)
    np.testing.assert_allclose(found["sd_log"] ** 2, paths.variance, rtol=0.04)


def test_unknown_parameters_widen_the_bands(drifting: Fit) -> None:
    plugged = fixed(drifting.model, drifting.sequences)
    wide, narrow = (forecast_counts(f, 10, draws=8000)["sd_log"].to_numpy() for f in (drifting, plugged))
    assert (wide[4:] > 1.05 * narrow[4:]).all()


def test_draws_follow_the_likelihood_where_it_is_known() -> None:
    """AR(1) given K and phi: the process variance has an inverse gamma law under a prior flat in the standard deviation."""
    from scipy.stats import invgamma

    model = gompertz().fix(dependence=0.5, log_capacity=3.0)
    fit = estimated(model, gompertz().start_at(dependence=0.5, log_capacity=3.0).simulate(40, 5))
    y = fit.sequences.outcome["log_count"] - 3.0
    squares = np.r_[y[0] ** 2 * (1 - 0.25), (y[1:] - 0.5 * y[:-1]) ** 2].sum()
    drawn = draw_parameters(fit, 8000)
    sd = drawn.values[:, [p.name for p in model.kernel_parameters].index("process_sd")]
    p = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(np.quantile(sd, p), np.sqrt(invgamma.ppf(p, (40 - 1) / 2, scale=squares / 2)), rtol=0.02)
    assert drawn.effective > 2000 and drawn.sound


def test_an_unusable_covariance_is_said_and_the_likelihood_still_drawn_from(drifting: Fit) -> None:
    bad = replace(drifting, covariance_raw=np.full((4, 4), np.inf))
    found = forecast_counts(bad, 5, draws=4000)
    assert found.attrs["covariance"] == "not usable"
    np.testing.assert_allclose(found["sd_log"], forecast_counts(drifting, 5, draws=4000)["sd_log"], rtol=0.1)


def test_quasi_extinction_grows_with_the_step_and_with_the_threshold(drifting: Fit) -> None:
    tables = [forecast_counts(drifting, 10, threshold=t, draws=1000) for t in (20.0, 30.0, 45.0)]
    for table in tables:
        assert (np.diff(table["quasi_extinction"]) >= 0).all() and (table["quasi_extinction"] >= table["below"]).all()
    for low, high in itertools.pairwise(tables):
        assert (low["quasi_extinction"] <= high["quasi_extinction"]).all() and (low["below"] <= high["below"]).all()
    assert tables[2]["quasi_extinction"].iloc[-1] > 0.1


def test_the_population_is_told_from_its_survey(drifting: Fit) -> None:
    """Error of counting widens the bands, but no population dies of it."""
    low = float(forecast_counts(drifting, 1, draws=8000)["low95"].iloc[0])
    assert forecast_counts(drifting, 1, threshold=low, draws=8000)["below"].iloc[0] < 0.022


def test_the_same_seed_gives_the_same_numbers(drifting: Fit) -> None:
    one, two, other = (forecast_counts(drifting, 3, draws=500, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not np.allclose(one["mean_log"], other["mean_log"], atol=1e-12)


@pytest.mark.parametrize("name", ["random_walk_capacity", "gompertz_state_space"])
def test_intervals_of_estimated_models_cover_the_future(name: str) -> None:
    """80 % intervals over 60 simulated series of 40 years; the binomial error of .80 is .05."""
    model = MODELS[name]()
    source = model.start_at(**{n: v for n, v in TRUTH.items() if n in model.value})
    inside = []
    for seed in range(60):
        y = source.simulate(60, 100 + seed).outcome["log_count"][10:]
        found = forecast_counts(estimated(model, Sequences({"log_count": y[:40]})), 10, draws=1000)
        inside.append((np.log(found["low80"]) <= y[40:]) & (y[40:] <= np.log(found["high80"])))
    share = np.mean(inside, axis=0)[[0, 4, 9]]
    assert (np.abs(share - 0.8) < 0.15).all(), share


@pytest.mark.parametrize("name", ["covariate", "trend", "harvested"])
def test_a_covariate_without_a_future_value_is_named_with_its_year(name: str) -> None:
    model = {"covariate": covariate_capacity(), "trend": flexible_trend(1), "harvested": harvested()}[name]
    fit = fixed(model, simulated().with_known(known_of(model, 40)))
    first = model.mechanism.known[0].name
    with pytest.raises(DataError, match=rf"future values of .*{first}.*\n.*2020 to 2022"):
        forecast_counts(fit, 3)
    table = pd.DataFrame({"year": range(2020, 2023), **{n: v[-3:] for n, v in known_of(model, 40).items()}})
    table.loc[1, first] = np.nan
    with pytest.raises(DataError, match=f"{first} in 2021"):
        forecast_counts(fit, 3, known=table)
    with pytest.raises(DataError, match="2022"):
        forecast_counts(fit, 3, known=table.dropna().iloc[:1])


def test_bad_questions_are_refused(drifting: Fit) -> None:
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ParameterError, match="threshold is no abundance"):
            forecast_counts(drifting, 2, threshold=bad, draws=200)
    for horizon, draws in ((0, 1000), (3, 10)):
        with pytest.raises(DataError, match="nothing to forecast"):
            forecast_counts(drifting, horizon, draws=draws)
    with pytest.raises(DataError, match="names do not fit"):
        forecast_counts(drifting, 2, names=("a", "b"))


def test_missing_years_at_the_end_only_widen_the_forecast(drifting: Fit) -> None:
    y = drifting.sequences.outcome["log_count"].copy()
    y[-3:] = np.nan
    gone = estimated(random_walk_capacity(), Sequences({"log_count": y}, index=drifting.sequences.index))
    near = forecast_counts(gone, 1, draws=4000)
    assert near["year"].item() == 2020
    assert near["sd_log"].item() > forecast_counts(drifting, 1, draws=4000)["sd_log"].item()


def test_the_bank_forecasts_as_its_mixture_and_without_a_refit() -> None:
    frame = pd.concat([lynx(), Population().frame(HISTORIES["rw"], sites=3, seed=2)])[["series_id", "year", "count"]]
    bank = PopulationBank(CellGrid(forget=(1.0, 0.8), floor=(0.04, 0.16)), freedoms=(1.5,)).fit(count_panel(frame))
    found = bank_horizons(bank, frame, 10, draws=4000)
    assert tuple(found.columns) == COLUMNS and len(found) == 40
    one = found[found["series_id"] == "lynx"]
    series = bank.for_series(np.log(lynx()["count"].to_numpy()))
    np.testing.assert_allclose(one["mean_log"], series.predict(10).mean)
    np.testing.assert_allclose(one["low95"], np.exp(series.predict(10).quantile(0.025)))
    assert one["year"].tolist() == list(range(1935, 1945))
    assert (np.diff(one["quasi_extinction"]) >= 0).all() and (one["quasi_extinction"] >= one["below"]).all()
    high = bank_horizons(bank, lynx(), 10, threshold=500.0, draws=4000)
    assert (high["quasi_extinction"].to_numpy() > one["quasi_extinction"].to_numpy()).all()
    with pytest.raises(DataError, match="no positive count"):
        bank_horizons(bank, pd.DataFrame({"series_id": "z", "year": [2000, 2001], "count": [0.0, 0.0]}))
