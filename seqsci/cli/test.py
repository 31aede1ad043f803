"""seqsci test: scores of a run on rows that came after its fit, without refitting."""

from __future__ import annotations

import argparse

from seqsci.cli.predict import READING, one_series, take_in
from seqsci.errors import DataError, explain

HELP = "scores of a run on rows that came after its fit"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its model.json")
    parser.add_argument("--data.path", metavar="FILE", required=True, help="data whose rows after the last fitted one are scored")
    for key in READING:
        parser.add_argument(f"--data.{key}", metavar=key.upper(), help=f"data.{key} of the file, where it differs from the run's")


def run(arguments: argparse.Namespace) -> None:
    """Print the scores."""
    from seqsci.cli.configured import fit_of
    from seqsci.cli.scoring import table

    folder, fit = fit_of(arguments.run)
    path = getattr(arguments, "data.path")
    one_series(fit, f"{arguments.run}: rows after the fit are those of one series")
    before = len(fit.sequences)
    longer = take_in(fit, folder, path, {k: getattr(arguments, f"data.{k}") for k in READING})
    if len(longer.sequences) == before:
        raise DataError(explain("nothing to test", f"{path} has no row after the fit", "later rows", "give newer data, or seqsci validate"))
    print(table(longer, before, len(longer.sequences), "new"))
