"""The text of a comparison of recall predictors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from seqsci.evaluate.comparison import _table
from seqsci.evaluate.joint_bootstrap import Estimate

if TYPE_CHECKING:
    from seqsci.domains.memory.evaluation import Claim, RecallComparison, RecallDifference


def heading(comparison: RecallComparison) -> list[str]:
    """What was compared on which rows."""
    test = comparison.backtest
    users = test.predictions.groupby("user", sort=False).size()
    largest = users.max() / users.sum()
    days = "fractional days" if test.exact else "whole days"
    return [
        f"Held-out comparison of recall ({test.label} data): {len(test.predictions):,} reviews of {len(users)} users, {days}; "
        f"the largest user has {largest:.0%} of the rows",
        f"{test.split.folds} folds in order of time, expanding training window, refitted per fold, the same rows for all; "
        f"rows chosen by {type(test.outliers).__name__}; {comparison.tried} models were tried on these rows",
        *([comparison.note] if comparison.note else []),
        *([f"left out, too few reviews: {', '.join(str(u) for u in test.too_short)}"] if test.too_short else []),
        *(f"not compared: {name}: {reason}" for name, reason in test.skipped.items()),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _scores(comparison: RecallComparison) -> str:
    kinds = {"log_loss": "log loss", "rmse_bins": "RMSE(bins)", "auc": "AUC"}
    head = ["model", "online", "parameters", *(f"w {k}" for k in kinds.values()), *(f"m {k}" for k in kinds.values())]
    head += ["ECE", "slope", "intercept", "seconds"]
    rows = []
    for s in comparison.scores:
        values = [*(_number(s.weighted.get(k)) for k in kinds), *(_number(s.mean.get(k)) for k in kinds), _number(s.calibration_error)]
        line = ["-", "-"] if s.line is None else [_interval(s.line.slope, 2), _interval(s.line.in_the_large, 2)]
        rows.append([s.model, "online" if s.online else "", str(s.parameters), *values, *line, f"{s.seconds:.1f}"])
    return _table(head, rows)


def _interval(estimate: Estimate, digits: int = 4) -> str:
    sign = "+" if digits == 4 else ""
    return f"{estimate.value:{sign}.{digits}f} [{estimate.low:{sign}.{digits}f}, {estimate.high:{sign}.{digits}f}]"


def _ends(estimate: Estimate) -> str:
    return f"{estimate.low:+.4f} .. {estimate.high:+.4f}"


def _pair(claim: Claim | None, margin: float) -> list[str]:
    return ["-", "-"] if claim is None else [_ends(claim.estimate), claim.verdict(margin)]


def _differences(comparison: RecallComparison, some: tuple[RecallDifference, ...]) -> str:
    head = ["model", "rows' mean", "same users", "decides", "other users", "decides", "users' mean", "other users", "decides", "won"]
    rows = []
    for d in some:
        mean = "-" if d.per_user is None else f"{d.per_user.estimate.value:+.4f}"
        first = [*_pair(d.here, comparison.margin), *_pair(d.beyond, comparison.margin)]
        row = [f"{d.here.estimate.value:+.4f}", *first, mean, *_pair(d.per_user, comparison.margin)]
        rows.append([d.model, *row, f"{d.won}/{d.users}"])
    return _table(head, rows)


def _online(comparison: RecallComparison) -> str:
    rows = []
    for d in comparison.online:
        mean = "-" if d.per_user is None else f"{d.per_user.estimate.value:+.4f}"
        rows.append([d.model, f"{d.here.estimate.value:+.4f}", _ends(d.here.estimate), mean, f"{d.won}/{d.users}"])
    return _table(["model", "rows' mean", "same users", "users' mean", "won"], rows)


def verdict(comparison: RecallComparison) -> str:
    """Lines that say what is decided, about the same users and about others, also when the reference wins."""
    words = ("better", f"equivalent within {comparison.margin:g}", "worse", "not decided")
    populations: tuple[tuple[str, Callable[[RecallDifference], Claim | None]], ...] = (
        ("more reviews of these same users, weighted by rows", lambda d: d.here),
        ("other users, weighted by rows", lambda d: d.beyond),
        ("other users, each counting once", lambda d: d.per_user),
    )
    lines = [f"against {comparison.reference}, by log loss:"]
    for title, claim_of in populations:
        lines.append(f"  {title}")
        for word in words:
            claims = [(d.model, claim_of(d)) for d in comparison.differences]
            names = [m for m, c in claims if (c.verdict(comparison.margin) if c is not None else "not decided") == word]
            lines += [f"    {word + ':':<25}{'; '.join(names)}"] if names else []
    return "\n".join(lines)


def text(comparison: RecallComparison) -> str:
    """Plain text, for terminals."""
    parts = [
        *heading(comparison),
        "",
        "Scores (context; w: weighted by rows, m: mean over users; slope and intercept of the calibration line, intercept at slope 1)",
        _scores(comparison),
    ]
    if comparison.differences:
        freedom = comparison.differences[0].freedom
        parts += [
            "",
            f"Paired differences in log loss: model minus {comparison.reference} (negative = the model is better; 95 % intervals; "
            f"equivalent: the 90 % interval lies within +-{comparison.margin:g})",
            "same users: clustered by card and day, says nothing of others; other users: clustered by user, so by card and day as well "
            f"(jackknife, {freedom:.1f} degrees of freedom)",
            _differences(comparison, comparison.differences),
            "",
            verdict(comparison),
        ]
    if comparison.online:
        parts += [
            "",
            f"Online predictors minus {comparison.reference}: they read outcomes up to the row before and are not ranked with schedulers",
            _online(comparison),
        ]
    return "\n".join(parts)
