"""What a forecast of a site may read: its own reads so far, and those of its neighbours at several distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seqsci.domains.genomics.methylation.neighbours import leaky_sums
from seqsci.domains.genomics.methylation.series import SiteSeries

Array = npt.NDArray[np.float64]
LENGTHS = (30.0, 100.0, 300.0, 1000.0, 3000.0, 20000.0)
"""Decay lengths of the leaky channels [bp]."""
PSEUDO = 1.0
"""Reads at the overall fraction that are added before a ratio is taken, so that 1 of 1 is not a fraction of 1."""


def logit(p: Array) -> Array:
    """``log p - log(1 - p)``."""
    return np.asarray(np.log(p) - np.log1p(-p))


def shrunk(methylated: Array, coverage: Array, overall: Array | float) -> Array:
    """Fractions, pulled to the overall one by `PSEUDO` reads; inside (0, 1)."""
    return np.asarray((methylated + PSEUDO * np.asarray(overall)) / (coverage + PSEUDO))


def overall_fraction(series: SiteSeries) -> Array:
    """(times,) share of methylated reads, half a read added on both sides."""
    return np.asarray((series.totals("methylated") + 0.5) / (series.totals("coverage") + 1))


def own_features(series: SiteSeries, overall: Array) -> tuple[Array, list[str]]:
    """Fractions (plain and logit), coverages, and their product: (sites, 4 times + 2) and their names."""
    p = shrunk(series.methylated, series.coverage, overall)
    depth = np.log1p(series.coverage)
    pooled_overall = float((overall * series.totals("coverage")).sum() / series.totals("coverage").sum())
    pooled = shrunk(series.methylated.sum(1), series.coverage.sum(1), pooled_overall)[:, None]
    columns = [p, logit(p), depth, (logit(p) - logit(overall)) * depth, pooled, logit(pooled)]
    names = [f"{kind}_{t:g}" for kind in ("fraction", "logit", "coverage", "logit_x_coverage") for t in series.times]
    return np.column_stack(columns), [*names, "fraction_pooled", "logit_pooled"]


def neighbour_features(series: SiteSeries, overall: Array, lengths: Sequence[float] = LENGTHS) -> tuple[Array, list[str]]:
    """By length: logit fraction of the neighbours at each time and pooled, and how much was seen; a site's own reads never enter.

    Shapes: -> (sites, lengths x (times + 2)), and names.
    """
    times = len(series.times)
    sums = leaky_sums(series.position, np.column_stack([series.methylated, series.coverage]), lengths, series.breaks)
    m, n = sums[:, :, :times], sums[:, :, times:]
    pooled_overall = float((overall * series.totals("coverage")).sum() / series.totals("coverage").sum())
    each = logit(shrunk(m, n, overall))
    pooled = logit(shrunk(m.sum(2), n.sum(2), pooled_overall))
    columns = [np.concatenate([each[:, i], pooled[:, [i]], np.log1p(n[:, [i]].sum(2))], axis=1) for i in range(len(lengths))]
    names = [f"{kind}_{length:g}bp" for length in lengths for kind in (*(f"logit_{t:g}" for t in series.times), "logit_pooled", "reads")]
    return np.concatenate(columns, axis=1), names
