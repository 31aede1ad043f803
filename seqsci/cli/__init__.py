"""The command line.

A command is a module of this package with ``HELP``, ``add(parser)`` and ``run(arguments)``; it imports what is heavy inside ``run``.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

from seqsci import __version__
from seqsci.cli.parser import Parser
from seqsci.errors import ConfigError, SeqsciError, missing_extra

COMMANDS = {
    "fit": "fit",
    "fit-panel": "fit_panel",
    "compare": "compare",
    "validate": "validate",
    "test": "test",
    "predict": "predict",
    "report": "report",
    "export": "export",
    "list": "catalogue",
    "show": "show",
    "cite": "cite",
    "cache": "cache",
    "doctor": "doctor",
    "completion": "completion",
}
"""Module by command, in the order of the help."""


def parser() -> Parser:
    """The parser of every command."""
    Parser.commands = list(COMMANDS)
    top = Parser(prog="seqsci", description="Scientific models of sequences with memory.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"seqsci {__version__}")
    commands = top.add_subparsers(dest="command", metavar="command")
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(f"seqsci.cli.{module_name}")
        module.add(commands.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False))
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command ``seqsci``: exits 0, 1 (an error that the text explains), 2 (usage), 130 (Ctrl-C), 143 (terminated)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    accepts = getattr(arguments, "accepts", None)
    if rest and accepts is None:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if accepts is not None:
        from seqsci.cli.fit import gather

        try:
            arguments.rest = gather(rest)
        except ConfigError as error:
            print(f"seqsci: {error}", file=sys.stderr)
            raise SystemExit(2) from None
    try:
        if arguments.command is None:
            top.print_help()
        else:
            importlib.import_module(f"seqsci.cli.{COMMANDS[arguments.command]}").run(arguments)
    except SeqsciError as error:
        print(f"seqsci: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except ModuleNotFoundError as error:
        if (explained := missing_extra(error, f"`{arguments.command}`")) is None:
            raise
        print(f"seqsci: {explained}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("\nseqsci: interrupted; nothing that was finished before is lost", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
