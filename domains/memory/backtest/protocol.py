"""Backtests of recall: every predictor is refitted at the same cuts in time of each user and forecasts the same reviews."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.memory.backtest.bins import exposure
from seqsci.domains.memory.backtest.folds import Split, folds, tested_rows
from seqsci.domains.memory.backtest.outliers import OptimizerOutliers, OutlierRule
from seqsci.errors import DataError, SeqsciError, explain

Array = npt.NDArray[np.float64]
COLUMNS = (
    "user",
    "card_id",
    "review_time",
    "grade",
    "recalled",
    "day",
    "review",
    "elapsed_days",
    "elapsed_days_exact",
    "same_day",
    "scored",
)
"""Columns of a review frame that a backtest reads itself."""


class FittedRecall(ABC):
    """Parameters fitted to one user's training rows."""

    @abstractmethod
    def predict(self, rows: pd.DataFrame) -> Array:
        """Probability of recall of every row; NaN for first reviews. That of a row uses only what came before it.

        Args:
            rows: the user's whole history up to the rows wanted, training rows included, so that states can be replayed.
        """

    def values(self) -> Mapping[str, float]:
        """Fitted numbers by name, for the benchmark's result files; empty where there are none."""
        return {}

    def default_kept(self) -> str | None:
        """Why a default or a prior was kept instead of the fit; empty where the fit was taken, None where no such rule chose."""
        return None


class RecallPredictor(ABC):
    """A model of recall, of ours or a baseline."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Distinct name, for tables."""

    @property
    def online(self) -> bool:
        """Whether a forecast reads outcomes of other cards up to the row before: of no use for planning weeks ahead."""
        return False

    @property
    def whole_days(self) -> bool:
        """Whether it reads whole study days even where fractional ones are handed to it."""
        return False

    @property
    @abstractmethod
    def parameters(self) -> int:
        """How many numbers are fitted to a user."""

    @abstractmethod
    def fit(self, train: pd.DataFrame) -> FittedRecall:
        """Fit to one user's rows before a cut in time; rows with ``scored`` 0 move states but are not fitted to.

        Args:
            train: rows of a review frame, sorted by user, card_id, review_time.
        """

    def given_others(self, others: pd.DataFrame) -> RecallPredictor:
        """The predictor with a prior learned from other users' rows: a leave-one-user-out prior. By default, itself.

        Args:
            others: all rows of all other users; the user who is predicted next has none in it.
        """
        return self


@dataclass(frozen=True, eq=False)
class Ran:
    """What is known of a predictor that was run.

    Attributes:
        seconds: wall time of its fits and forecasts, priors included.
        values: by user, the numbers fitted for the last fold.
        default_kept: by user, of each fold, what `FittedRecall.default_kept` says.
    """

    online: bool
    whole_days: bool
    parameters: int
    seconds: float
    values: Mapping[object, Mapping[str, float]]
    default_kept: Mapping[object, tuple[str | None, ...]]


@dataclass(frozen=True)
class Rules:
    """How rows were chosen and shown.

    Attributes:
        split: the folds of each user.
        outliers: which rows lose their score.
        exact: whether predictors saw fractional days.
        label: "development" (looked at while the models were made) or "confirmation" (not looked at before).
    """

    split: Split = Split()
    outliers: OutlierRule = OptimizerOutliers()
    exact: bool = False
    label: str = "development"


@dataclass(frozen=True, eq=False)
class RecallBacktest:
    """Forecasts of all predictors on the same rows.

    Attributes:
        predictions: user, card_id, review_time, fold, y (1 = recalled) and one column a predictor; labels are those of the review frame.
        context: on the same rows, the study ``day`` and what the bins are made of (`seqsci.domains.memory.backtest.bins.exposure`).
        ran: by predictor; skipped: predictors that refused the data (not the first one, whose errors are raised), with the reason.
        rules: how rows were chosen and shown.
        users: who was tested; too_short: users with too few scored rows for the folds.
        dropped: scored rows of the users tested that the rule for outliers left out, in training and test together.
    """

    predictions: pd.DataFrame
    context: pd.DataFrame
    ran: Mapping[str, Ran]
    skipped: Mapping[str, str]
    rules: Rules
    users: tuple[object, ...] = ()
    too_short: tuple[object, ...] = ()
    dropped: int = 0


def run(
    predictors: Sequence[RecallPredictor],
    reviews: pd.DataFrame,
    split: Split | None = None,
    outliers: OutlierRule | None = None,
    exact: bool = False,
    label: str = "development",
    n_jobs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> RecallBacktest:
    """Run every predictor over every user: refit per fold on all rows before the fold's first test row, forecast the fold.

    A predictor other than the first that refuses the data of any user is left out of the whole backtest, with its reason, so that all
    are compared on the same rows.

    Args:
        predictors: with distinct names.
        reviews: a review frame; rows with ``scored`` 0 are never tested.
        split: by default five folds; outliers: by default the published benchmark's rule.
        exact: hand the fractional ``elapsed_days_exact`` to the predictors in the column ``elapsed_days``. Rows and bins stay those of
            whole days.
        label: "development" or "confirmation".
        n_jobs: processes; the result does not depend on it.
        progress: told each predictor and user.
    """
    rules = Rules(split or Split(), outliers or OptimizerOutliers(), exact, label)
    split, outliers = rules.split, rules.outliers
    _check(predictors, reviews, label)
    shown = exposure(reviews)
    scored = reviews["scored"].to_numpy() == 1
    for places in reviews.groupby("user", sort=False).indices.values():
        scored[places] &= ~outliers.anywhere(reviews.iloc[places])
    gone = (reviews["scored"] == 1) & ~scored
    reviews = reviews.assign(scored=scored.astype(int))
    if exact:
        reviews["elapsed_days"] = reviews["elapsed_days_exact"]
    logs = dict(tuple(reviews.groupby("user", sort=False)))
    enough = {user: int(rows["scored"].sum()) > split.folds for user, rows in logs.items()}
    names, too_short = tuple(u for u in logs if enough[u]), tuple(u for u in logs if not enough[u])
    if not names:
        got = f"at most {max((int(rows['scored'].sum()) for rows in logs.values()), default=0)} scored rows a user"
        raise DataError(explain("no user has enough reviews", got, f"at least {split.folds + 1}", "pass longer logs, or fewer folds"))
    tested = [logs[user].iloc[places].assign(fold=k) for user in names for k, places in enumerate(tested_rows(logs[user], split))]
    predictions = pd.concat(tested)[["user", "card_id", "review_time", "fold", "recalled"]].rename(columns={"recalled": "y"})
    ran, skipped = {}, {}
    for predictor in predictors:
        try:
            column, ran[predictor.name] = _everyone(predictor, reviews, {u: logs[u] for u in names}, rules, n_jobs, progress)
        except SeqsciError as error:
            if predictor is predictors[0]:
                raise
            skipped[predictor.name] = str(error).splitlines()[0]
            continue
        predictions[predictor.name] = column.loc[predictions.index]
    context = shown.loc[predictions.index].assign(day=reviews.loc[predictions.index, "day"])
    dropped = int(gone[reviews["user"].isin(names)].sum())
    return RecallBacktest(predictions, context, ran, skipped, rules, names, too_short, dropped)


def _check(predictors: Sequence[RecallPredictor], reviews: pd.DataFrame, label: str) -> None:
    names, faults = [p.name for p in predictors], []
    missing = [c for c in COLUMNS if c not in reviews.columns]
    if missing:
        faults.append(explain("not a review frame", f"no column {', '.join(missing)}", "the frame of Reviews", "pass Reviews.frame"))
    elif not reviews.index.is_unique or not reviews[["user", "card_id", "review_time"]].equals(
        reviews[["user", "card_id", "review_time"]].sort_values(["user", "card_id", "review_time"], kind="stable")
    ):
        faults.append(
            explain("rows of a review frame are not in order", "mixed rows", "distinct labels; by user, card_id, review_time", "sort them")
        )
    if not names or len(set(names)) < len(names):
        faults.append(explain("predictors need distinct names", names, "at least one, all distinct", "rename one"))
    if taken := sorted({"user", "card_id", "review_time", "fold", "y"} & set(names)):
        faults.append(explain("the name of a predictor is that of a column", taken, "another name", "rename it"))
    if label not in ("development", "confirmation"):
        faults.append(explain("label of the rows is not known", label, "development or confirmation", "pass one of them"))
    if faults:
        raise DataError("\n".join(faults))


def _everyone(
    predictor: RecallPredictor,
    reviews: pd.DataFrame,
    logs: Mapping[object, pd.DataFrame],
    rules: Rules,
    n_jobs: int,
    progress: Callable[[str], None] | None,
) -> tuple[pd.Series, Ran]:
    """Forecasts of one predictor for all users."""
    from joblib import Parallel, delayed

    work = delayed(_user)
    users = sorted(logs, key=lambda u: -len(logs[u]))  # the longest first, so that none is waited for at the end
    learns = type(predictor).given_others is not RecallPredictor.given_others

    def tasks() -> Iterator[object]:
        for user in users:
            if progress is not None:
                progress(f"{predictor.name}: user {user}")
            others = reviews[reviews["user"] != user] if learns else None
            yield work(predictor, others, logs[user], rules)

    done = Parallel(n_jobs=n_jobs)(tasks())
    column = pd.concat([d[0] for d in done])
    found = dict(zip(users, done, strict=True))
    values, kept = {u: found[u][1] for u in logs}, {u: found[u][3] for u in logs}
    return column, Ran(predictor.online, predictor.whole_days, predictor.parameters, sum(d[2] for d in done), values, kept)


def _user(
    predictor: RecallPredictor, others: pd.DataFrame | None, rows: pd.DataFrame, rules: Rules
) -> tuple[pd.Series, Mapping[str, float], float, tuple[str | None, ...]]:
    """Forecasts of one predictor for one user, the numbers fitted last, the seconds it took, and of each fold why a default was kept."""
    clock = time.perf_counter()
    where = f"{predictor.name}: user {rows['user'].iloc[0]}"
    parts, values, kept = [], dict[str, float](), list[str | None]()
    try:
        ready = predictor if others is None else predictor.given_others(others)
        for train, history, tested in folds(rows, rules.split, rules.outliers):
            fitted = ready.fit(train)
            p = np.asarray(fitted.predict(history), float)
            if p.shape != (len(history),):
                raise DataError(explain("forecasts are not one a row", p.shape, (len(history),), "correct the predictor"))
            wanted = pd.Series(p, index=history.index).loc[tested]
            bad = ~((wanted >= 0.0) & (wanted <= 1.0))
            if bad.any():
                got = f"{int(bad.sum())} of {len(wanted)} forecasts, such as {wanted[bad].iloc[0]:g}"
                raise DataError(explain("not a probability", got, "0 <= p <= 1 for every scored row", "correct the predictor"))
            parts.append(wanted)
            values = dict(fitted.values())
            kept.append(fitted.default_kept())
    except SeqsciError as error:
        raise DataError(f"{where}: {error}") from error
    return pd.concat(parts), values, time.perf_counter() - clock, tuple(kept)
