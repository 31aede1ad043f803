"""Laws of the two namings: our volatility cell has arch's likelihood at arch's parameters, and names convert there and back."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqsci.cells.volatility import StandardDeviation, Variance, Volatility
from seqsci.domains.finance.baselines import GARCH_N, GJR_T, TARCH_T
from seqsci.domains.finance.data import load_series
from seqsci.domains.finance.naming import from_arch, to_arch
from seqsci.errors import ParameterError
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.student_t import StudentT
from seqsci.sequences import Sequences


@functools.cache
def sp500() -> NDArray[np.float64]:
    """Percent returns (5030,)."""
    values = np.asarray(load_series("sp500")["y"], float)
    return 100 * values[~np.isnan(values)]


def sequences(values: NDArray[np.float64], unit: str = "percent") -> Sequences:
    """Returns as sequences of one unit."""
    return Sequences({"log_return": values}, measure={"log_return": unit})


@pytest.mark.parametrize(
    ("baseline", "model", "held"),
    [
        (GARCH_N, Model(Volatility(Variance()), Gaussian()), {"rotation": 0.0, "shift": 0.0}),
        (GJR_T, Model(Volatility(Variance()), StudentT()), {"shift": 0.0}),
        (TARCH_T, Model(Volatility(StandardDeviation()), StudentT()), {"shift": 0.0}),
    ],
    ids=["GARCH-n", "GJR-t", "TARCH-t"],
)
def test_volatility_cell_has_the_likelihood_of_arch_at_its_parameters(baseline, model, held):
    here = baseline.fit(sequences(sp500()))
    power = baseline.recursion.power
    ours = model.fix(**held).start_at(**from_arch(here.parameters, power))
    assert ours.filter(sequences(sp500())).density.sum() == pytest.approx(here.log_likelihood, rel=1e-10)
    decimal = model.fix(**held).start_at(**from_arch(here.parameters, power, scale=100.0))
    likelihood = here.log_likelihood + len(sp500()) * np.log(100)
    assert decimal.filter(sequences(sp500() / 100, "decimal")).density.sum() == pytest.approx(likelihood, rel=1e-10)
    back = to_arch({n: v for n, v in decimal.value.items() if n not in held or n == "shift"}, power, scale=100.0)
    assert back == pytest.approx(dict(here.parameters), rel=1e-9, abs=1e-9)


@given(
    st.floats(0.01, 1.0), st.floats(0.01, 0.99), st.floats(-1.0, 1.0), st.floats(1e-6, 10.0), st.floats(-1.0, 1.0), st.sampled_from([1, 2])
)
@settings(deadline=None)
def test_names_convert_there_and_back(persistence, memory, rotation, intercept, mean, power):
    ours = {"mean": mean, "persistence": persistence, "memory": memory, "rotation": rotation, "shift": 0.0, "intercept": intercept}
    theirs = to_arch(ours, power, scale=100.0)
    assert theirs["alpha[1]"] + theirs["gamma[1]"] / 2 == pytest.approx(persistence * (1 - memory), rel=1e-12)
    assert from_arch(theirs, power, scale=100.0) == pytest.approx(ours, rel=1e-9, abs=1e-9)


def test_names_at_the_bounds_stay_inside_them():
    edge = from_arch({"mu": 0.0, "omega": 0.1, "alpha[1]": -1e-17, "gamma[1]": 0.2, "beta[1]": 0.9 + 1e-16, "nu": 8.0})
    assert edge["rotation"] == 1.0 and edge["persistence"] <= 1.0
    Model(Volatility(Variance()), StudentT()).start_at(**edge)
    empty = from_arch({"mu": 0.0, "omega": 0.1, "alpha[1]": 0.0, "beta[1]": 0.0})
    assert (empty["persistence"], empty["memory"], empty["rotation"]) == (0.0, 0.0, 0.0)


def test_names_without_a_counterpart_are_refused():
    good = {"mean": 0.0, "persistence": 0.9, "memory": 0.9, "intercept": 0.1}
    assert "gamma[1]" not in to_arch(good)
    for values, words in (({**good, "shift": 0.3}, "shift = 0.3"), ({**good, "slope": 1.0}, "slope"), ({"mean": 0.0}, "memory is missing")):
        with pytest.raises(ParameterError, match=words):
            to_arch(values)
    with pytest.raises(ParameterError, match=r"alpha\[2\]"):
        from_arch({"mu": 0.0, "omega": 0.1, "alpha[1]": 0.1, "alpha[2]": 0.1, "beta[1]": 0.8})
    with pytest.raises(ParameterError, match="power = 3"):
        to_arch(good, power=3)
