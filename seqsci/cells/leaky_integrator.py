"""Enhancer action as a leaky integrator along DNA: activity is summed on the way and leaks away with distance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.along_dna import carried
from seqsci.constraints import Positive, Real
from seqsci.equations.vocabulary import Expression
from seqsci.gates.base import Gate
from seqsci.gates.distance import DistanceGate
from seqsci.gates.knockout import Open
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Known, Outcome, Parameter, State

LOG_2 = 0.6931471805599453
GAP = Known("gap_bp", "bp", "d")
ACTIVITY = Known("activity", "1", "a")
EXPRESSION = Outcome("expression", symbol="y")


@dataclass(frozen=True)
class LeakyIntegrator(Mechanism):
    r"""One decay length along DNA, exact over irregular gaps; a step is a position (an element or a promoter), the outcome is expression.

        h_t = f_t h_{t-1} + i_t a_t,    f_t = exp(-gap_t / tau) insulator_t        arrives at position t, its own activity included
        y_t ~ N(basal + gain h_t, scatter^2)                                       seen at promoters; missing elsewhere

    a_t is the activity of the element at t (0 at a bare promoter), gap_t the distance [bp] from the position before. The state before
    the first position is 0. ``write`` is the input gate: `Open`, or `seqsci.gates.silencing.SilencingGate` for a screen; ``insulator``
    is `Open`, or `seqsci.gates.insulator.InsulatorGate`, which resets the memory at boundaries. h_t reads one strand direction: what
    lies before t. Both directions are `seqsci.domains.genomics.enhancer.bank.DecayBank`. A single decay length is the wrong kernel for
    enhancers genome-wide, whose contact falls as a power law: there take several (`seqsci.cells.leaky_bank.LeakyBank`).

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | basal | b | expression | real | expression without any activity |
    | gain | g | expression | > 0 | expression per unit of activity that arrives |
    | scatter | s | expression | > 0 | sd of expression around the mechanism |
    | decay_length | tau | bp | > 0 | distance over which an influence falls to 1/e |
    | of the gates | | | | insulation by a boundary; efficacy of silencing |

    Source: the field's activity-by-contact model has the same sum with another kernel: Fulco et al. (2019),
    DOI 10.1038/s41588-019-0538-0.

    >>> [p.name for p in LeakyIntegrator().parameters]
    ['basal', 'gain', 'scatter', 'decay_length']
    """

    forget: Gate = DistanceGate()
    insulator: Gate = Open()
    write: Gate = Open()

    states = (State("integrated", "1", "h"),)
    outcomes = (EXPRESSION,)
    own_parameters = (
        Parameter("basal", Real(), 0.0, "expression", "b", "expression without any activity"),
        Parameter("gain", Positive(), 1.0, "expression", "g", "expression per unit of activity that arrives"),
        Parameter("scatter", Positive(), 1.0, "expression", "s", "sd of expression around the mechanism"),
    )
    own_derived = (
        Derived(
            "kept_over_10_kb",
            lambda forget: forget(distance=1e4),
            "1",
            "f_{10}",
            "share of an influence that is left after 10 kb",
            Positive(),
        ),
        Derived(
            "kept_over_100_kb",
            lambda forget: forget(distance=1e5),
            "1",
            "f_{100}",
            "share of an influence that is left after 100 kb",
            Positive(),
        ),
    )
    references = ("10.1038/s41588-019-0538-0",)

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        """Gaps and activities, and what the gates read."""
        return (GAP, ACTIVITY, *self.insulator.known, *self.write.known)

    def start(self) -> Expression:
        return 0.0

    def read(
        self,
        integrated: Expression,
        gap_bp: Expression,
        activity: Expression,
        forget: Expression,
        insulator: Expression,
        write: Expression,
        basal: Expression,
        gain: Expression,
        scatter: Expression,
    ) -> dict[str, Expression]:
        arriving = carried(gap_bp, activity, forget, insulator, write).next(integrated)
        return {"location": basal + gain * arriving, "scale": scatter}

    def update(self, gap_bp: Expression, activity: Expression, forget: Expression, insulator: Expression, write: Expression) -> Gated:
        return carried(gap_bp, activity, forget, insulator, write)

    def unobserved(self, gap_bp: Expression, activity: Expression, forget: Expression, insulator: Expression, write: Expression) -> Gated:
        return carried(gap_bp, activity, forget, insulator, write)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """Short, middle and long decay lengths around the spread of the outcome."""
        spread = max(float(np.std(outcome["expression"])), 1e-6)
        for length in (3e4, 3e3, 3e5):
            yield {"basal": float(np.min(outcome["expression"])), "gain": spread, "scatter": 0.5 * spread, "decay_length": length}
