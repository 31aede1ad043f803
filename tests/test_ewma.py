"""Laws of exponential smoothing alone; those that all baselines share are in test_finance_baselines."""

from __future__ import annotations

import numpy as np
import pytest
from arch.univariate import EWMAVariance
from numpy.typing import NDArray

from seqsci.baselines.ewma import ExponentialSmoothing
from seqsci.errors import ParameterError
from seqsci.sequences import Sequences

TRAIN, TEST = np.split(1.2 * np.random.default_rng(0).standard_t(4, 600) + 0.05, [480])


def sequences(values: NDArray[np.float64]) -> Sequences:
    """Returns as sequences of one unit."""
    return Sequences({"log_return": values}, measure={"log_return": "percent"})


@pytest.mark.parametrize("decay", [0.5, 0.94, 0.99])
def test_exponential_smoothing_is_its_closed_form(decay):
    values, mean = np.concatenate([TRAIN, TEST]), TRAIN.mean()
    squares, weights = (values - mean) ** 2, decay ** np.arange(75)
    start = weights @ squares[:75] / weights.sum()
    expected = [decay**t * start + (1 - decay) * decay ** np.arange(t) @ squares[:t][::-1] for t in range(len(TRAIN), len(values))]
    distribution = ExponentialSmoothing(decay).fit(sequences(TRAIN)).predict_rows(sequences(TEST))
    np.testing.assert_allclose(distribution.variance, expected, rtol=1e-12)
    np.testing.assert_array_equal(distribution.mean, mean)


def test_exponential_smoothing_is_that_of_arch():
    centred = np.concatenate([TRAIN, TEST]) - TRAIN.mean()
    process, variance = EWMAVariance(0.94), np.zeros(len(centred))
    process.compute_variance(np.empty(0), centred, variance, process.backcast(centred), process.variance_bounds(centred))
    ours = ExponentialSmoothing().fit(sequences(TRAIN)).predict_rows(sequences(TEST)).variance
    np.testing.assert_allclose(ours, variance[len(TRAIN) :], rtol=1e-12)


def test_a_missing_row_leaves_exponential_smoothing_unchanged():
    here, values = ExponentialSmoothing().fit(sequences(TRAIN)), TEST.copy()
    values[10] = np.nan
    variance = here.predict_rows(sequences(values)).variance
    assert variance[11] == variance[10]
    short = here.predict_rows(sequences(np.delete(values, 10))).variance
    np.testing.assert_array_equal(np.delete(variance, 10), short)
    np.testing.assert_array_equal(here.update(sequences(values)).variance, here.update(sequences(np.delete(values, 10))).variance)


def test_a_decay_outside_its_set_is_refused():
    for decay in (0.0, 1.0, -0.5):
        with pytest.raises(ParameterError, match="0 < decay < 1"):
            ExponentialSmoothing(decay)
