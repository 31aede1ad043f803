"""An element and a promoter of a perturbation screen: the element's activity leaks on its way, and what arrives decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.along_dna import check_ends, decay_lengths, power_weights
from seqsci.constraints import Interval, Real
from seqsci.equations.vocabulary import Expression, exp, log, sigmoid
from seqsci.gates.base import Gate
from seqsci.gates.logistic import LogisticGate
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Known, Outcome, Parameter, State

LEAST = 1e-300
"""Least that arrives, so that its logarithm is a number."""


@dataclass(frozen=True)
class ScreenedPair(Mechanism):
    r"""Does silencing an element lower a gene's expression? A bank of four leaky integrators between the two; a unit is a pair.

        h_k,0 = w_k a,    w_k = (tau_k / shortest)^-exponent / sum_j (tau_j / shortest)^-exponent
        tau_k = shortest (longest / shortest)^(k/3),    k = 0 .. 3
        arriving = sum_k exp(-d / tau_k) h_k
        P(regulated) = sigmoid(intercept + slope log(arriving) + logit g)

    a is the element's activity, d the distance [bp], g a gate of further columns. In each channel the state starts at the element and is
    read at the promoter, so the pair is the closed form of `seqsci.cells.leaky_bank.LeakyBank` with all other elements silent. Exponent 1
    (weights 1/tau) falls as 1/d and needs no fit: ``.fix(exponent=1.0)``. With ``activity`` 1 and signals as columns of the gate, each
    signal has a power of its own.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | intercept | b | log odds | real | log odds where activity 1 arrives |
    | slope | s | 1 | real | log odds per e-fold of what arrives |
    | exponent | gamma | 1 | [0, 3] | power of distance with which an influence falls |
    | by_COLUMN | beta_j | log odds | real | log odds per unit of a column |

    Attributes: shortest, longest: decay lengths at the ends [bp]; gate: of further columns.
    Raises `ParameterError` unless 0 < shortest < longest.
    Source: activity by contact, Fulco et al. (2019), DOI 10.1038/s41588-019-0538-0.

    >>> [p.name for p in ScreenedPair(gate=LogisticGate(("ctcf",))).parameters]
    ['intercept', 'slope', 'exponent', 'by_ctcf']
    """

    shortest: float = 5e3
    longest: float = 5e6
    gate: Gate = LogisticGate()

    states = tuple(State(name, "1", f"h_{k}") for k, name in enumerate(("near", "local", "far", "distal")))
    outcomes = (Outcome("regulated", symbol="y"),)
    own_parameters = (
        Parameter("intercept", Real(), 0.0, "log odds", "b", "log odds where activity 1 arrives"),
        Parameter("slope", Real(), 1.0, "1", "s", "log odds per e-fold of what arrives"),
        Parameter("exponent", Interval(0.0, 3.0), 1.0, "1", r"\gamma", "power of distance with which an influence falls"),
    )
    references = ("10.1038/s41588-019-0538-0",)

    def __post_init__(self) -> None:
        check_ends(self.shortest, self.longest)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Decay lengths [bp], log-spaced."""
        return decay_lengths(self.shortest, self.longest)

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        """Distance and activity of the element, and the gate's columns."""
        return (Known("distance_bp", "bp", "d"), Known("activity", "1", "a"), *self.gate.known)

    def start(self, activity: Expression, exponent: Expression) -> tuple[Expression, ...]:
        weights = power_weights(self.lengths, exponent)
        return tuple(activity * w / sum(weights) for w in weights)

    def read(
        self,
        near: Expression,
        local: Expression,
        far: Expression,
        distal: Expression,
        distance_bp: Expression,
        gate: Expression,
        intercept: Expression,
        slope: Expression,
    ) -> dict[str, Expression]:
        channels = zip((near, local, far, distal), self.lengths, strict=True)
        arriving = sum((h * exp(-distance_bp / length) for h, length in channels), start=LEAST)
        return {"probability": sigmoid(intercept + slope * log(arriving) + log(gate()) - log(1 - gate()))}

    def update(self, distance_bp: Expression) -> tuple[Gated, ...]:
        return tuple(Gated(forget=exp(-distance_bp / length), write=0.0, candidate=0.0) for length in self.lengths)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """The share that is regulated, with a weak and with a strong slope."""
        share = float(np.clip(np.mean(outcome["regulated"]), 1e-3, 1 - 1e-3))
        for slope in (1.0, 0.3):
            yield {"intercept": float(np.log(share / (1 - share))), "slope": slope, "exponent": 1.0}
