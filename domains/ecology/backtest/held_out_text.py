"""The text of a held-out comparison of counts: scores, paired differences, and who wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqsci.domains.ecology.backtest.year_test import TOO_FEW
from seqsci.domains.ecology.bank import PopulationBank
from seqsci.evaluate.comparison import Difference

SCORES = (("MASE", "mase", 3), ("RMSE", "rmse", 3), ("CRPS", "crps", 3), ("log score", "log_score", 3), ("cover 90%", "coverage_90", 3))

LATER_PRIOR = (
    "the bank: its prior is learned from training windows of other clusters, which may reach later calendar years than a forecast's"
)
"""What "the years before it" does not say of the bank."""


def text(heading: Sequence[str], scores: Sequence[Any], differences: Sequence[Difference], ours: str, single: bool) -> str:
    """Heading, an empty line, both tables and the verdict, as plain text.

    Args:
        scores: rows with ``model``, the attributes of `SCORES` and ``seconds``; differences: ours minus each other model.
        single: of one series, where a difference is a mean over years.
    """
    rows = [[r.model, *(f"{getattr(r, a):.{d}f}" for _, a, d in SCORES), f"{r.seconds:.1f}"] for r in scores]
    bank = [LATER_PRIOR] if any(r.model == PopulationBank.label for r in scores) else []
    lines = [*heading, *bank, "", "Scores (context; RMSE and CRPS of log counts; a higher log score is better)"]
    lines += [_table(["model", *(head for head, _, _ in SCORES), "seconds"], rows), ""]
    if not differences:
        return "\n".join([*lines, f"{ours} is compared with nothing: see what was left out above"])
    way = (
        "means over years; 95 % interval and p of Diebold-Mariano, corrected for few years, with Student's t"
        if single
        else "log RMSE and log CRPS: mean log ratio over series; 95 % interval by bootstrap of clusters, which decides; p by its width"
    )
    paired = [
        [f"{d.score} - {d.baseline}", f"{d.mean:+.3f}", f"{d.low:+.3f} .. {d.high:+.3f}", _p(d.p_value), d.verdict] for d in differences
    ]
    lines += [f"Paired differences: {ours} minus the other", f"(negative = ours is better, NLL is minus the log score; {way})"]
    lines += [_table(["difference", "mean", "95% interval", "p", "verdict"], paired), "", verdict(differences)]
    return "\n".join(lines)


def verdict(differences: Sequence[Difference]) -> str:
    """Who wins, also when we lose; where nothing can be decided, that."""
    if all(d.decided == TOO_FEW for d in differences):
        return f"{TOO_FEW}: the differences above are no verdicts"
    groups: dict[str, dict[str, list[str]]] = {"win": {}, "tie": {}, "loss": {}}
    for d in differences:
        groups[d.outcome].setdefault(d.baseline, []).append(d.score)

    def named(kind: str) -> str:
        return "; ".join(f"{name} ({', '.join(scores)})" for name, scores in groups[kind].items()) or "none"

    return "\n".join(
        [
            f"significantly better than: {named('win')}",
            f"no significant difference to: {named('tie')}",
            f"significantly WORSE than: {named('loss')}",
        ]
    )


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in (head, *rows)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
