"""Laws of the stationary bootstrap and of its block length."""

from __future__ import annotations

import math
import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import signal, stats

from seqsci.errors import DataError, ParameterError
from seqsci.evaluate.resampling import Interval, automatic_block_length, block_bootstrap_interval, stationary_bootstrap_means

Floats = npt.NDArray[np.float64]

series = hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(-1e3, 1e3).map(lambda v: round(v, 6)))


def autoregression(phi: float, n: int, seed: int) -> Floats:
    noise = np.random.default_rng(seed).normal(size=n + 200)
    return np.asarray(signal.lfilter([1.0], [1.0, -phi], noise)[200:], dtype=np.float64)


def stationary_bootstrap_variance(x: Floats, block_length: float) -> float:
    """The exact variance of the mean of a resample (Politis & Romano 1994, lemma 1)."""
    n, keep = x.size, 1.0 - 1.0 / block_length
    centred = x - x.mean()
    circular = np.fft.irfft(np.abs(np.fft.rfft(centred)) ** 2, n) / n
    k = np.arange(1, n)
    return float(circular[0] + 2.0 * ((1.0 - k / n) * keep**k) @ circular[1:]) / n


@pytest.mark.parametrize("block_length", [1.0, 2.5, 10.0, 60.0])
def test_the_variance_of_the_resampled_means_is_the_exact_one(block_length: float) -> None:
    x = 5.0 + autoregression(0.6, 60, 4)
    means = stationary_bootstrap_means(x, block_length, 40_000, 0)
    exact = stationary_bootstrap_variance(x, block_length)
    assert means.var() == pytest.approx(exact, rel=0.04)
    assert means.mean() == pytest.approx(x.mean(), abs=4.0 * math.sqrt(exact / means.size))


def test_single_row_blocks_are_the_ordinary_bootstrap() -> None:
    means = stationary_bootstrap_means([0.0, 0.0, 1.0], 1.0, 30_000, 0)
    counts = np.bincount(np.rint(3.0 * means).astype(np.int64), minlength=4)
    assert stats.chisquare(counts, [30_000 * math.comb(3, k) * 2 ** (3 - k) / 27 for k in range(4)]).pvalue > 1e-3


@pytest.mark.parametrize("block_length", [4.0, 25.0])
def test_the_interval_agrees_with_arch_within_monte_carlo_error(block_length: float) -> None:
    bootstrap = pytest.importorskip("arch.bootstrap")
    x = autoregression(0.5, 300, 5)
    outside = bootstrap.StationaryBootstrap(block_length, x, seed=1).conf_int(np.mean, reps=2000, method="percentile").ravel()
    inside = block_bootstrap_interval(x, block_length, resamples=20_000)
    sd = math.sqrt(stationary_bootstrap_variance(x, block_length))
    error = sd / stats.norm.pdf(1.96) * math.sqrt(0.025 * 0.975 * (1 / 2000 + 1 / 20_000))
    assert [inside.low, inside.high] == pytest.approx(list(outside), abs=4.0 * error)
    assert 4.0 * error < 0.25 * (inside.high - inside.low)


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.5, 0.9])
def test_the_automatic_block_length_agrees_with_arch(phi: float) -> None:
    bootstrap = pytest.importorskip("arch.bootstrap")
    samples = [autoregression(phi, 2000, seed) for seed in range(8)]
    outside = [max(1.0, float(bootstrap.optimal_block_length(x)["stationary"].iloc[0])) for x in samples]
    inside = [automatic_block_length(x) for x in samples]
    assert np.isclose(inside, outside, rtol=1e-9).sum() >= 7


@pytest.mark.parametrize("phi", [0.3, 0.6])
def test_the_automatic_block_length_approaches_the_optimum_of_an_autoregression(phi: float) -> None:
    n = 50_000
    assert automatic_block_length(autoregression(phi, n, 6)) == pytest.approx((n * (2.0 * phi / (1.0 - phi**2)) ** 2) ** (1 / 3), rel=0.1)


@settings(max_examples=50, deadline=None)
@given(x=series, scale=st.floats(1e-3, 1e3))
def test_the_automatic_block_length_fits_the_series_and_ignores_a_power_of_two(x: Floats, scale: float) -> None:
    length = automatic_block_length(x)
    assert 1.0 <= length <= max(1.0, math.ceil(min(3.0 * math.sqrt(x.size), x.size / 3.0)))
    assert automatic_block_length(x * 2.0 ** round(math.log2(scale))) == length


def test_a_constant_difference_has_a_point_interval() -> None:
    assert automatic_block_length(np.full(50, 0.1)) == 1.0
    assert block_bootstrap_interval(np.zeros(50)) == Interval(0.0, 0.0)
    interval = block_bootstrap_interval(np.full(50, 0.1))
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1), rel=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    x = autoregression(0.3, 500, 7)
    assert block_bootstrap_interval(x, seed=3) == block_bootstrap_interval(x.copy(), seed=3)
    assert block_bootstrap_interval(x, seed=3) != block_bootstrap_interval(x, seed=4)
    assert block_bootstrap_interval(x) == block_bootstrap_interval(x, automatic_block_length(x), 2000, 0, 0.95)


def test_a_wider_level_contains_a_narrower_one_and_the_interval_moves_with_the_series() -> None:
    x = autoregression(0.3, 500, 8)
    narrow, wide = block_bootstrap_interval(x, level=0.8), block_bootstrap_interval(x, level=0.99)
    assert wide.low < narrow.low < x.mean() < narrow.high < wide.high
    moved = block_bootstrap_interval(x + 3.0, 10.0)
    still = block_bootstrap_interval(x, 10.0)
    assert (moved.low, moved.high) == pytest.approx((still.low + 3.0, still.high + 3.0), abs=1e-9)


def test_the_interval_covers_under_dependence_where_single_rows_do_not() -> None:
    draws, n = 150, 400
    samples = [autoregression(0.6, n, 1000 + seed) for seed in range(draws)]

    def coverage(block_length: float | None) -> float:
        intervals = [block_bootstrap_interval(x, block_length, resamples=300) for x in samples]
        return float(np.mean([i.low <= 0.0 <= i.high for i in intervals]))

    assert 0.87 < coverage(None) <= 0.98
    assert coverage(1.0) < 0.80


def test_three_thousand_rows_and_two_thousand_resamples_take_less_than_half_a_second() -> None:
    x = autoregression(0.2, 3000, 9)
    took = []
    for _ in range(3):
        begin = time.process_time()
        block_bootstrap_interval(x)
        took.append(time.process_time() - begin)
    assert min(took) < 0.5


def test_the_bootstrap_refuses_what_it_cannot_resample() -> None:
    x = np.arange(10.0)
    with pytest.raises(DataError, match="1 of 10 entries"):
        block_bootstrap_interval(np.where(x == 4.0, np.nan, x))
    with pytest.raises(DataError, match="at least 2 rows"):
        block_bootstrap_interval([1.0])
    with pytest.raises(DataError, match="not one series"):
        block_bootstrap_interval(np.ones((5, 2)))
    for block_length in (0.5, 11.0, math.nan):
        with pytest.raises(ParameterError, match="block_length"):
            block_bootstrap_interval(x, block_length)
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ParameterError, match="level"):
            block_bootstrap_interval(x, level=level)
    with pytest.raises(ParameterError, match="resamples"):
        block_bootstrap_interval(x, resamples=0)
