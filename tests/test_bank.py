"""A bank of models: one component is the model, posteriors are Bayes by hand, and forecasts see only the rows before."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from seqsci.bank_predictor import BankPredictor
from seqsci.domains.finance.models import garch_normal
from seqsci.errors import ArtefactError, DataError, ParameterError
from seqsci.estimation import bank as bank_module
from seqsci.estimation.bank import Bank
from seqsci.estimation.bank_artefact import load_bank, save_bank
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import OuterProduct
from seqsci.evaluate.backtest import Protocol, backtest
from seqsci.evaluate.compare import compare
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.predictor import ModelPredictor
from seqsci.sequences import Sequences
from seqsci.testing import check_predictor
from tests.hard_cases import hard_case
from tests.registry import LocalLevel

LEVEL = Model(LocalLevel(), Gaussian())
GRID = {"step": [0.05, 0.3, 1.0], "error": [0.2, 0.6]}
BANK = Bank(LEVEL, GRID)
GARCH = garch_normal().start_at(mean=0.03, persistence=0.97, memory=0.9, intercept=0.03)
VOLATILE = Bank(GARCH, {"memory": [0.7, 0.9, 0.97], "persistence": [0.9, 0.99]})


def levels(units=12, rows=30, seed=0, missing=True):
    """Local levels of two kinds, the even units quick and the odd ones slow."""
    y = np.concatenate([LEVEL.start_at(step=(1.0, 0.05)[u % 2], error=0.2).simulate(rows, seed + u).outcome["y"] for u in range(units)])
    if missing:
        y[[t for t in (0, 3, rows + 1, rows * 2 + 7) if t < len(y)]] = np.nan
    return Sequences({"y": y}, unit=np.repeat(np.arange(units), rows))


def piece(sequences, u, stop=None):
    starts = [*sequences.starts, len(sequences)]
    return sequences.rows(int(starts[u]), int(starts[u + 1]) if stop is None else int(starts[u]) + stop)


def described(distribution):
    return np.column_stack([distribution.mean, distribution.variance, distribution.quantile(0.05), distribution.cdf(np.zeros(1))])


@pytest.fixture(scope="module")
def fitted():
    return BANK.fit(levels(), pseudo_count=0.1)


def test_one_component_is_the_model():
    data, model = levels(), LEVEL.start_at(step=0.3, error=0.6)
    bank = Bank(LEVEL, {"step": [0.3], "error": [0.6]})
    one = bank.fit(data)
    assert one.weights.tolist() == [1.0] and one.gap == 0.0
    density = model.filter(data).density
    assert one.log_likelihood == pytest.approx(density.sum(), rel=1e-13)
    train, rows = piece(data, 0, 20), data.rows(20, 30)
    fit = MaximumLikelihood(min_rows=10).fit(model.fix(step=0.3, error=0.6), train)
    mine, theirs = BankPredictor(bank).fit(train), ModelPredictor(fit.model, MaximumLikelihood(min_rows=10)).fit(train)
    a, b = mine.predict_rows(rows), theirs.predict_rows(rows)
    for value in (lambda d: d.mean, lambda d: d.variance, lambda d: d.quantile(0.1), lambda d: d.log_density(rows.outcome["y"])):
        np.testing.assert_array_equal(value(a), value(b))
    for x, y in ((mine.predict(5), theirs.predict(5)), (mine.update(rows).predict(5), theirs.update(rows).predict(5))):
        for field in ("mean", "variance", "paths"):
            np.testing.assert_array_equal(getattr(x, field), getattr(y, field))


def test_one_garch_has_the_closed_moments_of_the_model():
    returns = GARCH.simulate(300, seed=2)
    one = Bank(GARCH, {"memory": [0.9]}).fit(returns)
    state = GARCH.filter(returns).last[-1]
    theirs = GARCH.mechanism.forecast_moments(state, _bound(GARCH), 10)
    ahead = one.predict(10)
    assert ahead.closed_form
    np.testing.assert_allclose((ahead.mean, ahead.variance), theirs, rtol=1e-13)


def _bound(model):
    from seqsci.equations.tracing import Equations

    return Equations(model.mechanism, model.observation).bound(model.value)


def test_moments_ahead_are_those_of_the_mixed_components_and_of_the_paths():
    fitted = VOLATILE.given(VOLATILE.uniform, GARCH.simulate(40, seed=2))
    ahead = fitted.predict(6, draws=40_000, seed=1)
    weights = fitted.posterior[0]
    parts = [m.mechanism.forecast_moments(s, _bound(m), 6) for m, s in zip(VOLATILE.components, fitted.memory.states, strict=True)]
    mean = sum(w * m for w, (m, _) in zip(weights, parts, strict=True))
    second = sum(w * (v + m**2) for w, (m, v) in zip(weights, parts, strict=True))
    np.testing.assert_allclose(ahead.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(ahead.variance, second - mean**2, rtol=1e-12)
    np.testing.assert_allclose(ahead.paths.var(0), ahead.variance, rtol=0.05)


def test_log_likelihoods_and_posteriors_are_bayes_by_hand(fitted):
    data = levels()
    for u in (0, 1, 7):
        alone = piece(data, u)
        by_hand = np.array([m.filter(alone).density.sum() for m in BANK.components])
        np.testing.assert_allclose(fitted.log_likelihoods[u], by_hand, rtol=1e-12)
        joint = fitted.weights * np.exp(by_hand - by_hand.max())
        np.testing.assert_allclose(fitted.posterior[u], joint / joint.sum(), rtol=1e-9)
        mean = (fitted.posterior[u] * BANK.values[:, 0]).sum()
        assert fitted.mean("step")[u] == pytest.approx(mean)
        assert fitted.standard_deviation("step")[u] == pytest.approx(np.sqrt(fitted.posterior[u] @ (BANK.values[:, 0] - mean) ** 2))


def test_weights_and_units_of_two_classes_are_recovered():
    true = Bank(LEVEL, [{"step": 1.0, "error": 0.2}, {"step": 0.05, "error": 0.2}, {"step": 0.3, "error": 0.6}])
    quick = np.random.default_rng(1).random(200) < 0.3
    y = [LEVEL.start_at(step=1.0 if q else 0.05, error=0.2).simulate(40, u).outcome["y"] for u, q in enumerate(quick)]
    found = true.fit(Sequences({"y": np.concatenate(y)}, unit=np.repeat(np.arange(200), 40)))
    assert abs(found.weights[0] - quick.mean()) < 0.02 and found.weights[2] < 0.02
    assert (found.posterior.argmax(1) == np.where(quick, 0, 1)).mean() > 0.98


def test_derived_quantities_have_posteriors_too():
    fitted = VOLATILE.given(VOLATILE.uniform, GARCH.simulate(200, seed=4))
    half_life = np.array([m.derived_values["half_life"] for m in VOLATILE.components])
    assert fitted.mean("half_life")[0] == pytest.approx(fitted.posterior[0] @ half_life)
    assert fitted.population("half_life")[0] == pytest.approx(half_life.mean())


def test_a_later_outcome_changes_no_earlier_forecast(fitted):
    rows = levels(1, 12, seed=40, missing=False)
    before = described(fitted.predict_rows(rows))
    for t in (0, 1, 6, 11):
        y = rows.outcome["y"].copy()
        y[t:] = 50.0 - y[t:]
        after = described(fitted.predict_rows(dataclasses.replace(rows, outcome={"y": y})))
        np.testing.assert_array_equal(after[: t + 1], before[: t + 1])
        assert t == 11 or not np.array_equal(after[t + 1 :], before[t + 1 :])


def test_the_forecast_of_a_row_weighs_components_by_prior_and_rows_before_it(fitted):
    whole = piece(levels(), 1)
    start = fitted.for_unit(whole.rows(0, 10))
    mixture = start.predict_rows(whole.rows(10, 30))
    for t in (10, 15, 29):
        weights = fitted.for_unit(whole.rows(0, t)).posterior[0]
        np.testing.assert_allclose(np.exp(mixture.log_weights[:, t - 10]), weights, rtol=1e-9)
    y = whole.outcome["y"][10:]
    gain = fitted.for_unit(whole).log_likelihood - start.log_likelihood
    assert mixture.log_density(y).sum() == pytest.approx(gain, rel=1e-10)


def test_taking_rows_in_is_the_posterior_of_the_longer_unit(fitted):
    whole = levels(1, 30, seed=9)
    short, long = fitted.for_unit(whole.rows(0, 11)), fitted.for_unit(whole)
    for moved in (short.update(whole.rows(11, 30)), short.update(whole.rows(11, 12)).update(whole.rows(12, 30))):
        np.testing.assert_allclose(moved.posterior, long.posterior, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(moved.memory.states, long.memory.states, rtol=1e-13)
        assert moved.rows == long.rows
        np.testing.assert_array_equal(moved.weights, fitted.weights)
    np.testing.assert_array_equal(short.update(whole.rows(11, 11)).posterior, short.posterior)


def test_only_the_last_unit_moves(fitted):
    moved = fitted.update(levels(1, 6, seed=50))
    np.testing.assert_array_equal(moved.posterior[:-1], fitted.posterior[:-1])
    assert not np.array_equal(moved.posterior[-1], fitted.posterior[-1])


def test_the_order_of_units_and_of_components_means_nothing(fitted):
    data, rng = levels(), np.random.default_rng(2)
    units, points = rng.permutation(12), rng.permutation(len(BANK))
    y = np.concatenate([piece(data, u).outcome["y"] for u in units])
    turned = Bank(LEVEL, [dict(BANK.grid[k]) for k in points])
    again = turned.fit(Sequences({"y": y}, unit=np.repeat(np.arange(12), 30)), pseudo_count=0.1, tolerance=1e-9)
    np.testing.assert_allclose(again.weights, fitted.weights[points], atol=1e-5)
    np.testing.assert_allclose(again.posterior, fitted.posterior[units][:, points], atol=1e-4)


def test_a_component_whose_weight_is_split_changes_no_forecast(fitted):
    points = [dict(p) for p in BANK.grid]
    nearly = {**points[0], "step": float(np.nextafter(points[0]["step"], 1))}
    split = Bank(LEVEL, [*points, nearly])
    weights = np.r_[fitted.weights, 0.0]
    weights[-1] = weights[0] = weights[0] / 2
    train, rows = levels(1, 25, seed=3), levels(1, 8, seed=4)
    a, b = (bank.given(w, train).predict_rows(rows) for bank, w in ((BANK, fitted.weights), (split, weights)))
    np.testing.assert_allclose(described(a), described(b), rtol=1e-10)


def test_a_missing_step_moves_the_state_and_leaves_the_posterior(fitted):
    gap = Sequences({"y": [np.nan, np.nan]})
    moved = fitted.update(gap)
    np.testing.assert_array_equal(moved.posterior, fitted.posterior)
    assert (moved.predict(1).variance > fitted.predict(1).variance).all()


def test_a_unit_without_observations_has_the_weights(fitted):
    y = np.r_[levels(2, 20, missing=False).outcome["y"], np.full(5, np.nan)]
    both = BANK.given(fitted.weights, Sequences({"y": y}, unit=np.repeat([0, 1, 2], [20, 20, 5])))
    np.testing.assert_allclose(both.posterior[2], fitted.weights, rtol=1e-13)


def test_a_row_of_weight_zero_moves_the_state_and_is_not_counted():
    data = piece(levels(missing=False), 0)
    weight = np.ones(30)
    weight[10:20] = 0.0
    weight[5] = 2.0
    found = BANK.given(BANK.uniform, dataclasses.replace(data, weight=weight))
    by_hand = [weight @ m.filter(data).density for m in BANK.components]
    np.testing.assert_allclose(found.log_likelihoods[0], by_hand, rtol=1e-12)
    assert found.rows == 20
    head, tail = (dataclasses.replace(data, weight=weight).rows(*cut) for cut in ((0, 8), (8, 30)))
    np.testing.assert_allclose(BANK.given(BANK.uniform, head).update(tail).posterior, found.posterior, rtol=1e-12)


def test_units_of_a_group_share_a_posterior_and_codes_that_return_are_one_unit():
    data = levels(4, 30)
    alone = BANK.given(BANK.uniform, data)
    grouped = BANK.given(BANK.uniform, dataclasses.replace(data, group=np.repeat([5, 5, 2, 2], 30)))
    assert grouped.labels.tolist() == [2, 5]
    pairs = alone.log_likelihoods.reshape(2, 2, -1).sum(1)
    np.testing.assert_allclose(grouped.log_likelihoods, pairs[::-1], rtol=1e-13)
    returning = BANK.given(BANK.uniform, dataclasses.replace(data, unit=np.repeat([1, 3, 1, 3], 30)))
    np.testing.assert_allclose(returning.log_likelihoods[0], alone.log_likelihoods[[0, 2]].sum(0), rtol=1e-13)
    resets = dataclasses.replace(data, unit=np.zeros(120, int))
    np.testing.assert_array_equal(BANK.given(BANK.uniform, resets).log_likelihoods, alone.log_likelihoods)
    with pytest.raises(DataError, match="group changes within a sequence"):
        BANK.fit(dataclasses.replace(data, group=np.arange(120) // 7))


def test_cutting_the_rows_into_pieces_changes_nothing(monkeypatch):
    from seqsci.estimation import unit_likelihoods

    data = levels(30, 20)
    whole = BANK.given(BANK.uniform, data, threads=1)
    for chunk in (1, 50, 150):
        monkeypatch.setattr(unit_likelihoods, "CHUNK", chunk)
        cut = BANK.given(BANK.uniform, data, threads=3)
        np.testing.assert_array_equal(cut.log_likelihoods, whole.log_likelihoods)
        np.testing.assert_array_equal(cut.memory.states, whole.memory.states)


def test_a_yes_or_no_outcome_is_forecast_by_a_mixture():
    model, data = hard_case("additive_stability")
    bank = Bank(model, {"high": [1.5, 2.5, 3.5], "gain": [-0.5, 0.5]})
    fitted = bank.fit(data.rows(0, 80), pseudo_count=1.0)
    assert fitted.posterior.shape == (8, 6)
    start = fitted.for_unit(data.rows(80, 83))
    mixture = start.predict_rows(data.rows(83, 90))
    chances = np.array([m.filter(data.rows(80, 90)).reads[3:, 0] for m in bank.components])
    np.testing.assert_allclose(mixture.mean, (np.exp(mixture.log_weights) * chances).sum(0), rtol=1e-10)
    assert set(mixture.quantile(0.5)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    "predictor", [BankPredictor(VOLATILE, VOLATILE.uniform), BankPredictor(VOLATILE, pseudo_count=0.5)], ids=["given", "estimated"]
)
def test_a_bank_keeps_the_laws_of_predictors(predictor):
    check_predictor(predictor, GARCH.simulate(300, seed=8))


def test_a_bank_stands_in_a_backtest_and_a_comparison():
    returns = dataclasses.replace(GARCH.simulate(420, seed=6), measure={"log_return": "percent"})
    ours = BankPredictor(VOLATILE, VOLATILE.uniform)
    single = ModelPredictor(GARCH.fix(mean=0.03), MaximumLikelihood(starts=1, covariance=OuterProduct()))
    test = backtest((ours, single), returns, "log_return", Protocol(300, 420, 60))
    table = compare(test, ours.name, 2)
    assert {d.baseline for d in table.differences} == {single.name}
    assert np.isfinite(test.paths[ours.name].log_density).all() and len(test.paths[ours.name].mean) == 120


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        ({"stepp": [0.1]}, "did you mean 'step'"),
        ({"step": [0.1, -1.0, np.nan]}, r"step = -1 is outside .*step = nan"),
        ({"step": [0.1, 0.1]}, "1 repeated points"),
        ({}, "an empty grid"),
        ({"step": []}, "an empty grid"),
        ([], "an empty grid"),
        ([{"step": 0.1}, {"error": 0.1}], "point 1 has error, the first one step"),
        ({"step": np.linspace(0.1, 1, 100), "error": np.linspace(0.1, 1, 100)}, "10,000 points"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(grid, text):
    with pytest.raises(ParameterError, match=text):
        Bank(LEVEL, grid)


def test_the_largest_bank_is_allowed():
    assert len(Bank(LEVEL, {"step": np.linspace(0.1, 1, bank_module.MOST)})) == bank_module.MOST


@pytest.mark.parametrize("weights", [[1.0], [0.5] * 6, [np.nan] * 6, [1.5, -0.5, 0, 0, 0, 0]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ParameterError, match="no weights of the bank"):
        BANK.given(weights, levels())


def test_units_that_the_weighted_components_cannot_have_made_are_told(fitted):
    broken = fitted.log_likelihoods.copy()
    broken[4, 2:] = -np.inf
    with pytest.raises(DataError, match="the first 4"):
        _ = dataclasses.replace(fitted, log_likelihoods=broken, weights=np.r_[0, 0, 0.25, 0.25, 0.25, 0.25]).posterior


def test_another_unit_of_measure_is_refused():
    train = dataclasses.replace(GARCH.simulate(100, seed=1), measure={"log_return": "percent"})
    fitted = VOLATILE.given(VOLATILE.uniform, train)
    assert fitted.for_unit(train.rows(0, 50)).rows == 50
    with pytest.raises(DataError, match="another unit than the bank"):
        fitted.for_unit(dataclasses.replace(train.scaled("log_return", 0.01), measure={"log_return": "decimal"}))


def test_the_printed_bank_states_units_rows_certificate_and_weights(fitted):
    text = str(fitted)
    for part in ("12 units", f"{fitted.rows} rows", "nats of the highest", "effective", "sd of a step of the level", "weight"):
        assert part in text
    assert "weights were given" in str(BANK.given(BANK.uniform, levels()))
    assert fitted.component_table()["step"].shape == (6,) and 1 <= fitted.effective_components <= 6
    with pytest.raises(ParameterError, match="did you mean 'step'"):
        fitted.mean("stepp")


def test_a_saved_bank_forecasts_to_the_last_bit(fitted, tmp_path):
    again = load_bank(save_bank(fitted, tmp_path / "bank.json"))
    assert again.bank == fitted.bank and (again.rows, again.gap) == (fitted.rows, fitted.gap)
    rows = levels(1, 8, seed=60)
    np.testing.assert_array_equal(described(again.predict_rows(rows)), described(fitted.predict_rows(rows)))
    np.testing.assert_array_equal(again.update(rows).posterior, fitted.update(rows).posterior)
    np.testing.assert_array_equal(again.for_unit(rows).posterior, fitted.for_unit(rows).posterior)
    assert str(again) == str(fitted)
    never = dataclasses.replace(fitted, gap=np.nan, log_likelihoods=np.where(np.eye(12, 6, dtype=bool), -np.inf, fitted.log_likelihoods))
    kept = load_bank(save_bank(never, tmp_path / "bank.json"))
    np.testing.assert_array_equal(kept.log_likelihoods, never.log_likelihoods)
    assert np.isnan(kept.gap)


def test_a_saved_bank_that_was_changed_cut_or_lost_is_refused(fitted, tmp_path):
    path = save_bank(fitted, tmp_path / "bank.json")
    text = path.read_text()
    for broken, reason in ((text.replace("0.05", "0.06", 1), "changed"), (text[:-40], "cannot be read"), ("[1]", "cannot be read")):
        path.write_text(broken)
        with pytest.raises(ArtefactError, match=reason):
            load_bank(path)
    with pytest.raises(ArtefactError, match="no such artefact"):
        load_bank(tmp_path / "none.json")


def test_the_page_on_banks_runs_as_it_is_printed(capsys):
    page = (Path(__file__).parents[1] / "docs" / "bank.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    exec(compile(code, "docs/bank.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "(200, 21)" in printed and "bank of 21 x GARCH-n (ours)" in printed
