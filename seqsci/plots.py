"""Figures of a fit; matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqsci.errors import MissingExtraError
from seqsci.estimation.result import Fit

INK, ACCENT, SOFT = "#1f2933", "#b3412e", "#9aa5b1"


def figure(rows: int, height: float = 2.6) -> tuple[Any, Any]:
    """A figure of stacked panels in the house style: dark text on white, no frame at the top and right."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report", "A figure") from error
    drawn = Figure(figsize=(8.0, height * rows), layout="constrained", facecolor="white")
    axes = drawn.subplots(rows, 1, squeeze=False)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=INK, labelsize=9)
    return drawn, axes


def time_axis(fit: Fit) -> np.ndarray:
    """Labels of the rows: dates where there are some, else positions."""
    index = fit.sequences.index
    return np.arange(len(fit.sequences)) if index is None or index.dtype == object else index


def plot(fit: Fit) -> Any:
    """The outcome with the forecast's 95 % band, and the forget gate, over time; returns a matplotlib Figure.

    The band holds the 2.5 % and 97.5 % quantiles of each row's predictive distribution, made before the row was seen.
    """
    from seqsci.forecast import one_step

    gated = fit.path.gates.shape[1] > 0
    drawn, axes = figure(2 if gated else 1)
    time, y = time_axis(fit), fit.sequences.outcome[fit.outcome]
    bands = one_step(fit.model, fit.path.reads, fit.model.kernel().program.read_names)
    axes[0].vlines(time, 0, y, color=SOFT, linewidth=0.5)
    for probability in (0.025, 0.975):
        axes[0].plot(time, bands.quantile(probability), color=ACCENT, linewidth=0.8)
    axes[0].set_ylabel(f"{fit.outcome} [{fit.unit}]", color=INK)
    axes[0].set_title(f"{fit.model.name}: outcome (grey) and the 95 % band forecast for each row (red)", loc="left", fontsize=10, color=INK)
    if gated:
        axes[1].plot(time, fit.path.gates[:, 0], color=INK, linewidth=0.8)
        axes[1].set_ylabel("forget gate", color=INK)
        axes[1].set_ylim(-0.02, 1.02)
        axes[1].set_title("share of the old state that is kept", loc="left", fontsize=10, color=INK)
    return drawn
