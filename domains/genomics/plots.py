"""Figures of a genomics run for the report, drawn by the room that its model belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqsci.cells.screened_pair import ScreenedPair
from seqsci.domains.genomics.enhancer import report as enhancer
from seqsci.domains.genomics.methylation import report as methylation
from seqsci.estimation.result import Fit
from seqsci.plots import Captioned


def figures(fit: Fit, tables: Mapping[str, Any]) -> list[Captioned]:
    """The domain's figures of a fit; ``tables`` are the CSV files of its run."""
    if isinstance(fit.model.mechanism, ScreenedPair):
        return enhancer.figures(fit, tables)
    return methylation.figures(fit, tables)
