"""`seqsci predict DOMAIN/NAME`: a prediction from files that needs no run; the domain's manifest names the module that makes it."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping
from typing import Any

from seqsci.errors import ConfigError, did_you_mean, explain

RUN_OPTIONS = ("horizon", "future", "level", "draws", "seed")
"""Options of a forecast from a run, which mean nothing here."""


def predictions() -> dict[str, Any]:
    """Modules by ``domain/name``: each has HELP, OPTIONS (help by option) and run(values); importing them loads nothing heavy."""
    from seqsci.registry import manifests

    found = {}
    for domain, manifest in manifests().items():
        for name, module in getattr(manifest, "PREDICT", {}).items():
            found[f"{domain}/{name}"] = importlib.import_module(module)
    return found


def add(parser: argparse.ArgumentParser) -> None:
    """Options of every domain's predictions."""
    options: dict[str, str] = {}
    for name, module in predictions().items():
        for option, text in module.OPTIONS.items():
            options[option] = f"{options[option]}; {name}: {text}" if option in options else f"{name}: {text}"
    if not options:
        return
    group = parser.add_argument_group("predictions from files", "RUN is a name in place of a folder; --out FILE is needed")
    for option, text in options.items():
        group.add_argument(f"--{option}", metavar=option.upper().replace("-", "_"), help=text)


def chosen(name: str) -> Any | None:
    """The module of a prediction, or None where the name is that of a run."""
    return predictions().get(name)


def run(name: str, module: Any, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Hand the module its options; raises `ConfigError` for one that belongs to another prediction or to a forecast from a run."""
    own = {option: arguments.get(option.replace("-", "_")) for option in module.OPTIONS}
    others = {o for m in predictions().values() for o in m.OPTIONS} - set(module.OPTIONS)
    foreign = [f"--{o}" for o in sorted(others) if arguments.get(o.replace("-", "_")) is not None]
    foreign += [f"--{o}" for o in RUN_OPTIONS if arguments.get(o) != defaults.get(o)]
    foreign += [f"--{k}" for k, v in arguments.items() if k.startswith("data.") and v is not None]
    if foreign:
        have = ", ".join(f"--{o}" for o in (*module.OPTIONS, "out"))
        raise ConfigError(explain(f"{name} has no {', '.join(foreign)}", ", ".join(foreign), have, "leave it out"))
    module.run({**own, "out": arguments.get("out")})


def refuse_foreign(arguments: Mapping[str, Any]) -> None:
    """Raise `ConfigError` where a forecast from a run was given options of a prediction from files."""
    known = predictions()
    given = [f"--{o}" for o in sorted({o for m in known.values() for o in m.OPTIONS}) if arguments.get(o.replace("-", "_")) is not None]
    if given:
        run = str(arguments.get("run"))
        what = f"{', '.join(given)} belong to a prediction from files{did_you_mean(run, known)}"
        raise ConfigError(explain(what, f"RUN is {run}", f"one of {', '.join(known)}", "name one of them as RUN"))
