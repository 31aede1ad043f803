"""The result of a comparison, and its text and HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqsci.evaluate.backtest import Backtest

SIGNIFICANT = 0.05
"""Level of the Diebold-Mariano test at which a difference is called one."""
EQUAL = 5e-5
"""Differences whose interval prints as 0.0000 are called equal: two optimisers at one maximum differ by less."""

BETTER, WORSE, UNDECIDED, EQUIVALENT = "ours is better", "OURS IS WORSE", "not decided", "equivalent within "
"""Verdicts that are decided elsewhere, from our side; the last is followed by its margin."""


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one model: context, not a claim. All in percent units."""

    model: str
    qlike: float
    mse: float
    nll: float
    realized_qlike: float
    below_1: float
    kupiec_1: float
    below_5: float
    kupiec_5: float
    seconds: float


@dataclass(frozen=True)
class Difference:
    """Our score minus a baseline's on the same rows; negative = we are better.

    ``decided``: a verdict that was reached elsewhere, by a rule of its own: `BETTER`, `WORSE`, or other words for a tie, such as not
    decided or equivalent within a margin. None: the Diebold-Mariano test decides.
    """

    score: str
    baseline: str
    mean: float
    low: float
    high: float
    p_value: float
    decided: str | None = None

    @property
    def equal(self) -> bool:
        """Whether the forecasts are the same for all that can be read off four decimals."""
        return max(abs(self.low), abs(self.high), abs(self.mean)) < EQUAL

    @property
    def significant(self) -> bool:
        """Whether it is called a difference."""
        if self.decided is not None:
            return self.decided in (BETTER, WORSE)
        return self.p_value < SIGNIFICANT and not self.equal

    @property
    def outcome(self) -> str:
        """win, tie or loss, from our side."""
        if not self.significant:
            return "tie"
        return "win" if self.mean < 0 else "loss"

    @property
    def verdict(self) -> str:
        """In words: as decided elsewhere, else at the 5 % level of the Diebold-Mariano test."""
        if self.decided is not None:
            return self.decided
        if self.equal:
            return "equal to four decimals"
        if not self.significant:
            return "no significant difference"
        return "we are better" if self.mean < 0 else "WE ARE WORSE"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of every model and paired differences of ours to each baseline."""

    ours: str
    tried: int
    backtest: Backtest
    scores: tuple[ScoreRow, ...]
    differences: tuple[Difference, ...]
    note: str = ""

    def difference(self, score: str, baseline: str) -> Difference:
        """The paired difference of one score to one baseline."""
        return next(d for d in self.differences if d.score == score and d.baseline == baseline)

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return markup(self)


def significantly(differences: Sequence[Difference], test: Callable[[Difference], bool]) -> list[Difference]:
    """The significant differences that satisfy a test."""
    return [d for d in differences if d.significant and test(d)]


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in (head, *rows)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}"


def verdict(comparison: Comparison) -> str:
    """One paragraph that says who wins, also when we lose or tie."""
    worse = significantly(comparison.differences, lambda d: d.mean > 0)
    better = significantly(comparison.differences, lambda d: d.mean < 0)
    tied = [d for d in comparison.differences if d not in worse and d not in better]

    def names(group: list[Difference]) -> str:
        return ", ".join(f"{d.baseline} ({d.score})" for d in group) or "none"

    return (
        f"significantly better than: {names(better)}\nno significant difference to: {names(tied)}\nsignificantly WORSE than: {names(worse)}"
    )


def heading(comparison: Comparison) -> list[str]:
    """What was compared on which rows."""
    test, protocol = comparison.backtest, comparison.backtest.protocol
    span = f", {str(test.index[0])[:10]} to {str(test.index[-1])[:10]}" if test.index is not None else ""
    window = "expanding window" if protocol.window is None else f"window of {protocol.window} rows"
    return [
        f"Held-out comparison on {protocol.name} ({protocol.label} data): {len(test.y)} one-step-ahead forecasts{span}",
        f"refit every {protocol.refit} rows, {window}, the same dates for all; {comparison.tried} models were tried on this window",
        *([comparison.note] if comparison.note else []),
        *(f"not compared: {name}: {reason}" for name, reason in test.skipped.items()),
    ]


def text(comparison: Comparison) -> str:
    """Plain text, for terminals."""
    realized = not math.isnan(comparison.scores[0].realized_qlike)
    returns = not math.isnan(comparison.scores[0].qlike)
    first = ["QLIKE"] if returns else []
    head = ["model", *first, "MSE", "NLL", *(["RV-QLIKE"] if realized else []), "below 1%", "p", "below 5%", "p", "seconds"]
    rows = [
        [
            r.model, *([f"{r.qlike:.4f}"] if returns else []), f"{r.mse:.3f}", f"{r.nll:.4f}",
            *([f"{r.realized_qlike:.4f}"] if realized else []),
            f"{100 * r.below_1:.2f} %", _p(r.kupiec_1), f"{100 * r.below_5:.2f} %", _p(r.kupiec_5), f"{r.seconds:.1f}",
        ]
        for r in comparison.scores
    ]  # fmt: skip
    paired = [
        [f"{d.score} - {d.baseline}", f"{d.mean:+.4f}", f"{d.low:+.4f} .. {d.high:+.4f}", _p(d.p_value), d.verdict]
        for d in comparison.differences
    ]
    return "\n".join(
        [
            *heading(comparison),
            "",
            f"Scores (context{'; in percent units' if returns else ''}; p of Kupiec's test of the exceedance rate)",
            _table(head, rows),
            "",
            f"Paired differences: {comparison.ours} minus baseline",
            "(negative = ours is better; 95 % block-bootstrap interval; p of Diebold-Mariano)",
            _table(["difference", "mean", "95% interval", "p", "verdict"], paired),
            "",
            verdict(comparison),
        ]
    )


def markup(comparison: Comparison) -> str:
    """HTML, for notebooks."""
    cells = (
        (d.score, html.escape(d.baseline), f"{d.mean:+.4f}", f"{d.low:+.4f} .. {d.high:+.4f}", _p(d.p_value), d.verdict)
        for d in comparison.differences
    )
    rows = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in cells)
    top = "<br>".join(html.escape(line) for line in heading(comparison))
    head = "<tr><th>score</th><th>baseline</th><th>mean difference</th><th>95 % interval</th><th>p</th><th>verdict</th></tr>"
    end = html.escape(verdict(comparison)).replace("\n", "<br>")
    return f"<table class='seqsci'><caption>{top}</caption><thead>{head}</thead><tbody>{rows}</tbody></table><p>{end}</p>"
