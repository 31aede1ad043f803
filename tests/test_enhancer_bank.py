"""The bank's walk along a chromosome equals its closed form for pairs, and a knock-out of an element is its share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.domains.genomics.enhancer.bank import DecayBank, boundaries_between
from seqsci.errors import DataError, ParameterError

BANK = DecayBank.log_spaced(8)


def brute(bank: DecayBank, e: np.ndarray, a: np.ndarray, p: np.ndarray, b: np.ndarray, window: float) -> np.ndarray:
    """The double loop over pairs."""
    d = np.abs(p[:, None] - e[None, :])
    walls = boundaries_between(b, *np.broadcast_arrays(e[None, :], p[:, None]))
    return np.where(d <= window, bank.kernel(d, walls) * a, 0.0).sum(1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.inf, 3e5, 4e3]), st.sampled_from([0.0, 0.4, np.inf]), st.sampled_from([60, 10**7]))
def test_the_walk_is_the_sum_over_pairs(seed: int, window: float, insulation: float, reach: int) -> None:
    """Any order, elements at promoters and at boundaries, repeated positions, any window, any insulation."""
    rng = np.random.default_rng(seed)
    e, p, b = (rng.integers(0, reach, n) for n in (int(rng.integers(0, 30)), 12, 9))
    p[:2] = rng.choice(np.r_[e, b], 2)
    if e.size:
        e[0] = b[0]
    a = rng.gamma(0.7, 2.0, e.size)
    bank = BANK.insulated(insulation)
    assert bank.scan(e, a, p, b, window) == pytest.approx(brute(bank, e, a, p, b, window), rel=1e-9, abs=1e-12 * (1 + a.sum()))


def test_reading_the_mirrored_chromosome_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    e, p, a = rng.integers(0, 10**6, 200), rng.integers(0, 10**6, 30), rng.gamma(1, 1, 200)
    assert BANK.scan(-e, a, -p) == pytest.approx(BANK.scan(e, a, p), rel=1e-12)


def test_the_difference_of_a_knock_out_is_the_closed_form_of_the_pair() -> None:
    rng = np.random.default_rng(1)
    e, p, a = rng.integers(0, 10**7, 300), rng.integers(0, 10**7, 5), rng.gamma(0.7, 2, 300)
    whole = BANK.scan(e, a, p)
    for i in range(0, 300, 50):
        without = BANK.scan(e, np.where(np.arange(300) == i, 0, a), p)
        assert whole - without == pytest.approx(a[i] * BANK.kernel(p - e[i]), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.4])
def test_weights_that_fall_as_a_power_give_a_kernel_that_falls_as_that_power(exponent: float) -> None:
    bank = DecayBank.log_spaced(12, 1e3, 5e7, exponent)
    assert bank.mean_exponent(1e4, 1e6) == pytest.approx(exponent, abs=0.03)
    assert bank.exponent([2e4, 2e5]) == pytest.approx(exponent, abs=0.03)


def test_the_local_exponent_is_the_derivative_of_the_kernel() -> None:
    d = np.geomspace(1e3, 1e7, 9)
    step = np.log(BANK.kernel(d * np.exp(1e-5))) - np.log(BANK.kernel(d * np.exp(-1e-5)))
    assert BANK.exponent(d) == pytest.approx(-step / 2e-5, rel=1e-6)


def test_one_channel_is_a_plain_exponential() -> None:
    one = DecayBank((3e4,), (5.0,))
    assert one.kernel([0, 3e4, -6e4]) == pytest.approx(np.exp([0.0, -1.0, -2.0]))


@pytest.mark.parametrize(
    ("lengths", "weights"),
    [((1e4, 1e4), (1, 1)), ((1e4,), (1, 1)), ((-1.0,), (1,)), ((1e3, 1e4), (1, -1)), ((1e3,), (0,)), ((), ()), ((np.nan,), (1,))],
)
def test_what_is_no_bank_is_refused(lengths: tuple[float, ...], weights: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError, match="no bank of decay lengths"):
        DecayBank(lengths, weights)


def test_bad_elements_are_refused() -> None:
    with pytest.raises(DataError, match="whole numbers of base pairs"):
        BANK.scan([1.5], [1.0], [3])
    with pytest.raises(DataError, match="1 negative, infinite or missing"):
        BANK.scan([1, 2], [1.0, np.nan], [3])
    with pytest.raises(DataError, match=r"\(1,\) activities of \(2,\) elements"):
        BANK.scan([1, 2], [1.0], [3])
    with pytest.raises(ParameterError, match="> 0 bp"):
        BANK.scan([1], [1.0], [3], window_bp=0)
