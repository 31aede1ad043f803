"""Figures of methylation kinetics: half-life and equilibrium by class of sites, and fractions over time with the fitted curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from seqsci.domains.genomics.methylation.kinetics import Kinetics
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure

PANELS = (("half_life", "half-life"), ("equilibrium", "equilibrium fraction"), ("initial_fraction", "initial fraction"))


def _interval(axis: Any, table: pd.DataFrame, name: str) -> None:
    place = np.arange(len(table))[::-1]
    for y, row in zip(place, table.to_dict("records"), strict=True):
        color = INK if row["identified"] else SOFT
        axis.plot([row[f"{name}_low"], row[f"{name}_high"]], [y, y], color=color, linewidth=1.6)
        axis.plot([row[name]], [y], "o", color=ACCENT if row["identified"] else SOFT, markersize=5)
    axis.set_yticks(place, [f"{c}  (n = {n:,})" for c, n in zip(table["class"], table["sites"], strict=True)], fontsize=9)
    axis.set_ylim(-0.6, len(table) - 0.4)


def class_figure(table: pd.DataFrame, unit: str = "hours") -> Captioned:
    """The frame of `kinetics_by_class`: estimates and 95 % intervals by class, one panel a quantity; grey where not identified."""
    drawn, axes = figure(len(PANELS), 0.7 + 0.34 * len(table), 7.0)
    for axis, (name, label) in zip(axes, PANELS, strict=True):
        _interval(axis, table, name)
        axis.set_xlabel(f"{label} [{unit}]" if name == "half_life" else label, color=INK, fontsize=10)
        ends = table[[f"{name}_low", f"{name}_high"]].to_numpy(float)
        if name == "half_life" and np.nanmax(ends) > 10 * np.nanmin(ends) > 0:
            axis.set_xscale("log")
        if name != "half_life":
            axis.set_xlim(-0.02, 1.02)
    grey = " Grey: the reads do not hold the rate." if not table["identified"].all() else ""
    caption = f"Point: maximum likelihood; line: 95 % interval, clustered by 1 Mb block; n is the number of sites.{grey}"
    return Captioned("Kinetics by class of sites", drawn, caption)


def course_figure(series: SiteSeries, found: Kinetics) -> Captioned:
    """Pooled fractions with binomial 95 % intervals over time, and the fitted curve with its equilibrium."""
    drawn, axes = figure(1, 3.2, 6.0)
    m, n = series.totals("methylated"), series.totals("coverage")
    seen = n > 0
    share = m[seen] / n[seen]
    spread = 1.96 * np.sqrt(share * (1 - share) / n[seen])
    value = found.fit.value | {d.name: d.value for d in found.fit.derived()}
    time = np.linspace(0.0, float(series.times[-1]), 300)
    kept = np.exp2(-time / value["half_life"])
    axes[0].plot(time, kept * value["initial_fraction"] + (1 - kept) * value["equilibrium"], color=INK, linewidth=1.2)
    axes[0].axhline(value["equilibrium"], color=SOFT, linewidth=0.9, linestyle="--")
    axes[0].errorbar(series.times[seen], share, spread, fmt="o", color=ACCENT, markersize=4, linewidth=1.0)
    axes[0].set_xlabel(series.time_unit, color=INK)
    axes[0].set_ylabel("methylated fraction", color=INK)
    caption = "Points: reads of all sites, with binomial 95 % intervals; line: the tied gate; dashed: its equilibrium. "
    caption += "Points off the line at early times are a sign of sites with different rates."
    return Captioned("Methylation over time", drawn, caption)
