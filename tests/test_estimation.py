"""Laws of maximum likelihood: against exact derivatives, changes of unit, restarts, bounds, missing steps and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqsci.domains.finance import models
from seqsci.equations.torch_backend import loop
from seqsci.errors import ArtefactError, ConvergenceError, DataError, ParameterError
from seqsci.estimation.artefact import load_fit, save
from seqsci.estimation.hypothesis_tests import likelihood_ratio
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ObservedInformation, OuterProduct, Sandwich, invert, observed_information
from seqsci.forecast import forecast
from seqsci.predictor import ModelPredictor
from seqsci.sequences import Sequences

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
CELL = models.default().start_at(mean=0.04, persistence=0.97, memory=0.9, rotation=0.4, shift=0.3, intercept=0.03)


def percent(returns, **more):
    return Sequences({"log_return": returns}, measure={"log_return": "percent"}, **more)


@pytest.fixture(scope="module")
def series():
    return CELL.simulate(2000, seed=5).outcome["log_return"]


@pytest.fixture(scope="module")
def garch_fit(series):
    return MaximumLikelihood().fit(GARCH, percent(series))


@pytest.fixture(scope="module")
def cell_fit(series):
    return MaximumLikelihood().fit(CELL, percent(series))


def test_observed_information_equals_the_oracles_exact_hessian():
    returns = GARCH.simulate(250, seed=1).outcome["log_return"]
    sequences = percent(returns)
    packed, kernel = GARCH.pack(sequences), GARCH.kernel()
    names = [p.name for p in GARCH.kernel_parameters]
    backcast = torch.tensor(GARCH.presamples(sequences)[0, 0]).expand(250)
    flags = torch.ones(250, dtype=torch.bool)

    def nll(theta):
        values = {n: torch.tensor(v, dtype=torch.float64) for n, v in GARCH.values} | dict(zip(names, theta.unbind(), strict=True))
        y = {"log_return": torch.tensor(returns)}
        return -loop(GARCH.mechanism, GARCH.observation, values, {}, y, flags, ~flags, {"backcast": backcast}).density.sum()

    exact = torch.autograd.functional.hessian(nll, torch.tensor(GARCH.kernel_values)).numpy()

    def score(theta, full):
        found = kernel.score(theta, packed)
        return found.gradient, found.outer

    mine = observed_information(score, GARCH.kernel_values, np.zeros(len(names), bool))
    assert not kernel.program.kinked
    np.testing.assert_allclose(mine, exact, rtol=2e-6, atol=1e-6 * np.abs(exact).max())


def test_a_fit_in_decimals_is_the_fit_in_percent_in_other_units(series, cell_fit):
    decimal = MaximumLikelihood().fit(CELL, Sequences({"log_return": series / 100}, measure={"log_return": "decimal"}))
    for p in CELL.parameters:
        factor = 100.0**-p.dimension
        assert decimal.value[p.name] == pytest.approx(cell_fit.value[p.name] * factor, rel=1e-6, abs=1e-12)
        if p.name in cell_fit.free_names:
            assert decimal.standard_error(p.name) == pytest.approx(cell_fit.standard_error(p.name) * factor, rel=1e-6)
    assert decimal.log_likelihood == pytest.approx(cell_fit.log_likelihood + len(series) * math.log(100), rel=1e-12)
    assert -decimal.path.density.sum() == pytest.approx(-decimal.log_likelihood, rel=1e-9)
    assert decimal.standard_error("annualised_volatility") == pytest.approx(
        cell_fit.standard_error("annualised_volatility") / 100, rel=1e-4
    )


def test_no_start_finds_a_higher_likelihood_than_the_default_fit(series, cell_fit):
    many = MaximumLikelihood(starts=16).fit(CELL, percent(series))
    truth = MaximumLikelihood(starts=1, warm=True).fit(CELL, percent(series))
    assert cell_fit.log_likelihood > max(many.log_likelihood, truth.log_likelihood) - 0.05


def test_the_score_vanishes_at_a_smooth_optimum(series, garch_fit):
    found = garch_fit.model.kernel().score(garch_fit.model.kernel_values, garch_fit.model.pack(percent(series)))
    scaled = found.gradient / np.sqrt(np.diag(found.outer))
    assert np.abs(scaled).max() < 1e-2


def test_fitting_never_changes_the_model(series):
    before = CELL.values, CELL.fixed
    MaximumLikelihood(starts=1).fit(CELL, percent(series))
    assert (CELL.values, CELL.fixed) == before


def test_intervals_stay_inside_the_admissible_set_and_hold_the_estimate(cell_fit):
    for e in cell_fit.estimates():
        if e.name in cell_fit.free_names:
            low, high = next(p for p in CELL.parameters if p.name == e.name).constraint.bounds
            assert low <= e.low < e.value < e.high <= high
            assert e.standard_error > 0


def test_the_covariances_agree_where_the_model_is_right(series):
    errors = [MaximumLikelihood(covariance=c).fit(GARCH, percent(series)) for c in (OuterProduct(), ObservedInformation())]
    for name in errors[0].free_names:
        assert errors[0].standard_error(name) == pytest.approx(errors[1].standard_error(name), rel=0.6)


def test_delta_method_of_a_derived_quantity_equals_the_hand_calculation(garch_fit):
    covariance = garch_fit.covariance()
    i, j = (garch_fit.free_names.index(n) for n in ("persistence", "memory"))
    phi, f = garch_fit.value["persistence"], garch_fit.value["memory"]
    gradient = np.zeros(len(garch_fit.free_names))
    gradient[i], gradient[j] = 1 - f, -phi
    assert garch_fit.standard_error("alpha") == pytest.approx(math.sqrt(gradient @ covariance @ gradient), rel=1e-4)


def test_a_parameter_at_its_bound_is_pinned_flagged_and_costs_nothing():
    truth = models.tarch_t().start_at(mean=0.0, persistence=0.97, memory=0.88, rotation=1.0, intercept=0.03)
    returns = truth.simulate(1500, seed=2).outcome["log_return"]
    fit = MaximumLikelihood().fit(models.tarch_t(), percent(returns))
    assert fit.at_bound == ("rotation",) and fit.value["rotation"] == 1.0
    assert {e.name: e.flag for e in fit.estimates()}["rotation"] == "at bound"
    rows = {e.name: e for e in fit.derived()}
    assert rows["alpha"].value == 0.0 and np.isnan(rows["alpha"].standard_error)
    assert {rows[n].flag for n in ("alpha", "gamma")} == {"given rotation at its bound"} and rows["beta"].flag == ""
    near = fit.model.start_at(rotation=0.97)
    loose = MaximumLikelihood(starts=1, warm=True).fit(near, percent(returns))
    assert fit.log_likelihood > loose.log_likelihood - 0.01


def test_a_missing_step_is_no_obstacle_to_any_shipped_model(series):
    holes = series[:700].copy()
    holes[[20, 300, 301]] = np.nan
    for build in (models.default, models.shock_gate, models.tarch_t):
        fit = MaximumLikelihood(starts=1, profile_bounds=False).fit(build(), percent(holes))
        assert fit.rows == 697 and all(np.isfinite(e.standard_error) for e in fit.estimates() if not e.flag)


def test_the_table_renders_as_html_and_latex_with_rows_and_likelihood(garch_fit):
    summary = garch_fit.summary()
    for text in (str(summary), summary.html(), summary.latex()):
        assert str(garch_fit.rows) in text and f"{garch_fit.log_likelihood:.3f}" in text
        for e in garch_fit.estimates():
            assert e.name in text or e.symbol in text
    assert summary.latex().count("\\begin{") == summary.latex().count("\\end{") > 0
    assert summary.html().count("<tr>") == summary.html().count("</tr>") > len(garch_fit.estimates())


def test_closed_form_forecasts_equal_simulated_paths(cell_fit, garch_fit):
    for fit in (cell_fit, garch_fit):
        found = forecast(fit.model, fit.last_state, 15, draws=100_000, seed=3)
        assert found.closed_form
        np.testing.assert_allclose(found.variance, found.paths.var(0), rtol=0.05)
        np.testing.assert_allclose(found.mean, found.paths.mean(0), atol=5 * math.sqrt(found.variance.max() / 100_000))


def test_the_first_forecast_is_the_next_filtered_row(cell_fit):
    ahead = cell_fit.predict(1).variance[0]
    grown = cell_fit.update(percent(np.array([0.1])))
    assert grown.path.reads[-1, 1] ** 2 == pytest.approx(ahead, rel=1e-12)


def test_update_without_refit_is_filtering_the_whole_series(series, cell_fit):
    new = percent(np.array([1.0, -2.0, np.nan, 0.5]))
    updated = cell_fit.update(new)
    whole = percent(np.r_[series, new.outcome["log_return"]])
    direct = cell_fit.model.filter(whole, cell_fit.presamples)
    np.testing.assert_array_equal(updated.path.states, direct.states)
    assert updated.value == cell_fit.value


def test_a_missing_return_moves_volatility_as_an_average_one(cell_fit):
    state = np.array([1.3])
    grown = cell_fit.model.filter(percent(np.array([np.nan, 0.0])), np.zeros((1, 1)), state[None, :])
    draws = cell_fit.model.observation.sample({"location": 0.0, "scale": 1.0, **cell_fit.model.shape_values}, np.random.default_rng(0))
    assert draws.shape == ()
    moments = forecast(cell_fit.model, state, 2, draws=200_000, seed=0)
    rng = np.random.default_rng(1)
    z = cell_fit.model.observation.noise((200_000,), cell_fit.model.shape_values, rng)
    nu = cell_fit.value["degrees_of_freedom"]
    y = cell_fit.value["mean"] + 1.3 * z * math.sqrt((nu - 2) / nu)
    one = cell_fit.model.filter(percent(y, unit=np.arange(len(y))), np.zeros((len(y), 1)), np.full((len(y), 1), 1.3))
    assert grown.states[1, 0] == pytest.approx(one.last.mean(), rel=5e-3)
    assert moments.variance[0] == pytest.approx(1.3**2, rel=1e-12)


def test_simulation_is_the_same_for_the_same_seed_and_differs_for_another():
    a, b, c = (CELL.simulate(50, seed).outcome["log_return"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_likelihood_ratio_of_nested_models_and_refusal_of_others(series, cell_fit, garch_fit):
    tarch = MaximumLikelihood().fit(CELL.fix(shift=0.0), percent(series))
    test = likelihood_ratio(tarch, cell_fit)
    assert test.degrees_of_freedom == 1 and test.on_bound == ()
    assert test.statistic == pytest.approx(2 * (cell_fit.log_likelihood - tarch.log_likelihood), abs=1e-9)
    assert 0 <= test.p_value <= 1
    with pytest.raises(ParameterError, match="not nested"):
        likelihood_ratio(garch_fit, cell_fit)
    with pytest.raises(ParameterError, match="different data"):
        likelihood_ratio(MaximumLikelihood(starts=1).fit(CELL.fix(shift=0.0), percent(series[:1500])), cell_fit)


def test_a_restriction_to_a_bound_is_named_and_halves_the_p_value(series, cell_fit):
    edge = MaximumLikelihood().fit(CELL.fix(persistence=1.0), percent(series))
    test = likelihood_ratio(edge, cell_fit)
    assert test.on_bound == ("persistence",)
    assert "mixture" in test.note
    assert test.p_value <= 0.5


def test_saved_fits_come_back_to_the_bit(cell_fit, tmp_path):
    again = load_fit(save(cell_fit, tmp_path / "model.json"))
    assert again.value == cell_fit.value
    assert again.model == cell_fit.model
    np.testing.assert_array_equal(again.covariance_raw, cell_fit.covariance_raw)
    np.testing.assert_array_equal(again.predict(5).paths, cell_fit.predict(5).paths)
    assert str(again.summary()) == str(cell_fit.summary())


@pytest.mark.parametrize("damage", [lambda t: t[: len(t) // 2], lambda t: t.replace("0", "1", 50), lambda t: "{}", lambda t: ""])
def test_damaged_artefacts_are_refused(cell_fit, tmp_path, damage):
    path = save(cell_fit, tmp_path / "model.json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(ArtefactError, match="fix:"):
        load_fit(path)


def test_missing_artefacts_and_unwritable_folders_are_clear_errors(cell_fit, tmp_path):
    with pytest.raises(ArtefactError, match="no such artefact"):
        load_fit(tmp_path / "none.json")
    with pytest.raises(ArtefactError, match="cannot write"):
        save(cell_fit, tmp_path / "no" / "folder" / "model.json")


def test_useless_data_are_refused_with_a_reason():
    with pytest.raises(DataError, match="too few observed"):
        MaximumLikelihood().fit(GARCH, percent(np.arange(20.0)))
    with pytest.raises(DataError, match="constant"):
        MaximumLikelihood().fit(GARCH, percent(np.ones(200)))
    with pytest.raises(DataError, match="infinite"):
        percent(np.array([1.0, np.inf]))


def test_a_density_that_collapses_onto_repeated_values_is_an_error_with_advice():
    rng = np.random.default_rng(0)
    ticks = np.where(np.arange(1600) // 200 % 2 == 0, 0.0, rng.normal(0, 3, 1600))
    with pytest.raises(ConvergenceError, match="exactly 0"):
        MaximumLikelihood().fit(models.garch_t(), percent(ticks))


def test_no_convergence_gives_numbered_advice(series):
    with pytest.raises(ConvergenceError, match=r"1\. look at the data"):
        MaximumLikelihood(starts=1, evaluations=2).fit(GARCH, percent(series))


def test_unknown_and_inadmissible_values_are_refused_at_once():
    with pytest.raises(ParameterError, match="did you mean 'shift'") as caught:
        CELL.fix(shfit=0.0, memory=1.5)
    assert "memory = 1.5 is outside [0, 1]" in str(caught.value)


def test_a_predictor_forecasts_rows_it_has_not_seen_from_those_before(series):
    fitted = ModelPredictor(GARCH, MaximumLikelihood(starts=1)).fit(percent(series[:1500]))
    rows = percent(series[1500:1520])
    found = fitted.predict_rows(rows)
    step = fitted.update(rows.rows(0, 7)).predict_rows(rows.rows(7, 20))
    np.testing.assert_array_equal(found.variance[7:], step.variance)


def test_an_unidentified_parameter_is_flagged_alone(series):
    fit = MaximumLikelihood().fit(GARCH.fix(persistence=0.0), percent(series))
    flags = {e.name: e.flag for e in fit.estimates()}
    assert flags["memory"] == "not identified" and math.isnan(fit.standard_error("memory"))
    assert flags["mean"] == flags["intercept"] == ""
    white = MaximumLikelihood().fit(GARCH.fix(persistence=0.0, memory=0.5), percent(series))
    for name in ("mean", "intercept"):
        assert fit.standard_error(name) == pytest.approx(white.standard_error(name), rel=1e-3)


def test_a_sum_that_is_identified_without_its_terms_flags_the_terms_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)) * [1.0, 100.0, 0.01]
    x[:, 2] += 0.005 * x[:, 0]
    whole = x.T @ x
    design = np.c_[x[:, 0], x[:, 0], x[:, 1:]]  # the first two always move together
    for found in (invert(design.T @ design), Sandwich().estimate(design.T @ design, lambda: design.T @ design)):
        assert np.isnan(found[:2]).all() and np.isnan(found[:, :2]).all()
        np.testing.assert_allclose(found[2:, 2:], np.linalg.inv(whole)[1:, 1:], rtol=1e-6, atol=1e-12)
    regular = whole / 7
    np.testing.assert_allclose(invert(regular), np.linalg.inv(regular), rtol=1e-9)


def test_information_that_is_not_a_number_flags_its_parameter_alone():
    information = np.diag([4.0, np.nan, 1.0])
    information[1] = information[:, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(np.diag(invert(information))), [False, True, False])
    assert invert(information)[0, 0] == 0.25
