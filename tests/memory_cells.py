"""Small memory cells whose answers are known, beside the additive stability of the hard cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seqsci.constraints import Interval, Positive, Real
from seqsci.domains.memory.models import fsrs6, fsrs7, sbd
from seqsci.domains.memory.models import power as power_trace
from seqsci.equations.vocabulary import exp, log, power, sqrt, where
from seqsci.mechanism import Gated, Mechanism
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.parameter import Known, Outcome, Parameter, State
from tests.hard_cases import hard_case

ADDITIVE = hard_case("additive_stability")[0].start_at(low=-0.5, high=3.0, curvature=3.0, log_decay=-1.6, lapse_power=0.45, gain=1.0)


@dataclass(frozen=True)
class GatedStability(Mechanism):
    """Stability that a pass adds to and a lapse multiplies; recall is a power of time, 1 at once and the retention .9 after S days."""

    states = (State("reviews"), State("stability", "days"))
    known = (Known("elapsed_days", "days"), Known("same_day"), Known("first_grade"))
    outcomes = (Outcome("recalled"), Outcome("grade"))
    own_parameters = (
        Parameter("first", Positive(), 2.0, "days", "S_0", "stability of a failed first review"),
        Parameter("decay", Positive(), 0.5, "1", "d", "power of time"),
        Parameter("keep", Interval(0.0, 1.0), 0.4, "1", "f", "share of stability that a lapse leaves"),
        Parameter("bonus", Real(), 0.3, "1", "b", "log gain of a better grade"),
    )

    def start(self, first_grade: Any, first: Any) -> Any:
        return 0.0, first * first_grade

    def read(self, stability: Any, elapsed_days: Any, decay: Any) -> Any:
        factor = exp(-log(0.9) / decay) - 1
        return {"probability": power(1 + factor * elapsed_days / stability, -decay)}

    def update(self, reviews: Any, stability: Any, recalled: Any, grade: Any, same_day: Any, keep: Any, bonus: Any) -> Any:
        passed = recalled > 0.5
        write = where(passed, 1 - same_day / 2, 0.0)
        return reviews + 1, Gated(where(passed, 1.0, keep), write, sqrt(1 + stability) * exp(bonus * (grade - 3)))


@dataclass(frozen=True)
class TwoTraces(Mechanism):
    """Half of a fast and half of a slow trace: the elapsed time stands in it twice, so there is no closed form of an interval."""

    states = (State("stability", "days"),)
    known = (Known("elapsed_days", "days"), Known("first_grade"))
    outcomes = (Outcome("recalled"), Outcome("grade"))
    own_parameters = (Parameter("first", Positive(), 3.0, "days", "S_0", "first stability"),)

    def start(self, first_grade: Any, first: Any) -> Any:
        return first * first_grade

    def read(self, stability: Any, elapsed_days: Any) -> Any:
        return {"probability": 0.5 * exp(-elapsed_days / stability) + 0.5 / (1 + elapsed_days / stability)}

    def update(self, stability: Any, recalled: Any) -> Any:
        return where(recalled > 0.5, 2 * stability, stability / 2)


GATED, TWO = Model(GatedStability(), Bernoulli()), Model(TwoTraces(), Bernoulli())
SHIPPED = {"SBD": sbd(), "FSRS-6": fsrs6(), "FSRS-7": fsrs7(), "power trace": power_trace()}
"""Models that ship, at their defaults."""
MODELS = {"additive": ADDITIVE, "gated": GATED, "two traces": TWO, **SHIPPED}
WITHOUT_A_FORM = ("two traces", "FSRS-7")
"""Models whose interval has no closed form: the elapsed time stands in them twice."""


def cards_of(model: Model, n: int, seed: int = 4) -> dict[str, np.ndarray]:
    """States of cards after a few random reviews."""
    from seqsci.domains.memory.planning.cards import CardModel

    rng, cards = np.random.default_rng(seed), CardModel.of(model)
    states = cards.start(rng.choice([1, 2, 3, 4], n, p=[0.2, 0.1, 0.5, 0.2]))
    for _ in range(3):
        states = cards.after(states, rng.gamma(1.0, 8.0, n), rng.choice([1, 2, 3, 4], n, p=[0.15, 0.1, 0.6, 0.15]))
    return states


def log_of(cards: int = 40, seed: int = 1) -> pd.DataFrame:
    """A review log of two users in the form of the domain, same-day reviews among them."""
    rng, rows = np.random.default_rng(seed), []
    for card in range(cards):
        day, first = int(rng.integers(0, 20)), int(rng.choice([1, 3, 4]))
        lapses = 0
        for review in range(int(rng.integers(1, 9))):
            grade = first if review == 0 else int(rng.choice([1, 2, 3, 4], p=[0.2, 0.1, 0.6, 0.1]))
            gap = 0 if review == 0 else int(rng.choice([0, 1, 4, 15, 60]))
            day += gap
            exact = 0.0 if review == 0 else gap + 0.01
            rows.append((card % 2, card, day * 86_400_000 + review, grade, int(grade > 1), 2, 4000 + 1000 * grade, day, review, float(gap)))
            rows[-1] += (exact, int(review > 0 and gap == 0), first, lapses, int(review > 0 and gap > 0))
            lapses += grade == 1
    names = "user card_id review_time grade recalled state duration_ms day review elapsed_days elapsed_days_exact same_day first_grade"
    frame = pd.DataFrame(rows, columns=[*names.split(), "lapses", "scored"])
    return frame.sort_values(["user", "card_id", "review_time"]).reset_index(drop=True)
