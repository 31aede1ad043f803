"""FSRS-6 with given parameters, run over all cards at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import bounded, check, elapsed, steps
from seqsci.errors import ParameterError, explain

Array = np.ndarray
DEFAULTS = (
    *(0.212, 1.2931, 2.3065, 8.2956),  # stability after a first again, hard, good, easy [days]
    *(6.4133, 0.8334, 3.0194, 0.001),  # difficulty
    *(1.8722, 0.1666, 0.796),  # stability after success
    *(1.4835, 0.0614, 0.2629, 1.6483),  # stability after failure
    *(0.6014, 1.8729),  # hard and easy
    *(0.5425, 0.0912, 0.0658),  # same-day reviews
    0.1542,  # decay
)
"""Parameters w_0 to w_20 that FSRS-6 ships with, the medians of its authors' users."""

SHORTEST, LONGEST = 0.001, 36500.0
"""Bounds of the stability [days]."""


def retrievability(days: Array, stability: Array, decay: float) -> Array:
    """``R = (1 + (.9^(-1/d) - 1) t / S)^(-d)``: .9 at t = S."""
    return np.asarray((1.0 + (0.9 ** (-1.0 / decay) - 1.0) * days / stability) ** -decay)


def _first_difficulty(w: Array, grade: Array | float) -> Array:
    return np.asarray(w[4] - np.exp(w[5] * (grade - 1.0)) + 1.0)


def _next_difficulty(w: Array, difficulty: Array, grade: Array) -> Array:
    damped = difficulty - w[6] * (grade - 3.0) * (10.0 - difficulty) / 9.0
    return np.asarray(np.clip(w[7] * _first_difficulty(w, 4.0) + (1.0 - w[7]) * damped, 1.0, 10.0))


def _next_stability(w: Array, stability: Array, difficulty: Array, recall: Array, grade: Array, same_day: Array) -> Array:
    bonus = np.where(grade == 2, w[15], 1.0) * np.where(grade == 4, w[16], 1.0)
    growth = np.exp(w[8]) * (11.0 - difficulty) * stability ** -w[9] * np.expm1((1.0 - recall) * w[10]) * bonus
    relearned = w[11] * difficulty ** -w[12] * ((stability + 1.0) ** w[13] - 1.0) * np.exp((1.0 - recall) * w[14])
    failed = np.minimum(relearned, stability / np.exp(w[17] * w[18]))
    within = np.exp(w[17] * (grade - 3.0 + w[18])) * stability ** -w[19]
    within = np.where(grade >= 2, np.maximum(within, 1.0), within)
    found = np.where(same_day, stability * within, np.where(grade > 1, stability * (1.0 + growth), failed))
    return np.asarray(np.clip(found, SHORTEST, LONGEST))


def memory_states(frame: pd.DataFrame, parameters: Iterable[float], exact: bool = False) -> tuple[Array, Array, Array]:
    """Recall before each review, and stability [days] and difficulty after it (each (rows,)); recall of a first review is NaN."""
    w = np.array(tuple(parameters), np.float64)
    grade, repeat, days = frame["grade"].to_numpy(np.float64), frame["same_day"].to_numpy() == 1, elapsed(frame, exact)
    recall, stability, difficulty = np.full(len(frame), np.nan), np.empty(len(frame)), np.empty(len(frame))
    for number, _, row in steps(frame):
        g = grade[row]
        if number == 0:
            stability[row] = np.clip(w[frame["grade"].to_numpy()[row].astype(np.int64) - 1], SHORTEST, LONGEST)
            difficulty[row] = np.clip(_first_difficulty(w, g), 1.0, 10.0)
            continue
        s, d = stability[row - 1], difficulty[row - 1]
        recall[row] = r = retrievability(days[row], s, w[20])
        stability[row] = _next_stability(w, s, d, r, g, repeat[row])
        difficulty[row] = _next_difficulty(w, d, g)
    return recall, stability, difficulty


@dataclass(frozen=True)
class FittedFsrs6(FittedRecall):
    """FSRS-6 with known parameters w_0 to w_20."""

    parameters: tuple[float, ...] = DEFAULTS
    exact: bool = False

    def __post_init__(self) -> None:
        if len(self.parameters) != len(DEFAULTS) or not np.isfinite(self.parameters).all():
            got = f"{len(self.parameters)} numbers {self.parameters}"
            raise ParameterError(explain("these are no parameters of FSRS-6", got, "21 finite numbers", "pass w_0 to w_20"))

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "FSRS-6")
        return bounded(rows, memory_states(rows, self.parameters, self.exact)[0])

    def values(self) -> Mapping[str, float]:
        return {f"w{k}": w for k, w in enumerate(self.parameters)}


@dataclass(frozen=True)
class DefaultFsrs6(RecallPredictor):
    r"""FSRS-6 with the parameters it ships with.

        R  = (1 + (.9^(-1/w20) - 1) t / S)^(-w20)
        first:    S = w_(g-1),  D = w4 - e^(w5 (g - 1)) + 1
        success:  S' = S (1 + e^w8 (11 - D) S^(-w9) (e^(w10 (1 - R)) - 1) h),  h = w15 if hard, w16 if easy
        failure:  S' = min(w11 D^(-w12) ((S + 1)^w13 - 1) e^(w14 (1 - R)), S e^(-w17 w18))
        same day: S' = S a,  a = e^(w17 (g - 3 + w18)) S^(-w19), at least 1 unless again
        D' = w7 D0(easy) + (1 - w7)(D - w6 (g - 3)(10 - D)/9), in [1, 10]

    ``exact`` puts fractional days into R; which reviews count as same-day stays the study day. Nothing is fitted. Its parameters are from
    many users of Anki, who may include the one at hand.
    Source: open-spaced-repetition, FSRS-6 (no DOI); the equations agree with py-fsrs.

    >>> DefaultFsrs6().name, DefaultFsrs6().parameters
    ('FSRS-6, default', 0)
    """

    exact: bool = False

    @property
    def name(self) -> str:
        return "FSRS-6, default"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return 0

    def fit(self, train: pd.DataFrame) -> FittedFsrs6:
        """Nothing to fit."""
        return FittedFsrs6(DEFAULTS, self.exact)
