"""seqsci show: equation, parameters and sources of a configuration."""

from __future__ import annotations

import argparse

from seqsci.errors import ConfigError, did_you_mean, explain

HELP = "equation, parameters and sources of a configuration"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("config", metavar="NAME", help="a shipped name or the path of a YAML file")


def run(arguments: argparse.Namespace) -> None:
    """Print a configuration."""
    import importlib

    from seqsci.equations.symbolic import latex
    from seqsci.registry import manifests, read_config

    name = arguments.config
    config = read_config(name)
    module, attribute = manifests()[config["domain"]].MODELS.split(":")
    models = getattr(importlib.import_module(module), attribute)
    chosen = str(config.get("model", "default"))
    if chosen not in models:
        raise ConfigError(
            explain(f"{name}: no model {chosen!r}{did_you_mean(chosen, models)}", chosen, ", ".join(models), "correct model:")
        )
    model = models[chosen]()
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
    print("\nbaselines: " + ", ".join(config.get("comparison", {}).get("baselines", [])))
    print("sources:   " + ", ".join(r if r.startswith("http") else f"https://doi.org/{r}" for r in model.mechanism.references))
