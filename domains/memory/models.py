"""The models of memory that ship: stability that grows by addition (SBD), FSRS-6, FSRS-7, and forgetting with one half-life."""

from __future__ import annotations

from seqsci.cells.additive_stability import AdditiveStability
from seqsci.cells.forgetting import Forgetting
from seqsci.cells.fsrs6 import FSRS6
from seqsci.cells.fsrs7 import FSRS7
from seqsci.gates.power import PowerGate
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli


def sbd() -> Model:
    """The default: SBD, seven parameters (open-spaced-repetition/srs-benchmark, models/sbd.py)."""
    return Model(AdditiveStability(), Bernoulli(), name="SBD")


def fsrs6() -> Model:
    """FSRS-6 at its published defaults, 21 parameters; they were trained on ten thousand users."""
    return Model(FSRS6(), Bernoulli(), name="FSRS-6 (ours)")


def fsrs7() -> Model:
    """FSRS-7 at its published defaults, 35 parameters; for fractional days."""
    return Model(FSRS7(), Bernoulli(), name="FSRS-7 (ours)")


def exponential() -> Model:
    """A trace that fades exponentially, with the same half-life after every study event."""
    return Model(Forgetting(), Bernoulli(), name="exponential trace")


def power() -> Model:
    """A trace that fades as a power of the gap, with the same half-life after every study event."""
    return Model(Forgetting(PowerGate("days")), Bernoulli(), name="power trace")


MODELS = {"sbd": sbd, "fsrs6": fsrs6, "fsrs7": fsrs7, "exponential": exponential, "power": power}
"""Builders by the name that configurations use."""
