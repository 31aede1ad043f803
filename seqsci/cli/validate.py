"""seqsci validate: scores of a run on its validation rows, or on the rows it was fitted to."""

from __future__ import annotations

import argparse

HELP = "scores of a run on its validation rows (of a fit without them: in sample)"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its model.json")


def run(arguments: argparse.Namespace) -> None:
    """Print the scores."""
    from seqsci.cli.configured import config_of, fit_of
    from seqsci.cli.scoring import table
    from seqsci.data.splits import Split
    from seqsci.registry import read_config, refuse
    from seqsci.training.configuration import read_estimator
    from seqsci.training.gradient import GradientDescent

    folder, fit = fit_of(arguments.run)
    faults: list[str] = []
    estimator = read_estimator(read_config(config_of(folder)).get("estimator"), "config.yaml: estimator", faults)
    refuse(faults)
    rows = fit.seen or len(fit.sequences)
    if isinstance(estimator, GradientDescent) and estimator.validation_share > 0:
        start, stop = Split(estimator.validation_share).ends(rows)
        print(table(fit, start, stop, "validation"))
        print("  these rows chose the epoch, and the parameters were concluded on them too: not an independent score (seqsci test)")
    else:
        print(table(fit, 0, rows, "fitted"))
        others = "seqsci test RUN --data.path FILE, or seqsci compare RUN" if len(fit.sequences.starts) == 1 else "seqsci compare RUN"
        print(f"  in sample: the parameters have seen these rows; for others: {others}")
