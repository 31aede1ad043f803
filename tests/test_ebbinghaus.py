"""The forgetting functions on the published savings: every figure of the table, and what it says."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.domains.memory.ebbinghaus import (
    FUNCTIONS,
    INTERVALS,
    MINUTES,
    SAVINGS,
    ExponentialTrace,
    Formula1885,
    PowerLaw,
    fit_savings,
    savings_table,
)
from seqsci.errors import DataError

SUBJECTS = tuple(SAVINGS)
R2 = {
    "exp(-t / S)": (-3.76, -7.66, -7.84, -1.62),
    "a exp(-t / S)": (0.397, 0.274, 0.344, 0.836),
    "a exp(-b sqrt(t))": (0.691, 0.439, 0.575, 0.924),
    "(1 + t / tau)^-d": (0.974, 0.786, 0.875, 0.863),
    "a - b ln t": (0.938, 0.733, 0.839, 0.933),
    "k / ((log10 t)^c + k)": (0.981, 0.839, 0.906, 0.820),
    "w exp(-t / S1) + (1 - w) exp(-t / S2)": (0.884, 0.827, 0.876, 0.951),
}
AIC = (-15.1, -27.6, -32.2, -49.7, -43.5, -51.8, -37.1)


@pytest.fixture(scope="module")
def table():
    return savings_table()


@pytest.mark.parametrize("formula", R2)
@pytest.mark.parametrize("column", range(4))
def test_the_share_of_variance_is_that_of_an_independent_computation(table, formula, column):
    digits = 2 if formula == "exp(-t / S)" else 3
    found = table.loc[formula, (SUBJECTS[column], "R2")]
    assert abs(found - R2[formula][column]) <= 0.5 * 10**-digits + 1e-4


def test_the_criterion_is_that_of_an_independent_computation(table):
    found = table[("Ebbinghaus 1885", "AIC")].to_numpy()
    assert np.abs(found - AIC).max() <= 0.05 + 1e-3


def test_there_are_28_numbers_and_each_is_a_share():
    assert len(MINUTES) == len(INTERVALS) == 7 and all(len(q) == 7 for q in SAVINGS.values())
    assert all(0 < v < 1 for q in SAVINGS.values() for v in q) and sorted(MINUTES) == list(MINUTES)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_one_exponential_is_worse_than_the_mean_and_his_own_formula_and_a_power_are_not(subject):
    q = SAVINGS[subject]
    assert fit_savings(ExponentialTrace(), q).r2 < 0
    assert min(fit_savings(PowerLaw(), q).r2, fit_savings(Formula1885(), q).r2) > 0.78


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: type(f).__name__)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_other_start_finds_a_smaller_sum_of_squares(function, subject):
    from scipy.optimize import least_squares

    q, t = np.array(SAVINGS[subject]), np.array(MINUTES)
    best = fit_savings(function, q)
    rng = np.random.default_rng(5)
    for _ in range(25):
        start = np.array(function.starts[0]) + rng.normal(0, 1.5, len(function.names))
        with np.errstate(over="ignore"):
            other = least_squares(lambda raw: function.at(t, function.natural(raw)) - q, start)
        assert 2 * other.cost >= best.rss * (1 - 1e-7)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: type(f).__name__)
def test_a_function_is_found_again_from_its_own_curve(function):
    truth = fit_savings(function, SAVINGS["Ebbinghaus 1885"])
    again = fit_savings(function, truth.at(MINUTES))
    assert again.rss < 1e-16 and sorted(again.values) == pytest.approx(sorted(truth.values), rel=1e-4)


def test_the_constants_that_he_printed_are_near_the_fit_on_nominal_minutes():
    nominal = (20.0, 60.0, 540.0, 1440.0, 2880.0, 8640.0, 44640.0)
    assert fit_savings(Formula1885(), SAVINGS["Ebbinghaus 1885"], nominal).values == pytest.approx((1.84, 1.25), rel=0.05)


@pytest.mark.parametrize(
    ("savings", "minutes"), [((0.5, 0.4), (1.0, 2.0)), ((0.5, np.nan, 0.1), (1, 2, 3)), ((0.5, 0.4, 0.3), (0.1, 2, 3))]
)
def test_savings_that_cannot_be_fitted_are_refused(savings, minutes):
    with pytest.raises(DataError, match="finite pairs"):
        fit_savings(Formula1885(), savings, minutes)
