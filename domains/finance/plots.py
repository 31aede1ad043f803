"""Figures of a volatility fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqsci.cells.volatility import TRADING_DAYS
from seqsci.errors import ParameterError, explain
from seqsci.estimation.result import Fit
from seqsci.plots import ACCENT, INK, SOFT, figure, time_axis
from seqsci.sequences import Sequences


def _check(fit: Fit) -> None:
    if fit.outcome != "log_return":
        raise ParameterError(explain("not a volatility model", fit.model.name, "an outcome log_return", "use seqsci.plots.plot"))


def news_impact(fit: Fit, span: float = 5.0, points: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """Tomorrow's standard deviation as a function of today's surprise, from the median state.

    Returns surprises in units of today's sigma (points,) and standard deviations in the unit of the outcome (points,).
    Source: Engle and Ng (1993), DOI 10.1111/j.1540-6261.1993.tb05127.x.
    """
    _check(fit)
    state = np.median(fit.path.states, axis=0)
    model = fit.model
    z = np.linspace(-span, span, points)
    here = model.filter(Sequences({"log_return": np.zeros(1)}), np.zeros((1, 1)), state[None, :]).reads[0]
    returns = here[0] + here[1] * z
    after = model.filter(
        Sequences({"log_return": returns}, unit=np.arange(points)), np.zeros((points, 1)), np.tile(state, (points, 1))
    ).last
    reads = model.filter(Sequences({"log_return": np.zeros(points)}, unit=np.arange(points)), np.zeros((points, 1)), after).reads
    return z, reads[:, 1]


def plot(fit: Fit) -> Any:
    """Annualised volatility over time with the absolute returns, and the news-impact curve; returns a matplotlib Figure."""
    _check(fit)
    drawn, axes = figure(2, 3.0)
    time, sigma = time_axis(fit), fit.path.reads[:, 1]
    year = np.sqrt(TRADING_DAYS)
    axes[0].vlines(time, 0, np.abs(fit.sequences.outcome["log_return"]) * year, color=SOFT, linewidth=0.4)
    axes[0].plot(time, sigma * year, color=ACCENT, linewidth=0.9)
    axes[0].set_ylabel(f"per year [{fit.unit}]", color=INK)
    axes[0].set_title("forecast volatility (red) over the size of returns (grey), both annualised", loc="left", fontsize=10, color=INK)
    z, ahead = news_impact(fit)
    axes[1].plot(z, ahead * year, color=INK)
    axes[1].axvline(0, color=SOFT, linewidth=0.6)
    axes[1].set_xlabel("today's surprise [today's sigma]", color=INK)
    axes[1].set_ylabel(f"tomorrow's volatility [{fit.unit}]", color=INK)
    axes[1].set_title(
        "news impact: a fall raises volatility more than a rise where the left side is higher", loc="left", fontsize=10, color=INK
    )
    return drawn
