"""FSRS-6: stability and difficulty of a card, 21 parameters, as equations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval, Positive
from seqsci.equations.vocabulary import Expression, exp, expm1, log, log1p, maximum, minimum, where
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Known, Outcome, Parameter, State

SHORTEST, LONGEST = 0.001, 36500.0
"""Bounds of the stability, days."""
EASIEST, HARDEST = 1.0, 10.0
CERTAIN = 1 - 1e-6
"""Probability of recall without a gap: the formula says 1, under which a lapse would be impossible."""
LOG_RETENTION = -0.10536051565782628
"""log 0.9: the stability is the gap after which recall is 90 %."""


@dataclass(frozen=True)
class FSRS6(Mechanism):
    r"""FSRS-6 (free spaced repetition scheduler): stability S in days and difficulty D in [1, 10] of a card; r is the grade 1..4.

        R = (1 + (0.9^{-1/w20} - 1) t / S)^{-w20}                                  probability of recall, before the outcome
        recalled:  S' = S (1 + e^{w8} (11 - D) S^{-w9} (e^{w10 (1 - R)} - 1) h),    h = w15 (hard), 1 (good), w16 (easy)
        lapse:     S' = min(w11 D^{-w12} ((S + 1)^{w13} - 1) e^{w14 (1 - R)}, S e^{-w17 w18})
        same day:  S' = S u,  u = e^{w17 (r - 3 + w18)} S^{-w19}, at least 1 but for r = 1
        D' = w7 D_0(4) + (1 - w7) (D - w6 (r - 3) (10 - D) / 9),   D_0(r) = w4 - e^{w5 (r - 1)} + 1
        first grade r: S = w_{r-1}, D = D_0(r);   S in [0.001, 36500], D in [1, 10]

    The stability is gated: forget = min(1, S'/S), write = 1, the candidate is what is gained. Parameters by the field's numbers:
    w0..w3 are ``first_again .. first_easy``, then as declared below. Bounds and defaults are those that fsrs-optimizer clips to and
    starts from (the lower bound of w19 is .01 there, 0 in py-fsrs: 0 here). A default may sit on its bound.

    Source: py-fsrs 6.3 and fsrs-optimizer 6.5, which it equals to 1e-5 in S, D and R (whole days; tests/test_fsrs.py);
    Ye, Su and Cao (2022), DOI 10.1145/3534678.3539081. At t = 0 recall is 1 - 1e-6 here, 1 there.

    >>> FSRS6().own_parameters[20].default
    0.1542
    """

    states = (State("stability", "days", "S"), State("difficulty", symbol="D"))
    known = (Known("elapsed_days", "days", "t"), Known("same_day"), Known("first_grade", symbol="r_1"))
    outcomes = (Outcome("recalled", symbol="y"), Outcome("grade", symbol="r"))
    own_parameters = (
        Parameter("first_again", Interval(SHORTEST, 100.0), 0.212, "days", "w_0", "stability after a first review that failed"),
        Parameter("first_hard", Interval(SHORTEST, 100.0), 1.2931, "days", "w_1", "stability after a hard first review"),
        Parameter("first_good", Interval(SHORTEST, 100.0), 2.3065, "days", "w_2", "stability after a good first review"),
        Parameter("first_easy", Interval(SHORTEST, 100.0), 8.2956, "days", "w_3", "stability after an easy first review"),
        Parameter("first_difficulty", Interval(1.0, 10.0), 6.4133, "1", "w_4", "difficulty after a first review that failed"),
        Parameter("difficulty_spread", Interval(0.001, 4.0), 0.8334, "1", "w_5", "how much a better first grade lowers the difficulty"),
        Parameter("difficulty_step", Interval(0.001, 4.0), 3.0194, "1", "w_6", "how much a grade moves the difficulty"),
        Parameter("reversion", Interval(0.001, 0.75), 0.001, "1", "w_7", "share by which the difficulty goes back to that of an easy card"),
        Parameter("growth", Interval(0.0, 4.5), 1.8722, "1", "w_8", "log size of the growth of stability by a recall"),
        Parameter("saturation", Interval(0.0, 0.8), 0.1666, "1", "w_9", "how much less a stable memory grows"),
        Parameter("spacing", Interval(0.001, 3.5), 0.796, "1", "w_10", "how much more is gained where recall was uncertain"),
        Parameter("lapse_scale", Interval(0.001, 5.0), 1.4835, "days", "w_11", "size of the stability after a lapse"),
        Parameter("lapse_difficulty", Interval(0.001, 0.25), 0.0614, "1", "w_12", "how much less a difficult card keeps after a lapse"),
        Parameter("lapse_stability", Interval(0.001, 0.9), 0.2629, "1", "w_13", "how much of the stability outlasts a lapse"),
        Parameter("lapse_surprise", Interval(0.0, 4.0), 1.6483, "1", "w_14", "how much more is kept where the lapse was expected"),
        Parameter("hard_penalty", Interval(0.0, 1.0), 0.6014, "1", "w_15", "share of the growth after a hard recall"),
        Parameter("easy_bonus", Interval(1.0, 6.0), 1.8729, "1", "w_16", "factor of the growth after an easy recall"),
        Parameter("same_day_grade", Interval(0.0, 2.0), 0.5425, "1", "w_17", "log change of stability by a grade on the same day"),
        Parameter("same_day_shift", Interval(0.0, 2.0), 0.0912, "1", "w_18", "grades that are added to one on the same day"),
        Parameter("same_day_saturation", Interval(0.0, 0.8), 0.0658, "1", "w_19", "how much less a stable memory grows on the same day"),
        Parameter("decay", Interval(0.1, 0.8), 0.1542, "1", "w_20", "exponent of forgetting at long gaps"),
    )
    references = ("10.1145/3534678.3539081", "https://github.com/open-spaced-repetition/py-fsrs")

    @property
    def derived(self) -> tuple[Derived, ...]:
        reading = "days until recall after a good first review is even"
        return (Derived("good_half_life", self._half_life, "days", "t_{1/2}", reading, Positive()),)

    def _half_life(self, first_good: Expression, decay: Expression) -> Expression:
        return first_good * expm1(0.6931471805599453 / decay) / expm1(-LOG_RETENTION / decay)

    def start(
        self,
        first_grade: Expression,
        first_again: Expression,
        first_hard: Expression,
        first_good: Expression,
        first_easy: Expression,
        first_difficulty: Expression,
        difficulty_spread: Expression,
    ) -> tuple[Expression, ...]:
        low, high = where(first_grade < 1.5, first_again, first_hard), where(first_grade < 3.5, first_good, first_easy)
        difficulty = first_difficulty - expm1(difficulty_spread * (first_grade - 1))
        return where(first_grade < 2.5, low, high), minimum(maximum(difficulty, EASIEST), HARDEST)

    def read(self, stability: Expression, elapsed_days: Expression, decay: Expression) -> dict[str, Expression]:
        recall = exp(-decay * log1p(expm1(-LOG_RETENTION / decay) * elapsed_days / stability))
        return {"probability": where(elapsed_days > 0, recall, CERTAIN), "retention": recall}

    def update(
        self,
        stability: Expression,
        difficulty: Expression,
        same_day: Expression,
        grade: Expression,
        retention: Expression,
        first_difficulty: Expression,
        difficulty_spread: Expression,
        difficulty_step: Expression,
        reversion: Expression,
        growth: Expression,
        saturation: Expression,
        spacing: Expression,
        lapse_scale: Expression,
        lapse_difficulty: Expression,
        lapse_stability: Expression,
        lapse_surprise: Expression,
        hard_penalty: Expression,
        easy_bonus: Expression,
        same_day_grade: Expression,
        same_day_shift: Expression,
        same_day_saturation: Expression,
    ) -> tuple[Gated | Expression, ...]:
        log_stability, doubt = log(stability), 1 - retention
        bonus = where(grade < 2.5, hard_penalty, where(grade > 3.5, easy_bonus, 1.0))
        grown = exp(growth - saturation * log_stability) * (11 - difficulty) * expm1(spacing * doubt) * bonus
        left = lapse_scale * exp(lapse_surprise * doubt - lapse_difficulty * log(difficulty)) * expm1(lapse_stability * log1p(stability))
        left = minimum(left / stability, exp(-same_day_grade * same_day_shift))
        change = exp(same_day_grade * (grade - 3 + same_day_shift) - same_day_saturation * log_stability)
        again, today = grade < 1.5, same_day > 0.5
        kept = where(again, where(today, minimum(change, 1.0), left), 1.0)
        gained = where(today, maximum(change - 1, 0.0), where(again, 0.0, grown))
        stable = Gated(
            forget=maximum(kept, SHORTEST / stability), write=1, candidate=minimum(stability * gained, LONGEST - stability * kept)
        )
        moved = difficulty - difficulty_step * (grade - 3) * (HARDEST - difficulty) / 9
        drawn = reversion * (first_difficulty - expm1(3 * difficulty_spread)) + (1 - reversion) * moved
        return stable, minimum(maximum(drawn, EASIEST), HARDEST)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """The published defaults, off their bounds; quicker forgetting with smaller growth."""
        yield {"reversion": 0.01}
        yield {"reversion": 0.05, "first_good": 1.0, "first_easy": 4.0, "growth": 1.2, "decay": 0.3}
