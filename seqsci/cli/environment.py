"""What `seqsci doctor` reads about the installation: requirements, versions, and copies of packages that stand in each other's way."""

from __future__ import annotations

import importlib.util
import json
import operator
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seqsci import __version__

HERE = Path(__file__).resolve().parents[1]
_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "~=": operator.ge,
}


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(n) for n in found.group().split(".")] if found else [0]
    return tuple(numbers + [0] * (6 - len(numbers)))


def _holds(version: str, specifier: str) -> bool:
    parts = re.findall(r"(==|!=|>=|<=|~=|>|<)\s*([\d.]+)", specifier)
    return all(_COMPARE[sign](_release(version), _release(bound)) for sign, bound in parts)


@dataclass(frozen=True)
class Fault:
    """Something that is installed and broken, and what mends it."""

    what: str
    fix: str


@dataclass(frozen=True)
class Requirement:
    """One line of the package's metadata: a distribution, its versions, and the extra that asks for it ("" = always)."""

    name: str
    specifier: str
    extra: str

    def satisfied_by(self, version: str) -> bool:
        """Whether a version is inside the bounds (release numbers only)."""
        return _holds(version, self.specifier)


def declared() -> list[Requirement]:
    """Every requirement of the installed seqsci that applies to this Python; none where it is not installed."""
    try:
        lines = metadata.requires("seqsci") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        text, _, marker = line.partition(";")
        head = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^)]*)\)?", text)
        python = re.search(r"python_version\s*(\S+)\s*['\"]([\d.]+)['\"]", marker)
        if head is None or (python and not _holds(".".join(map(str, sys.version_info[:2])), "".join(python.groups()))):
            continue
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        found.append(Requirement(head.group(1), head.group(2).strip(), extra.group(1) if extra else ""))
    return found


def groups_of(requirements: Sequence[Requirement]) -> dict[str, list[Requirement]]:
    """Requirements by extra, the core first; of the extras only those that `all` holds (the others are for developers)."""
    table: dict[str, list[Requirement]] = {}
    for r in requirements:
        table.setdefault(r.extra or "core", []).append(r)
    whole = {r.name for r in table.pop("all", [])}
    return {g: rs for g, rs in table.items() if g == "core" or {r.name for r in rs} <= whole or not whole}


def installed(name: str) -> str:
    """Version of a distribution, or "" where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def modules_of(name: str) -> list[str]:
    """Modules that an installed distribution brings at the top level: the one of its own name where there is one."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return []
    tops = set((found.read_text("top_level.txt") or "").split())
    if not tops:
        tops = {Path(f.parts[0]).name.split(".")[0] for f in found.files or () if f.suffix in (".py", ".so", ".pyd")}
    own = name.lower().replace("-", "_")
    public = sorted(t for t in tops if t.isidentifier() and not t.startswith("_") and t not in ("tests", "test", "docs", "examples"))
    return [t for t in public if t.lower() == own] or public


def shadows(path: Sequence[str]) -> list[Fault]:
    """Faults of an import path: another `seqsci` before ours, `domains` not kept, `lightning` beside pytorch_lightning."""
    faults = []
    folders = list(dict.fromkeys(Path(p or ".").resolve() for p in path))
    ours = folders.index(HERE.parent) if HERE.parent in folders else len(folders)
    for folder in folders[:ours]:
        for other in (folder / "seqsci" / "__init__.py", folder / "seqsci.py"):
            if other.is_file() and HERE not in (other.parent, other.parent.resolve()):
                faults.append(Fault(f"another seqsci hides ours: {other}", f"rename it, or start Python outside {folder}"))
    link = HERE / "domains"
    if not domains_found() and link.is_file():
        fix = "git config core.symlinks true && git checkout -- seqsci/domains (Windows: switch developer mode on first)"
        faults.append(Fault(f"{link} is a text file: the clone did not keep the symbolic link", fix))
    elif not domains_found():
        fix = "pip install --force-reinstall --no-cache-dir seqsci; from a clone: build where the link seqsci/domains is kept"
        faults.append(Fault("seqsci.domains is missing: no shipped configuration can be found", fix))
    if installed("lightning") or importlib.util.find_spec("lightning") is not None:
        what = "the package `lightning` is installed beside pytorch_lightning: modules of one are refused by the other's Trainer"
        faults.append(Fault(what, "pip uninstall lightning"))
    return faults


def foreign_domains(path: Sequence[str]) -> list[str]:
    """Other packages called `domains` on an import path: harmless, because ours is imported as seqsci.domains, but good to know."""
    folders = list(dict.fromkeys(Path(p or ".").resolve() for p in path))
    found = [f / "domains" / "__init__.py" for f in folders]
    return [str(p) for p in found if p.is_file() and not (domains_found() and p.samefile(HERE / "domains" / "__init__.py"))]


def domains_found() -> bool:
    """Whether the domains lie inside the package."""
    return (HERE / "domains" / "__init__.py").is_file()


def installation() -> list[Fault]:
    """Faults of a package whose metadata and code come from different places."""
    try:
        found = metadata.distribution("seqsci")
    except metadata.PackageNotFoundError:
        return []
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    editable = origin.get("dir_info", {}).get("editable", False)
    root = Path(unquote(urlsplit(origin["url"]).path)) if editable else Path(str(found.locate_file("")))
    faults = []
    if (root / "seqsci").resolve() != HERE:
        what = f"seqsci is imported from {HERE}, but {root / 'seqsci'} is the one that is installed"
        faults.append(Fault(what, "start Python in another folder, or install the one you mean: pip install -e ."))
    if found.version != __version__:
        what = f"seqsci {__version__} runs with the metadata of {found.version}"
        faults.append(Fault(what, "install it again: pip install -e . (or pip install -U seqsci)"))
    return faults
