"""FSRS-7: stability and difficulty over fractional days, two update rules blended by the gap, two forgetting curves; 35 parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval
from seqsci.equations.vocabulary import Expression, exp, expm1, log, log1p, maximum, minimum, where
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Known, Outcome, Parameter, State

SHORTEST, LONGEST = 0.0001, 36500.0
"""Bounds of the stability, days."""
EASIEST, HARDEST = 1.0, 10.0
LEAST, MOST = 0.0001, 0.9999
"""Bounds of the probability of recall."""


@dataclass(frozen=True)
class FSRS7(Mechanism):
    r"""FSRS-7: stability S in days and difficulty D in [1, 10] of a card over continuous time; r is the grade 1..4.

        R = (W1 R1 + W2 R2) / (W1 + W2),   R_j = (1 + (b_j^{-1/d_j} - 1) t / S)^{-d_j},   W1 = w31 S^{-w33},   W2 = w32 S^{w34}
        (d1, d2) = (w27, w28),   (b1, b2) = (w29, w30);   p = R within [.0001, .9999], before the outcome
        recalled: grow_j = e^{a - 1.5} (11 - D) S^{-b} (e^{c (1 - R)} - 1) h,   h = hard share, 1, or easy factor
        lapse:    keep_j = min(1, l D^{-m} ((S + 1)^n - 1) e^{o (1 - R)} / S)
        S' = S (1 + q grow_long + (1 - q) grow_short) or S (q keep_long + (1 - q) keep_short),   q = 1 - w26 e^{-w25 t}
        D' = .01 D_0(4) + .99 (D - w6 (r - 3) (10 - D) / 9),   D_0(r) = w4 - e^{w5 (r - 1)} + 1
        first grade r: S = w_{r-1}, D = D_0(r);   S in [.0001, 36500], D in [1, 10]

    (a, b, c, l, m, n, o, hard, easy) are w7..w15 for long gaps and w16..w24 for short ones. The stability is gated: forget is 1 after a
    recall and the kept share after a lapse. Feed it fractional days. The source clips w0 <= w1 <= w2 <= w3, w27 <= w28 and w29 <= w30
    while it trains; here each parameter has its own interval. Defaults may sit on a bound. On whole days alone many of the 35 are not
    identified: fit it under a prior.

    Source: open-spaced-repetition/srs-benchmark, models/fsrs_v7.py, whose step, bounds and defaults these are.

    >>> len(FSRS7().own_parameters)
    35
    """

    states = (State("stability", "days", "S"), State("difficulty", symbol="D"))
    known = (Known("elapsed_days", "days", "t"), Known("first_grade", symbol="r_1"))
    outcomes = (Outcome("recalled", symbol="y"), Outcome("grade", symbol="r"))
    own_parameters = (
        Parameter("first_again", Interval(SHORTEST, 50.0), 0.041, "days", "w_{0}", "stability after a first review that failed"),
        Parameter("first_hard", Interval(SHORTEST, 100.0), 2.4175, "days", "w_{1}", "stability after a hard first review"),
        Parameter("first_good", Interval(SHORTEST, 100.0), 4.1283, "days", "w_{2}", "stability after a good first review"),
        Parameter("first_easy", Interval(SHORTEST, 100.0), 11.9709, "days", "w_{3}", "stability after an easy first review"),
        Parameter("first_difficulty", Interval(1.0, 10.0), 5.6385, "1", "w_{4}", "difficulty after a first review that failed"),
        Parameter("difficulty_spread", Interval(0.001, 4.0), 0.4468, "1", "w_{5}", "how much a better first grade lowers the difficulty"),
        Parameter("difficulty_step", Interval(0.1, 4.0), 3.262, "1", "w_{6}", "how much a grade moves the difficulty"),
        Parameter("long_growth", Interval(0.0, 4.0), 2.3054, "1", "w_{7}", "log size of growth by a recall + 1.5, long"),
        Parameter("long_saturation", Interval(0.0, 1.2), 0.1688, "1", "w_{8}", "loss of growth by stability, long"),
        Parameter("long_spacing", Interval(0.3, 3.0), 1.3325, "1", "w_{9}", "gain where recall was uncertain, long"),
        Parameter("long_lapse_scale", Interval(0.01, 1.5), 0.3524, "days", "w_{10}", "size of it after a lapse, long"),
        Parameter(
            "long_lapse_difficulty",
            Interval(0.001, 0.9),
            0.0049,
            "1",
            "w_{11}",
            "loss of a difficult card by a lapse, long",
        ),
        Parameter("long_lapse_stability", Interval(0.1, 1.0), 0.7503, "1", "w_{12}", "share of stability after a lapse, long"),
        Parameter(
            "long_lapse_surprise",
            Interval(0.0, 3.5),
            0.0896,
            "1",
            "w_{13}",
            "gain where a lapse was expected, long",
        ),
        Parameter("long_hard_penalty", Interval(0.0, 1.0), 0.6625, "1", "w_{14}", "share of the growth after a hard recall, long"),
        Parameter("long_easy_bonus", Interval(1.0, 7.0), 1.3, "1", "w_{15}", "factor of the growth after an easy recall, long"),
        Parameter("short_growth", Interval(0.0, 4.0), 0.882, "1", "w_{16}", "log size of growth by a recall + 1.5, short"),
        Parameter("short_saturation", Interval(0.0, 2.0), 0.3072, "1", "w_{17}", "loss of growth by stability, short"),
        Parameter("short_spacing", Interval(0.5, 6.0), 3.5875, "1", "w_{18}", "gain where recall was uncertain, short"),
        Parameter("short_lapse_scale", Interval(0.001, 1.5), 0.303, "days", "w_{19}", "size of it after a lapse, short"),
        Parameter(
            "short_lapse_difficulty",
            Interval(0.001, 2.0),
            0.0107,
            "1",
            "w_{20}",
            "loss of a difficult card by a lapse, short",
        ),
        Parameter("short_lapse_stability", Interval(0.001, 1.0), 0.2279, "1", "w_{21}", "share of stability after a lapse, short"),
        Parameter(
            "short_lapse_surprise",
            Interval(0.0, 5.0),
            2.6413,
            "1",
            "w_{22}",
            "gain where a lapse was expected, short",
        ),
        Parameter("short_hard_penalty", Interval(0.0, 1.0), 0.5594, "1", "w_{23}", "share of the growth after a hard recall, short"),
        Parameter("short_easy_bonus", Interval(1.0, 7.0), 1.3, "1", "w_{24}", "factor of the growth after an easy recall, short"),
        Parameter("transition_rate", Interval(2.5, 15.0), 2.5, "1/days", "w_{25}", "how quickly a gap becomes a long one"),
        Parameter("transition_share", Interval(0.0, 1.0), 1.0, "1", "w_{26}", "share of the short-gap rule at no gap"),
        Parameter("slow_decay", Interval(0.01, 0.25), 0.0723, "1", "w_{27}", "exponent of the slow forgetting curve"),
        Parameter("fast_decay", Interval(0.01, 0.95), 0.1634, "1", "w_{28}", "exponent of the fast forgetting curve"),
        Parameter("slow_base", Interval(0.5, 0.85), 0.5, "1", "w_{29}", "recall on the slow curve after one stability"),
        Parameter("fast_base", Interval(0.5, 0.99), 0.9555, "1", "w_{30}", "recall on the fast curve after one stability"),
        Parameter("slow_weight", Interval(0.01, 1.0), 0.2245, "1", "w_{31}", "weight of the slow curve at a stability of one day"),
        Parameter("fast_weight", Interval(0.1, 1.0), 0.6232, "1", "w_{32}", "weight of the fast curve at a stability of one day"),
        Parameter("slow_power", Interval(0.0, 0.9), 0.1362, "1", "w_{33}", "how much a stable memory loses of the slow curve's weight"),
        Parameter("fast_power", Interval(0.1, 1.1), 0.3862, "1", "w_{34}", "how much a stable memory adds to the fast curve's weight"),
    )
    references = ("https://github.com/open-spaced-repetition/srs-benchmark",)

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

    def read(
        self,
        stability: Expression,
        elapsed_days: Expression,
        slow_decay: Expression,
        fast_decay: Expression,
        slow_base: Expression,
        fast_base: Expression,
        slow_weight: Expression,
        fast_weight: Expression,
        slow_power: Expression,
        fast_power: Expression,
    ) -> dict[str, Expression]:
        gap, log_stability = elapsed_days / stability, log(stability)
        slow = exp(-slow_decay * log1p(expm1(-log(slow_base) / slow_decay) * gap))
        fast = exp(-fast_decay * log1p(expm1(-log(fast_base) / fast_decay) * gap))
        odds = slow_weight / fast_weight * exp(-(slow_power + fast_power) * log_stability)
        retention = (odds * slow + fast) / (odds + 1)
        return {"probability": minimum(maximum(retention, LEAST), MOST), "retention": retention}

    def update(
        self,
        stability: Expression,
        difficulty: Expression,
        elapsed_days: Expression,
        grade: Expression,
        retention: Expression,
        first_difficulty: Expression,
        difficulty_spread: Expression,
        difficulty_step: Expression,
        long_growth: Expression,
        long_saturation: Expression,
        long_spacing: Expression,
        long_lapse_scale: Expression,
        long_lapse_difficulty: Expression,
        long_lapse_stability: Expression,
        long_lapse_surprise: Expression,
        long_hard_penalty: Expression,
        long_easy_bonus: Expression,
        short_growth: Expression,
        short_saturation: Expression,
        short_spacing: Expression,
        short_lapse_scale: Expression,
        short_lapse_difficulty: Expression,
        short_lapse_stability: Expression,
        short_lapse_surprise: Expression,
        short_hard_penalty: Expression,
        short_easy_bonus: Expression,
        transition_rate: Expression,
        transition_share: Expression,
    ) -> tuple[Gated | Expression, ...]:
        log_stability, log_difficulty, doubt = log(stability), log(difficulty), 1 - retention
        long = 1 - transition_share * exp(-transition_rate * elapsed_days)

        def growth(size: Expression, saturation: Expression, spacing: Expression, hard: Expression, easy: Expression) -> Expression:
            bonus = where(grade < 2.5, hard, where(grade > 3.5, easy, 1.0))
            return exp(size - 1.5 - saturation * log_stability) * (11 - difficulty) * expm1(spacing * doubt) * bonus

        def kept(scale: Expression, by_difficulty: Expression, by_stability: Expression, surprise: Expression) -> Expression:
            left = exp(surprise * doubt - by_difficulty * log_difficulty) * expm1(by_stability * log1p(stability))
            return minimum(scale * left / stability, 1.0)

        grown = long * growth(long_growth, long_saturation, long_spacing, long_hard_penalty, long_easy_bonus)
        grown += (1 - long) * growth(short_growth, short_saturation, short_spacing, short_hard_penalty, short_easy_bonus)
        left = long * kept(long_lapse_scale, long_lapse_difficulty, long_lapse_stability, long_lapse_surprise)
        left += (1 - long) * kept(short_lapse_scale, short_lapse_difficulty, short_lapse_stability, short_lapse_surprise)
        again = grade < 1.5
        stable = Gated(
            forget=where(again, maximum(left, SHORTEST / stability), 1.0),
            write=where(again, 0.0, 1.0),
            candidate=minimum(stability * grown, LONGEST - stability),
        )
        moved = difficulty - difficulty_step * (grade - 3) * (HARDEST - difficulty) / 9
        drawn = 0.01 * (first_difficulty - expm1(3 * difficulty_spread)) + 0.99 * moved
        return stable, minimum(maximum(drawn, EASIEST), HARDEST)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """The published defaults, off their bounds; quicker forgetting with smaller growth."""
        inside = {"transition_rate": 3.0, "transition_share": 0.9, "slow_base": 0.55}
        yield inside
        yield {**inside, "first_good": 1.5, "first_easy": 5.0, "long_growth": 1.6, "fast_decay": 0.25}
