"""Intervals where a likelihood has several modes: the hull of what it allows, with parameters free that were pinned at a bound."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.constraints import Interval
from seqsci.domains.ecology.models import random_walk_capacity
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.parameter_draws import draw_parameters
from seqsci.estimation.profile import trace_grid
from seqsci.estimation.result import Fit
from seqsci.sequences import Sequences

CUT = 1.92
TRUE = random_walk_capacity().start_at(dependence=0.5, process_sd=0.2, capacity_sd=0.08, observation_sd=0.15)


def two_modes(value: float) -> float:
    """Negative log-likelihood with its minimum at .6, a barrier of nine nats at 0, and a mode one nat higher at -.6."""
    return min(50 * (value - 0.6) ** 2, 1.0 + 50 * (value + 0.6) ** 2, 9.0)


def test_an_interval_is_the_hull_of_the_modes_that_the_likelihood_allows() -> None:
    low, high = trace_grid(two_modes, 0.6, 0.0, Interval(-1.0, 1.0), refinements=8).interval(0.95)
    assert low == pytest.approx(-0.6 - np.sqrt((CUT - 1.0) / 50), abs=2e-3)
    assert high == pytest.approx(0.6 + np.sqrt(CUT / 50), abs=2e-3)


def test_an_interval_without_evidence_is_the_whole_set() -> None:
    assert trace_grid(lambda v: 0.1 * abs(v), 0.0, 0.0, Interval(-1.0, 1.0)).interval(0.95) == (-1.0, 1.0)


@pytest.fixture(scope="module")
def pinned() -> Fit:
    """A fit in which the error of counting is pinned at zero although the likelihood hardly minds .15."""
    found = MaximumLikelihood(min_rows=12).fit(random_walk_capacity(), TRUE.simulate(100, seed=1))
    assert found.at_bound == ("observation_sd",)
    return found


def test_no_value_that_the_likelihood_allows_lies_outside_the_interval(pinned: Fit) -> None:
    low, high = pinned.interval("dependence")
    plain = MaximumLikelihood(min_rows=12, profile_bounds=False)
    for value in (0.05, 0.2, 0.5, 0.7, 0.8, 0.95):
        loss = (
            pinned.log_likelihood - plain.fit(pinned.model.free(["observation_sd"]).fix(dependence=value), pinned.sequences).log_likelihood
        )
        assert (low <= value <= high) == (loss <= CUT), (value, loss)


def test_variances_at_zero_are_drawn_with_the_others(pinned: Fit) -> None:
    names = [p.name for p in pinned.model.kernel_parameters]
    drawn = draw_parameters(pinned, draws=500).values[:, names.index("observation_sd")]
    assert 0 < drawn.min() < 0.05
    assert 0.1 < drawn.max() < 0.4


def test_a_series_of_white_noise_says_nothing_of_its_return_to_a_wandering_capacity() -> None:
    y = np.random.default_rng(3).normal(4, 0.3, 40)
    found = MaximumLikelihood(min_rows=12).fit(random_walk_capacity(), Sequences({"log_count": y}))
    low, high = found.interval("dependence")
    assert high - low > 1.0
