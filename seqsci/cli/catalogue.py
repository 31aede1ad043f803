"""seqsci list: the shipped configurations."""

from __future__ import annotations

import argparse

HELP = "shipped configurations"


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(arguments: argparse.Namespace) -> None:
    """Print every configuration with its one-line description."""
    from seqsci.registry import manifests

    for manifest_name, manifest in manifests().items():
        print(manifest.TITLE)
        width = max(len(name) for name in manifest.CONFIGS)
        for name, text in manifest.CONFIGS.items():
            print(f"  {manifest_name}/{name:<{width}} {text}")
