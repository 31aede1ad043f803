"""Turns a genomics configuration into a study: its model says whether it is one of enhancers or of methylation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqsci.domains.genomics.enhancer import study as enhancer
from seqsci.domains.genomics.enhancer.screened import MODELS as PAIRS
from seqsci.domains.genomics.methylation import study as methylation
from seqsci.domains.genomics.models import MODELS
from seqsci.errors import ConfigError, did_you_mean, explain
from seqsci.study import Study


def build(config: Mapping[str, Any]) -> Study:
    """The study of a genomics configuration; raises `ConfigError` naming the key that is wrong."""
    place, name = str(config.get("name", "the configuration")), str(config.get("model", ""))
    if name not in MODELS:
        what = f"{place}: unknown model {name!r}{did_you_mean(name, MODELS)}"
        raise ConfigError(explain(what, name or "no model", ", ".join(MODELS), "set model: to one of these"))
    return enhancer.build(config) if name in PAIRS else methylation.build(config)
