"""Recall of real reviews: the cell beside FSRS-6 and other baselines, and our scores beside fsrs-optimizer's. Last line: JSON.

python -m benchmarks.memory            whole and fractional days; every user against fsrs-optimizer
python -m benchmarks.memory --quick    whole days only; the largest user is not compared with fsrs-optimizer
                            --results DIR    every predictor's results as files of srs-benchmark, in a folder for each kind of days

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

from seqsci.domains.memory.backtest.bins import bin_codes, exposure, rmse_bins
from seqsci.domains.memory.backtest.evaluation import compare
from seqsci.domains.memory.backtest.outliers import OptimizerOutliers
from seqsci.domains.memory.backtest.protocol import RecallPredictor, run
from seqsci.domains.memory.backtest.srs_benchmark import write_results
from seqsci.domains.memory.baselines.constant import ConstantRecall
from seqsci.domains.memory.baselines.fsrs_default import DefaultFsrs6
from seqsci.domains.memory.baselines.fsrs_optimizer import OptimisedFsrs6
from seqsci.domains.memory.baselines.gru import GatedRecurrentUnit
from seqsci.domains.memory.baselines.half_life import HalfLife
from seqsci.domains.memory.baselines.half_life_regression import HalfLifeRegression, SharedHalfLifeRegression
from seqsci.domains.memory.baselines.moving_average import MovingAverage
from seqsci.domains.memory.baselines.sm2 import SM2, CalibratedSM2
from seqsci.domains.memory.cell_predictor import CellRecall, OthersPooled, OwnReviews
from seqsci.domains.memory.fits import fit_users
from seqsci.domains.memory.fsrs_check import fsrs6_forward_error
from seqsci.domains.memory.models import exponential, fsrs6, fsrs7, power, sbd
from seqsci.domains.memory.recovery import LOOSE, SPREAD, recovery_table
from seqsci.domains.memory.sequences import to_sequences
from seqsci.domains.memory.simulator import DesiredRetention, simulate_log
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from tests.memory_laws import six_users
from tests.optimizer_peer import VERSION, optimizer_rows

FILE = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "memory", "anki_6users_reviews.csv.gz")
TRIED_BEFORE = 20
"""About so many models were tried on these reviews before: the rows of the first study's table."""


@dataclass(frozen=True)
class Options:
    """What was asked for: the short run; a folder for result files."""

    quick: bool = False
    results: Path | None = None


@dataclass(frozen=True)
class Part:
    """What a part of the benchmark found: a text to print, and figures for the last line."""

    text: str
    figures: dict[str, float]


def predictors(quick: bool) -> dict[str, RecallPredictor]:
    """All that are compared, by the key of their figures. ``fsrs6`` is the reference: FSRS-6 fitted by its own optimiser under the rule
    that every fitted model is under (the default is kept where the fit is worse), or by us where that optimiser is not installed."""
    ours = CellRecall(fsrs6())
    fitted: dict[str, RecallPredictor] = {"fsrs6": ours}
    if importlib.util.find_spec("fsrs_optimizer") is not None:
        fitted = {"fsrs6": OptimisedFsrs6().or_default(), "fsrs6_plain": OptimisedFsrs6(), "fsrs6_ours": ours}
    slow: dict[str, RecallPredictor] = {
        "fsrs7_ours": CellRecall(fsrs7()),
        "gru": GatedRecurrentUnit(),
        "hlr_own": HalfLifeRegression(),
        "fsrs6_own": CellRecall(fsrs6(), OwnReviews()),
    }
    return {
        "cell": CellRecall(sbd()),
        **fitted,
        "cell_own": CellRecall(sbd(), OwnReviews()),
        "cell_pooled": CellRecall(sbd(), OthersPooled()),
        "fsrs6_default": DefaultFsrs6(),
        "power": CellRecall(power()),
        "exponential": CellRecall(exponential()),
        "hlr": SharedHalfLifeRegression(HalfLifeRegression()),
        "half_life": HalfLife(),
        "sm2": SM2(),
        "sm2_calibrated": CalibratedSM2().or_default(),
        "constant": ConstantRecall(),
        "moving_average": MovingAverage(),
        **({} if quick else slow),
    }


def accuracy(options: Options) -> Part:
    """Every predictor on the same reviews of the six users; each that is fitted has its best chance: a prior or a default where it can."""
    quick = options.quick
    if not FILE.is_file():
        return Part("the six users' reviews are not there (SEQSCI_DATA): no accuracy", {})
    reviews, entries = six_users(FILE), predictors(quick)
    reference = entries["fsrs6"].name
    texts, figures = [], {}
    for exact in (False,) if quick else (False, True):
        suffix = "_exact" if exact else ""
        ordered = sorted(entries.values(), key=lambda p: p.name != reference)  # the first one may not fail
        test = run(ordered, reviews, exact=exact, n_jobs=2)
        found = compare(test, reference, tried=len(test.ran) + TRIED_BEFORE)
        texts.append(str(found))
        if options.results is not None:
            folder = Path(options.results, "fractional_days" if exact else "whole_days")
            for name in test.ran:
                write_results(test, name, folder)
            texts.append(f"results of {len(test.ran)} predictors, a line a user, in the format of srs-benchmark: {folder}")
        for key, predictor in entries.items():
            if predictor.name in test.ran:
                scores = found.score(predictor.name)
                figures[f"wll_{key}{suffix}"], figures[f"mean_{key}{suffix}"] = scores.weighted["log_loss"], scores.mean["log_loss"]
                figures[f"auc_{key}{suffix}"] = scores.weighted["auc"]
                chosen = [kept for folds in test.ran[predictor.name].default_kept.values() for kept in folds if kept is not None]
                if chosen:
                    figures[f"kept_{key}{suffix}"] = float(np.mean([bool(kept) for kept in chosen]))
        if entries["cell"].name in test.ran:
            d = found.difference(entries["cell"].name)
            claims = {"": d.widest, "_same_users": d.here, "_users_mean": d.per_user}
            for kind, claim in claims.items():
                if claim is not None:
                    figures[f"equivalence{kind}_low{suffix}"] = claim.sides.low
                    figures[f"equivalence{kind}_high{suffix}"] = claim.sides.high
            figures[f"cell_users_won{suffix}"] = float(d.won)
    return Part("\n\n".join(texts), figures)


def identity(options: Options) -> Part:
    """Rows and RMSE(bins) beside fsrs-optimizer's own."""
    quick = options.quick
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


def forward(options: Options) -> Part:
    """FSRS-6 as an equation beside its implementations."""
    found = fsrs6_forward_error(10_000)
    if not found:
        return Part("neither py-fsrs nor fsrs-optimizer is there: no comparison of FSRS-6", {})
    lines = ["FSRS-6, 10,000 random reviews, 5 parameter sets: largest difference of S, D, p"]
    lines += [f"  {name:<16}" + "  ".join(f"{k} {v:.1e}" for k, v in errors.items()) for name, errors in found.items()]
    return Part("\n".join(lines), {"fsrs6_forward_error": max(v for errors in found.values() for v in errors.values())})


def speed(options: Options) -> Part:
    """One fit of 20,000 reviews with standard errors, on one core; a fit of each of many users on two."""
    quick = options.quick
    drawn = to_sequences(simulate_log(sbd(), 2000, 11, seed=0))
    MaximumLikelihood().fit(sbd(), drawn)  # compiles
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        MaximumLikelihood().fit(sbd(), drawn)
        seconds.append(time.perf_counter() - start)
    users = 100 if quick else 1000
    start = time.perf_counter()
    frame = simulate_log([sbd()] * users, 500, 11, seed=1)
    made = time.perf_counter() - start
    start = time.perf_counter()
    panel = fit_users(sbd(), frame, threads=2)
    spent = time.perf_counter() - start
    good = int((panel.table["status"] == "ok").sum())
    text = (
        f"SBD on {len(drawn):,} reviews, four starts, standard errors: {min(seconds):.2f} s\n"
        f"{users:,} simulated users of 5,000 scored reviews: {spent:.1f} s on 2 threads, {good:,} fitted; simulating them took {made:.1f} s"
    )
    return Part(text, {"fit_seconds_20k": min(seconds), f"panel_seconds_{users}x5000": spent, "panel_fitted_share": good / users})


def recovery(options: Options) -> Part:
    """Parameters found again in 20,000 reviews: gaps at random, and gaps that a scheduler chose; which ones the fits flag."""
    texts, figures, logs = [], {}, 10 if options.quick else 100
    for key, schedule in (("random", SPREAD), ("scheduler", DesiredRetention())):
        table = recovery_table(sbd(), schedule, logs)
        hidden = table["bound"] > LOOSE
        false, found = table.loc[~hidden, "flagged"].mean(), table.loc[hidden, "flagged"].mean()
        texts.append(
            f"SBD, 20,000 reviews, {key} gaps, {logs} logs; all relative to the truth\n{table.round(3).to_string()}\n"
            f"flagged though the bound is at most {LOOSE}: {false:.1%}"
            + (f"; flagged where it is more ({', '.join(table.index[hidden])}): {found:.1%}" if hidden.any() else "")
        )
        figures |= {
            f"recovery_{key}_worst": float(table["median_error"].max()),
            f"recovery_{key}_within_10": float((table["median_error"] <= 0.1).sum()),
            f"recovery_{key}_coverage": float(table["coverage"].mean()),
            f"recovery_{key}_false_flags": float(false),
            **({f"recovery_{key}_flags": float(found)} if hidden.any() else {}),
        }
    return Part("\n\n".join(texts), figures)


PARTS: tuple[Callable[[Options], Part], ...] = (identity, forward, speed, recovery, accuracy)


def main() -> None:
    """Run everything and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--results", type=Path, metavar="DIR")
    found = parser.parse_args()
    options = Options(found.quick, found.results)
    start = time.perf_counter()
    figures: dict[str, float] = {}
    for part in PARTS:
        told = part(options)
        print(f"{told.text}\n", flush=True)
        figures |= told.figures
    figures["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
