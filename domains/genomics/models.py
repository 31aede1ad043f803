"""The genomics models that ship, by the name that configurations use."""

from __future__ import annotations

from collections.abc import Callable

from seqsci.domains.genomics.enhancer import screened
from seqsci.domains.genomics.methylation import models as methylation
from seqsci.model import Model

MODELS: dict[str, Callable[..., Model]] = {**screened.MODELS, **methylation.MODELS}
"""Builders: element-gene pairs, then methylation."""
