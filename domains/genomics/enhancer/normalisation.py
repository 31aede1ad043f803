"""Signals of one cell type on the scale of another, before a model is carried over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.pairs import signal
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]


class Normalisation(ABC):
    """Abstract base: brings signals of elements to the distribution of a reference."""

    @abstractmethod
    def values(self, reference: Array, given: Array) -> Array:
        """Given values (n,) on the scale of the reference (m,); ranks are kept."""

    def apply(self, reference: pd.DataFrame, frame: pd.DataFrame, signals: Sequence[str]) -> pd.DataFrame:
        """The frame with its signals on the scale of the reference's; each element counts once, however many genes it was tested with.

        Raises: DataError for a signal that either lacks.
        """
        found = frame.copy()
        found.attrs = dict(frame.attrs)
        for name in signals:
            own, other = signal(frame, name), signal(reference, name)
            once, first = _once(frame), _once(reference)
            table = dict(zip(own[once], self.values(other[first], own[once]), strict=True))
            found[name] = np.array([table[v] for v in own])
        return found


@dataclass(frozen=True)
class AsTheyAre(Normalisation):
    """Nothing is changed: right within one cell type and one protocol."""

    def values(self, reference: Array, given: Array) -> Array:
        return given


@dataclass(frozen=True)
class MatchMean(Normalisation):
    """Multiplied so that the means agree: undoes depth; shares do not change.

    >>> MatchMean().values(np.array([2.0, 4.0]), np.array([1.0, 5.0]))
    array([1., 5.])
    """

    def values(self, reference: Array, given: Array) -> Array:
        mean = float(np.mean(_filled(given, "the frame")))
        if mean <= 0:
            raise DataError(explain("a signal of zero everywhere", "mean 0", "some signal", "check the track"))
        return np.asarray(given * (float(np.mean(_filled(reference, "the reference"))) / mean))


@dataclass(frozen=True)
class MatchQuantiles(Normalisation):
    """Each value becomes the reference's value at the same share of elements below it; tied values stay tied.

    Source: quantile normalisation as in the activity-by-contact model; Bolstad et al. (2003), DOI 10.1093/bioinformatics/19.2.185.

    >>> MatchQuantiles().values(np.array([10.0, 20.0, 30.0]), np.array([3.0, 1.0, 2.0]))
    array([30., 10., 20.])
    """

    def values(self, reference: Array, given: Array) -> Array:
        ordered, target = np.sort(_filled(given, "the frame")), np.sort(_filled(reference, "the reference"))
        below, upto = np.searchsorted(ordered, given, "left"), np.searchsorted(ordered, given, "right")
        share = (below + upto - 1) / 2 / max(len(ordered) - 1, 1)
        return np.asarray(np.interp(share, np.linspace(0, 1, len(target)), target))


def _once(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    keys = [c for c in ("chrom", "chromStart", "chromEnd") if c in frame]
    return ~frame.duplicated(keys).to_numpy() if len(keys) == 3 else np.ones(len(frame), bool)


def _filled(values: Array, what: str) -> Array:
    if not len(values) or not np.isfinite(values).all():
        got = f"{len(values)} values, {int((~np.isfinite(values)).sum())} not finite"
        raise DataError(explain(f"signals of {what} cannot be normalised", got, "finite numbers", "set what is absent to 0"))
    return values
