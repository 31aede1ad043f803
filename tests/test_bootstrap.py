"""The parametric bootstrap: it repeats the data's make, agrees with normal theory where that holds, and is right at bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from seqsci.domains.finance import models
from seqsci.errors import ConvergenceError, DataError, ParameterError
from seqsci.estimation.bootstrap import bootstrap_test, parametric_bootstrap
from seqsci.estimation.hypothesis_tests import likelihood_ratio
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.sequences import Sequences
from tests.hard_cases import hard_case
from tests.registry import VOLATILITY, LocalLevel, returns
from tests.regression import REGRESSION, draw, regressors

ONE = MaximumLikelihood(starts=1, profile_bounds=False)
TRUTH = {"level": 0.2, "a": 1.0, "b": 0.7, "c": 0.5, "spread": 1.5}
GARCH = models.garch_normal()


def test_a_simulation_keeps_the_make_of_the_sequences():
    made = Sequences(
        {"log_return": np.where(np.arange(80) % 9 == 4, np.nan, returns(80).outcome["log_return"])},
        weight=np.r_[np.zeros(5), np.ones(75)],
        unit=np.repeat([3, 5], 40),
        group=np.repeat([7, 1], 40),
        index=np.arange(80),
        measure={"log_return": "percent"},
    )
    for other in (VOLATILITY.simulate_like(made, 1), VOLATILITY.simulate_like(made, 2)):
        for name in ("observed", "weight", "reset", "unit", "group", "index"):
            np.testing.assert_array_equal(getattr(made, name), getattr(other, name))
        assert made.measure == other.measure
        np.testing.assert_array_equal(np.isnan(other.outcome["log_return"]), made.observed == 0)
    a, b, c = (VOLATILITY.simulate_like(made, s).outcome["log_return"] for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c, equal_nan=True)


def test_a_simulation_without_gaps_is_that_of_one_unit_from_the_same_presample():
    like = VOLATILITY.simulate_like(returns(50), 4, np.array([[0.7]]))
    one = VOLATILITY.simulate(50, 4, presample={"backcast": 0.7})
    np.testing.assert_array_equal(like.outcome["log_return"], one.outcome["log_return"])


def test_simulated_rows_follow_the_law_that_the_likelihood_states_across_gaps_and_units():
    y = np.zeros(6000)
    y[np.random.default_rng(0).random(6000) < 0.3] = np.nan
    model = Model(LocalLevel(), Gaussian())
    data = model.simulate_like(Sequences({"y": y}, unit=np.arange(6000) // 20), 5)
    path = model.filter(data)
    seen = data.observed == 1
    location, scale = path.reads[seen].T[:2]
    assert kstest((data.outcome["y"][seen] - location) / scale, "norm").pvalue > 1e-3
    blind = model.filter(Sequences({"y": np.nan_to_num(data.outcome["y"])}, unit=data.unit))  # gaps taken for zeros
    assert kstest((data.outcome["y"][seen] - blind.reads[seen, 0]) / blind.reads[seen, 1], "norm").pvalue < 1e-6


def test_a_model_of_several_outcomes_is_refused():
    model, sequences = hard_case("additive_stability")
    with pytest.raises(DataError, match="single outcome"):
        model.simulate_like(sequences, 0)


@pytest.fixture(scope="module")
def regular():
    fit = ONE.fit(REGRESSION, draw(400, 1, 0.4, **TRUTH))
    return fit, parametric_bootstrap(fit, 400, seed=3)


def test_where_normal_theory_holds_the_bootstrap_repeats_it(regular):
    fit, found = regular
    assert [i.name for i in found.intervals] == list(fit.free_names) and found.failures == ()
    for row in found.intervals:
        assert row.standard_error == pytest.approx(fit.standard_error(row.name), rel=0.2)
        width = np.subtract(*fit.interval(row.name)[::-1])
        assert np.abs(np.subtract(found.interval(row.name), fit.interval(row.name))).max() < 0.15 * width
        assert abs(row.bias) < 0.3 * row.standard_error and row.at_bound == row.undefined == 0


def test_a_level_is_the_share_of_the_replicates_between_the_ends(regular):
    fit, found = regular
    for name, values in found.draws.items():
        low, high = found.interval(name)
        assert np.mean((values >= low) & (values <= high)) == pytest.approx(0.95, abs=0.006)
    narrow = parametric_bootstrap(fit, 50, seed=3, level=0.5)
    assert all(narrow[i.name].high - narrow[i.name].low < i.high - i.low for i in found.intervals)


def test_the_same_seed_gives_the_same_table_whatever_the_threads(regular):
    fit, _ = regular
    one, two, other = (parametric_bootstrap(fit, 30, seed=s, threads=t) for s, t in ((1, 1), (1, 3), (2, 1)))
    assert str(one) == str(two) != str(other)


def test_a_fit_with_gaps_and_units_is_repeated_with_them():
    y = Model(LocalLevel(), Gaussian()).simulate_like(Sequences({"y": np.zeros(600)}, unit=np.arange(600) // 60), 8).outcome["y"]
    y[::7] = np.nan
    fit = ONE.fit(Model(LocalLevel(), Gaussian()), Sequences({"y": y}, unit=np.arange(600) // 60))
    found = parametric_bootstrap(fit, 100, seed=0)
    for row in found.intervals:
        assert row.standard_error == pytest.approx(fit.standard_error(row.name), rel=0.4)
    assert found.rows == int((~np.isnan(y)).sum())


def test_a_fit_on_a_bound_leaves_it_in_half_of_the_replicates_and_its_interval_starts_there():
    for seed in range(40):
        fit = ONE.fit(REGRESSION, draw(300, 900 + seed, **{**TRUTH, "a": 0.0}))
        if "a" in fit.at_bound:
            break
    found = parametric_bootstrap(fit, 300, seed=1)
    assert binomtest(round(300 * found["a"].at_bound), 300, 0.5).pvalue > 1e-3
    assert found["a"].low == 0.0 and found["a"].high > 0 and "%" in str(found)


def test_the_interval_covers_a_truth_on_its_bound_and_one_beside_it():
    for truth in (0.0, 0.1):
        hits = 0
        for i in range(40):
            fit = ONE.fit(REGRESSION, draw(200, 400 + i, **{**TRUTH, "a": truth}))
            low, high = parametric_bootstrap(fit, 59, seed=i).interval("a")
            hits += low <= truth <= high
        assert hits >= 34, truth  # fewer has probability 0.3 % at 95 %


def test_derived_quantities_come_along_and_what_has_no_value_is_counted():
    data = GARCH.start_at(mean=0.0, persistence=0.995, memory=0.9, intercept=0.01).simulate(700, 4).outcome
    fit = ONE.fit(GARCH, Sequences(data, measure={"log_return": "percent"}))
    found = parametric_bootstrap(fit, 60, seed=0)
    np.testing.assert_allclose(found.draws["alpha"] + found.draws["beta"], found.draws["persistence"], rtol=1e-9)
    assert found["half_life"].undefined == pytest.approx(np.mean(~np.isfinite(found.draws["half_life"])))
    assert found["half_life"].undefined >= found["persistence"].at_bound


def test_a_bootstrap_that_cannot_be_fitted_says_so_and_odd_requests_are_refused(regular):
    fit, found = regular
    with pytest.raises(ConvergenceError, match="most of its own simulations"):
        parametric_bootstrap(fit, 20, estimator=MaximumLikelihood(starts=1, evaluations=1))
    with pytest.raises(ParameterError, match="no such bootstrap"):
        parametric_bootstrap(fit, 999, level=95)
    with pytest.raises(ParameterError, match="did you mean 'level'"):
        found["levels"]


def test_the_simulated_p_value_is_the_asymptotic_one_where_that_holds():
    for seed, tests in ((1, {"a": 0.0}), (2, {"a": 0.0, "b": 0.0}), (5, {"level": 0.2})):
        data = draw(400, 60 + seed, 0.4, **{**TRUTH, "a": 0.1, "b": 0.1, "level": 0.3})
        restricted, full = ONE.fit(REGRESSION.fix(**tests), data), ONE.fit(REGRESSION, data)
        exact, drawn = likelihood_ratio(restricted, full), bootstrap_test(restricted, full, 400, seed=seed)
        assert drawn.statistic == pytest.approx(exact.statistic, abs=1e-9) and exact.statistic > 0.05 and drawn.on_bound == exact.on_bound
        assert drawn.p_value == pytest.approx(exact.p_value, abs=4 * np.sqrt(0.25 / 400))
        assert "400 simulations" in drawn.note


def test_a_p_value_counts_the_observed_statistic_and_is_never_zero():
    data = draw(300, 71, **TRUTH)
    restricted, full = ONE.fit(REGRESSION.fix(a=0.0), data), ONE.fit(REGRESSION, data)
    assert bootstrap_test(restricted, full, 49, seed=0).p_value == 1 / 50
    held = ONE.fit(REGRESSION.fix(a=full.value["a"]), data)
    assert bootstrap_test(held, full, 49, seed=0).p_value == 1.0


def test_the_bootstrap_keeps_its_size_where_a_nuisance_parameter_has_no_information():
    """No news enters a constant variance (memory 1): persistence has no information then, and no mixture is known."""
    constant, p = GARCH.start_at(mean=0.0, persistence=0.5, memory=1.0, intercept=0.5), []
    for i in range(60):
        data = Sequences({"log_return": constant.simulate(300, 300 + i).outcome["log_return"]}, measure={"log_return": "percent"})
        restricted, full = ONE.fit(GARCH.fix(memory=1.0), data), MaximumLikelihood(profile_bounds=False).fit(GARCH, data)
        p.append(bootstrap_test(restricted, full, 39, seed=i).p_value)
    assert binomtest(int(np.sum(np.array(p) <= 0.1)), 60, 0.1).pvalue > 0.005
    assert 0.35 < np.mean(p) < 0.8  # ties at zero push it above a half


def test_known_sequences_are_kept():
    fit = ONE.fit(REGRESSION, draw(100, 3, **TRUTH))
    again = fit.model.simulate_like(fit.sequences, 0)
    for name, values in regressors(100, 1_000_003).items():
        np.testing.assert_array_equal(again.known[name], values)
