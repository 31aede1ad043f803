"""Laws of the losses of a variance forecast, and of the tests on them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import optimize, signal, stats

from seqsci.errors import DataError, ParameterError
from seqsci.evaluate.scores import diebold_mariano, kupiec, newey_west_variance, normalised_qlike, qlike, squared_error

Floats = npt.NDArray[np.float64]
Loss = Callable[[npt.ArrayLike, npt.ArrayLike], Floats]

positive = st.floats(1e-6, 1e6)
series = hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(-1e3, 1e3).map(lambda v: round(v, 6)))


def autoregression(phi: float, n: int, seed: int) -> Floats:
    noise = np.random.default_rng(seed).normal(size=n + 200)
    return np.asarray(signal.lfilter([1.0], [1.0, -phi], noise)[200:], dtype=np.float64)


# losses


@pytest.mark.parametrize("loss", [qlike, normalised_qlike, squared_error])
@given(true=st.floats(0.05, 50.0))
@settings(max_examples=25, deadline=None)
def test_every_loss_is_minimised_by_the_true_variance_if_the_proxy_is_exact(loss: Loss, true: float) -> None:
    found = optimize.minimize_scalar(lambda h: float(loss([h], [true])[0]), bounds=(true / 20, true * 20), method="bounded")
    assert found.x == pytest.approx(true, rel=1e-2)


@pytest.mark.parametrize("loss", [qlike, squared_error])
def test_qlike_is_minimised_by_the_true_variance_also_under_a_noisy_proxy(loss: Loss) -> None:
    true = 1.7
    squared_return = true * np.random.default_rng(1).normal(size=200_000) ** 2
    grid = true * np.array([0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.25])
    mean_loss = [loss(np.full_like(squared_return, h), squared_return).mean() for h in grid]
    assert int(np.argmin(mean_loss)) == 3


@given(h=positive, e2=st.floats(0.0, 1e6))
def test_gaussian_qlike_is_minus_twice_the_log_density_but_for_a_constant(h: float, e2: float) -> None:
    density = stats.norm.logpdf(math.sqrt(e2), scale=math.sqrt(h))
    assert float(qlike([h], [e2])[0]) == pytest.approx(-2.0 * density - math.log(2.0 * math.pi), rel=1e-9, abs=1e-9)


@given(h=positive, rv=positive)
def test_normalised_qlike_is_qlike_less_its_least_value(h: float, rv: float) -> None:
    got = float(normalised_qlike([h], [rv])[0])
    assert got == pytest.approx(float(qlike([h], [rv])[0] - qlike([rv], [rv])[0]), rel=1e-9, abs=1e-9)


@given(rv=positive, step=st.integers(-40, 40))
def test_normalised_qlike_is_never_negative_also_a_few_bits_from_the_minimum(rv: float, step: int) -> None:
    assert float(normalised_qlike([rv * (1.0 + step * 2.0**-52)], [rv])[0]) >= 0.0
    assert float(normalised_qlike([rv], [rv])[0]) == 0.0


@given(h=positive, rv=positive, unit=st.floats(1e-4, 1e4))
def test_normalised_qlike_does_not_depend_on_the_unit(h: float, rv: float, unit: float) -> None:
    assert float(normalised_qlike([unit * h], [unit * rv])[0]) == pytest.approx(float(normalised_qlike([h], [rv])[0]), rel=1e-9, abs=1e-9)


def test_qlike_punishes_underprediction_more_than_overprediction() -> None:
    under, over = qlike([0.5, 2.0], [1.0, 1.0])
    assert under > over


@pytest.mark.parametrize("loss", [qlike, normalised_qlike, squared_error])
def test_losses_refuse_bad_rows_and_say_how_many(loss: Loss) -> None:
    with pytest.raises(DataError, match="2 of 3 entries are NaN or infinite, the first at index"):
        loss([1.0, np.nan, np.inf], [1.0, 1.0, 1.0])
    with pytest.raises(DataError, match="1 of 2 entries <= 0"):
        loss([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(DataError, match="< 0|<= 0"):
        loss([1.0, 1.0], [1.0, -1.0])
    with pytest.raises(DataError, match="same shape"):
        loss(np.ones(3), np.ones((3, 1)))
    with pytest.raises(DataError, match="empty"):
        loss([], [])
    with pytest.raises(DataError, match="not an array of numbers"):
        loss(["a"], [1.0])


def test_a_zero_return_is_scored_and_a_zero_realized_variance_is_refused() -> None:
    assert float(qlike([2.0], [0.0])[0]) == pytest.approx(math.log(2.0))
    with pytest.raises(DataError, match="realized_variance must be positive"):
        normalised_qlike([1.0], [0.0])


# Kupiec


@given(n=st.integers(1, 2000), share=st.floats(0.0, 1.0), level=st.floats(0.001, 0.999))
def test_kupiec_is_the_binomial_likelihood_ratio_also_at_no_or_only_violations(n: int, share: float, level: float) -> None:
    for x in (0, round(share * n), n):
        result = kupiec(np.arange(n) < x, level)
        expected = 2.0 * (stats.binom.logpmf(x, n, x / n) - stats.binom.logpmf(x, n, level))
        assert result.statistic == pytest.approx(expected, rel=1e-6, abs=1e-8)
        assert result.p_value == pytest.approx(stats.chi2.sf(result.statistic, 1))
        assert (result.n, result.violations, result.rate) == (n, x, x / n)


def test_kupiec_without_violations_has_the_closed_form() -> None:
    result = kupiec(np.zeros(250, dtype=np.bool_), 0.01)
    assert result.statistic == pytest.approx(-2.0 * 250 * math.log(0.99))
    assert kupiec(np.ones(250, dtype=np.bool_), 0.99).statistic == pytest.approx(result.statistic)


def test_kupiec_reproduces_the_published_table_of_acceptance_regions() -> None:
    """Kupiec (1995): least and most violations not rejected at 5 %. Its row (255, 0.01), "N < 7", is left out: LR(0) is 5.13 there."""
    table = {
        255: {0.025: (3, 11), 0.05: (7, 20), 0.075: (12, 27), 0.10: (17, 35)},
        510: {0.01: (2, 10), 0.025: (7, 20), 0.05: (17, 35), 0.075: (28, 50), 0.10: (39, 64)},
        1000: {0.01: (5, 16), 0.025: (16, 35), 0.05: (38, 64), 0.075: (60, 91), 0.10: (82, 119)},
    }
    for n, rows in table.items():
        for level, region in rows.items():
            accepted = [x for x in range(200) if kupiec(np.arange(n) < x, level).p_value > 0.05]
            assert accepted == list(range(region[0], region[1] + 1))


def test_kupiec_has_its_size_and_power() -> None:
    rng = np.random.default_rng(2)
    n, level, draws = 1000, 0.05, 4000

    def rejected(rate: float) -> float:
        counts = rng.binomial(n, rate, size=draws)
        p_of = {int(x): kupiec(np.arange(n) < x, level).p_value for x in np.unique(counts)}
        return float(np.mean([p_of[int(x)] < 0.05 for x in counts]))

    accepted = [x for x in range(n + 1) if kupiec(np.arange(n) < x, level).p_value >= 0.05]
    exact_size = 1.0 - float(np.sum(stats.binom.pmf(accepted, n, level)))
    size = rejected(level)
    assert size == pytest.approx(exact_size, abs=4.0 * math.sqrt(0.05 * 0.95 / draws))
    assert 0.035 < size < 0.065
    assert rejected(0.08) > 0.9


def test_kupiec_refuses_what_is_not_a_boolean_series_or_a_probability() -> None:
    for bad in (np.array([0.0, 1.0]), np.zeros((2, 2), dtype=np.bool_), np.array([], dtype=np.bool_)):
        with pytest.raises(DataError, match="boolean"):
            kupiec(bad, 0.01)
    for level in (0.0, 1.0, math.nan, 1.0 + 1e-9):
        with pytest.raises(ParameterError, match="probability"):
            kupiec(np.array([True, False]), level)


# Newey-West and Diebold-Mariano


@given(x=series, data=st.data())
@settings(max_examples=50, deadline=None)
def test_newey_west_agrees_with_statsmodels(x: Floats, data: st.DataObject) -> None:
    linear_model = pytest.importorskip("statsmodels.regression.linear_model")
    sandwich = pytest.importorskip("statsmodels.stats.sandwich_covariance")
    lags = data.draw(st.integers(0, min(x.size - 1, 12)))
    fit = linear_model.OLS(x, np.ones_like(x)).fit()
    expected = x.size * float(np.squeeze(sandwich.cov_hac_simple(fit, nlags=lags, use_correction=False)))
    assert newey_west_variance(x, lags) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(x=series)
@settings(max_examples=40, deadline=None)
def test_newey_west_without_lags_is_the_variance_and_is_never_negative(x: Floats) -> None:
    assert newey_west_variance(x, 0) == pytest.approx(x.var(), rel=1e-9, abs=1e-12)
    assert all(newey_west_variance(x, lags) >= 0.0 for lags in range(x.size))


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.5])
def test_newey_west_approaches_the_long_run_variance_of_an_autoregression(phi: float) -> None:
    assert newey_west_variance(autoregression(phi, 60_000, 3), 60) == pytest.approx((1.0 - phi) ** -2, rel=0.1)


def test_newey_west_refuses_lags_that_do_not_fit() -> None:
    for lags in (-1, 3):
        with pytest.raises(ParameterError, match="lags"):
            newey_west_variance([1.0, 2.0, 4.0], lags)


@given(losses=hnp.arrays(np.float64, st.tuples(st.integers(8, 60), st.just(2)), elements=st.floats(0.0, 1e3)), lags=st.integers(0, 6))
@settings(max_examples=50, deadline=None)
def test_diebold_mariano_agrees_with_statsmodels(losses: Floats, lags: int) -> None:
    stattools = pytest.importorskip("statsmodels.tsa.stattools")
    if not hasattr(stattools, "diebold_mariano_test"):
        pytest.skip("statsmodels before 0.15 has no Diebold-Mariano test")
    a, b = losses.T
    assume(np.ptp(a - b) > 1e-6)
    expected = stattools.diebold_mariano_test(np.zeros_like(a), a, b, lags=lags, criterion=lambda y, forecast: forecast)
    got = diebold_mariano(a, b, lags)
    assert got.statistic == pytest.approx(expected.statistic, rel=1e-6, abs=1e-9)
    assert got.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)


@given(a=series, shift=st.floats(-10.0, 10.0))
@settings(max_examples=40, deadline=None)
def test_diebold_mariano_is_antisymmetric(a: Floats, shift: float) -> None:
    b = a[::-1] + shift
    forward, backward = diebold_mariano(a, b), diebold_mariano(b, a)
    assert forward.statistic == -backward.statistic
    assert forward.mean_difference == -backward.mean_difference
    assert forward.p_value == backward.p_value


@pytest.mark.parametrize("root", [2, 3, 4, 5, 8, 15])
def test_the_default_lag_is_the_floor_of_the_cube_root_also_at_a_perfect_cube(root: int) -> None:
    for n, lags in ((root**3, root), (root**3 - 1, root - 1), (root**3 + 1, root)):
        rng = np.random.default_rng(n)
        a, b = rng.normal(size=n), rng.normal(size=n)
        assert diebold_mariano(a, b) == diebold_mariano(a, b, lags)
        assert diebold_mariano(a, b) != diebold_mariano(a, b, lags - 1)


@given(a=series)
@settings(max_examples=40, deadline=None)
def test_the_same_losses_have_statistic_zero_and_p_one(a: Floats) -> None:
    result = diebold_mariano(a, a)
    assert (result.mean_difference, result.standard_error, result.statistic, result.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_constant_difference_that_is_not_zero_has_p_zero() -> None:
    a = np.arange(50.0)
    result = diebold_mariano(a, a + 1.0)
    assert (result.statistic, result.standard_error, result.p_value) == (-math.inf, 0.0, 0.0)


def test_diebold_mariano_has_its_size_under_dependence_where_a_test_without_lags_does_not() -> None:
    draws, n = 500, 500
    differences = np.stack([autoregression(0.4, n, seed) for seed in range(draws)])
    zero = np.zeros(n)
    with_lags = np.mean([diebold_mariano(d, zero).p_value < 0.05 for d in differences])
    without = np.mean([diebold_mariano(d, zero, lags=0).p_value < 0.05 for d in differences])
    assert 0.03 < with_lags < 0.10
    assert without > 0.14
    assert np.mean([diebold_mariano(d + 0.4, zero).p_value < 0.05 for d in differences]) > 0.95


def test_diebold_mariano_refuses_nan_rows_and_says_how_many() -> None:
    loss = np.ones(10)
    holed = np.where(np.arange(10) < 3, np.nan, 1.0)
    with pytest.raises(DataError, match="loss_a has entries.*\n.*3 of 10"):
        diebold_mariano(holed, loss)
    with pytest.raises(DataError, match="loss_b has entries.*\n.*3 of 10"):
        diebold_mariano(loss, holed)
    with pytest.raises(DataError, match="same shape"):
        diebold_mariano(loss, loss[:9])
    with pytest.raises(DataError, match="not one series"):
        diebold_mariano(loss[:, None], loss[:, None])
    with pytest.raises(DataError, match="at least 2 rows"):
        diebold_mariano([1.0], [2.0])
