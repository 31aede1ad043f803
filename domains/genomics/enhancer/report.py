"""Figures of a fit of element-gene pairs for the report: precision and recall, scores by distance and by study, decay of the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqsci.domains.genomics.enhancer.evaluation import PRECISION
from seqsci.estimation.result import Fit
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure

COLORS = (ACCENT, INK, SOFT)
MOST_STUDIES = 8


def figures(fit: Fit, tables: Mapping[str, Any]) -> list[Captioned]:
    """Figures of the report from the run's tables; one whose table is absent is left out."""
    found = [
        curves_figure(tables["curves"]) if "curves" in tables else None,
        parts_figure(tables["strata"], "stratum", "distance") if "strata" in tables else None,
        parts_figure(tables["studies"], "study", "study") if "studies" in tables else None,
        kernel_figure(tables["kernel"], tables["distances"]) if "kernel" in tables and "distances" in tables else None,
        truth_figure(tables["truth"]) if "truth" in tables and len(tables["truth"]) else None,
    ]
    return [f for f in found if f is not None]


def curves_figure(curves: Any) -> Captioned:
    """Precision against recall, a panel a distance stratum."""
    strata = list(dict.fromkeys(curves["stratum"]))
    drawn, axes = figure(len(strata), 2.1, 5.0)
    for axis, name in zip(axes, strata, strict=True):
        part = curves[curves["stratum"] == name]
        regulated, pairs = int(part["regulated"].iloc[0]), int(part["pairs"].iloc[0])
        for model, color in zip(dict.fromkeys(part["model"]), COLORS, strict=False):
            rows = part[part["model"] == model]
            axis.step(rows["recall"], rows["precision"], where="pre", color=color, linewidth=1.3, label=model)
        axis.axhline(regulated / pairs, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        axis.axhline(PRECISION, color=SOFT, linewidth=0.7, linestyle=(0, (1, 3)))
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.03)
        axis.set_title(f"{name}: {regulated} of {pairs:,} regulated", color=INK, fontsize=10.5, loc="left")
        axis.set_ylabel("precision", color=INK, fontsize=11)
    axes[-1].set_xlabel("recall", color=INK, fontsize=11)
    handles, names = axes[0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside upper left", frameon=False, fontsize=9.5, ncols=1)
    text = (
        f"Precision against recall out of fold, by distance of element and TSS. Dashed: prevalence, what a random order has; dotted: "
        f"{PRECISION:.0%} precision. See how far right a curve stays above the dotted line: that share of the regulated pairs can be found "
        f"with three false alarms in ten."
    )
    return Captioned("Precision and recall by distance", drawn, text)


def parts_figure(table: Any, by: str, word: str) -> Captioned | None:
    """AUPRC of each model with its interval by gene, a panel a part; None where no part has an interval."""
    kept = [n for n in dict.fromkeys(table[by].astype(str)) if np.isfinite(table["low"][table[by].astype(str) == n]).any()]
    kept = kept[:MOST_STUDIES]
    if not kept:
        return None
    models = list(dict.fromkeys(table["model"]))
    drawn, axes = figure(len(kept), 0.75 + 0.24 * len(models), 5.0)
    for axis, name in zip(axes, kept, strict=True):
        part = table[table[by].astype(str) == name].set_index("model")
        rows = np.arange(len(models))[::-1]
        for row, model in zip(rows, models, strict=True):
            color = ACCENT if model == models[0] else INK
            axis.hlines(row, part["low"][model], part["high"][model], color=color, linewidth=1.8)
            axis.plot([part["auprc"][model]], [row], color=color, marker="o", markersize=4)
        axis.axvline(part["prevalence"].iloc[0], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        axis.set_yticks(rows, models)
        axis.set_ylim(-0.6, len(models) - 0.4)
        axis.set_xlim(0, 1)
        counts = f"{int(part['regulated'].iloc[0]):,} of {int(part['pairs'].iloc[0]):,} regulated"
        axis.set_title(f"{name}: {counts}", color=INK, fontsize=10.5, loc="right")
    axes[-1].set_xlabel("AUPRC out of fold", color=INK, fontsize=11)
    last = " The pooled scores, last, mix near pairs with far ones: read them last." if "pooled" in kept else ""
    left = len(dict.fromkeys(table[by])) - len(kept)
    short = f" {left} more are not drawn (too few regulated pairs, or more than {MOST_STUDIES})." if left else ""
    text = (
        f"Average precision of each model by {word}, with 95 % intervals that draw genes; ours in red, dashed the prevalence.{last}{short} "
        f"Intervals that overlap do not mean level: claims rest on the paired differences below."
    )
    return Captioned(f"AUPRC by {word}", drawn, text)


def kernel_figure(kernel: Any, distances: Any) -> Captioned:
    """Decay of an influence beside a power law, and below it the share of pairs that are regulated."""
    drawn, axes = figure(2, 2.5, 5.0)
    axes[0].plot(kernel["distance_bp"], kernel["power_law"], color=SOFT, linewidth=3.0, label="power law of contact, 1.024")
    axes[0].plot(kernel["distance_bp"], kernel["bank"], color=ACCENT, linewidth=1.4, label="bank of four decay lengths")
    axes[0].set_ylim(1e-4, 5)
    axes[0].set_ylabel("left, relative to 5 kb", color=INK, fontsize=11)
    axes[0].legend(frameon=False, fontsize=9.5)
    seen = distances[distances["share"] > 0]
    ends = np.maximum([seen["share"] - seen["low"], seen["high"] - seen["share"]], 0.0)
    axes[1].errorbar(seen["middle_bp"], seen["share"], ends, fmt="o", color=INK, markersize=3.5, linewidth=0.9, label="observed")
    axes[1].plot(distances["middle_bp"], distances["fitted"], color=ACCENT, linewidth=1.4, label="fitted")
    axes[1].set_ylabel("share regulated", color=INK, fontsize=11)
    least = min(float(seen["share"].min()) if len(seen) else 1.0, float(distances["fitted"].min()))
    axes[1].set_ylim(max(least / 3, 1e-5), 1.2)
    axes[1].legend(frameon=False, fontsize=9.5)
    axes[1].set_xlabel("distance of element and TSS [bp]", color=INK, fontsize=11)
    for axis in axes:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlim(8e2, 6e6)
        axis.tick_params(labelsize=10)
    none = int((distances["share"] == 0).sum())
    empty = f" {none} bins hold no regulated pair and show no dot." if none else ""
    text = (
        "Above: what is left of an influence, beside a power law of contact. See that a sum of exponentials follows it. Below: the "
        f"share of tested pairs that are regulated in bins of distance, 95 % intervals that draw genes, and the mean fitted probability; "
        f"the pairs were fitted.{empty}"
    )
    return Captioned("Decay with distance", drawn, text)


def truth_figure(table: Any) -> Captioned:
    """Known parameters of a simulated screen beside their estimates."""
    drawn, axes = figure(1, 0.9 + 0.24 * len(table), 5.0)
    rows = np.arange(len(table))[::-1]
    axes[0].hlines(rows, table["low"], table["high"], color=INK, linewidth=1.8)
    axes[0].plot(table["estimate"], rows, color=INK, marker="o", markersize=4, linestyle="none", label="estimate")
    axes[0].plot(table["truth"], rows, color=ACCENT, marker="|", markersize=13, markeredgewidth=2, linestyle="none", label="known")
    axes[0].set_yticks(rows, [str(n).replace("_", " ") for n in table["name"]])
    axes[0].set_xlabel("value", color=INK, fontsize=11)
    axes[0].legend(frameon=False, fontsize=9.5, loc="lower right")
    inside = int(((table["low"] <= table["truth"]) & (table["truth"] <= table["high"])).sum())
    text = f"Estimates with 95 % intervals, and the numbers that the screen was drawn from (red): {inside} of {len(table)} lie inside."
    return Captioned("Known and estimated", drawn, text)
