"""Figures of a methylation run for the report, from its tables: the course over time, kinetics by class of sites, imputation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqsci.domains.genomics.methylation import plots
from seqsci.estimation.result import Fit
from seqsci.plots import Captioned


def figures(fit: Fit, tables: Mapping[str, Any]) -> list[Captioned]:
    """What the run's tables hold, drawn; a table that is absent has no figure."""
    found = []
    if "course" in tables and "curve" in tables:
        found.append(plots.table_course_figure(tables["course"], tables["curve"], "verdict" in tables and _identified(tables["verdict"])))
    if "kinetics" in tables:
        table = tables["kinetics"]
        unit = str(table["time_unit"].iloc[0])
        for name, title in (("half_life", "half-life"), ("equilibrium", "equilibrium fraction")):
            found.append(plots.quantity_figure(table, name, title, unit if name == "half_life" else ""))
    if "imputation" in tables:
        found.append(plots.imputation_figure(tables["imputation"]))
    return found


def _identified(verdict: Any) -> bool:
    if "name" not in verdict:  # a run of an earlier version
        return not (verdict["kind"] == "loss").any()
    return bool((verdict["name"] == "identified").any())
