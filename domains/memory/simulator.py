"""Review logs drawn from a model of memory: cards, a schedule, answers; all cards of all users move together."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.equations.tracing import Equations
from seqsci.errors import DataError, explain
from seqsci.model import Model

Array = np.ndarray
FIRST_DAY = 18262
"""Study day of the first card, days since 1970-01-01: 2020-01-01."""
DAY = 86_400_000
"""Milliseconds of a day."""
HALVINGS = 24
"""Steps of the search for an interval: 36,500 days are narrowed to less than a thousandth of their logarithm."""


class Schedule(ABC):
    """Abstract base: when a card is seen again."""

    @abstractmethod
    def intervals(self, recall: Callable[[Array], Array], lapsed: Array, rng: np.random.Generator) -> Array:
        """Days (cards,) until the next review, 0 = the same day; ``recall`` is the probability after some days, ``lapsed`` who failed."""


@dataclass(frozen=True)
class RandomIntervals(Schedule):
    """Intervals that ignore the card, log-uniform between two ends: they spread the probability of recall, so parameters are identified.

    Whole days, or fractions of them where ``fractions``.
    """

    shortest: float = 1.0
    longest: float = 200.0
    fractions: bool = False

    def intervals(self, recall: Callable[[Array], Array], lapsed: Array, rng: np.random.Generator) -> Array:
        low, high = math.log(self.shortest), math.log(self.longest if self.fractions else self.longest + 1)
        days = np.exp(rng.uniform(low, high, len(lapsed)))
        return days if self.fractions else np.floor(days)


@dataclass(frozen=True)
class DesiredRetention(Schedule):
    """A scheduler that knows the model: the longest interval whose recall is at least ``retention``, at least a day, within a tenth of it.

    Recall then hardly varies, and the parameters that say how it depends on the gap are hardly identified.
    """

    retention: float = 0.9
    fuzz: float = 0.05
    longest: int = 3650

    def intervals(self, recall: Callable[[Array], Array], lapsed: Array, rng: np.random.Generator) -> Array:
        low, high = np.zeros(len(lapsed)), np.full(len(lapsed), np.log(self.longest))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = recall(np.exp(middle)) >= self.retention
            low, high = np.where(enough, middle, low), np.where(enough, high, middle)
        days = np.exp(low) * rng.uniform(1 - self.fuzz, 1 + self.fuzz, len(low))
        return np.asarray(np.clip(np.round(days), 1, self.longest))


@dataclass(frozen=True)
class Relearning(Schedule):
    """A schedule under which a share of the failed cards is seen again on the same day."""

    schedule: Schedule
    share: float = 0.8

    def intervals(self, recall: Callable[[Array], Array], lapsed: Array, rng: np.random.Generator) -> Array:
        again = lapsed & (rng.random(len(lapsed)) < self.share)
        return np.where(again, 0.0, self.schedule.intervals(recall, lapsed, rng))


@dataclass(frozen=True)
class Answers:
    """Probabilities of grades 1..4 at a first review, and of 2..4 where the card was recalled."""

    first: tuple[float, float, float, float] = (0.25, 0.1, 0.5, 0.15)
    recalled: tuple[float, float, float] = (0.15, 0.7, 0.15)


def simulate_log(
    models: Model | Sequence[Model],
    cards: int,
    reviews: int,
    schedule: Schedule = RandomIntervals(),
    seed: int = 0,
    answers: Answers = Answers(),
) -> pd.DataFrame:
    """Draw a review frame: each model is a user with ``cards`` cards, each seen ``reviews`` times; the columns are those of `Reviews`.

    Recall is drawn from the model's probability before the update. With a schedule of whole days the model sees ``elapsed_days``, with one
    of fractions ``elapsed_days_exact`` (fit with ``to_sequences(frame, exact=True)``); in both it sees the frame's ``same_day``, which says
    whether the date is the same, not whether 24 hours have passed. The same seed gives the same bits.
    Raises `DataError` where the models are not of one mechanism, or need known columns that a review log does not have.

    >>> from seqsci.domains.memory.models import sbd
    >>> simulate_log(sbd(), cards=2, reviews=3)[["card_id", "review", "same_day"]].to_numpy().tolist()[:3]
    [[0, 0, 0], [0, 1, 0], [0, 2, 0]]
    """
    users = [models] if isinstance(models, Model) else list(models)
    mechanism, observation = users[0].mechanism, users[0].observation
    offered = ("elapsed_days", "same_day", "first_grade")
    if any(m.mechanism != mechanism for m in users) or any(k.name not in offered for k in mechanism.known):
        got = f"{len({type(m.mechanism) for m in users})} mechanism(s), known {[k.name for k in mechanism.known]}"
        raise DataError(explain("these models cannot be simulated together", got, f"one mechanism, known among {offered}", "split them"))
    rng, count = np.random.default_rng(seed), len(users) * cards
    parameters = {n: np.repeat([m.value[n] for m in users], cards) for n in users[0].value}
    equations, names = Equations(mechanism, observation), [s.name for s in mechanism.states]
    grade, days = np.zeros((count, reviews), np.int64), np.zeros((count, reviews))
    grade[:, 0] = rng.choice(4, count, p=answers.first) + 1
    first, moments = grade[:, 0].astype(float), np.random.default_rng([seed, 1])
    start, clock = FIRST_DAY + moments.integers(0, 200, (count, 1)), moments.uniform(9.0, 20.0, grade.shape) / 24
    same_day = np.zeros(grade.shape, bool)
    with np.errstate(all="ignore"):

        def known(elapsed: Array, today: Array) -> dict[str, Array]:
            return {"elapsed_days": elapsed, "same_day": today.astype(float), "first_grade": first}

        now = dict(zip(names, equations.start(parameters, known(np.zeros(count), np.zeros(count)), {}), strict=True))
        for r in range(1, reviews):

            def recall(elapsed: Array, states: dict[str, Array] = now) -> Array:
                return np.asarray(equations.read(parameters, states, known(elapsed, elapsed < 1))["probability"])

            days[:, r] = schedule.intervals(recall, grade[:, r - 1] == 1, rng)
            before = start[:, 0] + clock[:, 0] + days[:, :r].sum(axis=1)
            same_date = np.floor(before + days[:, r]) == np.floor(before)
            same_day[:, r] = np.where(days[:, r] == np.floor(days[:, r]), days[:, r] == 0, same_date)
            inputs = known(days[:, r], same_day[:, r])
            reads = equations.read(parameters, now, inputs)
            passed = rng.random(count) < reads["probability"]
            grade[:, r] = np.where(passed, rng.choice(3, count, p=answers.recalled) + 2, 1)
            outcome = {"recalled": passed.astype(float), "grade": grade[:, r].astype(float)}
            now = dict(zip(names, equations.update(parameters, now, inputs, outcome, reads).states, strict=True))
    return _frame(grade, days, same_day, start, clock, len(users), moments)


def _frame(grade: Array, days: Array, same_day: Array, start: Array, clock: Array, users: int, rng: np.random.Generator) -> pd.DataFrame:
    """The columns of `Reviews` from grades, elapsed days, and times of the day (cards, reviews), and first days (cards, 1).

    Whole days get a time of day, fractions follow from the first review; a review on the same day comes ten minutes later.
    """
    count, reviews = grade.shape
    if (days == np.floor(days)).all():
        for r in range(1, reviews):
            clock[:, r] = np.where(days[:, r] == 0, clock[:, r - 1] + 10 / 1440, clock[:, r])
        time = start + np.cumsum(days, axis=1) + clock
        elapsed, exact = days, np.diff(time, axis=1)
    else:
        time = start + clock[:, :1] + np.cumsum(days, axis=1)
        elapsed, exact = np.c_[np.zeros(count), np.diff(np.floor(time), axis=1)], days[:, 1:]
    number = np.broadcast_to(np.arange(reviews), grade.shape)
    again = grade == 1
    last = np.c_[np.zeros(count, bool), again[:, :-1]]
    columns = {
        "user": np.repeat(np.arange(users), count // users * reviews),
        "card_id": np.repeat(np.arange(count), reviews),
        "review_time": np.round(time * DAY).astype(np.int64),
        "grade": grade,
        "recalled": (grade > 1).astype(int),
        "state": np.where(number == 0, 0, np.where(~same_day, 2, np.where(last & (number > 1), 3, 1))),
        "duration_ms": np.exp(rng.normal(8.5, 0.6, grade.shape)).astype(np.int64),
        "day": np.floor(time).astype(np.int64),
        "review": number,
        "elapsed_days": elapsed,
        "elapsed_days_exact": np.c_[np.zeros(count), exact],
        "same_day": same_day.astype(int),
        "first_grade": np.repeat(grade[:, :1], reviews, axis=1),
        "lapses": np.cumsum(again, axis=1) - again,
        "scored": ((number > 0) & ~same_day).astype(int),
    }
    return pd.DataFrame({n: np.asarray(v).reshape(-1) for n, v in columns.items()})
