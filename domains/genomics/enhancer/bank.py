"""A bank of leaky integrators along DNA, read in both directions: the kernel of enhancer action, for pairs and for whole chromosomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.errors import DataError, ParameterError, explain

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
SHORTEST, LONGEST, CHANNELS = 5e3, 5e6, 4
"""The default bank: four decay lengths from 5 kb to 5 Mb."""


@dataclass(frozen=True)
class DecayBank:
    r"""Positive mixture of exponential decays with distance: what is left of an element's activity at a promoter.

    Formula: ``kernel(d) = sum_k w_k exp(-d / tau_k)``, the weights scaled to sum 1, so that kernel(0) = 1. Each term is a leaky
    integrator that walks along the chromosome, so that a promoter's sum over all elements takes one walk in each direction.

    | attribute | symbol | unit | set | reading |
    |---|---|---|---|---|
    | lengths | tau_k | bp | > 0, increasing | distances over which the channels fall to 1/e |
    | weights | w_k | 1 | >= 0, not all 0; scaled to sum 1 | share of each channel at distance zero |
    | insulation | nu | 1 | >= 0 | log fold by which a boundary between element and promoter weakens the influence; inf resets |

    Raises `ParameterError` for anything else.
    Source: a mixture over tau with density tau^(-1-g) is a power law d^-g; activity by contact, DOI 10.1038/s41588-019-0538-0.

    >>> bank = DecayBank.log_spaced()
    >>> [round(t) for t in bank.lengths], [round(w, 4) for w in bank.weights]
    ([5000, 50000, 500000, 5000000], [0.9001, 0.09, 0.009, 0.0009])
    """

    lengths: tuple[float, ...]
    weights: tuple[float, ...]
    insulation: float = 0.0

    def __post_init__(self) -> None:
        lengths, weights = (np.atleast_1d(np.asarray(v, float)) for v in (self.lengths, self.weights))
        faults = []
        if lengths.ndim > 1 or not lengths.size or lengths.shape != weights.shape:
            faults.append(f"{lengths.shape} lengths and {weights.shape} weights")
        if not (np.isfinite(lengths).all() and (lengths > 0).all() and (np.diff(lengths) > 0).all()):
            faults.append(f"lengths {lengths.tolist()}")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            faults.append(f"weights {weights.tolist()}")
        if not self.insulation >= 0:
            faults.append(f"insulation {self.insulation}")
        if faults:
            need = "as many weights as lengths; lengths positive and increasing [bp]; weights not negative, not all zero; insulation >= 0"
            raise ParameterError(explain("this is no bank of decay lengths", "; ".join(faults), need, "DecayBank.log_spaced()"))
        object.__setattr__(self, "lengths", tuple(lengths.tolist()))
        object.__setattr__(self, "weights", tuple((weights / weights.sum()).tolist()))

    @classmethod
    def log_spaced(cls, channels: int = CHANNELS, shortest: float = SHORTEST, longest: float = LONGEST, exponent: float = 1.0) -> DecayBank:
        """Decay lengths on a logarithmic grid with weights ``tau^-exponent``; exponent 1 is the default that needs no fit."""
        if channels < 1 or not 0 < shortest <= longest < np.inf or (channels > 1 and shortest == longest):
            got = f"{channels} channels from {shortest:g} to {longest:g} bp"
            raise ParameterError(explain("no grid of decay lengths", got, "1 or more channels, 0 < shortest < longest", "correct them"))
        lengths = np.geomspace(shortest, longest, channels)
        return cls(tuple(lengths), tuple((lengths / shortest) ** -exponent))

    def insulated(self, insulation: float) -> DecayBank:
        """The same bank with boundaries that weaken an influence by ``exp(-insulation)`` each."""
        return DecayBank(self.lengths, self.weights, insulation)

    def kernel(self, distance_bp: npt.ArrayLike, boundaries: npt.ArrayLike = 0) -> Array:
        """Share of an activity that arrives over a distance [bp] and past boundaries: the closed form for pairs, any shape."""
        d, n = np.abs(np.asarray(distance_bp, float)), np.asarray(boundaries, float)
        decayed = np.exp(-d[..., None] / np.array(self.lengths)) @ np.array(self.weights)
        return np.asarray(decayed * np.where(n > 0, np.exp(-self.insulation * np.maximum(n, 1e-300)), 1.0))

    def exponent(self, distance_bp: npt.ArrayLike) -> Array:
        """Local power ``-d log kernel / d log distance``; a power law has the same at every distance."""
        d = np.asarray(distance_bp, float)[..., None]
        parts = np.exp(-d / np.array(self.lengths)) * np.array(self.weights)
        return np.asarray((parts * d / np.array(self.lengths)).sum(-1) / parts.sum(-1))

    def mean_exponent(self, low_bp: float, high_bp: float) -> float:
        """Power of the straight line through the kernel on logarithmic axes, least squares over 200 distances."""
        d = np.geomspace(low_bp, high_bp, 200)
        return float(-np.polyfit(np.log(d), np.log(self.kernel(d)), 1)[0])

    def scan(
        self,
        element: npt.ArrayLike,
        activity: npt.ArrayLike,
        promoter: npt.ArrayLike,
        boundaries: npt.ArrayLike = (),
        window_bp: float = np.inf,
    ) -> Array:
        """Total that arrives at each promoter of one chromosome from both directions (promoters,), an element at the promoter once.

        Args:
            element, promoter, boundaries: positions [bp], in any order; activity: of the elements, >= 0.
            window_bp: elements further away do not count; inf: all of the chromosome.

        Raises: DataError for positions that are no whole numbers, or activities that are negative or not finite.
        """
        return np.asarray(self.channels(element, activity, promoter, boundaries, window_bp) @ np.array(self.weights))

    def channels(
        self,
        element: npt.ArrayLike,
        activity: npt.ArrayLike,
        promoter: npt.ArrayLike,
        boundaries: npt.ArrayLike = (),
        window_bp: float = np.inf,
    ) -> Array:
        """The same before the weights: (promoters, channels)."""
        from seqsci.domains.genomics.enhancer.bank_kernel import arrive_from_left

        e, p, b = (_positions(v, n) for v, n in ((element, "element"), (promoter, "promoter"), (boundaries, "boundary")))
        a = np.asarray(activity, float)
        if a.shape != e.shape or not (np.isfinite(a).all() and (a >= 0).all()):
            bad = int((~(np.isfinite(a) & (a >= 0))).sum())
            got = f"{a.shape} activities of {e.shape} elements, {bad} negative, infinite or missing"
            raise DataError(
                explain("activities of elements", got, "a finite number >= 0 for each element", "set what was not measured to 0")
            )
        if not window_bp > 0:
            raise ParameterError(explain("the window of a scan", f"{window_bp:g} bp", "> 0 bp, or inf", "pass the reach of an enhancer"))
        i, j = np.argsort(e, kind="stable"), np.argsort(p, kind="stable")
        e, a, q, b = e[i], a[i], p[j], np.sort(b)
        lengths, passing = np.array(self.lengths), float(np.exp(-self.insulation))
        left = arrive_from_left(e, a, q, b, lengths, passing, float(window_bp))
        right = arrive_from_left(-e[::-1], a[::-1].copy(), -q[::-1], -b[::-1], lengths, passing, float(window_bp))[::-1]
        found = np.empty((p.size, lengths.size))
        found[j] = left + right - _at(e, a, q)[:, None]
        return found


def _at(element: Positions, activity: Array, promoter: Positions) -> Array:
    """Activity of the elements that sit exactly at each promoter."""
    total = np.r_[0.0, np.cumsum(activity)]
    low, high = np.searchsorted(element, promoter, "left"), np.searchsorted(element, promoter, "right")
    return np.where(high > low, total[high] - total[low], 0.0)


def boundaries_between(boundaries: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike) -> Positions:
    """Number of boundaries strictly between positions a and b of one chromosome, elementwise."""
    sites = np.sort(_positions(boundaries, "boundary"))
    low, high = np.minimum(a, b), np.maximum(a, b)
    passed = np.searchsorted(sites, high, "left") - np.searchsorted(sites, low, "right")
    return np.asarray(np.maximum(passed, 0), np.int64)


def _positions(values: Sequence[int] | npt.ArrayLike, what: str) -> Positions:
    given = np.atleast_1d(np.asarray(values))
    whole = given.astype(np.int64) if given.size else np.zeros(0, np.int64)
    if given.ndim > 1 or (given.size and not (given.dtype.kind in "iuf" and np.isfinite(given).all() and (whole == given).all())):
        got = f"{given.dtype} of shape {given.shape}"
        raise DataError(explain(f"positions of {what}s", got, "whole numbers of base pairs (n,)", "take the middle of an interval, // 2"))
    return whole
