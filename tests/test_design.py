"""The design calculator: widths follow their law and the closed form, failures are counted, the table answers what is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from seqsci.constraints import Positive, Real
from seqsci.domains.finance import models
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.design import design_table
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.replicates import on_threads, simulated
from seqsci.estimation.standard_errors import ObservedInformation
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Derived, Outcome, Parameter, State
from tests.registry import DRIVEN

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.95, memory=0.88, intercept=0.05)


@dataclass(frozen=True)
class ConstantMean(Mechanism):
    """Independent normal outcomes: every width has a closed form."""

    states = (State("nothing"),)
    outcomes = (Outcome("y"),)
    own_parameters = (
        Parameter("center", Real(), 0.0, "1", r"\mu", "mean"),
        Parameter("spread", Positive(), 2.0, "1", r"\sigma", "standard deviation"),
    )
    own_derived = (Derived("variance", lambda spread: spread**2, "1", r"\sigma^2", "variance", Positive()),)

    def start(self) -> Any:
        return 0.0

    def read(self, nothing: Any, center: Any, spread: Any) -> dict[str, Any]:
        return {"location": center, "scale": spread}

    def update(self, nothing: Any, y: Any) -> Any:
        return nothing


MEAN = Model(ConstantMean(), Gaussian())


@pytest.fixture(scope="module")
def gaussian():
    return design_table(MEAN, (1, 4), (60, 240), replicates=120, seed=1, estimator=MaximumLikelihood(covariance=ObservedInformation()))


def test_the_width_of_a_gaussian_mean_is_its_formula(gaussian):
    for n in (1, 4):
        for t in (60, 240):
            mean = gaussian.cell(n, t, "center")
            expected = 2 * 1.96 * 2.0 / math.sqrt(n * t)
            assert mean.width == pytest.approx(expected, rel=4 / math.sqrt(2 * n * t * 120) * 1.26 + 0.01)
            assert mean.rmse == pytest.approx(2.0 / math.sqrt(n * t), rel=0.3)
            spread = gaussian.cell(n, t, "spread")
            assert spread.width == pytest.approx(2 * 1.96 * 2.0 / math.sqrt(2 * n * t), rel=0.06)


def test_a_derived_quantity_has_the_width_of_its_delta_method(gaussian):
    assert gaussian.cell(4, 240, "variance").width == pytest.approx(2 * 1.96 * 4.0 * math.sqrt(2 / 960), rel=0.05)
    assert gaussian.cell(4, 240, "variance").truth == 4.0


def test_the_width_falls_like_one_over_the_root_of_all_steps(gaussian):
    logs = [(math.log(c.units * c.rows), math.log(c.width)) for c in gaussian.cells if c.name == "center"]
    slope = np.polyfit(*np.array(logs).T, 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.02)


def test_coverage_comes_with_its_exact_interval(gaussian):
    for c in gaussian.cells:
        exact = binomtest(round(c.coverage * 120), 120).proportion_ci(0.99, "exact")
        assert (c.low, c.high) == pytest.approx((exact.low, exact.high))
        assert c.low <= 0.95 <= c.high or c.name == "variance"
        assert c.width <= c.wide


def test_what_is_needed_is_the_smallest_design_that_reaches_it(gaussian):
    between = gaussian.cell(1, 240, "center").width * 1.05
    found = gaussian.needed("center", between)
    assert (found.units * found.rows, found.units) == (240, 1)
    with pytest.raises(ParameterError, match=r"about 5,\d\d\d steps|about 6,\d\d\d steps"):
        gaussian.needed("center", 0.1)
    with pytest.raises(ParameterError, match="did you mean"):
        gaussian.needed("centre", 0.1)
    with pytest.raises(ParameterError, match="1 x 60"):
        gaussian.cell(2, 60, "center")


def test_the_table_is_printed_in_full_and_does_not_depend_on_threads():
    one, two = (design_table(GARCH, (1,), (120, 300), replicates=8, seed=3, threads=k) for k in (1, 2))
    assert str(one) == str(two)
    assert all(f"{c.name} " in str(one) for c in one.cells) and {c.name for c in one.cells} >= {"persistence", "half_life"}
    assert "gamma" not in {c.name for c in one.cells}  # fixed at zero by the model


def test_short_designs_say_how_often_parameters_are_weak_at_a_bound_or_not_fitted_at_all():
    table = design_table(GARCH, (1,), (30, 100, 1500), replicates=12, seed=2)
    assert table.cell(1, 30, "memory").failures == 1.0 and math.isnan(table.cell(1, 30, "memory").width)
    assert any("too few observed values" in reason for _, _, reason in table.reasons)
    short, long = (table.cell(1, t, "memory") for t in (100, 1500))
    assert short.weak >= 0.25 > long.weak and short.at_bound > long.at_bound
    assert table.needed("memory", 0.3).rows == 1500


@pytest.mark.parametrize(("units", "rows", "replicates"), [((), (50,), 5), ((1,), (), 5), ((1,), (50, 0), 5), ((1,), (50,), 0)])
def test_an_empty_design_is_refused(units, rows, replicates):
    with pytest.raises(ParameterError, match="an empty design"):
        design_table(MEAN, units, rows, replicates)


def test_simulated_units_start_anew_and_are_independent():
    data = simulated(GARCH, 50, 7, units=3)
    assert data.starts.tolist() == [0, 50, 100] and data.measure == {"log_return": "percent"}
    parts = data.outcome["log_return"].reshape(3, 50)
    assert np.abs(np.corrcoef(parts) - np.eye(3)).max() < 0.5
    alone = GARCH.simulate(550, 7).outcome["log_return"][500:]
    np.testing.assert_array_equal(simulated(GARCH, 50, 7).outcome["log_return"], alone)


def test_a_mechanism_that_states_its_own_start_has_no_burn_in():
    alone = MEAN.simulate(50, 7).outcome["y"]
    np.testing.assert_array_equal(simulated(MEAN, 50, 7).outcome["y"], alone)
    assert simulated(MEAN, 50, 7).measure == {}


def test_known_columns_are_one_for_all_units_or_one_each():
    shared, each = np.arange(40.0), np.arange(80.0).reshape(2, 40)
    np.testing.assert_array_equal(
        simulated(DRIVEN, 30, 1, units=2, known={"gate_drive": shared}).known["gate_drive"], np.tile(shared[:30], 2)
    )
    np.testing.assert_array_equal(simulated(DRIVEN, 30, 1, units=2, known={"gate_drive": each}).known["gate_drive"], each[:, :30].ravel())
    for wrong in (None, {"gate_drive": shared[:20]}, {"gate_drive": each[:1].repeat(0, 0)}):
        with pytest.raises(DataError, match="gate_drive"):
            simulated(DRIVEN, 30, 1, units=2, known=wrong)


def test_a_loop_on_threads_keeps_the_order():
    assert on_threads(lambda i: i * i, 20, 3) == [i * i for i in range(20)]
    assert on_threads(lambda i: i, 0) == []
