"""The negative binomial equals SciPy's, and its compiled draws are its quantiles."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.cells.count_slow_channel import CountSlowChannel
from seqsci.domains.ecology.models import count_slow_channel
from seqsci.equations.count_quantiles import negative_binomial_quantile
from seqsci.errors import DataError
from seqsci.observations.negative_binomial import NegativeBinomial

CASES = [(0.05, 0.01), (0.7, 3.0), (12.0, 0.2), (4000.0, 0.05), (90_000.0, 1.5), (50.0, 1e-4)]


@pytest.mark.parametrize(("mean", "dispersion"), CASES)
def test_mass_cdf_and_quantile_are_those_of_scipy(mean: float, dispersion: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    given = {"mean": mean, "dispersion": dispersion, "diffuse_variance": 0.0}
    p = np.array([1e-6, 0.003, 0.1, 0.37, 0.5, 0.81, 0.99, 1 - 1e-6])
    y = theirs.ppf(p)
    np.testing.assert_allclose(NegativeBinomial().log_density(y, given), theirs.logpmf(y), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(NegativeBinomial().cdf(y, given), theirs.cdf(y), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(NegativeBinomial().quantile(p, given), y, rtol=1e-6)
    assert NegativeBinomial().variance(given) == pytest.approx(theirs.var())


def test_compiled_quantiles_are_the_plain_ones() -> None:
    compiled = pytest.importorskip("seqsci.equations.numba_counts").negative_binomial_quantile
    u = np.random.default_rng(0).uniform(size=50)
    for mean, dispersion in CASES:
        np.testing.assert_array_equal([compiled(v, mean, dispersion) for v in u], negative_binomial_quantile(u, mean, dispersion))


def test_simulated_counts_are_whole_and_have_the_stated_mean_and_spread() -> None:
    still = {"dependence": 0.0, "fast_write": 0.0, "capacity_half_life": 1000.0, "dispersion": 0.3}
    y = count_slow_channel().start_at(**still).simulate(20_001, seed=3).outcome["count"]
    assert (y == np.rint(y)).all() and (y >= 0).all()
    level = max(y[0], 0.5)  # the first count starts both channels, and closed gates keep it there
    assert abs(y[1:].mean() - level) < 5 * np.sqrt((level + 0.3 * level**2) / 20_000)
    assert y[1:].var() == pytest.approx(level + 0.3 * level**2, rel=0.1)


def test_what_is_no_count_is_refused() -> None:
    with pytest.raises(DataError, match=r"2\.5"):
        CountSlowChannel().check({"count": np.array([1.0, 2.5])}, "")
