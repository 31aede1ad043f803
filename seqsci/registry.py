"""Finds shipped and third-party domains through their manifests, and configurations by name or path; imports nothing heavy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsci.errors import ConfigError, MissingExtraError, did_you_mean, explain

ENTRY_POINTS = "seqsci.domains"


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
    return table


def check_keys(got: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    """Raise `ConfigError` for a key that is not known, with the closest one."""
    faults = [f"{k!r}{did_you_mean(k, known)}" for k in got if k not in known]
    if faults:
        raise ConfigError(explain(f"unknown key in {place}", ", ".join(faults), ", ".join(known), "correct or remove it"))


def study_builder(domain: str) -> Any:
    """The function of a domain that turns a configuration into a `seqsci.study.Study`."""
    known = manifests()
    if domain not in known:
        raise ConfigError(
            explain(f"no domain {domain!r}{did_you_mean(domain, known)}", domain, ", ".join(known), "set domain: in the configuration")
        )
    module, function = known[domain].STUDY.split(":")
    return getattr(importlib.import_module(module), function)
