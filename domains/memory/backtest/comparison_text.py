"""The text of a comparison of recall predictors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from seqsci.estimation.prior_rule import HELD_OUT
from seqsci.evaluate.comparison import _table
from seqsci.evaluate.joint_bootstrap import Estimate

if TYPE_CHECKING:
    from seqsci.domains.memory.backtest.evaluation import Claim, RecallComparison, RecallDifference
    from seqsci.domains.memory.backtest.protocol import RecallBacktest


def heading(comparison: RecallComparison) -> list[str]:
    """What was compared on which rows."""
    test = comparison.backtest
    users = test.predictions.groupby("user", sort=False).size()
    largest = users.max() / users.sum()
    whose = "one user" if len(users) == 1 else f"{len(users)} users (the largest has {largest:.0%} of the rows)"
    rules, days = test.rules, "fractional days" if test.rules.exact else "whole days"
    return [
        f"Held-out comparison of recall ({rules.label} data): {len(test.predictions):,} reviews of {whose}, {days}",
        f"{rules.split.folds} folds in order of time, expanding training window, refitted per fold, the same rows for all; "
        f"{comparison.tried} models were tried on these rows",
        f"rows chosen by {type(rules.outliers).__name__}, which dropped {test.dropped:,} of the scored reviews",
        *_rules(test),
        *([comparison.note] if comparison.note else []),
        *([f"left out, too few reviews: {', '.join(str(u) for u in test.too_short)}"] if test.too_short else []),
        *(f"not compared: {name}: {reason}" for name, reason in test.skipped.items()),
    ]


def _rules(test: RecallBacktest) -> list[str]:
    """Which rule chose between fits and their defaults, how often it kept these, and who read whole days in a table of fractional ones."""
    lines, counts = [], []
    for name, ran in test.ran.items():
        chosen = [kept for folds in ran.default_kept.values() for kept in folds if kept is not None]
        if chosen:
            counts.append(f"{name}: {sum(1 for kept in chosen if kept)} of {len(chosen)}")
    if counts:
        lines += [
            f"one rule for every fit that has a prior or a default: it is kept where the fit to the training reviews before the last "
            f"{HELD_OUT:.0%} in time forecasts these worse",
            f"prior or default kept, of all folds: {'; '.join(counts)}",
        ]
    whole = [name for name, ran in test.ran.items() if ran.whole_days]
    if test.rules.exact and whole:
        lines.append(f"fitted and forecast on whole days all the same: {'; '.join(whole)}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _several(comparison: RecallComparison) -> bool:
    return len(comparison.backtest.users) > 1


def _scores(comparison: RecallComparison) -> str:
    kinds = {"log_loss": "log loss", "rmse_bins": "RMSE(bins)", "auc": "AUC"}
    several = _several(comparison)
    head = ["model", "online", "parameters", *(f"w {k}" if several else k for k in kinds.values())]
    head += [f"m {k}" for k in kinds.values()] if several else []
    head += ["ECE", "slope", "intercept", "seconds"]
    rows = []
    for s in comparison.scores:
        values = [_number(s.weighted.get(k)) for k in kinds] + ([_number(s.mean.get(k)) for k in kinds] if several else [])
        values.append(_number(s.calibration_error))
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
    if not _several(comparison):
        alone = [[d.model, f"{d.here.estimate.value:+.4f}", *_pair(d.here, comparison.margin)] for d in some]
        return _table(["model", "mean", "interval", "decides"], alone)
    head = ["model", "rows' mean", "same users", "decides", "other users", "decides", "users' mean", "other users", "decides", "won"]
    rows = []
    for d in some:
        mean = "-" if d.per_user is None else f"{d.per_user.estimate.value:+.4f}"
        first = [*_pair(d.here, comparison.margin), *_pair(d.beyond, comparison.margin)]
        row = [f"{d.here.estimate.value:+.4f}", *first, mean, *_pair(d.per_user, comparison.margin)]
        rows.append([d.model, *row, f"{d.won}/{d.users}"])
    return _table(head, rows)


def _online(comparison: RecallComparison) -> str:
    if not _several(comparison):
        alone = [[d.model, f"{d.here.estimate.value:+.4f}", _ends(d.here.estimate)] for d in comparison.online]
        return _table(["model", "mean", "interval"], alone)
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
    for title, claim_of in populations if _several(comparison) else populations[:1]:
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
        "Scores (context; "
        + ("w: weighted by rows, m: mean over users; " if _several(comparison) else "")
        + "slope and intercept of the calibration line, intercept at slope 1)",
        _scores(comparison),
    ]
    if comparison.differences:
        clusters = "clustered by card and day; says nothing of other users"
        if _several(comparison):
            freedom = f"(jackknife, {comparison.differences[0].freedom:.1f} degrees of freedom)"
            clusters = f"same users: {clusters}; other users: clustered by user, so by card and day as well {freedom}"
        parts += [
            "",
            f"Paired differences in log loss: model minus {comparison.reference} (negative = the model is better; 95 % intervals; "
            f"equivalent: the 90 % interval lies within +-{comparison.margin:g})",
            clusters,
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
