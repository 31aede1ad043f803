"""SBD, stability that grows by addition: what a review adds depends on the gap; a lapse leaves a share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval, Positive
from seqsci.equations.vocabulary import Expression, exp, expm1, log, log1p, maximum, minimum, power, sqrt, where
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Known, Outcome, Parameter, State

SHORTEST, LONGEST = 0.001, 36500.0
"""Bounds of the stability, days."""
INSTANT = 1e-9
"""Shortest gap that is told from none, in days: logarithms stay finite."""
MOST_FAILURES = 50.0


@dataclass(frozen=True)
class AdditiveStability(Mechanism):
    r"""SBD (stability, brittleness, difficulty): a card's stability in days as a gated memory.

        a = t^{1/k} + v^{1/k} rho^{-g/2} sqrt(S),   beta = d (delta + n)^c
        R = (1 + a / S)^{-beta}                                       probability of recall, before the outcome
        recalled: S' = S + a              forget gate 1, write gate 1, candidate a
        lapse:    S' = S (1 - R)^c        forget gate (1 - R)^c, write gate 0
        g' = r - 1,   n' = min(50, n + max(0, (3 - r) / 2));   S in [0.001, 36500]
        first grade r: S = s_1 rho^{r-1}, g = r - 1, n = max(0, (3 - r) / 2)

    t: days since the last review, r: grade 1..4 (again, hard, good, easy). In the source's symbols s_1 = e^L, rho = e^{(H - L)/3},
    d = e^alpha, v here is e^v there, delta = e^{ln delta}. R(0) < 1: recall is never certain, some desired retentions are out of reach.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | again_stability | s_1 | [0.001, 36500] days | stability after a failed first review |
    | grade_ratio | rho | [1, 350] | factor by which the first stability grows from one grade to the next |
    | gap_root | k | [0.5, 20] | the larger, the less a long gap adds |
    | decay | d | [1e-4, 20] | exponent of forgetting of a card with delta + n = 1 |
    | lapse_power | c | [0, 5] | how much failures speed up forgetting, and how much of the stability a lapse takes |
    | own_growth | v | [1e-6, 1000] days | gap whose effect equals the part of growth that needs no gap (at S = 1, g = 0) |
    | brittleness | delta | [0.001, 50] | failures that count for a card that never failed |

    Source: SBD, Anders Schill; open-spaced-repetition/srs-benchmark, models/sbd.py. The defaults are round numbers; the values and the
    prior that are published there were trained on other users and are not used.

    >>> [p.default for p in AdditiveStability().own_parameters]
    [0.3, 3.0, 2.0, 0.3, 0.5, 1.0, 0.5]
    """

    states = (State("stability", "days", "S"), State("ease", symbol="g"), State("failures", symbol="n"))
    known = (Known("elapsed_days", "days", "t"), Known("first_grade", symbol="r_1"))
    outcomes = (Outcome("recalled", symbol="y"), Outcome("grade", symbol="r"))
    own_parameters = (
        Parameter("again_stability", Interval(SHORTEST, LONGEST), 0.3, "days", "s_1", "stability after a failed first review"),
        Parameter("grade_ratio", Interval(1.0, 350.0), 3.0, "1", r"\rho", "factor of the first stability from one grade to the next"),
        Parameter("gap_root", Interval(0.5, 20.0), 2.0, "1", "k", "the larger, the less a long gap adds"),
        Parameter("decay", Interval(1e-4, 20.0), 0.3, "1", "d", "exponent of forgetting of a card with brittleness + failures = 1"),
        Parameter("lapse_power", Interval(0.0, 5.0), 0.5, "1", "c", "how much failures speed up forgetting and a lapse takes away"),
        Parameter("own_growth", Interval(1e-6, 1000.0), 1.0, "days", "v", "gap whose effect equals the part of growth that needs no gap"),
        Parameter("brittleness", Interval(1e-3, 50.0), 0.5, "1", r"\delta", "failures that count for a card that never failed"),
    )
    references = ("https://github.com/open-spaced-repetition/srs-benchmark",)

    @property
    def derived(self) -> tuple[Derived, ...]:
        return (
            Derived("good_stability", self._good, "days", "S_3", "stability after a good first review", Positive()),
            Derived(
                "good_interval",
                self._interval,
                "days",
                "t_{.9}",
                "days until recall after a good first review is 90 %, 36,500 at most",
                Interval(0.0, LONGEST),
            ),
        )

    def _good(self, again_stability: Expression, grade_ratio: Expression) -> Expression:
        return again_stability * grade_ratio**2

    def _interval(
        self,
        again_stability: Expression,
        grade_ratio: Expression,
        gap_root: Expression,
        decay: Expression,
        lapse_power: Expression,
        own_growth: Expression,
        brittleness: Expression,
    ) -> Expression:
        stability = again_stability * grade_ratio**2
        gained = stability * expm1(-log(0.9) / (decay * power(brittleness, lapse_power)))
        left = gained - exp(log(own_growth) / gap_root) / grade_ratio * sqrt(stability)
        return minimum(power(where(left > 0, left, 0.0), gap_root), LONGEST)

    def start(self, first_grade: Expression, again_stability: Expression, grade_ratio: Expression) -> tuple[Expression, ...]:
        first = minimum(again_stability * power(grade_ratio, first_grade - 1), LONGEST)
        return first, first_grade - 1, maximum((3 - first_grade) / 2, 0.0)

    def read(
        self,
        stability: Expression,
        ease: Expression,
        failures: Expression,
        elapsed_days: Expression,
        grade_ratio: Expression,
        gap_root: Expression,
        decay: Expression,
        lapse_power: Expression,
        own_growth: Expression,
        brittleness: Expression,
    ) -> dict[str, Expression]:
        gap = where(elapsed_days > 0, exp(log(maximum(elapsed_days, INSTANT)) / gap_root), 0.0)
        gained = gap + exp(log(own_growth) / gap_root - ease / 2 * log(grade_ratio)) * sqrt(stability)
        beta = decay * exp(lapse_power * log(brittleness + failures))
        return {"probability": exp(-beta * log1p(gained / stability)), "gained": gained}

    def update(
        self,
        stability: Expression,
        failures: Expression,
        recalled: Expression,
        grade: Expression,
        probability: Expression,
        gained: Expression,
        lapse_power: Expression,
    ) -> tuple[Gated | Expression, ...]:
        passed = recalled > 0.5
        kept = exp(lapse_power * log1p(-probability))
        stable = Gated(
            forget=where(passed, 1.0, maximum(kept, SHORTEST / stability)),
            write=where(passed, 1.0, 0.0),
            candidate=minimum(gained, LONGEST - stability),
        )
        return stable, grade - 1, minimum(failures + maximum((3 - grade) / 2, 0.0), MOST_FAILURES)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """The declared defaults; steep grades with slow forgetting; quick forgetting."""
        yield {}
        yield {"again_stability": 0.02, "grade_ratio": 6.0, "gap_root": 1.4, "decay": 0.1, "own_growth": 0.2, "lapse_power": 0.7}
        yield {"gap_root": 1.5, "decay": 0.5, "lapse_power": 0.3, "own_growth": 0.1, "brittleness": 1.0}
