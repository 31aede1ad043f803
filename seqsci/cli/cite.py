"""seqsci cite: BibTeX of seqsci and of the sources of a configuration's model."""

from __future__ import annotations

import argparse
import inspect
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from seqsci import __version__

if TYPE_CHECKING:
    from seqsci.model import Model

HELP = "BibTeX of seqsci, and of the sources of a configuration's model"
TITLE = "seqsci: scientific modelling of sequences with memory"
AUTHORS = ("The seqsci developers",)
LICENSE = "Apache-2.0"
"""Facts of CITATION.cff (a test compares them; the version is the package's)."""

_DOI = re.compile(r"10\.\d{4,9}/[^\s,;]+")
_AUTHOR = r"([A-Z][\w&.,' -]*?)"
_BEFORE = (
    re.compile(rf"{_AUTHOR} \((?P<year>\d{{4}})\), (?:(?P<title>[^;]+), )?DOI $"),
    re.compile(rf"\({_AUTHOR} (?P<year>\d{{4}}), DOI $"),
    re.compile(r"([A-Z]\w+)'s [^(;.]*\((?P<year>\d{4}), DOI $"),
    re.compile(r"()\((?P<year>\d{4}), DOI $"),
)
"""How docstrings write a source: ``A (1995), title, DOI x``; ``(A 1995, DOI x)``; ``A's thing (1995, DOI x)``."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "config", metavar="NAME", nargs="?", help="a shipped name, the path of a YAML file, or the folder of a run: its sources as well"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the entries."""
    print(software())
    if arguments.config is not None:
        from seqsci.cli.configured import configured, named

        for entry in sources(configured(named(arguments.config))[1]):
            print(f"\n{entry}")


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    width = max(map(len, fields))
    return "\n".join([f"@{kind}{{{key},", *(f"  {n.ljust(width)} = {{{v}}}," for n, v in fields.items()), "}"])


def software() -> str:
    """The entry of seqsci itself."""
    authors = " and ".join(f"{{{a}}}" for a in AUTHORS)
    return _entry("software", "seqsci", {"title": TITLE, "author": authors, "version": __version__, "license": LICENSE})


def sources(model: Model) -> list[str]:
    """Entries of the DOIs that the mechanism, its gates and the observation name; author, title and year where a docstring has them."""
    pieces = (model.mechanism, *model.mechanism.gates.values(), model.observation)
    found: dict[str, dict[str, str]] = {doi: {} for doi in model.mechanism.references}
    for piece in pieces:
        for doi, facts in mentioned(inspect.getdoc(type(piece)) or "").items():
            found[doi] = found.get(doi) or facts
    entries, keys = [], set[str]()
    for doi, facts in found.items():
        key = re.sub(r"\W", "", facts.get("author", "").split(" and ")[0].lower()) + facts.get("year", "") if facts.get("author") else ""
        key = key if key and key not in keys else re.sub(r"\W+", "-", doi).strip("-")
        keys.add(key)
        page = doi.startswith("http")  # a source without a DOI is named by its page
        where = {"url": doi} if page else {"doi": doi, "url": "https://doi.org/" + quote(doi, safe="/().:;-_")}
        lacks = "title" if facts.get("author") else "author and title"
        note = {} if facts.get("title") else {"note": f"{lacks}: see the {'page' if page else 'DOI'}"}
        entries.append(_entry("misc", key, {**facts, **where, **note}))
    return entries


def mentioned(text: str) -> dict[str, dict[str, str]]:
    """DOIs of a docstring with what it says about them: author, year, title."""
    flat = " ".join(text.split())
    found = {}
    for match in _DOI.finditer(flat):
        doi = match.group().rstrip("`'\".:")
        while doi.endswith(")") and doi.count(")") > doi.count("("):
            doi = doi[:-1].rstrip(".")
        before = flat[: match.start()].rpartition("Source: ")[2]
        read = next((m for pattern in _BEFORE if (m := pattern.search(before))), None)
        facts = {} if read is None else {"author": _authors(read.group(1)), **{k: v for k, v in read.groupdict().items() if v}}
        found[doi] = {k: v for k, v in facts.items() if v}
    return found


def _authors(text: str) -> str:
    names = re.split(r", and |, | and | & ", text.replace(" et al.", " and others"))
    return " and ".join(n for n in names if n)
