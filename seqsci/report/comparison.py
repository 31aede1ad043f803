"""The section on the held-out comparison: scores, paired differences, and who wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqsci import plots
from seqsci.evaluate.comparison import Difference
from seqsci.report.artefacts import HeldOut, Run
from seqsci.report.figures import drawn, p_value, plain

SCORE_HEADS = {
    "nll": "NLL",
    "qlike": "QLIKE",
    "mse": "MSE",
    "realized_qlike": "RV-QLIKE",
    "below_1": "below 1 % quantile",
    "kupiec_1": "p (Kupiec)",
    "below_5": "below 5 % quantile",
    "kupiec_5": "p (Kupiec)",
    "auprc_below_10_kb": "AUPRC < 10 kb",
    "auprc_10_to_100_kb": "AUPRC 10–100 kb",
    "auprc_beyond_100_kb": "AUPRC > 100 kb",
    "auprc_pooled": "AUPRC pooled",
    "recall70_below_10_kb": "recall at 70 %, < 10 kb",
    "recall70_10_to_100_kb": "recall at 70 %, 10–100 kb",
    "recall70_beyond_100_kb": "recall at 70 %, > 100 kb",
    "recall70_pooled": "recall at 70 %, pooled",
}
NAMES = ("ours is better", "no significant difference", "OURS IS WORSE")


def _named(differences: Sequence[Difference]) -> str:
    """Baselines by score, scores with the same baselines together."""
    by_score: dict[str, list[str]] = {}
    for d in differences:
        by_score.setdefault(d.score, []).append(f"“{d.baseline}”" if "," in d.baseline else d.baseline)
    scores: dict[tuple[str, ...], list[str]] = {}
    for score, names in by_score.items():
        scores.setdefault(tuple(names), []).append(score)
    return "; ".join(f"{', '.join(names)} ({'; '.join(of)})" for names, of in scores.items()) or "none"


def held_out_section(held_out: HeldOut, label: str) -> dict[str, Any]:
    """What the template shows of a comparison: who wins, scores, paired differences, figures."""
    groups = {kind: [d for d in held_out.differences if d.outcome == kind] for kind in ("loss", "tie", "win")}
    shown = [c for c in held_out.columns if any(r[c] != "nan" for r in held_out.scores)]

    def cell(column: str, text: str) -> str:
        if column == "model":
            return text
        value = float(text)
        if column.startswith("kupiec"):
            return p_value(value)
        if column.startswith("below_"):
            return f"{100 * value:.2f} %"
        return f"{value:.1f}" if column == "seconds" else plain(value)

    figures = []
    for score in dict.fromkeys(d.score for d in held_out.differences):
        rows = [d for d in held_out.differences if d.score == score]
        ends = (np.array([getattr(d, f) for d in rows]) for f in ("mean", "low", "high"))
        figures.append(drawn(plots.difference_figure(score, [d.baseline for d in rows], *ends)))
    return {
        "heading": held_out.heading,
        "label": label,
        "losses": _named(groups["loss"]),
        "ties": _named(groups["tie"]),
        "wins": _named(groups["win"]),
        "lost": len(groups["loss"]),
        "tied": len(groups["tie"]),
        "won": len(groups["win"]),
        "heads": [SCORE_HEADS.get(c, c.replace("_", " ")) for c in shown],
        "scores": [[cell(c, r[c]) for c in shown] for r in held_out.scores],
        "differences": [
            {
                "score": d.score,
                "baseline": d.baseline,
                "mean": f"{d.mean:+.4f}".replace("-", "−"),
                "interval": f"{d.low:+.4f} to {d.high:+.4f}".replace("-", "−"),
                "p": p_value(d.p_value),
                "outcome": d.outcome,
                "verdict": d.decided or dict(zip(("win", "tie", "loss"), NAMES, strict=True))[d.outcome],
            }
            for d in held_out.differences
        ],
        "decided": any(d.decided is not None for d in held_out.differences),
        "figures": figures,
    }


def window_label(run: Run) -> str:
    """The window's label: as the comparison states it, else as the configuration does."""
    stated = run.held_out.heading[0] if run.held_out else ""
    settings = run.config.get("comparison")
    asked = str(settings.get("label", "")) if isinstance(settings, Mapping) else ""
    return next((label for label in ("confirmation", "development") if f"({label} data)" in stated), asked or "not stated")
