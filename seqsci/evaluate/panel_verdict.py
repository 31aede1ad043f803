"""The result of a comparison over many series, and its text and HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from seqsci.evaluate.comparison import EQUAL, _table
from seqsci.evaluate.confidence_set import ConfidenceSet
from seqsci.evaluate.joint_bootstrap import Estimate
from seqsci.evaluate.panel_backtest import PanelBacktest


def verdict_of(estimate: Estimate) -> str:
    """What an interval of ours minus a baseline says, in the words of `seqsci.evaluate.comparison.Difference.verdict`."""
    if max(abs(estimate.low), abs(estimate.high), abs(estimate.value)) < EQUAL:
        return "equal to four decimals"
    if estimate.low <= 0.0 <= estimate.high:
        return "no significant difference"
    return "we are better" if estimate.high < 0.0 else "WE ARE WORSE"


@dataclass(frozen=True)
class PanelScores:
    """Scores of one model: context, not a claim. In percent units for returns.

    Attributes:
        mean: by score, over all rows; median: by score, over the series' means.
        below: by level, the share of outcomes below that quantile.
        seconds: wall time of its fits and forecasts; failed: series that it could not forecast.
    """

    model: str
    mean: Mapping[str, float]
    median: Mapping[str, float]
    below: Mapping[float, float]
    seconds: float
    failed: int


@dataclass(frozen=True)
class PanelDifference:
    """Our score minus a baseline's on the same rows; negative = we are better.

    Attributes:
        mean: over all rows; median: over the series' means; both with joint intervals of mean block length ``block`` (dates).
        series: how many; won: share of them whose mean is below zero by more than the fourth decimal.
        better, worse: series where the Diebold-Mariano test finds us better or worse at 5 %, with Holm's correction for all series.
    """

    score: str
    baseline: str
    mean: Estimate
    median: Estimate
    block: float
    series: int
    won: float
    better: int
    worse: int

    @property
    def outcome(self) -> str:
        """Say win where mean and median both are one, loss where either is, tie otherwise; from our side."""
        words = {verdict_of(self.median), verdict_of(self.mean)}
        if "WE ARE WORSE" in words:
            return "loss"
        return "win" if words == {"we are better"} else "tie"

    @property
    def verdict(self) -> str:
        """In words, by the joint intervals; where median and mean disagree, of both."""
        median, mean = verdict_of(self.median), verdict_of(self.mean)
        return median if median == mean else f"median: {median}; mean: {mean}"


@dataclass(frozen=True, eq=False)
class PanelComparison:
    """Scores of every model, paired differences of ours to each baseline, and the Model Confidence Set of all, per score."""

    ours: str
    tried: int
    backtest: PanelBacktest
    scores: tuple[PanelScores, ...]
    differences: tuple[PanelDifference, ...]
    confidence_sets: tuple[ConfidenceSet, ...]
    level: float
    dates: int

    def difference(self, score: str, baseline: str) -> PanelDifference:
        """The paired difference of one score to one baseline."""
        return next(d for d in self.differences if d.score == score and d.baseline == baseline)

    def confidence_set(self, score: str) -> ConfidenceSet:
        """The Model Confidence Set of one score."""
        return next(c for c in self.confidence_sets if c.score == score)

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return markup(self)


def verdict(comparison: PanelComparison) -> str:
    """One paragraph that says who wins, also when we lose or tie."""

    def names(outcome: str) -> str:
        return ", ".join(f"{d.baseline} ({d.score})" for d in comparison.differences if d.outcome == outcome) or "none"

    return (
        f"significantly better than, in mean and median: {names('win')}\nno significant difference to, or not in both: {names('tie')}\n"
        f"significantly WORSE than, in mean or median: {names('loss')}"
    )


def heading(comparison: PanelComparison) -> list[str]:
    """What was compared on which rows."""
    test, protocol = comparison.backtest, comparison.backtest.protocol
    window = "expanding window" if protocol.window is None else f"window of {protocol.window} rows"
    counts = test.failures["predictor"].value_counts()
    return [
        f"Held-out comparison over {len(test.series):,} series ({protocol.label} data): {len(test.y):,} one-step-ahead forecasts on "
        f"{comparison.dates:,} dates, {str(test.index.min())[:10]} to {str(test.index.max())[:10]}",
        f"forecast {protocol.start}, refit every {protocol.refit} rows, {window}, the same rows for all; "
        f"{comparison.tried} models were tried on these rows",
        f"not scored: {protocol.missing:,} rows without an outcome, {protocol.unscored:,} that some predictor could not forecast",
        *(f"not forecast by {name}: {count:,} series (see .backtest.failures)" for name, count in counts.items()),
        *(f"not compared: {name}: {reason}" for name, reason in test.skipped.items()),
    ]


def _scores(comparison: PanelComparison) -> tuple[list[str], list[list[str]]]:
    first = comparison.scores[0]
    head = ["model", *(c for s in first.mean for c in (s, f"{s} (median)")), *(f"below {100 * v:g}%" for v in first.below), "seconds"]
    rows = []
    for r in comparison.scores:
        numbers = [f"{v:.4f}" for s in r.mean for v in (r.mean[s], r.median[s])]
        rows.append([r.model, *numbers, *(f"{100 * share:.2f} %" for share in r.below.values()), f"{r.seconds:.1f}"])
    return head, rows


def _signed(estimate: Estimate) -> list[str]:
    return [f"{estimate.value:+.4f}", f"{estimate.low:+.4f} .. {estimate.high:+.4f}"]


def _differences(comparison: PanelComparison) -> tuple[list[str], list[list[str]]]:
    interval = f"{100 * comparison.level:g}% interval"
    head = ["difference", "median", interval, "mean", interval, "won", "better", "worse", "verdict"]
    rows = [
        [f"{d.score} - {d.baseline}", *_signed(d.median), *_signed(d.mean), f"{d.won:.0%}", str(d.better), str(d.worse), d.verdict]
        for d in comparison.differences
    ]
    return head, rows


def _sets(comparison: PanelComparison) -> tuple[list[str], list[list[str]]]:
    head = ["model", *(c.score for c in comparison.confidence_sets)]
    rows = [
        [r.model, *(f"{c.p_values[r.model]:.3f} {'in ' if r.model in c.included else 'out'}" for c in comparison.confidence_sets)]
        for r in comparison.scores
    ]
    return head, rows


def _notes(comparison: PanelComparison) -> tuple[str, str, str]:
    unit = " in percent units;" if comparison.backtest.returns else ""
    size = comparison.confidence_sets[0].size
    missing = comparison.tried - len(comparison.scores)
    return (
        f"Scores (context;{unit} mean over rows, and median over the series' means)",
        f"Paired differences: {comparison.ours} minus baseline (negative = ours is better); intervals by resampling blocks of dates, "
        "all series together;\nwon: share of the series; better, worse: series by Diebold-Mariano at 5 % with Holm's correction",
        f"Model Confidence Set at {100 * (1 - size):g} %: p-value, and whether the model is in it (Hansen, Lunde and Nason 2011)"
        + (f"; {missing} of the models tried are not among these" if missing > 0 else ""),
    )


def text(comparison: PanelComparison) -> str:
    """Plain text, for terminals."""
    parts = heading(comparison)
    for note, (head, rows) in zip(_notes(comparison), (_scores(comparison), _differences(comparison), _sets(comparison)), strict=True):
        if rows:
            parts += ["", note, _table(head, rows)]
    return "\n".join([*parts, "", verdict(comparison)])


def markup(comparison: PanelComparison) -> str:
    """HTML, for notebooks."""
    parts = []
    for note, (head, rows) in zip(_notes(comparison), (_scores(comparison), _differences(comparison), _sets(comparison)), strict=True):
        top = "".join(f"<th>{html.escape(c)}</th>" for c in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
        caption = html.escape(note)
        parts.append(
            f"<table class='seqsci'><caption>{caption}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        )
    top = "<br>".join(html.escape(line) for line in heading(comparison))
    end = html.escape(verdict(comparison)).replace("\n", "<br>")
    return f"<p>{top}</p>{''.join(parts)}<p>{end}</p>"
