"""Figures of a population fit: counts with K, density dependence along trend flexibility, and the fan of forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.channels import Channels, channels
from seqsci.estimation.result import Fit
from seqsci.plots import ACCENT, INK, SOFT, Captioned, panel

Array = npt.NDArray[np.float64]
MOST = 9
"""Series that a figure shows at most."""
PAST = 30
"""Years of counts before a fan."""
STILL = 0.005
"""A log K that moves by less stands still."""
NAIVE = "naive AR(1)"
SHADE, FAN = "#e4e7eb", "#b3412e"


def _grid(number: int, left: str) -> tuple[Any, list[Any]]:
    """A figure with so many small panels, three a row, or one of the usual size."""
    if number == 1:
        drawn, axis = panel("", left, 3.3)
        return drawn, [axis]
    from matplotlib.figure import Figure

    columns = 2 if number in (2, 4) else 3
    rows = -(-number // columns)
    drawn = Figure(figsize=(5.0, 0.5 + 1.45 * rows), layout="constrained", facecolor="white")
    axes = [drawn.add_subplot(rows, columns, i + 1) for i in range(number)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=INK, labelsize=8.5)
    drawn.supylabel(left, color=INK, fontsize=11)
    return drawn, axes


def _axes(axis: Any, low: float, high: float, small: bool) -> None:
    """A log axis with plain numbers, and whole years."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    axis.set_yscale("log")
    axis.set_ylim(low, high)
    decades = np.log10(high / low)
    steps: tuple[float, ...] = (1.0,) if decades > (1.6 if small else 2.6) else (1.0, 3.0) if decades > 0.9 else (1.0, 2.0, 5.0)
    inside = [s * 10.0**e for e in range(-9, 16) for s in steps if low <= s * 10.0**e <= high]
    if len(inside) < 2:
        steps = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
    axis.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _plain(v)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_locator(MaxNLocator(2 if small else 6, integer=True, steps=[1, 2, 2.5, 5, 10]))


def _plain(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _limits(*values: Array) -> tuple[float, float]:
    """Limits that hold all positive values, with a margin."""
    everything = np.concatenate([np.ravel(v) for v in values])
    there = everything[np.isfinite(everything) & (everything > 0)]
    low, high = float(there.min()), float(there.max())
    margin = max(high / low, 1.5) ** 0.06
    return low / margin, high * margin


def _shown(found: Sequence[Channels]) -> tuple[list[Channels], str]:
    """The series that are drawn, those with the most counts, and a sentence on the others."""
    if len(found) <= MOST:
        return list(found), ""
    counted = np.array([-np.isfinite(c.count).sum() for c in found])
    chosen = sorted(np.argsort(counted, kind="stable")[:MOST])
    return [found[i] for i in chosen], f" Shown are the {MOST} series with the most counts; {len(found) - MOST} of {len(found)} are not."


def _missing(axis: Any, c: Channels) -> None:
    """Shade the years that nobody counted."""
    for year in c.years[~np.isfinite(c.count)]:
        axis.axvspan(year - 0.5, year + 0.5, color=SHADE, linewidth=0, zorder=0)


def capacity_figure(fit: Fit, tables: Mapping[str, Any]) -> Captioned:
    """Counts on a log axis with K, its band, and the filtered density."""
    everything = channels(fit, tables)
    shown, left_out = _shown(everything)
    small = len(shown) > 1
    drawn, axes = _grid(len(shown), "count")
    for axis, c in zip(axes, shown, strict=True):
        _missing(axis, c)
        band = np.isfinite(c.low)
        if band.any():
            axis.fill_between(c.years, c.low, c.high, color=ACCENT, alpha=0.18, linewidth=0)
        axis.plot(c.years, c.capacity, color=ACCENT, linewidth=1.3)
        axis.plot(c.years, c.density, color=INK, linewidth=0.9)
        axis.plot(c.years, c.count, color=INK, linestyle="none", marker="o", markersize=1.6 if small else 2.6, alpha=0.65)
        _axes(axis, *_limits(c.count, c.density, c.capacity, _within(c)), small)
        if small:
            axis.set_title(c.name, fontsize=9, color=INK, loc="left")
        else:
            axis.set_xlabel("year", color=INK, fontsize=11)
    change = np.array([c.capacity[-1] / c.capacity[0] for c in everything])
    gaps = sum(int((~np.isfinite(c.count)).sum()) for c in everything)
    kind = "smoothed, with its 95 % band (parameters taken as known)" if any(np.isfinite(c.low).any() for c in shown) else "without a band"
    if all(np.ptp(np.log(c.capacity)) < STILL for c in everything):
        moved = f"K stands still at {everything[0].capacity[0]:.3g}." if len(everything) == 1 else "K stands still in every series."
    elif len(everything) == 1:
        c = everything[0]
        moved = f"K ends at {c.capacity[-1]:.3g}, {change[0]:.2g} times its start; it lies between {c.capacity.min():.3g} and "
        moved += f"{c.capacity.max():.3g}."
    else:
        quart = np.quantile(change, [0.25, 0.5, 0.75])
        moved = (
            f"From first to last year K changes by a factor of {quart[1]:.2g} in the median series ({quart[0]:.2g} to {quart[2]:.2g} in "
        )
        moved += "the middle half)."
    gap = f" {gaps} years without a count are shaded." if gaps else ""
    wide = any((_within(c) != np.r_[c.low, c.high])[np.isfinite(np.r_[c.low, c.high])].any() for c in shown)
    gap += " The band of K reaches beyond the picture: these counts hardly hold K." if wide else ""
    text = f"{moved} Counts (dots), filtered density (dark line) and K (red), {kind}; log scale.{gap}{left_out}"
    return Captioned("Counts and carrying capacity", drawn, text)


def _within(c: Channels) -> Array:
    """The band as far as it is no more than a factor of two beyond the counts, so that it does not squeeze them."""
    seen = c.count[np.isfinite(c.count)]
    return np.asarray(np.clip(np.r_[c.low, c.high], seen.min() / 2, seen.max() * 2))


def flexibility_figure(tables: Mapping[str, Any]) -> Captioned | None:
    """Phi with its interval against the number of trend terms; None where the run has no such table."""
    if "flexibility" not in tables:
        return None
    along = tables["flexibility"]
    drawn, axis = panel("trend terms that K may bend along", "phi", 3.3)
    terms, phi, low, high = (along[n].to_numpy(float) for n in ("terms", "dependence", "low", "high"))
    open_low, open_high = (along[n].to_numpy().astype(bool) for n in ("open_low", "open_high"))
    axis.vlines(terms, low, high, color=INK, linewidth=1.3)
    axis.plot(terms, phi, color=INK, marker="o", markersize=5, linestyle="none")
    for ends, values, marker, beyond in ((open_low, low, "v", -0.035), (open_high, high, "^", 0.035)):
        axis.plot(terms[ends], values[ends] + beyond, color=INK, marker=marker, markersize=7, linestyle="none")
        axis.plot(terms[~ends], values[~ends], color=INK, marker="_", markersize=8, linestyle="none")
    axis.set_xticks(terms)
    axis.set_xlim(terms.min() - 0.6, terms.max() + 0.6)
    axis.set_ylim(min(-0.05, low.min() - 0.1), 1.1)
    axis.axhline(0.0, color=SOFT, linewidth=0.8)
    naive = _naive(tables)
    reference = ""
    if naive is not None:
        axis.axhline(naive, color=ACCENT, linewidth=1.1, linestyle=(0, (5, 3)))
        reference = f" Dashed red: {naive:.2f}, what a regression on last year's log count says."
    verdict = f"{tables['verdict']['sentence'].iloc[0]} " if "verdict" in tables else ""
    verdict = verdict[:1].upper() + verdict[1:]
    arrows = " An arrow is an end that the data leave open." if (open_low | open_high).any() else ""
    text = (
        f"{verdict}Phi, the share of a deviation from K that is left after a year, with its 95 % interval: {phi[0]:.2f} with "
        f"{terms[0]:.0f} terms, {phi[-1]:.2f} with {terms[-1]:.0f}.{arrows}{reference}"
    )
    return Captioned("Density dependence along flexibility", drawn, text)


def _naive(tables: Mapping[str, Any]) -> float | None:
    if "dependence" not in tables:
        return None
    rows = tables["dependence"]
    found = rows["dependence"][rows["model"] == NAIVE].to_numpy(float)
    return float(found[0]) if len(found) and np.isfinite(found[0]) else None


def forecast_figure(fit: Fit, tables: Mapping[str, Any]) -> Captioned | None:
    """The fan of forecasts after the last counts; None where the run has no forecast."""
    if "forecast" not in tables:
        return None
    table = tables["forecast"]
    ahead = {str(n): rows for n, rows in table.groupby("series_id", sort=False)}
    shown, left_out = _shown([c for c in channels(fit, tables) if c.name in ahead])
    small = len(shown) > 1
    drawn, axes = _grid(len(shown), "count")
    for axis, c in zip(axes, shown, strict=True):
        rows = ahead[c.name]
        years = rows["year"].to_numpy()
        past = c.years > c.years[-1] - PAST
        past_count = Channels(c.name, c.years[past], c.count[past], *(v[past] for v in (c.density, c.capacity, c.low, c.high)))
        _missing(axis, past_count)
        for level, alpha in ((95, 0.16), (80, 0.22), (50, 0.35)):
            axis.fill_between(years, rows[f"low{level}"], rows[f"high{level}"], color=FAN, alpha=alpha, linewidth=0)
        axis.plot(years, rows["median"], color=ACCENT, linewidth=1.3)
        axis.plot(past_count.years, past_count.count, color=INK, linewidth=0.9, marker="o", markersize=1.6 if small else 2.6)
        at = float(rows["threshold"].iloc[0])
        axis.axhline(at, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        positive = rows[["low95", "high95", "threshold"]].to_numpy(float)
        _axes(axis, *_limits(past_count.count, positive), small)
        if small:
            axis.set_title(c.name, fontsize=9, color=INK, loc="left")
        else:
            axis.set_xlabel("year", color=INK, fontsize=11)
    last = table[table["step"] == table["step"].max()]
    horizon, risk = int(last["step"].iloc[0]), last["quasi_extinction"].to_numpy(float)
    if len(ahead) == 1:
        r = last.iloc[0]
        said = f"The probability that the population is at or below {r['threshold']:.3g} (dotted) in one of the next {horizon} years is "
        said += (
            f"{_probability(risk[0])}; in year {int(r['year'])} the count lies between {r['low95']:.3g} and {r['high95']:.3g} with 95 %, "
        )
        said += f"the median is {r['median']:.3g}."
    else:
        worst = last.iloc[int(np.argmax(risk))]
        most = f"at most {_probability(risk.max())} ({worst['series_id']}), {_probability(float(np.median(risk)))} in the median series"
        most = most if risk.max() >= 0.001 else "below .001 in every series"
        said = f"Probability of being at or below its threshold (dotted) in one of the next {horizon} years: {most}."
    text = f"{said} Bands hold 50, 80 and 95 % of the counts to come, the uncertainty of the parameters included.{left_out}"
    return Captioned("Forecast", drawn, text)


def _probability(p: float) -> str:
    return "below .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "above .999"


def figures(fit: Fit, tables: Mapping[str, Any]) -> list[Captioned]:
    """Figures of the report: counts with K, density dependence along flexibility, the fan; those without their table are left out."""
    found = [capacity_figure(fit, tables), flexibility_figure(tables), forecast_figure(fit, tables)]
    return [f for f in found if f is not None]


def plot(fit: Fit) -> Any:
    """Counts on a log axis with K and the filtered density; returns a matplotlib Figure."""
    return capacity_figure(fit, {}).figure
