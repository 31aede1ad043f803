"""Four leaky integrators side by side along DNA: decay lengths on a logarithmic grid, whose weighted sum falls as a power law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.along_dna import check_ends, decay_lengths, power_weights
from seqsci.cells.leaky_integrator import ACTIVITY, EXPRESSION, GAP
from seqsci.constraints import Interval, Positive, Real
from seqsci.equations.vocabulary import Expression, exp
from seqsci.gates.base import Gate
from seqsci.gates.knockout import Open
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Known, Parameter, State


@dataclass(frozen=True)
class LeakyBank(Mechanism):
    r"""Enhancer action with four decay lengths from 5 kb to 5 Mb: its kernel is close to a power law over three decades.

        h_k,t = exp(-gap_t / tau_k) insulator_t h_k,t-1 + i_t a_t,     tau_k = shortest (longest / shortest)^(k/3),  k = 0 .. 3
        H_t = sum_k w_k h_k,t,    w_k = (tau_k / shortest)^-exponent / sum_j (tau_j / shortest)^-exponent
        y_t ~ N(basal + gain H_t, scatter^2)

    Weights 1 / tau (exponent 1) need no fit. The kernel sum_k w_k exp(-d / tau_k) falls as d^-exponent between the shortest and the
    longest length, with a ripple of the grid. Gates and steps as in `seqsci.cells.leaky_integrator.LeakyIntegrator`; any number of
    lengths, both directions and pairs in closed form: `seqsci.domains.genomics.enhancer.bank.DecayBank`.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | basal | b | expression | real | expression without any activity |
    | gain | g | expression | > 0 | expression per unit of activity at distance zero |
    | scatter | s | expression | > 0 | sd of expression around the mechanism |
    | exponent | gamma | 1 | [0, 3] | power of distance with which an influence falls |

    Attributes: shortest, longest: decay lengths at the ends [bp]; insulator, write: gates.
    Raises `ParameterError` unless 0 < shortest < longest.
    Source: activity by contact, Fulco et al. (2019), DOI 10.1038/s41588-019-0538-0.

    >>> [round(t) for t in LeakyBank().lengths]
    [5000, 50000, 500000, 5000000]
    """

    shortest: float = 5e3
    longest: float = 5e6
    insulator: Gate = Open()
    write: Gate = Open()

    states = tuple(State(name, "1", f"h_{k}") for k, name in enumerate(("near", "local", "far", "distal")))
    outcomes = (EXPRESSION,)
    own_parameters = (
        Parameter("basal", Real(), 0.0, "expression", "b", "expression without any activity"),
        Parameter("gain", Positive(), 1.0, "expression", "g", "expression per unit of activity at distance zero"),
        Parameter("scatter", Positive(), 1.0, "expression", "s", "sd of expression around the mechanism"),
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
        """Gaps and activities, and what the gates read."""
        return (GAP, ACTIVITY, *self.insulator.known, *self.write.known)

    def start(self) -> tuple[Expression, ...]:
        return 0.0, 0.0, 0.0, 0.0

    def _gated(self, gap_bp: Expression, activity: Expression, insulator: Expression, write: Expression) -> tuple[Gated, ...]:
        return tuple(Gated(exp(-gap_bp / length) * insulator(), write(), activity) for length in self.lengths)

    def read(
        self,
        near: Expression,
        local: Expression,
        far: Expression,
        distal: Expression,
        gap_bp: Expression,
        activity: Expression,
        insulator: Expression,
        write: Expression,
        basal: Expression,
        gain: Expression,
        scatter: Expression,
        exponent: Expression,
    ) -> dict[str, Expression]:
        states = (near, local, far, distal)
        weights = power_weights(self.lengths, exponent)
        arriving = [g.next(h) for g, h in zip(self._gated(gap_bp, activity, insulator, write), states, strict=True)]
        total = sum(w * h for w, h in zip(weights, arriving, strict=True)) / sum(weights)
        return {"location": basal + gain * total, "scale": scatter}

    def update(self, gap_bp: Expression, activity: Expression, insulator: Expression, write: Expression) -> tuple[Gated, ...]:
        return self._gated(gap_bp, activity, insulator, write)

    def unobserved(self, gap_bp: Expression, activity: Expression, insulator: Expression, write: Expression) -> tuple[Gated, ...]:
        return self._gated(gap_bp, activity, insulator, write)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """The parameter-free exponent around the spread of the outcome."""
        spread = max(float(np.std(outcome["expression"])), 1e-6)
        for exponent in (1.0, 0.5, 1.5):
            yield {"basal": float(np.min(outcome["expression"])), "gain": spread, "scatter": 0.5 * spread, "exponent": exponent}
