"""Recall of real reviews: the cell beside FSRS-6 and other baselines, and our scores beside fsrs-optimizer's. Last line: JSON.

python -m benchmarks.memory            whole and fractional days; every user against fsrs-optimizer
python -m benchmarks.memory --quick    whole days only; the largest user is not compared with fsrs-optimizer

Needs SEQSCI_DATA (a folder with memory/anki_6users_reviews.csv.gz); without it, or without fsrs-optimizer, the figures that need it are
absent.
Every number is about development data: all of these reviews were looked at while the models were made.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.memory.bins import bin_codes, exposure, rmse_bins
from seqsci.domains.memory.evaluation import compare
from seqsci.domains.memory.outliers import OptimizerOutliers
from seqsci.domains.memory.protocol import FittedRecall, RecallPredictor, run
from tests.memory_laws import six_users
from tests.optimizer_peer import VERSION, optimizer_rows

FILE = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "memory", "anki_6users_reviews.csv.gz")
TRIED_BEFORE = 20
"""About so many models were tried on these reviews before: the rows of the first study's table."""


@dataclass(frozen=True)
class Part:
    """What a part of the benchmark found: a text to print, and figures for the last line."""

    text: str
    figures: dict[str, float]


@dataclass(frozen=True)
class _FittedShare(FittedRecall):
    share: float

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.where(rows["review"].to_numpy() == 0, np.nan, self.share)


@dataclass(frozen=True)
class TrainingShare(RecallPredictor):
    """The share recalled in the training rows: the benchmark's AVG."""

    name: str = "AVG"
    parameters: int = 1

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return _FittedShare(float(train.loc[train["scored"] == 1, "recalled"].mean()))


def predictors() -> dict[str, RecallPredictor]:
    """All that are compared, by the key of their figures; with "cell" and "fsrs6" there is a figure of their equivalence."""
    return {"constant": TrainingShare()}


def accuracy(quick: bool) -> Part:
    """Every predictor on the same reviews of the six users."""
    if not FILE.is_file():
        return Part("the six users' reviews are not there (SEQSCI_DATA): no accuracy", {})
    reviews, entries = six_users(FILE), predictors()
    reference = entries.get("fsrs6", next(p for p in entries.values() if not p.online)).name
    texts, figures = [], {}
    for exact in (False,) if quick else (False, True):
        suffix = "_exact" if exact else ""
        ordered = sorted(entries.values(), key=lambda p: p.name != reference)  # the first one may not fail
        test = run(ordered, reviews, exact=exact)
        found = compare(test, reference, tried=len(test.ran) + TRIED_BEFORE)
        texts.append(str(found))
        for key, predictor in entries.items():
            if predictor.name in test.ran:
                scores = found.score(predictor.name)
                figures[f"wll_{key}{suffix}"], figures[f"mean_{key}{suffix}"] = scores.weighted["log_loss"], scores.mean["log_loss"]
                figures[f"auc_{key}{suffix}"] = scores.weighted["auc"]
        if "fsrs6" in entries and "cell" in entries and {entries["fsrs6"].name, entries["cell"].name} <= set(test.ran):
            d = found.difference(entries["cell"].name)
            claims = {"": d.widest, "_same_users": d.here, "_users_mean": d.per_user}
            for kind, claim in claims.items():
                if claim is not None:
                    figures[f"equivalence{kind}_low{suffix}"] = claim.sides.low
                    figures[f"equivalence{kind}_high{suffix}"] = claim.sides.high
            figures[f"cell_users_won{suffix}"] = float(d.won)
    return Part("\n\n".join(texts), figures)


def identity(quick: bool) -> Part:
    """Rows and RMSE(bins) beside fsrs-optimizer's own."""
    if not FILE.is_file() or importlib.util.find_spec("fsrs_optimizer") is None:
        return Part("the six users' reviews or fsrs-optimizer are not there: no comparison of rows", {})
    reviews = six_users(FILE)
    starts = pd.read_csv(FILE, usecols=["user", "day_start_utc"]).groupby("user")["day_start_utc"].first()
    lines, same, worst = [f"user    rows  fsrs-optimizer {VERSION}  identical  RMSE(bins) of drawn forecasts  difference"], True, 0.0
    users = starts.index if not quick else reviews["user"].value_counts().index[1:].sort_values()
    for user in users:
        frame = reviews[reviews["user"] == user]
        theirs, rmse = optimizer_rows(frame, int(starts[user]))
        kept = frame[(frame["scored"] == 1) & ~OptimizerOutliers().anywhere(frame)]
        shown = exposure(frame).loc[kept.index]
        ours = (
            kept[["card_id", "review_time"]].join(shown)[["card_id", "review_time", "elapsed_days", "number", "lapses"]].to_numpy(np.int64)
        )
        equal = np.array_equal(ours, theirs[["card_id", "review_time", "delta_t", "i", "lapses"]].to_numpy(np.int64))
        same = same and equal
        if equal:
            gap = rmse_bins(kept["recalled"], theirs["p"], bin_codes(shown)) - rmse
            worst = max(worst, abs(gap))
            lines.append(f"{user:<4}{len(kept):>8,}{len(theirs):>22,}{'yes':>11}{rmse:>32.6f}{gap:>+12.1e}")
        else:
            lines.append(f"{user:<4}{len(kept):>8,}{len(theirs):>22,}{'NO':>11}")
    figures = {"rows_identical": float(same)} | ({"rmse_bins_identical": worst} if same else {})
    return Part("\n".join(lines), figures)


PARTS: tuple[Callable[[bool], Part], ...] = (identity, accuracy)


def main() -> None:
    """Run everything and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    figures: dict[str, float] = {}
    for part in PARTS:
        found = part(quick)
        print(f"{found.text}\n", flush=True)
        figures |= found.figures
    figures["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
