"""Precision-recall curves by distance stratum or by study, and the average precision of each model with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from seqsci.domains.genomics.enhancer.evaluation import PRECISION, STRATA, Evaluation
from seqsci.domains.genomics.enhancer.pairs import distances, studies
from seqsci.errors import DataError, explain
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure, panel

Array = npt.NDArray[np.float64]
COLORS = (ACCENT, INK, "#3d7a5c", "#6a5acd", "#c08a2d", SOFT)
MOST_CURVES = len(COLORS)


def strata_figure(found: Evaluation, names: Mapping[str, str] | None = None) -> Captioned:
    """Draw one panel of precision-recall curves a distance stratum; at most six models."""
    d = distances(found.frame)
    parts = [(name, (d >= low) & (d < high)) for name, low, high in STRATA]
    return _curves(found, parts, names, "distance", "See how precision falls with distance for every model; beyond 100 kb all are poor.")


def study_figure(found: Evaluation, names: Mapping[str, str] | None = None) -> Captioned:
    """Draw one panel of precision-recall curves a study; at most six models."""
    study = np.array(studies(found.frame))
    parts = [(str(n), study == n) for n in np.unique(study)]
    return _curves(found, parts, names, "study", "See whether an order of models that holds in the largest study holds in the others.")


def _curves(
    found: Evaluation, parts: list[tuple[str, npt.NDArray[np.bool_]]], names: Mapping[str, str] | None, by: str, see: str
) -> Captioned:
    if not 0 < len(found.scores) <= MOST_CURVES:
        got = f"{len(found.scores)} models"
        raise DataError(explain("curves of too many models, or of none", got, f"1 to {MOST_CURVES}", "choose some of the scores"))
    y = found.frame["Regulated"].to_numpy(bool)
    kept = [(name, rows) for name, rows in parts if y[rows].any()]
    drawn, axes = figure(len(kept), 2.3, 5.0)
    for axis, (name, rows) in zip(axes, kept, strict=True):
        for (key, score), color in zip(found.scores.items(), COLORS, strict=False):
            recall, precision = curve(y[rows], score[rows])
            axis.step(recall, precision, where="pre", color=color, linewidth=1.4, label=(names or {}).get(key, key))
        prevalence = float(y[rows].mean())
        axis.axhline(prevalence, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        axis.axhline(PRECISION, color=SOFT, linewidth=0.6, linestyle=(0, (1, 3)))
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.03)
        axis.set_title(f"{name}: {int(y[rows].sum())} of {int(rows.sum()):,} regulated", color=INK, fontsize=10, loc="left")
        axis.set_ylabel("precision", color=INK, fontsize=10)
    axes[-1].set_xlabel("recall", color=INK, fontsize=11)
    axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    text = f"Precision against recall by {by}; dashed: prevalence, what a random order has; dotted: {PRECISION:.0%} precision. {see}"
    return Captioned(f"Precision and recall by {by}", drawn, text)


def curve(regulated: npt.NDArray[np.bool_], score: Array) -> tuple[Array, Array]:
    """Recall and precision at every threshold, from the largest score down; tied scores share one."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    hits = np.cumsum(regulated[order])[last]
    return np.r_[0.0, hits / max(int(regulated.sum()), 1)], np.r_[1.0, hits / (last + 1)]


def interval_figure(found: Evaluation, names: Mapping[str, str] | None = None) -> Captioned:
    """Draw the pooled average precision of each model with its intervals by gene (thick) and by chromosome (thin)."""
    keys = list(found.scores)
    drawn, axis = panel("pooled AUPRC", "", 1.0 + 0.3 * len(keys))
    rows = np.arange(len(keys))[::-1]
    for row, key in zip(rows, keys, strict=True):
        gene, chrom = found.interval(key), found.interval(key, cluster="chrom")
        axis.hlines(row, chrom.low, chrom.high, color=SOFT, linewidth=1.2)
        axis.hlines(row, gene.low, gene.high, color=INK, linewidth=2.4)
        axis.plot([gene.value], [row], color=ACCENT, marker="o", markersize=5)
    axis.set_yticks(rows, [(names or {}).get(k, k) for k in keys])
    axis.set_ylim(-0.6, len(keys) - 0.4)
    text = (
        "Pooled average precision with 95 % intervals of a bootstrap that draws genes (dark) or chromosomes (light). Overlap does not mean "
        "level: claims rest on paired differences. Read the strata and the studies first."
    )
    return Captioned("Average precision with intervals", drawn, text)
