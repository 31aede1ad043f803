"""Finds shipped and third-party domains through their manifests, and configurations by name or path; imports nothing heavy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqsci.errors import ConfigError, MissingExtraError, did_you_mean, explain, missing_extra

ENTRY_POINTS = "seqsci.domains"
SECTIONS = ("data", "estimator", "comparison")
"""Keys of a configuration that hold a mapping."""


def manifests() -> dict[str, Any]:
    """Manifest modules by the name of their domain: shipped ones, then those of installed packages (group ``seqsci.domains``)."""
    found: dict[str, Any] = {}
    shipped = importlib.util.find_spec("seqsci.domains")
    for root in (shipped.submodule_search_locations or []) if shipped else []:
        for path in sorted(Path(root).glob("*/manifest.py")):
            module = importlib.import_module(f"seqsci.domains.{path.parent.name}.manifest")
            found[module.NAME] = module
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        module = entry.load()
        found.setdefault(module.NAME, module)
    return found


def names() -> dict[str, str]:
    """Every shipped configuration ``domain/name`` with its one-line description."""
    return {f"{domain}/{name}": text for domain, m in manifests().items() for name, text in m.CONFIGS.items()}


def read_config(name: str) -> dict[str, Any]:
    """The configuration of a shipped name (``finance/sp500``) or of a YAML file.

    Raises `ConfigError` for an unknown name (with the closest one), a missing file or a YAML fault (with file and line).
    """
    known = names()
    if name in known:
        domain, short = name.split("/")
        folder = Path(str(manifests()[domain].__file__)).parent / "configs"
        return _parse(folder / f"{short}.yaml") | {"name": name}
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(explain("no such configuration file", name, "a YAML file that exists", "check the path"))
        return {"name": path.stem} | _parse(path)
    raise ConfigError(
        explain(
            f"no configuration {name!r}{did_you_mean(name, known)}", name, f"{', '.join(known)}, or the path of a YAML file", "seqsci list"
        )
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("pyyaml", "fit", "Reading a configuration") from error
    try:
        table = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(table, dict) or "domain" not in table:
        raise ConfigError(
            explain(
                f"{path} is not a configuration",
                type(table).__name__,
                "a mapping with a key 'domain'",
                "start from `seqsci show finance/returns`",
            )
        )
    for key in SECTIONS:
        if table.get(key, {}) is None:
            table[key] = {}
        elif not isinstance(table.get(key, {}), dict):
            raise ConfigError(
                explain(f"{path}: {key} is not a section", repr(table[key]), "keys with values", f"write `{key}:` and indent its keys")
            )
    return table


def check_keys(got: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    """Raise `ConfigError` for a key that is not known, with the closest one."""
    faults = [f"{k!r}{did_you_mean(k, known)}" for k in got if k not in known]
    if faults:
        raise ConfigError(explain(f"unknown key in {place}", ", ".join(faults), ", ".join(known), "correct or remove it"))


@dataclass(frozen=True)
class Section:
    """Reads the values of one section by their type; text from the command line is converted, and null means the default.

    Attributes:
        place: the section in errors, e.g. ``"finance/sp500: estimator"``.
        values: the section as read.
        faults: every fault so far; sections of one configuration share the list.
    """

    place: str
    values: Mapping[str, Any]
    faults: list[str] = field(default_factory=list)

    def _fault(self, key: str, expected: str) -> None:
        self.faults.append(
            explain(f"{self.place}.{key} is not valid", repr(self.values[key]), expected, f"correct {key}: in the configuration")
        )

    def _given(self, key: str) -> bool:
        return self.values.get(key) is not None

    def _float(self, key: str) -> float:
        """The value as a number, NaN where it is none (a truth value is none)."""
        try:
            return float("nan") if isinstance(self.values[key], bool) else float(self.values[key])
        except (TypeError, ValueError):
            return float("nan")

    def integer(self, key: str, default: int, least: int) -> int:
        """A whole number of at least ``least``."""
        if not self._given(key):
            return default
        number = self._float(key)
        if not (number >= least and number.is_integer()):
            self._fault(key, f"a whole number, at least {least}")
            return default
        return int(number)

    def number(self, key: str, default: float, least: float) -> float:
        """A finite number of at least ``least``."""
        if not self._given(key):
            return default
        number = self._float(key)
        if not least <= number < float("inf"):
            self._fault(key, f"a number, at least {least:g}")
            return default
        return number

    def share(self, key: str, default: float, zero: bool = False) -> float:
        """A number between 0 and 1, neither included (0 is, where ``zero``)."""
        if not self._given(key):
            return default
        number = self._float(key)
        if not (0 < number < 1 or (zero and number == 0)):
            self._fault(key, "a number between 0 and 1, such as 0.3" + (", or 0" if zero else ""))
            return default
        return number

    def inner(self, key: str) -> Section | None:
        """A section within this one, or None where there is none."""
        if not self._given(key):
            return None
        if not isinstance(self.values[key], Mapping):
            self._fault(key, "a mapping")
            return None
        return Section(f"{self.place}.{key}", self.values[key], self.faults)

    def choice(self, key: str, default: str, among: Sequence[str]) -> str:
        """One of a few words."""
        if not self._given(key):
            return default
        if self.values[key] not in among:
            self._fault(key, " or ".join(among) + did_you_mean(str(self.values[key]), among))
            return default
        return str(self.values[key])

    def text(self, key: str) -> str | None:
        """A text (a number counts as one: it may be the name of a column), or None."""
        if not self._given(key):
            return None
        if isinstance(self.values[key], bool) or not isinstance(self.values[key], str | int | float):
            self._fault(key, "a text")
            return None
        return str(self.values[key])

    def names(self, key: str, default: Sequence[str]) -> list[str]:
        """A list of names; an empty one is kept."""
        if not self._given(key):
            return list(default)
        if not isinstance(self.values[key], list) or not all(isinstance(n, str) for n in self.values[key]):
            self._fault(key, "a list of names, such as [A, B]")
            return list(default)
        return list(self.values[key])


def choose(name: str, table: Mapping[str, Any], place: str) -> Any:
    """The entry of that name; raises `ConfigError` with the closest one for an unknown name."""
    if name not in table:
        raise ConfigError(explain(f"{place}: unknown name {name!r}{did_you_mean(name, table)}", name, ", ".join(table), "use one of these"))
    return table[name]


def refuse(faults: Sequence[str]) -> None:
    """Raise one `ConfigError` with every fault, if there is any."""
    if faults:
        heading = f"{len(faults)} faults in the configuration:\n" if len(faults) > 1 else ""
        raise ConfigError(heading + "\n".join(faults))


def study_builder(domain: str) -> Any:
    """The function of a domain that turns a configuration into a `seqsci.study.Study`."""
    return _builder(domain, "STUDY", "A study")


@dataclass(frozen=True, eq=False)
class PanelTask:
    """What a configuration names for a panel: the model, a long frame of all its series, and how it is read.

    Attributes:
        model: to be fitted to each.
        frame: all series, long.
        by: column that names the fits.
        within: column that names the sequences of one fit (the cards of a user), or None.
        unit: of the outcome.
        fewest: observed rows that a series needs, where a domain's series are short; None: as the estimator says.
    """

    model: Any
    frame: Any
    by: str = "unique_id"
    within: str | None = None
    unit: str | None = None
    fewest: int | None = None


def panel_builder(domain: str) -> Any:
    """The function of a domain that turns a configuration into a `PanelTask`."""
    return _builder(domain, "PANEL", "A panel")


def _builder(domain: str, entry: str, what: str) -> Any:
    known, domain = manifests(), str(domain)
    if domain not in known:
        raise ConfigError(
            explain(f"no domain {domain!r}{did_you_mean(domain, known)}", domain, ", ".join(known), "set domain: in the configuration")
        )
    if not hasattr(known[domain], entry):
        have = ", ".join(n for n, m in known.items() if hasattr(m, entry))
        raise ConfigError(explain(f"{domain} has no {what[2:]} of a configuration", domain, have, f"add {entry} to its manifest"))
    module, function = getattr(known[domain], entry).split(":")
    try:
        return getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise missing_extra(error, f"{what} of {domain}") or error from error
