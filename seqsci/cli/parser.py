"""Parsing: two-line errors with a hint, no abbreviations."""

from __future__ import annotations

import argparse
import sys
from typing import Any, ClassVar, NoReturn

from seqsci.errors import did_you_mean


class Parser(argparse.ArgumentParser):
    """argparse with errors of two lines and a hint instead of the usage."""

    options: ClassVar[set[str]] = set()
    commands: ClassVar[list[str]] = []

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As argparse has it; every option is remembered for hints, whichever command it belongs to."""
        self.options.update(n for n in names if n.startswith("-"))
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        given = [w.split("=")[0] for w in sys.argv[1:] if w.startswith("--")]
        unknown = [w for w in given if w not in self.options] if "invalid choice" not in message else []
        if message.startswith("argument --") and "invalid choice: '" in message:
            option, word = message.split()[1].rstrip(":"), message.split("invalid choice: '")[1].split("'")[0]
            among = [c.strip(" ')") for c in message.split("choose from ")[1].split(",")]
            message = f"{option} takes no {word!r}{did_you_mean(word, among)}; it takes {', '.join(among)}"
        elif "invalid choice: '" in message:
            word = message.split("invalid choice: '")[1].split("'")[0]
            message = f"unknown command {word!r}{did_you_mean(word, self.commands)}; commands: {', '.join(self.commands)}"
        elif unknown:
            message = f"unknown option {unknown[0]}{did_you_mean(unknown[0], self.options)}"
        command = f" {sys.argv[1]}" if " " not in self.prog and sys.argv[1:2] and sys.argv[1] in self.commands else ""
        print(f"seqsci: {message}\n  fix: {self.prog}{command} --help", file=sys.stderr)
        raise SystemExit(2)
