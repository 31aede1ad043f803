"""Priors: a fit is the posterior mode, never worse than its prior on rows held out, and says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import seqsci
from seqsci import Model, Sequences, fit_panel
from seqsci.domains.finance import models
from seqsci.errors import ParameterError
from seqsci.estimation.artefact import load_fit, save
from seqsci.estimation.prior_rule import held_out
from seqsci.observations.gaussian import Gaussian
from seqsci.prior import Prior
from tests.registry import LocalLevel

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
BELIEVED = {"persistence": (0.9, 0.99), "memory": (0.8, 0.96), "mean": (-0.1, 0.2), "intercept": (0.005, 0.2)}


def returns(rows: int, seed: int, model: Model = TRUTH) -> Sequences:
    return Sequences({"log_return": model.simulate(rows, seed).outcome["log_return"]}, measure={"log_return": "percent"})


def test_a_prior_is_stated_as_the_central_range_in_natural_units() -> None:
    prior = Prior.between(GARCH.parameters, {"memory": (0.8, 0.96)}, level=0.95)
    assert prior.interval(GARCH.parameters, "memory") == pytest.approx((0.8, 0.96))
    believed = GARCH.with_prior(memory=(0.8, 0.96))
    assert believed.prior == prior and 0.8 < believed.value["memory"] < 0.96
    assert believed.with_prior().prior is None and believed.fix(memory=0.9).prior == prior


def test_the_estimate_is_the_mode_of_the_posterior_by_an_outside_optimiser() -> None:
    model, data = GARCH.with_prior(**BELIEVED), returns(400, 5)
    found = seqsci.fit(model, data)
    assert not found.prior_kept
    packed, kernel, prior = model.pack(data), model.kernel(), model.prior
    parameters = model.kernel_parameters
    centre, precision = prior.on([p.name for p in parameters], model.free_names)

    def lost(raw: np.ndarray) -> float:
        natural = np.array([p.constraint.forward(r) for p, r in zip(parameters, raw, strict=True)], float)
        return kernel.score(natural, packed).nll + 0.5 * (raw - centre) @ precision @ (raw - centre)

    best = minimize(lost, centre, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000})
    ours = np.array([p.constraint.inverse(found.value[p.name]) for p in parameters])
    assert lost(ours) <= best.fun + 1e-6
    np.testing.assert_allclose(ours, best.x, atol=2e-3)
    assert found.log_likelihood == pytest.approx(-(best.fun - 0.5 * (best.x - centre) @ precision @ (best.x - centre)), abs=0.02)
    hessian = np.array([[second(lost, ours, i, j) for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(found.covariance_raw, np.linalg.inv(hessian), rtol=0.02, atol=1e-4)
    assert found.provenance.covariance == "posterior (Laplace)"


def second(f, x: np.ndarray, i: int, j: int, h: float = 2e-3) -> float:
    def at(a: float, b: float) -> float:
        y = x.copy()
        y[i] += a
        y[j] += b
        return f(y)

    return (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h)


def test_a_wide_prior_is_the_maximum_and_a_narrow_one_is_the_prior() -> None:
    data = returns(1500, 3)
    plain = seqsci.fit(GARCH, data)
    k = len(GARCH.free_names)
    start = seqsci.fit(GARCH, data)
    centre = tuple(p.constraint.inverse(start.value[p.name]) + 0.3 for p in GARCH.kernel_parameters)
    wide = Prior(tuple(p.name for p in GARCH.kernel_parameters), centre, tuple(map(tuple, 1e4 * np.eye(k))))
    flat = seqsci.fit(GARCH.with_prior(wide), data)
    for n in GARCH.free_names:
        assert flat.value[n] == pytest.approx(plain.value[n], abs=0.02 * plain.standard_error(n))
    narrow = Prior(wide.names, tuple(c - 0.3 for c in centre), tuple(map(tuple, 1e-10 * np.eye(k))))
    held = seqsci.fit(GARCH.with_prior(narrow), data)
    for n in GARCH.free_names:
        assert held.value[n] == pytest.approx(plain.value[n], rel=1e-4, abs=1e-5)


def test_more_rows_move_the_estimate_from_the_prior_to_the_data() -> None:
    model = GARCH.with_prior(memory=(0.5, 0.7), persistence=(0.9, 0.99), mean=(-1, 1), intercept=(0.001, 1))
    distances = [abs(seqsci.fit(model, returns(n, 2)).value["memory"] - 0.9) for n in (100, 1000, 20_000)]
    assert distances[2] < 0.03 < distances[0] and distances[2] < distances[1] < distances[0] + 1e-9


def test_the_prior_is_kept_where_the_fit_is_worse_on_rows_held_out_and_the_result_says_so() -> None:
    model = GARCH.with_prior(**BELIEVED)
    calm, wild = returns(60, 1), returns(40, 2, TRUTH.start_at(intercept=1.0))
    broken = Sequences({"log_return": np.concatenate([wild.outcome["log_return"], calm.outcome["log_return"][:20]])}, measure=calm.measure)
    kept = seqsci.fit(model, broken)
    assert "worse than the prior on the 18 rows held out" in kept.prior_kept
    assert kept.value == pytest.approx(model.value, rel=1e-9)
    assert {e.flag for e in kept.estimates() if e.name in BELIEVED} == {"prior kept"}
    assert "KEPT" in str(kept.summary()) and "nats worse" in str(kept.summary())
    assert kept.interval("memory") == pytest.approx((0.8, 0.96), abs=1e-6)


def test_a_fit_that_is_not_kept_is_never_worse_than_its_prior_on_the_rows_held_out() -> None:
    model = GARCH.with_prior(**BELIEVED)
    decided = {True: 0, False: 0}
    for seed in range(30):
        data = returns(80, 100 + seed, TRUTH.start_at(intercept=0.25))
        found = seqsci.fit(model, data)
        decided[bool(found.prior_kept)] += 1
        train, test = held_out(model.pack(data))
        on_train = Sequences(data.outcome, weight=train, measure=data.measure)
        trained = seqsci.fit(model.start_at(**model.value), on_train)  # its own rule may keep the prior; then there is no difference
        density = [m.filter(data).density @ test for m in (trained.model, model)]
        if not found.prior_kept and not trained.prior_kept:
            assert density[0] >= density[1] - 1e-6
    assert decided[False] >= 3


def test_three_rows_and_no_row_to_spare_give_the_prior_back() -> None:
    model = GARCH.with_prior(**BELIEVED)
    for rows in (1, 3):
        found = seqsci.fit(model, returns(rows, 9))
        assert np.isfinite(found.log_likelihood) and found.rows == rows
    assert "too few rows" in seqsci.fit(model, returns(1, 9)).prior_kept


def test_parameters_that_the_prior_does_not_name_are_estimated() -> None:
    model, data = GARCH.with_prior(memory=(0.85, 0.95)), returns(800, 4)
    found = seqsci.fit(model, data)
    plain = seqsci.fit(GARCH, data)
    assert found.value["mean"] == pytest.approx(plain.value["mean"], abs=0.2 * plain.standard_error("mean"))
    assert np.isfinite([found.standard_error(n) for n in model.free_names]).all()


def test_decimal_and_percent_data_give_the_same_posterior() -> None:
    percent = returns(300, 6)
    decimal = Sequences({"log_return": percent.outcome["log_return"] / 100}, measure={"log_return": "decimal"})
    a = seqsci.fit(GARCH.with_prior(**BELIEVED), percent)
    scaled = {**BELIEVED, "mean": (-0.001, 0.002), "intercept": (0.005e-4, 0.2e-4)}
    b = seqsci.fit(GARCH.with_prior(**scaled), decimal)
    assert b.value["memory"] == pytest.approx(a.value["memory"], rel=1e-5)
    assert b.standard_error("intercept") == pytest.approx(a.standard_error("intercept") / 1e4, rel=1e-3)


def test_rows_of_a_panel_under_a_prior_are_the_single_fits() -> None:
    model = GARCH.with_prior(memory=(0.8, 0.96), persistence=(0.9, 0.99), intercept=(0.005, 0.2))
    columns = {f"s{i}": returns(70, 200 + i, TRUTH.start_at(intercept=0.03 * (1 + 5 * (i % 2)))).outcome["log_return"] for i in range(8)}
    columns["constant"] = np.full(70, 0.4)
    table = fit_panel(model, pd.DataFrame(columns), unit="percent").table
    kept = 0
    for i, (name, values) in enumerate(columns.items()):
        single = seqsci.fit(model, Sequences({"log_return": values}, measure={"log_return": "percent"}), estimator=fitting_estimator())
        assert table["status"][i] == "ok" and table["prior_kept"][i] == single.prior_kept, name
        assert table["log_likelihood"][i] == pytest.approx(single.log_likelihood, rel=1e-12)
        for p in model.free_names:
            assert table[p][i] == pytest.approx(single.value[p], rel=1e-9, abs=1e-12)
            assert table[f"se_{p}"][i] == pytest.approx(single.standard_error(p), rel=1e-6)
        kept += bool(single.prior_kept)
    assert kept >= 1


def fitting_estimator():
    from seqsci.panel.fitting import PANEL

    return PANEL


def test_a_fit_under_a_prior_is_saved_and_loaded(tmp_path) -> None:
    found = seqsci.fit(GARCH.with_prior(**BELIEVED), returns(60, 7))
    again = load_fit(save(found, tmp_path / "model.json"))
    assert again.model.prior == found.model.prior and again.prior_kept == found.prior_kept
    assert str(again.summary()) == str(found.summary())


def test_a_prior_makes_a_few_noisy_observations_enough_for_another_mechanism() -> None:
    model = Model(LocalLevel(), Gaussian()).with_prior(step=(0.1, 1.0), error=(0.2, 1.0))
    found = seqsci.fit(model, Sequences({"y": np.array([0.1, 0.5, np.nan, 0.2, 0.9, 1.3])}))
    assert 0.05 < found.value["step"] < 2 and found.rows == 5


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"memroy": (0.8, 0.9)}, "did you mean 'memory'"),
        ({"memory": (0.9, 0.8)}, "not an increasing pair"),
        ({"memory": (0.8, 1.0)}, "strictly inside"),
        ({"memory": 0.8}, "no pair of numbers"),
    ],
)
def test_a_prior_that_does_not_fit_names_its_faults(ranges, message) -> None:
    with pytest.raises(ParameterError, match=message):
        GARCH.with_prior(**ranges)
