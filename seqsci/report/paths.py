"""Figures of a fit along its rows: the outcome in its predictive band, the states, and the forget gates that move."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqsci.estimation.result import Fit
from seqsci.linear_gaussian import LinearGaussian
from seqsci.parameter import State
from seqsci.plots import ACCENT, BUCKETS, INK, PROBABILITIES, SOFT, Captioned, panel, time_axis, trace_bars, trace_line, trace_segments

Array = np.ndarray
MANY_UNITS = 200
"""So many units are not drawn end to end: the figure shows how they are spread at each of their rows."""


def _rows_axis(fit: Fit) -> tuple[Array, str]:
    """Positions or dates to draw over; units are drawn end to end, by position."""
    if len(fit.sequences.starts) > 1:
        return np.arange(len(fit.sequences)), "row (units end to end)"
    time = time_axis(fit)
    return time, "" if time.dtype.kind == "M" else "row"


def one_row_a_unit(fit: Fit) -> bool:
    """Whether every unit has one row, so that there are no paths to draw."""
    return 1 < len(fit.sequences) == len(fit.sequences.starts)


def outcome_figure(fit: Fit, discrete: bool) -> Captioned:
    """The outcome with its predictive band; for a discrete outcome, running means of outcome and forecast."""
    from seqsci.forecast import one_step

    time, label = _rows_axis(fit)
    y = fit.sequences.outcome[fit.outcome]
    forecast = one_step(fit.model, fit.path.reads, fit.model.kernel().program.read_names)
    drawn, axis = panel(label, f"{fit.outcome} [{fit.unit}]")
    if discrete:
        span, seen, mean = max(len(y) // 50, 1), ~np.isnan(y), np.broadcast_to(forecast.mean, y.shape)
        alone = one_row_a_unit(fit)
        order = np.flatnonzero(seen)
        if alone:
            order = order[np.argsort(mean[order], kind="stable")]
            axis.set_xlabel("rows in the order of their forecast", color=INK, fontsize=11)
        for values, color in ((y, SOFT), (mean, ACCENT)):
            smooth = np.convolve(values[order], np.ones(span) / span, mode="valid")
            trace_line(axis, (np.arange(len(order)) if alone else time[seen])[span - 1 :], smooth, color)
        text = f"Means of {span} rows: outcome (grey), forecast (red). See whether red follows grey"
        if alone:
            text = f"Rows in the order of their forecast, as no unit has two: {text[0].lower()}{text[1:]} from the least to the largest "
            text += "forecast; these rows were fitted."
        else:
            text += ", unit by unit; rows are no calendar." if len(fit.sequences.starts) > 1 else "; a lasting gap is a bias."
        return Captioned("Outcome and forecast", drawn, text)
    low, high = (np.broadcast_to(forecast.quantile(p), y.shape) for p in PROBABILITIES)
    (trace_bars if np.nanmin(y) < 0 < np.nanmax(y) else trace_line)(axis, time, y, SOFT)
    for edge in (low, high):
        trace_line(axis, time, edge, ACCENT, 0.6)
    known = ~np.isnan(y) & np.isfinite(low) & np.isfinite(high)
    beyond = np.where(known, np.maximum(y - high, low - y), 0.0)
    outside = np.flatnonzero(beyond > 0)
    furthest = np.sort(outside[np.argsort(-beyond[outside])][: 2 * BUCKETS])
    trace_segments(axis, time[furthest], np.clip(y, low, high)[furthest], y[furthest], INK, 1.2)
    text = (
        f"Outcome (grey) and the 95 % band (red) that was forecast for each row from earlier rows; what reaches beyond is dark. "
        f"{100 * len(outside) / max(int(known.sum()), 1):.1f} % of the outcomes lie outside; 5 % should. See whether the dark ends are "
        f"spread over all {'units' if len(fit.sequences.starts) > 1 else 'times'}: where they crowd, the band is too narrow."
    )
    return Captioned("Outcome with its predictive band", drawn, text)


def _readable_states(fit: Fit) -> list[tuple[State, Array]]:
    """States with their rows; of a Kalman filter the means alone, missing while their start is still diffuse."""
    mechanism, states = fit.model.mechanism, fit.path.states
    roles = list(mechanism.states)
    if not isinstance(mechanism, LinearGaussian):
        return [(role, states[:, i]) for i, role in enumerate(roles)]
    place = {role.name: i for i, role in enumerate(roles)}
    found = []
    for i, name in enumerate(mechanism.components):
        infinite = place.get(f"diffuse_{name}_{name}")
        found.append((roles[i], states[:, i] if infinite is None else np.where(states[:, infinite] > 0, np.nan, states[:, i])))
    return found


def _over_units(axis: Any, fit: Fit, values: Array) -> str:
    """Draw the median and the middle 95 % of the units at each row of theirs; returns the caption's text."""
    starts = np.asarray(fit.sequences.starts)
    sizes = np.diff(np.r_[starts, len(values)])
    place = np.arange(len(values)) - np.repeat(starts, sizes)
    kept = ~np.isnan(values)
    order = np.lexsort((values[kept], place[kept]))
    ordered, count = values[kept][order], np.bincount(place[kept])
    rows = np.flatnonzero(count)
    first = (np.cumsum(count) - count)[rows]
    low, middle, high = (ordered[first + np.rint(p * (count[rows] - 1)).astype(int)] for p in (PROBABILITIES[0], 0.5, PROBABILITIES[1]))
    axis.fill_between(rows, low, high, color=SOFT, alpha=0.35, linewidth=0)
    axis.plot(rows, middle, color=INK, linewidth=1.2)
    axis.set_xlabel("row of the unit", color=INK, fontsize=11)
    fewer = f", {count[rows[-1]]:,} of which reach the last row" if count[rows[-1]] < len(starts) else ""
    return f"before each row of a unit: median and middle 95 % of {len(starts):,} units{fewer}. See which way they move, and how far apart."


def state_figures(fit: Fit, most: int = 6) -> list[Captioned]:
    """Each state row by row, before its row is seen, and each forget gate that moves; at most so many states, none of one-row units."""
    if one_row_a_unit(fit):
        return []
    time, label = _rows_axis(fit)
    several = len(fit.sequences.starts) > 1
    gated = fit.path.gates.shape[1] // 3
    found = []
    for role, values in _readable_states(fit)[:most]:
        named = role.symbol and "\\" not in role.symbol
        drawn, axis = panel(label, f"{role.symbol} ({role.name})" if named else role.name.replace("_", " "), 2.5)
        if len(fit.sequences.starts) <= MANY_UNITS:
            trace_line(axis, time, values, INK)
        text = "as it stood before each row. See when it is pushed up or down, and how long it takes to come back."
        if len(fit.sequences.starts) > MANY_UNITS:
            text = _over_units(axis, fit, values)
        elif several:
            text = "as it stood before each row, units end to end: it starts anew at each unit. See how far it moves within them."
        found.append(Captioned(f"State: {role.name}", drawn, f"The state '{role.name}' {text}"))
    for g in range(min(gated, most)):
        forget = fit.path.gates[:, 3 * g]
        seen = forget[~np.isnan(forget)]
        if not len(seen) or np.ptp(seen) < 1e-9:
            continue
        drawn, axis = panel(label, "forget gate", 2.5)
        trace_line(axis, time, forget, INK)
        low, high = np.quantile(seen, PROBABILITIES)
        text = (
            f"Share of the old state that each step keeps; 95 % of the rows lie between {low:.3g} and {high:.3g}. "
            "See which events make the model forget"
        )
        text += ", in whichever unit: rows stand unit by unit." if several else ": dips are rows after which the past counts less."
        found.append(Captioned("Forget gate" if gated == 1 else f"Forget gate {g + 1}", drawn, text))
    return found


def constant_gates(fit: Fit) -> list[float]:
    """Values of the forget gates that do not move; they are told, not drawn."""
    gates = (f[~np.isnan(f)] for f in fit.path.gates[:, 0::3].T)  # a step without an outcome may have none
    return [float(f[0]) for f in gates if len(f) and np.ptp(f) < 1e-9]
