"""Constraints round-trip, and the functions of generated kernels are accurate far out."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from seqsci.constraints import Constraint, GreaterThan, Interval, Positive, Real, UnitInterval
from seqsci.equations import numba_functions, vocabulary
from seqsci.errors import ParameterError
from seqsci.testing.traced import evaluate

finite = st.floats(-1e6, 1e6)
raws = st.one_of(st.floats(-30.0, 30.0), st.floats(-600.0, 600.0))


@st.composite
def constraints(draw: st.DrawFn) -> Constraint:
    kind = draw(st.sampled_from(("real", "above", "between")))
    low = draw(st.one_of(finite, st.decimals(-10, 10, places=2).map(float)))
    if kind == "real":
        return Real()
    return GreaterThan(low) if kind == "above" else Interval(low, round(low + draw(st.floats(0.1, 1e6)), 2))


@given(constraint=constraints(), raw=raws)
def test_every_raw_number_has_an_admissible_value(constraint: Constraint, raw: float) -> None:
    assert constraint.contains(float(constraint.forward(raw)))


@given(constraint=constraints(), raw=st.floats(-8.0, 8.0))
def test_inverse_undoes_forward(constraint: Constraint, raw: float) -> None:
    low, high = constraint.bounds
    scale = max(abs(low) if math.isfinite(low) else 0.0, abs(high) if math.isfinite(high) else 0.0)
    value = float(constraint.forward(raw))
    slope = math.exp(float(constraint.log_jacobian(raw)))
    assert constraint.inverse(value) == pytest.approx(raw, rel=1e-9, abs=1e-9 + 4e-16 * scale / slope)


@given(constraint=constraints(), share=st.floats(0.001, 0.999), size=st.floats(1e-3, 1e3))
def test_forward_undoes_inverse(constraint: Constraint, share: float, size: float) -> None:
    low, high = constraint.bounds
    value = low + share * (high - low) if math.isfinite(high) else (low if math.isfinite(low) else 0.0) + size
    assume(constraint.contains(value))
    assert float(constraint.forward(constraint.inverse(value))) == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(constraint=constraints())
def test_a_finite_bound_is_reached_exactly_from_its_own_inverse(constraint: Constraint) -> None:
    for bound in constraint.bounds:
        if math.isfinite(bound):
            with np.errstate(over="ignore"):
                assert float(constraint.forward(constraint.inverse(bound))) == bound


@given(constraint=constraints(), raw=st.floats(-30.0, 30.0))
def test_the_log_jacobian_is_the_log_of_the_derivative_on_every_library(constraint: Constraint, raw: float) -> None:
    symbol = sp.Symbol("raw", real=True)
    derivative = evaluate(constraint.forward(symbol).diff(symbol), {"raw": raw})
    assert math.exp(float(constraint.log_jacobian(raw))) == pytest.approx(derivative, rel=1e-9)
    leaf = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(constraint.forward(leaf) + 0.0 * leaf, leaf)
    assert float(slope) == pytest.approx(derivative, rel=1e-9)


@given(constraint=constraints(), distance=st.floats(1e-3, 1e6))
def test_a_value_outside_is_refused_with_the_set_in_words(constraint: Constraint, distance: float) -> None:
    low, high = constraint.bounds
    outside = [b for b in (low - distance, high + distance) if math.isfinite(b)] + [math.nan, math.inf, -math.inf]
    for value in outside:
        assert not constraint.contains(value)
        with pytest.raises(ParameterError) as caught:
            constraint.inverse(value)
        assert constraint.admissible in str(caught.value)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (-math.inf, 0.0), (0.0, math.nan)])
def test_an_interval_without_two_ordered_finite_ends_is_refused(low: float, high: float) -> None:
    with pytest.raises(ParameterError, match="two finite ends"):
        Interval(low, high)


def test_named_sets_are_the_general_ones() -> None:
    assert Positive() == GreaterThan(0.0)
    assert UnitInterval() == Interval(0.0, 1.0)
    assert (Real().admissible, Positive().admissible, UnitInterval().admissible) == ("(-inf, inf)", "[0, inf)", "[0, 1]")


# Functions of generated kernels against 50 digits.

mpmath.mp.dps = 50
EXACT: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "loggamma": mpmath.loggamma,
    "digamma": mpmath.digamma,
    "trigamma": lambda x: mpmath.psi(1, x),
}
anywhere = st.one_of(st.floats(-700.0, 700.0), st.floats(-1e-300, 1e-300), st.floats(-40.0, 40.0))
positive = st.one_of(st.floats(1e-8, 20.0), st.floats(1.0, 1e8), st.floats(1e-100, 1e-2), st.floats(1e8, 1e100))


def close(got: float, exact: mpmath.mpf, rel: float, scale: float = 0.0) -> bool:
    return abs(mpmath.mpf(got) - exact) <= rel * max(abs(exact), scale)


@given(x=anywhere)
@pytest.mark.parametrize("word", ["sigmoid", "softplus"])
def test_squashing_functions_are_accurate_to_the_last_digits_on_both_sides(word: str, x: float) -> None:
    exact = EXACT[word](mpmath.mpf(x))
    assert close(getattr(numba_functions, word)(x), exact, 1e-15)
    assert close(float(getattr(vocabulary, word)(x)), exact, 1e-15)


@pytest.mark.parametrize("word", ["sigmoid", "softplus"])
def test_squashing_functions_do_not_overflow_at_the_ends(word: str) -> None:
    compiled, limit = getattr(numba_functions, word), {"sigmoid": 1.0, "softplus": math.inf}[word]
    for far in (1e4, 1e300, math.inf):
        assert compiled(-far) == 0.0
        assert compiled(far) == (limit if word == "sigmoid" else far)
    assert math.isnan(compiled(math.nan))


@given(x=positive)
@pytest.mark.parametrize("word", ["loggamma", "digamma", "trigamma"])
def test_gamma_functions_are_accurate_over_the_positive_numbers(word: str, x: float) -> None:
    """Relative to the value, or to 1 near the zeros of log gamma and digamma."""
    scale = 0.0 if word == "trigamma" else 1.0
    assert close(getattr(numba_functions, word)(x), EXACT[word](mpmath.mpf(x)), 2e-14, scale)


@given(x=st.floats(1.0, 300.0))
def test_the_loggamma_of_arrays_and_tensors_is_that_of_floats(x: float) -> None:
    value = vocabulary.loggamma(x)
    assert vocabulary.loggamma(np.array([x]))[0] == value
    assert float(vocabulary.loggamma(torch.tensor(x, dtype=torch.float64))) == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("x", "expected"), [(3.5, 1.0), (-1e-300, -1.0), (0.0, 0.0), (-0.0, 0.0), (math.inf, 1.0)])
def test_the_sign_of_zero_is_zero(x: float, expected: float) -> None:
    assert numba_functions.sign(x) == expected


def test_the_quadrature_integrates_a_heavy_tailed_density_and_its_moments() -> None:
    """Student t with 5 degrees of freedom, standardised: total 1, mean size 0.735105..., variance 1."""
    nu, z = 5.0, numba_functions.NODES
    constant = math.gamma((nu + 1) / 2) / math.gamma(nu / 2) / math.sqrt(math.pi * (nu - 2))
    weight = constant * (1 + z**2 / (nu - 2)) ** (-(nu + 1) / 2) * numba_functions.JACOBIANS
    size = 2 * math.sqrt(nu - 2) * math.gamma((nu + 1) / 2) / (math.sqrt(math.pi) * math.gamma(nu / 2) * (nu - 1))
    assert weight.sum() == pytest.approx(1.0, abs=1e-10)
    assert (weight * np.abs(z)).sum() == pytest.approx(size, rel=1e-3)
    assert (weight * z**2).sum() == pytest.approx(1.0, rel=1e-6)
