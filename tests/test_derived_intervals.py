"""A derived quantity whose interval would span the decades has none, and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from seqsci.domains.ecology.models import random_walk_capacity
from seqsci.domains.ecology.prepared import prepare, to_sequences
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import WIDEST

QUICK = MaximumLikelihood(min_rows=12, profile_bounds=False)


def fit_of(counts: np.ndarray):
    rows = prepare(pd.DataFrame({"series_id": "a", "year": np.arange(1980, 1980 + len(counts)), "count": counts})).rows
    return QUICK.fit(random_walk_capacity(), to_sequences(random_walk_capacity(), rows))


def test_an_interval_of_more_than_ten_decades_is_none_and_flagged() -> None:
    held = fit_of(np.random.default_rng(0).poisson(2.0, 40).astype(float))
    for factor, lost in ((1.0, False), (100.0, True)):
        half_life = replace(held, covariance_raw=factor * held.covariance_raw).derived()[0]
        assert (half_life.flag == "not identified") == lost and half_life.value > 0
        assert np.isnan([half_life.standard_error, half_life.low, half_life.high]).all() == lost
        assert lost or half_life.high <= WIDEST * half_life.low


def test_a_wide_interval_within_ten_decades_stays() -> None:
    rng = np.random.default_rng(4)
    walk = np.zeros(40)
    for t in range(1, 40):
        walk[t] = 0.6 * walk[t - 1] + rng.normal(0, 0.3)
    half_life = fit_of(np.exp(4 + walk)).derived()[0]
    assert half_life.flag != "not identified" and 0 < half_life.low < half_life.value < half_life.high
    assert half_life.standard_error > 0
