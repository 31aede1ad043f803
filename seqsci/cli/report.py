"""seqsci report: the report of a run, one page that needs no network."""

from __future__ import annotations

import argparse

HELP = "write the report of a run, one page that opens offline"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", metavar="RUN", help="folder of a run")


def run(arguments: argparse.Namespace) -> None:
    """Write the report and print where it is."""
    from seqsci.cli.configured import folder_of
    from seqsci.report import write_report

    print(f"report written to {write_report(folder_of(arguments.run))}")
