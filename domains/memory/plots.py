"""Figures of a memory fit: forgetting curves over data, calibration, stabilities, and one card's life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqsci.errors import ParameterError, explain
from seqsci.estimation.result import Fit
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure, panel
from seqsci.sequences import Sequences

Array = np.ndarray
CURVES = 4
"""Groups of cards, by the stability before the review, that get a forgetting curve each."""


def _check(fit: Fit) -> None:
    if fit.outcome != "recalled" or "elapsed_days" not in fit.sequences.known:
        what = "an outcome recalled and a known elapsed_days"
        raise ParameterError(explain("not a model of recall", fit.model.name, what, "use seqsci.plots.plot"))


def _scored(fit: Fit) -> Array:
    return np.asarray((fit.sequences.observed == 1) & (fit.sequences.weight > 0))


def recall_probability(fit: Fit) -> Array:
    """(rows,) probability of recall, read before each review."""
    return np.asarray(fit.path.reads[:, fit.model.kernel().program.read_names.index("probability")])


def _state(fit: Fit, name: str) -> Array | None:
    names = _states(fit)
    return np.asarray(fit.path.states[:, names.index(name)]) if name in names else None


def _states(fit: Fit) -> list[str]:
    return [s.name for s in fit.model.mechanism.states]


def wilson(passed: Array, count: Array) -> tuple[Array, Array]:
    """95 % interval of a share (Wilson 1927, DOI 10.1080/01621459.1927.10502953)."""
    z, share = 1.96, passed / count
    middle, spread = share + z * z / (2 * count), z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return (middle - spread) / (1 + z * z / count), (middle + spread) / (1 + z * z / count)


def curve(fit: Fit, row: int, elapsed: Array) -> Array:
    """Probability of recall at (points,) elapsed days after the review before ``row``, from the state that the card had then."""
    n = len(elapsed)
    known = {k: np.full(n, v[row]) for k, v in fit.sequences.known.items()} | {"elapsed_days": np.asarray(elapsed, float)}
    if "same_day" in known:
        known["same_day"] = np.zeros(n)
    asked = Sequences({o.name: np.ones(n) for o in fit.model.mechanism.outcomes}, known, unit=np.arange(n))
    model = fit.model
    initial = np.tile(fit.path.states[row], (n, 1))
    found = model.filter(asked, np.zeros((n, len(model.mechanism.presamples))), initial)
    return np.asarray(found.reads[:, model.kernel().program.read_names.index("probability")])


def _binned(x: Array, y: Array, p: Array, edges: Array) -> tuple[Array, ...]:
    """Mean x, share recalled, mean forecast and counts of the bins that hold 20 rows."""
    code = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(code, minlength=len(edges) - 1)
    kept = count >= 20
    mean = [np.bincount(code, v, len(edges) - 1)[kept] / count[kept] for v in (x, y, p)]
    return (*mean, count[kept])


def forgetting_figure(fit: Fit) -> Captioned:
    """Observed shares of recall by elapsed time, with the model's, for groups of cards of similar stability."""
    seen = _scored(fit)
    elapsed, y, p = fit.sequences.known["elapsed_days"][seen], fit.sequences.outcome["recalled"][seen], recall_probability(fit)[seen]
    strength = _state(fit, "stability")
    order = p if strength is None else strength[seen]
    cuts = np.quantile(order, np.linspace(0, 1, CURVES + 1)[1:-1])
    group = np.searchsorted(cuts, order)
    drawn, axis = panel("days since the last review", "share recalled", 3.3)
    worst = 0.0
    for g in range(CURVES):
        rows = group == g
        if rows.sum() < 100:
            continue
        edges = np.unique(np.quantile(elapsed[rows], np.linspace(0, 1, 9)))
        if len(edges) < 3:
            continue
        x, share, forecast, count = _binned(elapsed[rows], y[rows], p[rows], edges)
        if not len(x):
            continue
        low, high = wilson(share * count, count)
        shade = 0.25 + 0.75 * g / (CURVES - 1)
        axis.plot(x, forecast, color=ACCENT, alpha=shade, linewidth=1.4)
        axis.errorbar(x, share, np.maximum([share - low, high - share], 0.0), fmt="o", color=INK, alpha=shade, markersize=3, linewidth=0.8)
        worst = max(worst, float(np.max(np.abs(share - forecast) * (count >= 100), initial=0.0)))
    if (elapsed > 0).all():
        axis.set_xscale("log")
    else:
        axis.set_xscale("symlog", linthresh=1.0)
    return Captioned(
        "Forgetting curves over the data",
        drawn,
        f"Shares recalled (dots, 95 % interval) and the mean forecast of the same reviews (red), for {CURVES} groups of cards from weak "
        f"(pale) to strong (dark). Lines rise where a scheduler gave long intervals to strong cards. See whether red runs through the "
        f"dots; the largest gap in a bin of 100 reviews or more is {100 * worst:.1f} points.",
    )


def calibration_figure(fit: Fit) -> Captioned:
    """Share recalled against the forecast, in tenths of the reviews."""
    seen = _scored(fit)
    y, p = fit.sequences.outcome["recalled"][seen], recall_probability(fit)[seen]
    edges = np.unique(np.quantile(p, np.linspace(0, 1, 11)))
    edges = edges if len(edges) > 2 else np.array([0.0, 0.5, 1.0])
    _, share, forecast, count = _binned(p, y, p, edges)
    low, high = wilson(share * count, count)
    drawn, axis = panel("forecast probability of recall", "share recalled", 3.3)
    ends = [min(float(forecast.min(initial=1.0)), float(low.min(initial=1.0))), 1.0]
    axis.plot(ends, ends, color=ACCENT, linewidth=1.0)
    axis.errorbar(forecast, share, np.maximum([share - low, high - share], 0.0), fmt="o", color=INK, markersize=3.5, linewidth=0.9)
    outside = int(np.sum((forecast < low) | (forecast > high)))
    return Captioned(
        "Calibration, in sample",
        drawn,
        f"Reviews in ten groups of equal size by their forecast: the share recalled with its 95 % interval. On the red line a "
        f"forecast keeps its word. {outside} of {len(share)} groups lie off it. The rows were fitted; the comparison below scores rows "
        f"that were not.",
    )


def stability_figure(fit: Fit) -> Captioned | None:
    """Histogram of the cards' last stabilities, or None for a model without that state."""
    names = _states(fit)
    if "stability" not in names:
        return None
    last = np.asarray(fit.path.last)[:, names.index("stability")]
    last = last[np.isfinite(last) & (last > 0)]
    drawn, axis = panel("stability after the last review [days]", "cards")
    axis.hist(last, np.geomspace(max(last.min(), 1e-3), max(last.max(), 1e-2) * 1.001, 40), color=SOFT)
    axis.axvline(float(np.median(last)), color=ACCENT, linewidth=1.2)
    axis.set_xscale("log")
    low, high = np.quantile(last, (0.1, 0.9))
    return Captioned(
        "Stability of the cards",
        drawn,
        f"Stability of {len(last):,} cards after their last review; the median (red) is {np.median(last):.3g} days, one card in ten lies "
        f"below {low:.3g} and one above {high:.3g}. See the left end: a heap there is cards that are failed over and over.",
    )


def _eventful(fit: Fit) -> slice:
    """Rows of the card with the most lapses among those with 6 to 40 reviews, else of the longest card."""
    starts = np.r_[fit.sequences.starts, len(fit.sequences)]
    sizes = np.diff(starts)
    failed = np.add.reduceat(fit.sequences.outcome["recalled"] < 0.5, starts[:-1])
    fits = (sizes >= 6) & (sizes <= 40)
    chosen = int(np.argmax(np.where(fits, failed + sizes / 1000, -1))) if fits.any() else int(np.argmax(sizes))
    return slice(int(starts[chosen]), int(starts[chosen + 1]))


def life_figure(fit: Fit) -> Captioned:
    """One card: recall between its reviews, stability and gates at each of them."""
    rows = _eventful(fit)
    sequences = fit.sequences
    elapsed, y = sequences.known["elapsed_days"][rows], sequences.outcome["recalled"][rows]
    when = np.cumsum(elapsed)
    gated = fit.path.gates.shape[1] >= 2
    drawn, axes = figure(3 if gated else 2, 1.9, 6.0)
    before = 0.0
    for i, at in enumerate(when):
        if at > before:
            gap = np.linspace(0.0, at - before, 60)
            axes[0].plot(before + gap, curve(fit, rows.start + i, gap), color=INK, linewidth=0.9)
        before = at
    p = recall_probability(fit)[rows]
    for passed, color in ((1, INK), (0, ACCENT)):
        axes[0].plot(when[y == passed], p[y == passed], "o", color=color, markersize=4)
    axes[0].set_ylabel("recall", color=INK)
    axes[0].set_ylim(max(0.0, float(p.min()) - 0.1), 1.02)
    strength = _state(fit, "stability")
    level = fit.path.states[:, 0] if strength is None else strength
    axes[1].step(when, level[rows], where="post", color=INK, linewidth=1.0)
    axes[1].set_ylabel("stability [days]" if strength is not None else "state", color=INK)
    if gated:
        axes[2].plot(when, fit.path.gates[rows, 0], "o", color=INK, markersize=3.5)
        axes[2].plot(when, fit.path.gates[rows, 1], "s", color=ACCENT, markersize=3, fillstyle="none")
        axes[2].set_ylabel("gates", color=INK)
        axes[2].set_ylim(-0.05, 1.05)
    axes[-1].set_xlabel("days since the first review", color=INK)
    lapses = int((y < 0.5).sum())
    gates = " Below, what is kept of the stability (dark) and how far the input gate opens (red): a lapse keeps a part and lets nothing in."
    return Captioned(
        "One card's life",
        drawn,
        f"The card with {len(y)} reviews after its first and {lapses} lapses: recall falls between reviews and is read before each (dots; "
        f"red ones were failed); the stability that each review met." + (gates if gated else ""),
    )


def figures(fit: Fit, tables: Mapping[str, Any]) -> list[Captioned]:
    """Figures of the report; the run's ``tables`` are not needed for them."""
    _check(fit)
    found = [forgetting_figure(fit), calibration_figure(fit), stability_figure(fit), life_figure(fit)]
    return [f for f in found if f is not None]


def plot(fit: Fit) -> Any:
    """Recall between the reviews of one eventful card, its stability and gates; returns a matplotlib Figure."""
    _check(fit)
    return life_figure(fit).figure
