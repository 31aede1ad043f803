"""Figures of a fit, and their conversion to SVG; matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.errors import MissingExtraError
from seqsci.estimation.result import Fit

if TYPE_CHECKING:
    from seqsci.evaluate.residuals import Residuals

INK, ACCENT, SOFT = "#1f2933", "#b3412e", "#9aa5b1"
PROBABILITIES = (0.025, 0.975)
BUCKETS = 300
"""A longer line is drawn as the lowest and highest point of so many stretches: the same picture in a fraction of the bytes."""
Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Captioned:
    """A figure with its title and a caption that says what to see in it."""

    title: str
    figure: Any
    caption: str


def figure(rows: int, height: float = 2.6, width: float = 8.0) -> tuple[Any, Any]:
    """A figure of stacked panels in the house style: dark text on white, no frame at the top and right."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report", "A figure") from error
    drawn = Figure(figsize=(width, height * rows), layout="constrained", facecolor="white")
    axes = drawn.subplots(rows, 1, squeeze=False)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=INK, labelsize=9)
    return drawn, axes


def panel(below: str, left: str, height: float = 2.9) -> tuple[Any, Any]:
    """A figure of one panel with labelled axes, small enough for its text to be read on a phone: the figure and its axes."""
    drawn, axes = figure(1, height, 5.0)
    axes[0].tick_params(labelsize=10.5)
    axes[0].set_xlabel(below, color=INK, fontsize=11)
    axes[0].set_ylabel(left, color=INK, fontsize=11)
    return drawn, axes[0]


def time_axis(fit: Fit) -> Array:
    """Labels of the rows: dates where there are some, else positions."""
    index = fit.sequences.index
    return np.arange(len(fit.sequences)) if index is None or index.dtype == object or index.dtype.kind == "U" else index


def thinned(values: Array, buckets: int = BUCKETS) -> Array:
    """Positions of the lowest and the highest value in each stretch of a long series, in order; every position of a short one."""
    n = len(values)
    if n <= 2 * buckets:
        return np.arange(n)
    edges = np.linspace(0, n, buckets + 1).astype(int).tolist()
    filled = np.where(np.isnan(values), np.nanmedian(values), values)
    ends = [(a + int(np.argmin(filled[a:b])), a + int(np.argmax(filled[a:b]))) for a, b in itertools.pairwise(edges)]
    return np.unique(np.array([0, *(i for pair in ends for i in pair), n - 1]))


def trace_line(axis: Any, time: Array, values: Array, color: str, width: float = 0.9) -> None:
    """Draw a series as a line, thinned."""
    keep = thinned(values)
    axis.plot(time[keep], values[keep], color=color, linewidth=width)


def trace_bars(axis: Any, time: Array, values: Array, color: str) -> None:
    """Draw a series as bars from zero, thinned; one path, so that it stays small."""
    keep = thinned(values)
    keep = keep[~np.isnan(values[keep])]
    trace_segments(axis, time[keep], np.zeros(len(keep)), values[keep], color, 0.6)


def trace_segments(axis: Any, time: Array, start: Array, stop: Array, color: str, width: float) -> None:
    """Draw vertical segments as one path."""
    heights = np.column_stack([start, stop, np.full(len(time), np.nan)])
    axis.plot(np.repeat(time, 3), heights.ravel(), color=color, linewidth=width)


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
    axes[0].plot(time, np.column_stack([np.broadcast_to(bands.quantile(p), y.shape) for p in PROBABILITIES]), color=ACCENT, linewidth=0.8)
    axes[0].set_ylabel(f"{fit.outcome} [{fit.unit}]", color=INK)
    axes[0].set_title(f"{fit.model.name}: outcome (grey) and the 95 % band forecast for each row (red)", loc="left", fontsize=10, color=INK)
    if gated:
        axes[1].plot(time, fit.path.gates[:, 0], color=INK, linewidth=0.8)
        axes[1].set_ylabel("forget gate", color=INK)
        axes[1].set_ylim(-0.02, 1.02)
        axes[1].set_title("share of the old state that is kept", loc="left", fontsize=10, color=INK)
    return drawn


def residual_figures(found: Residuals, lags: int = 20) -> list[Captioned]:
    """Quantile plot, PIT histogram and autocorrelation of squares; of a discrete outcome the histogram alone."""
    from seqsci.evaluate.residuals import autocorrelation, pit_histogram

    bins, n = 20, len(found.upto)
    heights = pit_histogram(found.below, found.upto, bins)
    band = 1.96 * np.sqrt((bins - 1) / n)
    drawn, axis = panel("P(outcome below what came), by the forecast", "relative frequency")
    axis.bar((np.arange(bins) + 0.5) / bins, heights, width=0.92 / bins, color=SOFT)
    axis.axhline(1.0, color=ACCENT, linewidth=1.0)
    for edge in (1 - band, 1 + band):
        axis.axhline(edge, color=ACCENT, linewidth=0.8, linestyle=(0, (4, 3)))
    outside = int(np.sum(np.abs(heights - 1) > band))
    pit = Captioned(
        "PIT histogram",
        drawn,
        "Where each outcome fell in its own forecast distribution. A right model gives bars of height 1 (red); dashed: the range of 95 % "
        f"of the bars then. {outside} of {bins} bars lie outside it; about one would by chance. See the shape: high ends mean that "
        "forecasts are too narrow, a hump that they are too wide, a slope that they are biased.",
    )
    result = [pit] if found.discrete else [_quantile_plot(found.normal), pit]
    if not found.discrete and found.units == 1 and n > 2 * lags and np.ptp(found.standardised**2) > 0:
        r = autocorrelation(found.standardised**2, lags)
        drawn, axis = panel("lag [rows]", "autocorrelation")
        axis.set_xticks(np.arange(0, lags + 1, 5))
        axis.vlines(np.arange(1, lags + 1), 0, r, color=INK, linewidth=2.0)
        axis.axhline(0.0, color=SOFT, linewidth=0.8)
        for edge in (-1.96 / np.sqrt(n), 1.96 / np.sqrt(n)):
            axis.axhline(edge, color=ACCENT, linewidth=0.8, linestyle=(0, (4, 3)))
        beyond = int(np.sum(np.abs(r) > 1.96 / np.sqrt(n)))
        text = (
            f"Autocorrelation of the squared standardised residuals; {beyond} of {lags} lags leave the dashed 95 % range of white noise, "
            "about one would by chance. See whether bars pile up on one side at the first lags: that is spread the model left unexplained."
        )
        result.append(Captioned("Autocorrelation of squared residuals", drawn, text))
    return result


def _quantile_plot(normal: Array) -> Captioned:
    from statistics import NormalDist

    n = len(normal)
    ordered = np.sort(normal)
    tail = min(60, n // 2)  # every point of the tails, a sample of the middle
    keep = np.unique(np.r_[np.arange(tail), np.linspace(0, n - 1, 160).astype(int), np.arange(n - tail, n)])
    ideal = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in keep])
    drawn, axis = panel("quantile of the normal distribution", "quantile residual")
    end = max(np.abs(ideal).max(), np.abs(ordered).max())
    axis.plot([-end, end], [-end, end], color=ACCENT, linewidth=1.0)
    axis.plot(ideal, ordered[keep], color=INK, linestyle="none", marker="o", markersize=2.2)
    low, high = np.quantile(normal, (0.01, 0.99))
    text = (
        "Quantile residuals against the normal distribution; on the red line the forecast density is right. See the ends: points below the "
        f"line on the left are lows, above it on the right highs, that come more often than forecast. The 1 % and 99 % quantiles "
        f"are {low:+.2f} and {high:+.2f}; {-2.33:+.2f} and {2.33:+.2f} were forecast."
    )
    return Captioned("Quantile plot", drawn, text)


def difference_figure(score: str, names: Sequence[str], means: Array, lows: Array, highs: Array) -> Captioned:
    """Paired differences of one score to each baseline with their intervals."""
    drawn, axis = panel("", "", 1.0 + 0.27 * len(names))
    axis.set_xlabel(f"{score}: ours minus baseline", color=INK, fontsize=11, loc="right")  # long names leave the axis little room
    rows = np.arange(len(names))[::-1]
    colors = [ACCENT if low > 0 else INK for low in lows]
    axis.axvline(0.0, color=SOFT, linewidth=1.0)
    axis.hlines(rows, lows, highs, color=colors, linewidth=1.6)
    axis.scatter(means, rows, color=colors, s=16, zorder=3)
    axis.set_yticks(rows, names)
    axis.set_ylim(-0.6, len(names) - 0.4)
    ours, theirs = int(np.sum(highs < 0)), int(np.sum(lows > 0))
    text = (
        f"Mean paired difference with its 95 % interval; left of zero ours is better, right of it (red) the baseline: {ours} of "
        f"{len(names)} lie wholly left, {theirs} wholly right."
    )
    return Captioned(f"Paired differences: {score}", drawn, text)


def training_figure(epochs: Array, training: Array, validation: Array) -> Captioned:
    """Losses over the epochs of a gradient training."""
    drawn, axis = panel("epoch", "loss minus first epoch's")
    trace_line(axis, epochs, training - training[0], SOFT, 1.4)
    trace_line(axis, epochs, validation - validation[0], ACCENT, 1.4)
    if np.isnan(validation).all():
        return Captioned("Training", drawn, f"Training loss over {len(epochs)} epochs; no validation loss was recorded.")
    best = int(np.nanargmin(validation))
    least = f"The validation loss is least at epoch {epochs[best]:g} ({validation[best]:.4g})."
    see = "See whether red turns up while grey still falls: from there on the model learns its training rows by heart."
    return Captioned("Training", drawn, f"Training loss (grey) and validation loss (red), each minus its first. {least} {see}")


def svg(captioned: Captioned) -> str:
    """The figure as an inline SVG element: text stays text, two decimals, no reference to anything outside."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": captioned.title}):
        captioned.figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"|\s+version="1\.1"', "", text).replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: m.group(0) if m.group(1) in used else "", text)
    places = re.compile(r"-?\d+\.\d{3,}")
    text = re.sub(r' (?:d|x|y)="[^"]*"', lambda m: places.sub(lambda n: f"{float(n.group()):.2f}", m.group()), text)
    text = re.sub(r"\n\s*", "\n", text).strip()
    return re.sub(r'<svg[^>]*viewBox="(0 0 ([\d.]+)[^"]*)"[^>]*>', r'<svg viewBox="\1" width="\2" role="img">', text, count=1)
