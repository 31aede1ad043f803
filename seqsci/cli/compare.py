"""seqsci compare: the held-out comparison of one run, or a table of several runs."""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqsci.sequences import Sequences

HELP = "held-out comparison of a run, or a table of several runs"
SCORES = {
    "auprc_below_10_kb": "AUPRC <10 kb",
    "auprc_10_to_100_kb": "10-100 kb",
    "auprc_beyond_100_kb": ">100 kb",
    "auprc_pooled": "pooled",
    "qlike": "QLIKE",
    "nll": "NLL",
    "log_loss": "log loss",
    "auc": "AUC",
    "rmse_bins": "RMSE(bins)",
    "mase": "MASE",
    "rmse": "RMSE",
    "crps": "CRPS",
    "log_score": "log score",
    "coverage_90": "cover 90%",
}
"""Columns of scores.csv that the table of several runs shows, where a run has them, with their heads."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", metavar="RUN", nargs="+", help="folder of a run; several are put in one table")


def run(arguments: argparse.Namespace) -> None:
    """Compare one run with its baselines, or several runs with each other."""
    if len(arguments.run) == 1:
        one(arguments.run[0])
    else:
        print(several(arguments.run))


def one(name: str) -> None:
    """Recompute the held-out comparison of a run's own configuration on the rows that it holds; print it and write it into the run."""
    from seqsci import rundir
    from seqsci.cli.configured import config_of, fit_of
    from seqsci.study import compare_fit, load

    folder, fitted = fit_of(name)
    study = load(config_of(folder))
    if not same_outcomes(fitted.sequences, study.sequences()):
        print("seqsci: the data have changed since the fit; the rows that the run holds are compared", file=sys.stderr)

    def tell(baseline: str) -> None:
        print(f"seqsci: backtest of {baseline}", file=sys.stderr, flush=True)

    comparison = compare_fit(fitted, study, progress=tell)
    print(comparison)
    rundir.write_comparison(folder, comparison)
    print(f"\nscores.csv, differences.csv and comparison.txt written to {folder}")


def same_outcomes(a: Sequences, b: Sequences) -> bool:
    """Whether two sequences hold the same outcomes in the same unit, weighed alike; known columns may differ."""
    import numpy as np

    if set(a.outcome) != set(b.outcome) or len(a) != len(b) or a.measure != b.measure:
        return False
    pairs = [(a.outcome[n], b.outcome[n]) for n in a.outcome] + [(getattr(a, n), getattr(b, n)) for n in ("observed", "weight", "reset")]
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


def several(names: Sequence[str]) -> str:
    """Likelihood, criteria, rows, data hash and held-out scores of several runs; says where they are not comparable."""
    from seqsci.cli.configured import fit_of

    table, fits, held_out, windows = [], [], [], set()
    for name in names:
        folder, fit = fit_of(name)
        scores, window = _scores(folder)
        fits.append(fit)
        held_out.append(scores)
        windows |= {window} - {""}
        facts = (f"{fit.log_likelihood:.3f}", str(fit.parameter_count), f"{fit.aic:.2f}", f"{fit.bic:.2f}", str(fit.rows), fit.data_hash)
        table.append([folder.name, fit.model.name, *facts])
    shown = [n for n in SCORES if any(n in scores for scores in held_out)]
    table = [[*row, *(scores.get(n, "-") for n in shown)] for row, scores in zip(table, held_out, strict=True)]
    head = ["run", "model", "log-lik.", "k", "AIC", "BIC", "rows", "data", *(SCORES[n] for n in shown)]
    widths = [max(len(r[i]) for r in (head, *table)) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in (head, *table)]
    if len({f.data_hash for f in fits}) == 1:
        verdict = "the same data: likelihood, AIC and BIC can be compared"
    elif all(same_outcomes(fits[0].sequences, f.sequences) for f in fits):
        verdict = "the same outcomes, other known columns (see the column data): likelihood, AIC and BIC can be compared"
    else:
        verdict = "NOT COMPARABLE: the data differ (see the column data), so likelihood, AIC and BIC cannot be set beside each other"
    trained = [f.model.name for f in fits if f.driven_by]
    notes = [
        verdict,
        *([f"{', '.join(trained)}: k leaves out the weights of the network, so AIC and BIC flatter it"] if trained else []),
        *(["held-out scores: NOT on the same rows: " + " | ".join(sorted(windows))] if len(windows) > 1 else []),
        *([f"held-out scores: {next(iter(windows))}"] if len(windows) == 1 else []),
        *(["no held-out scores (-): seqsci compare RUN computes them"] if not all(held_out) else []),
        *(["held-out scores are context; a claim needs the paired differences of one comparison"] if windows else []),
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *notes])


def _scores(folder: Path) -> tuple[dict[str, str], str]:
    """Scores of the run's own model by column, and what they were computed on; none where there is no comparison."""
    try:
        with (folder / "scores.csv").open(newline="") as stream:
            ours = next(csv.DictReader(stream))
        found = {n: float(ours[n]) for n in SCORES if n in ours}
        window = (folder / "comparison.txt").read_text().splitlines()[0]
    except (OSError, StopIteration, TypeError, ValueError, IndexError):
        return {}, ""
    return {n: f"{v:.4f}" for n, v in found.items() if not math.isnan(v)}, window
