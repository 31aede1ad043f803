"""seqsci show: equation, parameters and sources of a configuration."""

from __future__ import annotations

import argparse
from typing import Any

HELP = "equation, parameters and sources of a configuration"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("config", metavar="NAME", help="a shipped name, the path of a YAML file, or the folder of a run")


def run(arguments: argparse.Namespace) -> None:
    """Print a configuration."""
    from seqsci.cli.configured import configured, named
    from seqsci.equations.symbolic import latex

    name = named(arguments.config)
    config, model = configured(name)
    print(f"{name}: {model.name}\n\nequation (LaTeX)")
    for line in latex(model.mechanism, model.observation, model.folded):
        print(f"  {line}")
    print("\nparameters")
    for p in model.parameters:
        state = "fixed at " + f"{model.value[p.name]:g}" if p.name in model.fixed else p.constraint.admissible
        print(f"  {p.name:<20} {p.symbol:<10} {state:<14} {p.reading}")
    print("\nderived")
    for d in model.derived:
        print(f"  {d.name:<22} {d.symbol:<14} {d.reading}")
    print(f"\nbaselines: {', '.join(baselines(config))}")
    print("sources:   " + ", ".join(r if r.startswith("http") else f"https://doi.org/{r}" for r in model.mechanism.references))


def baselines(config: dict[str, Any]) -> list[str]:
    """What a fit is compared with: the configuration's list, else what its domain's manifest names (DEFAULT_BASELINES)."""
    from seqsci.registry import manifests

    chosen = (config.get("comparison") or {}).get("baselines")
    if chosen is None:
        names: tuple[str, ...] = getattr(manifests()[str(config["domain"])], "DEFAULT_BASELINES", ())
        return [*names] or [f"what the domain {config['domain']} compares where comparison.baselines is not given"]
    return [*map(str, chosen)] or ["none"]
