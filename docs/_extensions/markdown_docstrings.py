"""Docstrings as people read them in the source, made reStructuredText: Markdown tables, and formulas set off by their indentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.+?``|`[^`]+`)")


def indent_of(line: str) -> int:
    """Leading spaces."""
    return len(line) - len(line.lstrip())


def escaped(text: str) -> str:
    """Text in which asterisks, bars and trailing underscores stand for themselves; what is quoted by backticks is left alone."""
    parts = LITERAL.split(text)
    parts[::2] = [re.sub(r"(?<!\\)([*|])", r"\\\1", re.sub(r"(\w)_(?!\w)", r"\1\\_", p)) for p in parts[::2]]
    return "".join(parts)


def table(lines: list[str]) -> Iterator[str]:
    """A Markdown table as a list-table."""
    margin = " " * indent_of(lines[0])
    yield from (f"{margin}.. list-table::", f"{margin}   :header-rows: 1", "")
    for line in lines:
        cells = [c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if all(re.fullmatch(r":?-+:?", c) for c in cells):
            continue
        yield from (f"{margin}   {'* -' if i == 0 else '  -'} {escaped(c)}" for i, c in enumerate(cells))
    yield ""


def formulas(lines: list[str]) -> Iterator[str]:
    """The lines with a literal block wherever, after an empty line, lines are indented more than the text before them."""
    before, literal = 0, False
    for number, line in enumerate(lines):
        if not line.strip():
            yield line
            continue
        deeper = indent_of(line) >= before + 3 and number > 1 and not lines[number - 1].strip()
        if deeper and not literal and not line.lstrip().startswith((">>>", "..", "* -", ":", "|")):
            literal = True
            yield from (" " * before + "::", "")
        elif literal and indent_of(line) <= before:
            literal = False
        if not literal:
            before = indent_of(line)
            yield line if line.lstrip().startswith((">>>", "...", "|")) else escaped(line)
        else:
            yield line


def rewrite(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite one docstring in place, before Napoleon reads its sections."""
    found: list[str] = []
    for is_table, group in groupby(formulas(lines), lambda line: line.lstrip().startswith("|")):
        part = list(group)
        found += table(part) if is_table else part
    lines[:] = found


KEPT: dict[str, list[str]] = {}


def keep(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Remember the docstring of a value: Napoleon would take the words before its first colon for a type."""
    if what in ("attribute", "data", "property"):
        KEPT[name] = list(lines)


def put_back(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Undo what Napoleon made of the docstring of a value."""
    if what in ("attribute", "data", "property"):
        lines[:] = KEPT.pop(name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run around Napoleon, whose listener has the priority 500."""
    app.connect("autodoc-process-docstring", rewrite, priority=400)
    app.connect("autodoc-process-docstring", keep, priority=450)
    app.connect("autodoc-process-docstring", put_back, priority=550)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
