"""seqsci export: a fitted model as one source file that needs nothing but its language."""

from __future__ import annotations

import argparse
from pathlib import Path

from seqsci.errors import ArtefactError, ConfigError, did_you_mean, explain

HELP = "write a run's model as one Python or JavaScript file without dependencies"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its model.json")
    parser.add_argument("--to", metavar="anki-js|python", required=True, help="the language")
    parser.add_argument("--out", metavar="FILE", help="file to write (default: model.js or model.py in the run)")
    parser.add_argument("--elapsed", metavar="COLUMN", help="known sequence that intervals are measured in (default: elapsed_days)")
    parser.add_argument("--force", action="store_true", help="replace the file where it exists")


def run(arguments: argparse.Namespace) -> None:
    """Write the file."""
    from seqsci.cli.configured import fit_of
    from seqsci.export.javascript import javascript_source
    from seqsci.export.python import python_source
    from seqsci.rundir import write_text

    writers = {"anki-js": (javascript_source, "model.js"), "python": (python_source, "model.py")}
    if arguments.to not in writers:
        what = f"no export to {arguments.to!r}{did_you_mean(arguments.to, writers)}"
        raise ConfigError(explain(what, arguments.to, ", ".join(writers), "seqsci export RUN --to python"))
    folder, fit = fit_of(arguments.run)
    write, name = writers[arguments.to]
    path = folder / name if arguments.out is None else Path(arguments.out)
    if path.exists() and not arguments.force:
        raise ArtefactError(explain(f"{path} exists already", "a file of that name", "a new file", "name another: --out FILE, or --force"))
    write_text(path, write(fit, arguments.elapsed))
    print(f"model written to {path}")
