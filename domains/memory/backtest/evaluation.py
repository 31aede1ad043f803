"""Comparisons of recall predictors: scores as context, paired differences in log loss with intervals, and what they decide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.memory.backtest.bins import bin_codes, rmse_bins
from seqsci.domains.memory.backtest.comparison_text import text
from seqsci.domains.memory.backtest.protocol import RecallBacktest
from seqsci.errors import DataError, explain
from seqsci.evaluate.binary_scores import auc, log_loss
from seqsci.evaluate.calibration import CalibrationLine, Reliability, calibration_line, expected_calibration_error, reliability
from seqsci.evaluate.equivalence import clustered_mean, codes_of, equivalent, jackknife_mean
from seqsci.evaluate.joint_bootstrap import Estimate

Array = npt.NDArray[np.float64]
MARGIN = 0.003
"""Differences in log loss below it are of no matter: about the half-width of the published table's own 99 % intervals."""
LEVEL = 0.95
SIDES = 0.90
"""Level of the interval that two one-sided tests at 5 % ask for."""
ONLINE = "online: not ranked with schedulers"


def user_scores(test: RecallBacktest, name: str) -> pd.DataFrame:
    """Scores of one predictor by user: rows, log_loss, rmse_bins, auc (not a number where a user recalled all or nothing)."""
    found = []
    for user, rows in test.predictions.groupby("user", sort=False):
        y, p = rows["y"].to_numpy(float), rows[name].to_numpy(float)
        bins = rmse_bins(y, p, bin_codes(test.context.loc[rows.index]))
        found.append((user, len(rows), float(log_loss(y, p).mean()), bins, auc(y, p)))
    return pd.DataFrame(found, columns=["user", "rows", "log_loss", "rmse_bins", "auc"]).set_index("user")


@dataclass(frozen=True)
class RecallScores:
    """Scores of one predictor: context, not a claim.

    Attributes:
        weighted: by score, the mean over users weighted by rows; mean: by score, the plain mean over users.
        calibration_error: expected calibration error over all rows, in ten groups.
        line: calibration line over all rows, intervals clustered by card and day; None where there is none (one single forecast).
    """

    model: str
    online: bool
    parameters: int
    weighted: Mapping[str, float]
    mean: Mapping[str, float]
    calibration_error: float
    line: CalibrationLine | None
    seconds: float


@dataclass(frozen=True)
class Claim:
    """A mean difference in log loss with its 95 % interval, and the 90 % interval of the two one-sided tests of equivalence."""

    estimate: Estimate
    sides: Estimate

    def reversed(self) -> Claim:
        """The same difference from the other side."""
        estimate, sides = (Estimate(-e.value, -e.high, -e.low) for e in (self.estimate, self.sides))
        return Claim(estimate, sides)

    def verdict(self, margin: float) -> str:
        """Equivalent, better, worse or not decided; a difference that is there but within the margin is equivalent."""
        if equivalent(self.sides, margin):
            return f"equivalent within {margin:g}"
        if self.estimate.low <= 0.0 <= self.estimate.high:
            return "not decided"
        return "better" if self.estimate.high < 0.0 else "worse"


@dataclass(frozen=True)
class RecallDifference:
    """Log loss of a predictor minus that of the reference on the same rows; negative = the predictor is better.

    Attributes:
        here: mean over rows; about more reviews of these same users (cards and days are drawn anew: two-way clustering).
        beyond: the same mean; about other users (users are drawn anew: jackknife, of ``freedom`` degrees of freedom). Cards and days lie
            within users, so this is clustering by user, card and day at once. None for a single user.
        per_user: plain mean over users; about other users (t interval).
        won: users on whom the predictor's log loss is below the reference's, of ``users``.
    """

    model: str
    here: Claim
    beyond: Claim | None
    freedom: float
    per_user: Claim | None
    won: int
    users: int

    @property
    def widest(self) -> Claim:
        """The claim about rows with the widest interval: the one that a statement without a named population has to stand on."""
        claims = [self.here] + ([] if self.beyond is None else [self.beyond])
        return max(claims, key=lambda c: c.sides.high - c.sides.low)


@dataclass(frozen=True, eq=False)
class RecallComparison:
    """Scores of all predictors; differences of the schedulers to a reference; those of online predictors apart."""

    reference: str
    tried: int
    margin: float
    backtest: RecallBacktest
    scores: tuple[RecallScores, ...]
    differences: tuple[RecallDifference, ...]
    online: tuple[RecallDifference, ...]
    note: str = ""

    def score(self, model: str) -> RecallScores:
        """The scores of one predictor."""
        return next(s for s in self.scores if s.model == model)

    def difference(self, model: str) -> RecallDifference:
        """The difference of one predictor to the reference."""
        return next(d for d in (*self.differences, *self.online) if d.model == model)

    def verdict(self, model: str) -> str:
        """What the widest interval decides, for any users; an online predictor is not ranked."""
        found = self.difference(model)
        return ONLINE if found in self.online else found.widest.verdict(self.margin)

    def to_frame(self) -> pd.DataFrame:
        """One row a predictor: scores, then the difference to the reference and its intervals (absent for the reference)."""
        rows = []
        for s in self.scores:
            row: dict[str, object] = {"model": s.model, "online": s.online, "parameters": s.parameters}
            row |= {f"weighted_{k}": v for k, v in s.weighted.items()} | {f"mean_{k}": v for k, v in s.mean.items()}
            row |= {"calibration_error": s.calibration_error, "seconds": s.seconds}
            for d in (*self.differences, *self.online):
                if d.model == s.model:
                    row |= {"difference": d.here.estimate.value, "users_won": d.won, "verdict": self.verdict(s.model)}
                    for name, claim in (("here", d.here), ("beyond", d.beyond), ("per_user", d.per_user)):
                        if claim is not None:
                            row |= {f"{name}_low": claim.estimate.low, f"{name}_high": claim.estimate.high}
            rows.append(row)
        return pd.DataFrame(rows).set_index("model")

    def to_json(self) -> str:
        """Everything but the rows, as JSON; numbers that are not there are null."""
        test = self.backtest
        table = {
            "reference": self.reference,
            "tried": self.tried,
            "margin": self.margin,
            "label": test.rules.label,
            "exact": test.rules.exact,
            "outliers": type(test.rules.outliers).__name__,
            "dropped": test.dropped,
            "rows": len(test.predictions),
            "users": len(test.users),
            "too_short": list(test.too_short),
            "skipped": dict(test.skipped),
            "scores": [asdict(s) for s in self.scores],
            "differences": [asdict(d) | {"verdict": self.verdict(d.model)} for d in (*self.differences, *self.online)],
        }
        return json.dumps(_without_nan(table), indent=1)

    def __str__(self) -> str:
        return text(self)


def compare(test: RecallBacktest, reference: str, tried: int, margin: float = MARGIN, note: str = "") -> RecallComparison:
    """Compare every predictor of a backtest with a reference, by log loss.

    Args:
        test: the backtest.
        reference: name of the predictor that the others are compared with; not an online one.
        tried: how many models were tried on these rows in all, baselines included.
        margin: of equivalence (nats), set before the rows were looked at.
        note: what else a reader must know, printed above the tables.

    Raises: DataError for a reference that is not among the predictors or is online.
    """
    if reference not in test.ran or test.ran[reference].online:
        offline = [n for n, r in test.ran.items() if not r.online]
        raise DataError(explain("not a reference for schedulers", reference, f"one of {', '.join(offline)}", "choose one of them"))
    differences = {name: difference(test, name, reference) for name in test.ran if name != reference}
    schedulers = tuple(d for n, d in differences.items() if not test.ran[n].online)
    online = tuple(d for n, d in differences.items() if test.ran[n].online)
    return RecallComparison(reference, tried, margin, test, tuple(scores(test, n) for n in test.ran), schedulers, online, note)


def calibration(test: RecallBacktest, name: str, groups: int = 10) -> tuple[Reliability, ...]:
    """The reliability table of one predictor over all users' rows."""
    return reliability(test.predictions["y"].to_numpy(float), test.predictions[name].to_numpy(float), groups)


def scores(test: RecallBacktest, name: str) -> RecallScores:
    """The scores of one predictor."""
    table, kinds = user_scores(test, name), ["log_loss", "rmse_bins", "auc"]
    weighted = {k: float(np.average(table[k].dropna(), weights=table["rows"][table[k].notna()])) for k in kinds if table[k].notna().any()}
    mean = {k: float(table[k].mean()) for k in kinds}
    y, p = (test.predictions[c].to_numpy(float) for c in ("y", name))
    try:
        line = calibration_line(y, p, _clusters(test))
    except DataError:
        line = None
    ran = test.ran[name]
    error = expected_calibration_error(calibration(test, name))
    return RecallScores(name, ran.online, ran.parameters, weighted, mean, error, line, ran.seconds)


def difference(test: RecallBacktest, model: str, reference: str) -> RecallDifference:
    """The paired difference in log loss of one predictor to another."""
    y = test.predictions["y"].to_numpy(float)
    d = log_loss(y, test.predictions[model].to_numpy(float)) - log_loss(y, test.predictions[reference].to_numpy(float))
    user = codes_of(test.predictions["user"].to_numpy())
    rows = np.bincount(user)
    means = np.bincount(user, d) / rows
    here = Claim(*(clustered_mean(d, _clusters(test), level) for level in (LEVEL, SIDES)))
    beyond = per_user = None
    freedom = 0.0
    if rows.size > 1:
        wide, sides = (jackknife_mean(means, rows, level) for level in (LEVEL, SIDES))
        beyond, freedom = Claim(wide.estimate, sides.estimate), wide.freedom
        per_user = Claim(*(jackknife_mean(means, None, level).estimate for level in (LEVEL, SIDES)))
    return RecallDifference(model, here, beyond, freedom, per_user, int((means < 0.0).sum()), rows.size)


def _clusters(test: RecallBacktest) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cards and study days, both within users."""
    user = test.predictions["user"].to_numpy()
    return codes_of(user, test.predictions["card_id"].to_numpy()), codes_of(user, test.context["day"].to_numpy())


def _without_nan(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
