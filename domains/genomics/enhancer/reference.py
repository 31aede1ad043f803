"""The training cell type's signals in two numbers each, so that another cell type's tracks come to the same scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.genomics.enhancer.normalisation import Normalisation
from seqsci.domains.genomics.enhancer.pair_gates import FLOOR
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LogMoments:
    """Mean and standard deviation of ``log(x + .05)`` over the elements of a cell type."""

    cell_type: str
    mean: float
    deviation: float


K562 = {"H3K27ac": LogMoments("K562", 1.0314, 1.4161), "DHS": LogMoments("K562", 1.1476, 1.1267)}
"""Of H3K27ac.RPM.expandedRegion and DHS.RPM of the training table's elements, each once (tests/test_enhancer_predict.py measures them)."""


def log_moments(given: npt.ArrayLike, cell_type: str = "given") -> LogMoments:
    """Mean and standard deviation (n in the denominator) of ``log(x + .05)`` of the signals (n,) of elements.

    Raises: DataError for fewer than two elements, negative or missing signals, or a signal that is the same everywhere.
    """
    x = np.asarray(given, float)
    if x.size < 2 or not np.isfinite(x).all() or (x < 0).any() or np.ptp(x) == 0:
        got = f"{x.size} elements, signal from {x.min(initial=np.inf):g} to {x.max(initial=-np.inf):g}"
        fix = "check the track: is it of these chromosomes?  or leave it as it is: --normalise none"
        raise DataError(explain("a signal cannot be normalised", got, "two or more elements, a signal >= 0 that differs", fix))
    logs = np.log(x + FLOOR)
    return LogMoments(cell_type, float(logs.mean()), float(logs.std()))


def to_reference(given: npt.ArrayLike, reference: LogMoments, own: LogMoments | None = None) -> Array:
    """Signals (n,) on the scale of the reference: ``exp(m + s (log(x + .05) - mean) / sd) - .05``, at least 0; ranks are kept.

    Args:
        given: signals >= 0. reference: m and s. own: mean and sd of the elements of this cell type (`log_moments`); default: of ``given``.

    Raises: DataError for fewer than two elements, or a signal that is the same everywhere, where ``own`` is not given.
    """
    scale = log_moments(given) if own is None else own
    logs = np.log(np.asarray(given, float) + FLOOR)
    return np.asarray(np.maximum(np.exp(reference.mean + reference.deviation * (logs - scale.mean) / scale.deviation) - FLOOR, 0.0))


@dataclass(frozen=True)
class MatchLogMoments(Normalisation):
    """Mean and spread of the logarithm of the reference's values; ranks are kept."""

    def values(self, reference: Array, given: Array) -> Array:
        logs = np.log(reference + FLOOR)
        return to_reference(given, LogMoments("reference", float(logs.mean()), float(logs.std())))
