"""Figures of a volatility fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqsci.cells.volatility import TRADING_DAYS
from seqsci.errors import ParameterError, explain
from seqsci.estimation.result import Fit
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure, panel, time_axis, trace_bars, trace_line
from seqsci.sequences import Sequences


def _check(fit: Fit) -> None:
    if fit.outcome != "log_return":
        raise ParameterError(explain("not a volatility model", fit.model.name, "an outcome log_return", "use seqsci.plots.plot"))


def _undriven(fit: Fit, returns: np.ndarray) -> Sequences:
    """One step a unit; what drives the gate is zero."""
    known = {k.name: np.zeros(len(returns)) for k in fit.model.mechanism.known}
    return Sequences({"log_return": returns}, known, unit=np.arange(len(returns)))


def news_impact(fit: Fit, span: float = 5.0, points: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """Tomorrow's standard deviation as a function of today's surprise, from the median state.

    Returns surprises in units of today's sigma (points,) and standard deviations in the unit of the outcome (points,).
    Source: Engle and Ng (1993), DOI 10.1111/j.1540-6261.1993.tb05127.x.
    """
    _check(fit)
    state = np.median(fit.path.states, axis=0)
    model = fit.model
    z = np.linspace(-span, span, points)
    here = model.filter(_undriven(fit, np.zeros(1)), np.zeros((1, 1)), state[None, :]).reads[0]
    returns = here[0] + here[1] * z
    start = np.zeros((points, 1))
    after = model.filter(_undriven(fit, returns), start, np.tile(state, (points, 1))).last
    reads = model.filter(_undriven(fit, np.zeros(points)), start, after).reads
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


def figures(fit: Fit, tables: Mapping[str, Any]) -> list[Captioned]:
    """Figures of the report: the news-impact curve, and conditional volatility over the size of returns, both annualised.

    The run's ``tables`` are not needed for them.
    """
    _check(fit)
    year = float(np.sqrt(TRADING_DAYS))
    z, ahead = news_impact(fit)
    ahead = ahead * year
    drawn, axis = panel("today's surprise [today's sigma]", f"tomorrow [{fit.unit} a year]")
    axis.plot(z, ahead, color=INK, linewidth=1.4)
    axis.axvline(0, color=SOFT, linewidth=0.8)
    low, still, high = (float(np.interp(at, z, ahead)) for at in (-2.0, 0.0, 2.0))
    axis.plot([-2, 2], [low, high], color=ACCENT, marker="o", markersize=4, linestyle="none")
    ratio = (low - still) / (high - still) if high != still else np.inf
    if np.isclose(low, high, rtol=1e-3):
        reading = "A fall and a rise of the same size count alike."
    elif low > high:
        more = f", {ratio:.1f} times as far above a quiet day" if 0 < ratio < 10 else ""
        reading = f"A fall raises volatility more than a rise of the same size{more}."
    else:
        reading = "A rise raises volatility more than a fall of the same size, which is rare in equity markets."
    impact = Captioned(
        "News impact curve",
        drawn,
        f"Volatility tomorrow, by the size of today's surprise, from the median state. See the two sides (red dots): after a surprise of "
        f"-2 sigma it is {low:.3g}, after none {still:.3g}, after +2 sigma {high:.3g} {fit.unit} a year. {reading}",
    )
    time, returns = time_axis(fit), np.abs(fit.sequences.outcome[fit.outcome]) * year
    sigma = fit.path.reads[:, 1] * year
    drawn, axis = panel("" if time.dtype.kind == "M" else "row", f"per year [{fit.unit}]")
    trace_bars(axis, time, returns, SOFT)
    trace_line(axis, time, sigma, ACCENT)
    top = int(np.nanargmax(sigma))
    when = str(time[top])[:10]
    volatility = Captioned(
        "Conditional volatility",
        drawn,
        f"Volatility forecast for each row (red) over the size of the return that came (grey bars), both annualised. It is "
        f"between {np.quantile(sigma, 0.05):.3g} and {np.quantile(sigma, 0.95):.3g} {fit.unit} on nine days in ten and highest, "
        f"{sigma[top]:.3g}, at {when}. See whether red rises with the first large bars and comes down as they shrink, not long after.",
    )
    return [impact, volatility]
