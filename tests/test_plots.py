"""Figures show what they say: the band holds the data it should, the news-impact curve is the cell's own update."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci import plot
from seqsci.domains.finance import models, plots
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.sequences import Sequences

CELL = models.default().start_at(mean=0.04, persistence=0.97, memory=0.9, rotation=0.4, shift=0.3, intercept=0.03)


@pytest.fixture(scope="module")
def fit():
    data = Sequences(CELL.simulate(1000, seed=2).outcome, measure={"log_return": "percent"})
    return MaximumLikelihood(starts=1, profile_bounds=False).fit(CELL, data)


def test_the_news_impact_curve_is_the_update_of_the_cell(fit):
    z, after = plots.news_impact(fit, points=5)
    p, c = fit.value, np.median(fit.path.states)
    tilt = np.where(z < p["shift"], 1 + p["rotation"], 1 - p["rotation"])
    size = tilt * np.abs(z - p["shift"]) / np.sqrt(1 + p["shift"] ** 2)
    np.testing.assert_allclose(after, p["persistence"] * (p["memory"] + (1 - p["memory"]) * size) * c + p["intercept"], rtol=1e-12)


def test_figures_draw_the_data_the_band_and_the_gate(fit):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    band, gate = plot(fit).axes
    low, high = (line.get_ydata() for line in band.lines)
    inside = np.mean((fit.sequences.outcome["log_return"] > low) & (fit.sequences.outcome["log_return"] < high))
    assert 0.92 < inside < 0.98
    np.testing.assert_array_equal(gate.lines[0].get_ydata(), fit.path.gates[:, 0])
    volatility, news = plots.plot(fit).axes
    assert volatility.get_title(loc="left") and news.get_xlabel()
