"""What the cells along DNA share: decay lengths on a logarithmic grid with their weights, and the step of one leaky integrator."""

from __future__ import annotations

import numpy as np

from seqsci.equations.vocabulary import Expression, exp
from seqsci.errors import ParameterError, explain
from seqsci.mechanism import Gated

CHANNELS = 4
"""Leaky integrators side by side in a cell."""


def check_ends(shortest: float, longest: float) -> None:
    """Raise `ParameterError` unless 0 < shortest < longest [bp]."""
    if not 0 < shortest < longest < float("inf"):
        got = f"shortest {shortest:g}, longest {longest:g}"
        raise ParameterError(explain("decay lengths of a bank", got, "0 < shortest < longest [bp]", "swap or widen them"))


def decay_lengths(shortest: float, longest: float) -> tuple[float, ...]:
    """Log-spaced decay lengths [bp], both ends among them."""
    return tuple(float(t) for t in np.geomspace(shortest, longest, CHANNELS))


def power_weights(lengths: tuple[float, ...], exponent: Expression) -> list[Expression]:
    """Weights ``tau_k^-exponent``, those of the shortest length being 1; their sum of exponentials falls as ``d^-exponent``."""
    return [exp(-exponent * float(np.log(length / lengths[0]))) for length in lengths]


def carried(gap_bp: Expression, activity: Expression, forget: Expression, insulator: Expression, write: Expression) -> Gated:
    """One step of an integrator: ``h' = f(gap) insulator h + write activity``; the arguments are bound gates."""
    return Gated(forget=forget(distance=gap_bp) * insulator(), write=write(), candidate=activity)
