"""seqsci fit: fit a model, compare it with its baselines, write a run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any

HELP = "fit a model, compare it with its baselines, write a run"
OVERRIDES = (
    "data.path",
    "data.kind",
    "data.unit",
    "data.column",
    "data.date_column",
    "data.id_column",
    "data.unique_id",
    "data.series",
    "model",
    "comparison.refit",
    "comparison.test_share",
    "comparison.label",
)


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--config", required=True, metavar="NAME", help="a shipped name (seqsci list) or the path of a YAML file")
    parser.add_argument("--out", default="runs", metavar="DIR", help="folder of the runs (default: runs)")
    parser.add_argument("--no-compare", action="store_true", help="fit only, without the held-out comparison")
    for key in OVERRIDES:
        parser.add_argument(
            f"--{key}",
            metavar=key.split(".")[-1].upper(),
            help=argparse.SUPPRESS if key == "data.series" else f"replaces {key} of the configuration",
        )


def run(arguments: argparse.Namespace) -> None:
    """Fit, test special cases, compare, write the run."""
    clock = time.perf_counter()
    from seqsci import rundir
    from seqsci.frames import to_sequences
    from seqsci.study import compare_fit, load, restriction_tests

    overrides: dict[str, Any] = {k: v for k in OVERRIDES if (v := getattr(arguments, k)) is not None}
    study = load(arguments.config, overrides)
    folder = rundir.fresh(arguments.out, study.name)
    fitted = study.estimator.fit(study.model, to_sequences(study.model, study.frame))
    print(fitted.summary(), flush=True)
    _print_tests(restriction_tests(fitted, study.hypotheses, study.estimator))
    comparison = None
    if not arguments.no_compare:

        def tell(name: str) -> None:
            print(f"seqsci: backtest of {name}", file=sys.stderr, flush=True)

        rules = (study.test_share, study.refit, study.label, study.restriction, study.tried_before)
        comparison = compare_fit(fitted, study.baselines, *rules, progress=tell)
        print(f"\n{comparison}")
    rundir.write(folder, dict(study.config), fitted, comparison)
    print(f"\nrun written to {folder} ({time.perf_counter() - clock:.0f} s)")
    print(f"next: seqsci show {arguments.config}    or in Python: seqsci.load_fit('{folder}/model.json').predict(horizon=20)")


def _print_tests(tests: Mapping[str, Any]) -> None:
    if tests:
        print("\nspecial cases, tested by likelihood ratio on all rows")
    for name, t in tests.items():
        reading = "rejected" if t.p_value < 0.05 else "not rejected"
        print(
            f"  {name:<36} chi2({t.degrees_of_freedom}) = {t.statistic:7.2f}   p = {t.p_value:.4f}   {reading}   {t.note}".rstrip(),
            flush=True,
        )
