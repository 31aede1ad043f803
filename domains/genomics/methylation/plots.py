"""Figures of methylation kinetics: half-life and equilibrium by class of sites, and fractions over time with the fitted curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from seqsci.domains.genomics.methylation.kinetics import Kinetics
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure, panel

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


def table_course_figure(course: pd.DataFrame, curve: pd.DataFrame, identified: bool) -> Captioned:
    """Observed fractions of all reads with their 95 % intervals over time, the fitted curve and its equilibrium; from a run's tables."""
    unit = str(course["time_unit"].iloc[0])
    drawn, axis = panel(f"time [{unit}]", "methylated fraction", 3.2)
    color = INK if identified else SOFT
    axis.plot(curve["time"], curve["fraction"], color=color, linewidth=1.4)
    axis.axhline(float(curve["equilibrium"].iloc[0]), color=SOFT, linewidth=0.9, linestyle="--")
    share = course["fraction"]
    axis.errorbar(
        course["time"], share, [share - course["low"], course["high"] - share], fmt="o", color=ACCENT, markersize=4, linewidth=1.0
    )
    wanted = curve.set_index("time")["fraction"].reindex(course["time"]).to_numpy()
    outside = int(((wanted < course["low"]) | (wanted > course["high"])).sum())
    text = "Points: share of methylated reads, with 95 % intervals that allow for dependence as the standard errors do; line: the fit; "
    text += "dashed: its equilibrium. The line "
    text += f"misses {outside} of {len(course)} intervals"
    text += "; misses at early times are a sign of sites with different rates." if outside else "."
    text += "" if identified else " Grey line: the rate is not identified, other curves fit as well."
    return Captioned("Methylation over time", drawn, text)


def quantity_figure(table: pd.DataFrame, name: str, title: str, unit: str) -> Captioned:
    """One quantity of the frame of `kinetics_by_class` by class, with 95 % intervals; grey where not identified; from a run's tables."""
    drawn, axis = panel(f"{title} [{unit}]" if unit else title, "", 0.9 + 0.3 * len(table))
    _interval(axis, table, name)
    ends = table[[f"{name}_low", f"{name}_high"]].to_numpy(float)
    if name == "half_life" and np.nanmax(ends) > 5 * np.nanmin(ends) > 0:
        axis.set_xscale("log")
        ticks = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5) if np.nanmin(ends) * 0.8 <= m * 10.0**e <= np.nanmax(ends) * 1.2]
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axis.minorticks_off()
    known = table[table["identified"]]
    text = "Point: maximum likelihood; line: 95 % interval, clustered by 1 Mb block; n sites. "
    text += "Grey: the reads do not hold the rate. " if len(known) < len(table) else ""
    first = known.iloc[0] if len(known) else table.iloc[0]
    apart = known[(known[f"{name}_low"] > first[f"{name}_high"]) | (known[f"{name}_high"] < first[f"{name}_low"])]
    found = f"{len(apart)} of {max(len(known) - 1, 0)} classes have an interval apart from that of {first['class']}."
    return Captioned(f"{title[0].upper()}{title[1:]} by class of sites", drawn, text + (found if len(table) > 1 else ""))


def imputation_figure(table: pd.DataFrame) -> Captioned:
    """The leaky bank minus each other imputer of masked sites, with block intervals; from a run's tables."""
    paired = table[table["difference"].notna()].reset_index(drop=True)
    drawn, axis = panel("difference [nats a read]", "", 0.8 + 0.34 * len(paired))
    for i, row in enumerate(paired.to_dict("records")):
        y = len(paired) - 1 - i
        decided = row["high"] < 0 or row["low"] > 0
        axis.plot([row["low"], row["high"]], [y, y], color=INK if decided else SOFT, linewidth=1.6)
        axis.plot([row["difference"]], [y], "o", color=ACCENT if decided else SOFT, markersize=5)
    axis.axvline(0.0, color=SOFT, linewidth=0.9)
    axis.set_yticks(range(len(paired))[::-1], paired["imputer"], fontsize=9)
    axis.set_ylim(-0.6, len(paired) - 0.4)
    worse = paired.loc[paired["low"] > 0, "imputer"]
    bank = float(table.loc[table["difference"].isna(), "nll"].iloc[0])
    lost = f"It LOSES to {', '.join(worse)}. " if len(worse) else ""
    text = f"Masked sites at the last time, imputed from the other sites. Bank of leaky channels (NLL {bank:.4f}) minus each other: it is "
    text += f"better left of 0. {lost}{int(table['sites'].iloc[0]):,} sites in {int(table['blocks'].iloc[0])} blocks of 1 Mb, whole blocks "
    text += "held out; 95 % block bootstrap."
    return Captioned("Imputation of masked sites", drawn, text)
