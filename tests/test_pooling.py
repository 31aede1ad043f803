"""Pooling: shared parameters, a population of units, units by themselves; shrinkage helps where rows are few and is reported."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from seqsci import Sequences, fit, fit_panel
from seqsci.domains.finance import models
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.population import normal_population
from seqsci.panel.fitting import PANEL
from seqsci.panel.pooling import EmpiricalBayes, Partial, PerGroup, Shared

GARCH = models.garch_normal()
CENTRE = {"mean": 0.04, "persistence": 3.2, "intercept": np.log(0.05), "memory": 2.0}
SPREAD = {"mean": 0.03, "persistence": 0.4, "intercept": 0.5, "memory": 0.4}


def drawn(units: int, rows: int, seed: int, spread: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    """A wide frame of series whose raw parameters are normal around CENTRE, and these."""
    rng = np.random.default_rng(seed)
    table = {p.name: p.constraint for p in GARCH.kernel_parameters}
    raw = np.array([[CENTRE[n] + spread * SPREAD[n] * rng.normal() for n in CENTRE] for _ in range(units)])
    columns = {}
    for g, point in enumerate(raw):
        truth = GARCH.start_at(**{n: float(table[n].forward(r)) for n, r in zip(CENTRE, point, strict=True)})
        columns[f"u{g:03d}"] = truth.simulate(rows + 300, 1000 * seed + g).outcome["log_return"][300:]
    return pd.DataFrame(columns), raw


def raw_of(table: pd.DataFrame) -> np.ndarray:
    constraints = {p.name: p.constraint for p in GARCH.kernel_parameters}
    return np.clip(np.column_stack([[constraints[n].inverse(v) for v in table[n]] for n in CENTRE]), -8, 8)


def test_the_population_of_quadratic_likelihoods_is_the_penalised_maximum_of_the_marginal_likelihood() -> None:
    rng = np.random.default_rng(2)
    g, k = 60, 2
    truth = rng.multivariate_normal([1.0, -1.0], [[0.5, 0.3], [0.3, 0.4]], g)
    information = np.array([np.diag(rng.uniform(0.5, 20, k)) for _ in range(g)])
    own = truth + np.array([rng.multivariate_normal(np.zeros(k), np.linalg.inv(h)) for h in information])
    pull = np.einsum("gij,gj->gi", information, own)

    def lost(x: np.ndarray) -> float:
        lower = np.array([[np.exp(x[2]), 0], [x[4], np.exp(x[3])]])
        s = lower @ lower.T
        return -x[2] - x[3] - sum(multivariate_normal.logpdf(o, x[:2], s + np.linalg.inv(h)) for o, h in zip(own, information, strict=True))

    best = minimize(lost, np.zeros(5), method="BFGS", options={"gtol": 1e-6})
    found = normal_population(information, pull, np.zeros(k), np.eye(k))
    lower = np.array([[np.exp(best.x[2]), 0], [best.x[4], np.exp(best.x[3])]])
    assert found.converged
    np.testing.assert_allclose(found.centre, best.x[:2], atol=2e-4)
    np.testing.assert_allclose(found.covariance, lower @ lower.T, atol=5e-4)


def test_units_without_information_change_no_population_and_equal_units_have_no_spread() -> None:
    information, pull = np.full((5, 1, 1), 4.0), 4.0 * np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    plain = normal_population(information, pull, np.zeros(1), np.eye(1))
    more = normal_population(np.r_[information, np.zeros((7, 1, 1))], np.r_[pull, np.zeros((7, 1))], np.zeros(1), np.eye(1))
    np.testing.assert_allclose(more.centre, plain.centre, atol=1e-4)
    np.testing.assert_allclose(more.covariance, plain.covariance, rtol=2e-3)
    equal = normal_population(np.full((20, 1, 1), 100.0), np.full((20, 1), 200.0), np.zeros(1), np.eye(1))
    assert equal.centre[0] == pytest.approx(2.0, abs=1e-3) and equal.covariance[0, 0] < 0.01


@pytest.fixture(scope="module")
def short():
    return drawn(60, 250, 3)


@pytest.fixture(scope="module")
def partial(short):
    return fit_panel(GARCH, short[0], unit="percent", estimator=EmpiricalBayes(Partial()))


def test_partial_pooling_is_nearer_to_the_truth_than_units_by_themselves_where_rows_are_few(short, partial) -> None:
    frame, truth = short
    alone = fit_panel(GARCH, frame, unit="percent", estimator=EmpiricalBayes(PerGroup()))
    pd.testing.assert_frame_equal(
        alone.table.drop(columns="seconds"), fit_panel(GARCH, frame, unit="percent").table.drop(columns="seconds")
    )
    rmse = [np.sqrt(np.mean((raw_of(p.table) - truth) ** 2, axis=0)) for p in (alone, partial)]
    assert (rmse[1] < 0.7 * rmse[0]).all()


def test_the_population_is_found_and_shrinkage_is_reported(partial) -> None:
    population = partial.population
    assert population.converged and population.units == 60
    for n, centre in zip(population.prior.names, population.prior.centre, strict=True):
        assert abs(centre - CENTRE[n]) < 1.2 * SPREAD[n]
        assert 0.3 * SPREAD[n] < population.table["spread"][n] < 2.5 * SPREAD[n]
        shrunk = partial.table[f"shrink_{n}"]
        assert ((shrunk >= 0) & (shrunk <= 1)).all() and shrunk.mean() == pytest.approx(population.table["shrinkage"][n])
    assert "population of 60 units" in repr(partial)


def test_more_rows_shrink_less() -> None:
    few, many = (fit_panel(GARCH, drawn(25, n, 7)[0], unit="percent", estimator=EmpiricalBayes(Partial())) for n in (200, 2000))
    assert (many.population.table["shrinkage"] < few.population.table["shrinkage"]).all()


def test_a_row_is_the_fit_under_the_population_as_a_prior(short, partial) -> None:
    assert "prior_kept" not in partial.table
    partial = fit_panel(GARCH, short[0], unit="percent", estimator=EmpiricalBayes(Partial(held_out=True)))
    under = GARCH.with_prior(partial.population.prior)
    for i in (0, 17):
        data = Sequences({"log_return": short[0].iloc[:, i].to_numpy()}, measure={"log_return": "percent"})
        single = fit(under, data, estimator=PANEL)
        assert partial.table["prior_kept"][i] == single.prior_kept
        for n in GARCH.free_names:
            assert partial.table[n][i] == pytest.approx(single.value[n], rel=1e-8)


def test_decimal_data_have_the_same_population(short, partial) -> None:
    decimal = fit_panel(GARCH, short[0] / 100, unit="decimal", estimator=EmpiricalBayes(Partial()))
    np.testing.assert_allclose(decimal.table["memory"], partial.table["memory"], rtol=2e-3)
    assert decimal.population.table["centre"]["intercept"] == pytest.approx(partial.population.table["centre"]["intercept"] / 1e4, rel=5e-3)
    assert decimal.population.table["spread"]["mean"] == pytest.approx(partial.population.table["spread"]["mean"] / 100, rel=5e-3)


def test_units_with_hardly_any_rows_take_part_and_bad_ones_are_rows_with_reasons(short) -> None:
    frame = short[0].copy()
    frame.iloc[10:, 0] = np.nan
    frame.iloc[:, 1] = np.nan
    frame.iloc[3, 2] = np.inf
    table = fit_panel(GARCH, frame, unit="percent", estimator=EmpiricalBayes(Partial(correlated=False))).table
    assert table["status"][0] == "ok" and table["rows"][0] == 10 and table["shrink_memory"][0] > 0.9
    assert table["reason"][1] == "no observed value" and "infinite" in table["reason"][2]
    assert (table["status"][3:] == "ok").all()


def test_a_constant_unit_does_not_move_the_population(short) -> None:
    frame = short[0].iloc[:, :15]
    plain = fit_panel(GARCH, frame, unit="percent", estimator=EmpiricalBayes(Partial()))
    more = fit_panel(GARCH, frame.assign(flat=0.5, zero=0.0), unit="percent", estimator=EmpiricalBayes(Partial()))
    np.testing.assert_allclose(more.population.table["centre"], plain.population.table["centre"], rtol=0.05)
    assert more.table["memory"].iloc[:15].to_numpy() == pytest.approx(plain.table["memory"].to_numpy(), abs=0.02)


def test_a_population_of_some_parameters_leaves_the_others_to_each_unit(short) -> None:
    panel = fit_panel(GARCH, short[0].iloc[:, :20], unit="percent", estimator=EmpiricalBayes(Partial(names=("memory", "persistence"))))
    assert panel.population.prior.names == ("memory", "persistence") and "shrink_mean" not in panel.table
    assert panel.table["mean"].std() > 0.5 * short[0].iloc[:, :20].mean().std()


def test_shared_parameters_are_one_fit_with_errors_clustered_by_unit(short) -> None:
    frame = short[0].iloc[:, :12]
    table = fit_panel(GARCH, frame, unit="percent", estimator=EmpiricalBayes(Shared())).table
    y = frame.to_numpy().T.reshape(-1)
    whole = fit(GARCH, Sequences({"log_return": y}, unit=np.repeat(np.arange(12), 250), measure={"log_return": "percent"}), estimator=PANEL)
    for n in GARCH.free_names:
        assert table[n].nunique() == 1 and table[n][0] == pytest.approx(whole.value[n], rel=1e-9)
    assert table["log_likelihood"].sum() == pytest.approx(whole.log_likelihood, rel=1e-12)
    packed, kernel = whole.model.pack(whole.sequences), whole.model.kernel()
    rows = kernel.score(whole.model.kernel_values, packed, per_row=True).rows.reshape(12, 250, -1).sum(1)
    h = 1e-5 * np.maximum(np.abs(whole.model.kernel_values), 1e-2)
    sides = [[kernel.score(whole.model.kernel_values + s * h[j] * np.eye(4)[j], packed).gradient for s in (1, -1)] for j in range(4)]
    hessian = np.array([(a - b) / (2 * d) for (a, b), d in zip(sides, h, strict=True)])
    bread = np.linalg.inv((hessian + hessian.T) / 2)
    expected = np.sqrt(np.diag(bread @ (rows.T @ rows) @ bread) * 12 / 11)
    names = [p.name for p in GARCH.kernel_parameters]
    np.testing.assert_allclose([table[f"se_{n}"][0] for n in names], expected, rtol=2e-3)


def test_what_cannot_be_pooled_is_an_error(short, tmp_path) -> None:
    frame = short[0]
    with pytest.raises(ParameterError, match="did you mean 'memory'"):
        fit_panel(GARCH, frame, unit="percent", estimator=EmpiricalBayes(Partial(names=("memroy",))))
    with pytest.raises(DataError, match="several units"):
        fit_panel(GARCH, frame.iloc[:, :2], unit="percent", estimator=EmpiricalBayes(Partial()))
    with pytest.raises(ParameterError, match="a prior already"):
        fit_panel(GARCH.with_prior(memory=(0.8, 0.9)), frame, unit="percent", estimator=EmpiricalBayes(Partial()))
    with pytest.raises(ParameterError, match="fitted by themselves"):
        fit_panel(GARCH, frame, unit="percent", estimator=EmpiricalBayes(Shared()), store=tmp_path / "x.parquet")
