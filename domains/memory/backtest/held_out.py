"""The held-out comparison of a run: our cell beside the baselines on the folds in time of one user."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from seqsci.domains.memory.backtest.evaluation import RecallComparison, RecallDifference, compare
from seqsci.domains.memory.backtest.outliers import OutlierRule
from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor, run
from seqsci.errors import SeqsciError
from seqsci.evaluate.comparison import BETTER, WORSE, Difference


@dataclass(frozen=True)
class RecallScoreRow:
    """Scores of one model on all test reviews: context, not a claim."""

    model: str
    log_loss: float
    rmse_bins: float
    auc: float
    calibration_error: float
    online: int
    parameters: int
    seconds: float


@dataclass(frozen=True, eq=False)
class HeldOutRecall:
    """A comparison of recall as a run keeps it: rows of scores, and differences of ours to each baseline."""

    scores: tuple[RecallScoreRow, ...]
    differences: tuple[Difference, ...]
    comparison: RecallComparison

    def __str__(self) -> str:
        return str(self.comparison)


@dataclass(frozen=True, eq=False)
class Prepared(RecallPredictor):
    """A predictor that has seen the other users already."""

    inner: RecallPredictor
    stated: str

    @property
    def name(self) -> str:
        return self.stated

    @property
    def online(self) -> bool:
        return self.inner.online

    @property
    def whole_days(self) -> bool:
        return self.inner.whole_days

    @property
    def parameters(self) -> int:
        return self.inner.parameters

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return self.inner.fit(train)


def held_out(
    predictors: Sequence[RecallPredictor],
    reviews: pd.DataFrame,
    others: pd.DataFrame,
    exact: bool,
    label: str,
    tried_before: int,
    progress: Callable[[str], None] | None,
    outliers: OutlierRule | None = None,
) -> HeldOutRecall:
    """Run all predictors on one user's reviews and compare the first with each of the others.

    One that refuses the other users, or the user, is left out with its reason (not the first, whose errors are raised). Online predictors
    have scores and no difference: they are not ranked. What a difference says is what the claim of the comparison's text says.

    Args:
        predictors: ours first; where there are other users, those that learn from them do so before.
        reviews: of one user.
        others: rows of the other users, possibly none.
        exact: fractional days.
        label: "development" or "confirmation".
        tried_before: models that were looked at on these rows earlier.
        progress: told each predictor.
        outliers: by default the published benchmark's rule.
    """
    seen = others.assign(elapsed_days=others["elapsed_days_exact"]) if exact else others
    ready, refused = list[RecallPredictor](), dict[str, str]()
    for p in predictors:
        try:
            ready.append(Prepared(p.given_others(seen), p.name) if len(others) else p)
        except SeqsciError as error:
            if p is predictors[0]:
                raise
            refused[p.name] = f"the other users: {str(error).splitlines()[0]}"
    test = run(ready, reviews, outliers=outliers, exact=exact, label=label, progress=progress)
    test = replace(test, skipped={**refused, **test.skipped})
    found = compare(test, ready[0].name, len(test.ran) + tried_before)
    rows = tuple(
        RecallScoreRow(
            s.model,
            s.weighted["log_loss"],
            s.weighted["rmse_bins"],
            s.weighted.get("auc", math.nan),
            s.calibration_error,
            int(s.online),
            s.parameters,
            s.seconds,
        )
        for s in found.scores
    )
    return HeldOutRecall(rows, tuple(_ours_minus(d, found.margin) for d in found.differences), found)


def _ours_minus(d: RecallDifference, margin: float) -> Difference:
    """The difference from our side, with the p-value that belongs to its interval and the verdict of the claim."""
    ours = d.here.reversed()
    verdict, e = ours.verdict(margin), ours.estimate
    error = (e.high - e.low) / (2 * 1.959964)
    p = math.erfc(abs(e.value) / error / math.sqrt(2)) if error > 0 else float(e.value == 0)
    return Difference("log loss", d.model, e.value, e.low, e.high, p, {"better": BETTER, "worse": WORSE}.get(verdict, verdict))
