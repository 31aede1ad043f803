"""What a schedule costs: reviews, minutes, backlog and known cards a day, simulated from a memory model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seqsci.domains.memory.planning.cards import FIRST_GRADE, SAME_DAY, CardModel
from seqsci.domains.memory.planning.habits import Habits
from seqsci.domains.memory.planning.intervals import solve
from seqsci.errors import DataError, explain
from seqsci.estimation.result import Fit
from seqsci.model import Model

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray
WARNING = (
    "An extrapolation: the log was made under the old scheduler. Other intervals than it gave, and retentions that it never aimed at, are "
    "predicted by the model, not seen. Reviews on the same day and learning steps are not simulated."
)


@dataclass(frozen=True)
class Plan:
    """How somebody wants to learn.

    Attributes:
        new_cards: cards that are still unseen [cards].
        new_per_day: most new cards a day.
        max_reviews: most reviews a day; what is due beyond it waits, the longest overdue first in line.
        retention: desired probability of recall at the end of an interval, in (0, 1).
        days: length of the simulation [days].
        maximum_interval: longest interval [days].
        habits: grades and seconds.
        seed: of the random grades; the same seed gives the same numbers.
    """

    new_cards: int = 1000
    new_per_day: int = 20
    max_reviews: int = 200
    retention: float = 0.9
    days: int = 365
    maximum_interval: int = 36500
    habits: Habits = Habits()
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"new_cards": 0, "new_per_day": 0, "max_reviews": 0, "seed": 0, "days": 1, "maximum_interval": 1}
        faults = [f"{n} = {getattr(self, n)!r}" for n, low in least.items() if not _whole(getattr(self, n), low)]
        faults += [] if _share(self.retention) else [f"retention = {self.retention!r}"]
        if faults:
            expected = "whole counts of 0 or more, whole days of at least one, retention between 0 and 1"
            raise DataError(explain("a plan cannot be simulated", "; ".join(faults), expected, "correct these"))


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _share(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and bool(0 < value < 1)


@dataclass(frozen=True, eq=False)
class Deck:
    """Cards that were learned before: states by name (n,), days since the last review (n,), first grade (n,).

    They are due when the model says so; ``due_in`` (n,) days from now overrules that (below 0: overdue).
    """

    states: Mapping[str, Array]
    elapsed_days: Array
    first_grade: Array
    due_in: Array | None = None


@dataclass(frozen=True, eq=False)
class Workload:
    """A simulated plan. ``daily`` has a row a day: new, due, reviews, failed, minutes, backlog, introduced, expected_known, unreachable.

    due: cards whose day had come, reviewed or not; backlog: those that were left; expected_known: sum of the probabilities of recall over
    all cards seen so far, a day later; unreachable: reviews after which the desired retention could not be had: the card came back the
    next day. ``states`` (n,), ``elapsed_days`` (n,) and ``introduced`` (n,) are those of every card at the end, old cards first.
    """

    plan: Plan
    daily: pd.DataFrame
    states: Mapping[str, Array]
    elapsed_days: Array
    introduced: Array
    longest_interval: int
    warning: str = WARNING

    @property
    def minutes_per_known(self) -> float:
        """Minutes of the whole plan a card that is expected to be known at its end."""
        known = float(self.daily["expected_known"].iloc[-1])
        return float(self.daily["minutes"].sum()) / known if known > 0 else float("nan")

    def __str__(self) -> str:
        d, p = self.daily, self.plan
        lost = int(d["unreachable"].sum())
        lines = [
            f"{p.days} days at retention {p.retention:g}, at most {p.new_per_day} new and {p.max_reviews} reviews a day",
            f"  reviews a day  {d['reviews'].mean():.1f} (most {d['reviews'].max()}), minutes a day {d['minutes'].mean():.1f}",
            f"  introduced     {int(d['new'].sum())} of {p.new_cards} new cards, backlog at the end {int(d['backlog'].iloc[-1])}",
            f"  known          {d['expected_known'].iloc[-1]:.0f} of {int(self.introduced.sum())} cards seen, expected",
        ]
        lines += [
            f"  out of reach   after {lost} reviews recall was below {p.retention:g} at once; such cards came back a day later"
        ] * bool(lost)
        return "\n".join([*lines, f"  {self.warning}"])


def simulate_workload(fitted: Fit | Model, plan: Plan, deck: Deck | None = None) -> Workload:
    """Simulate a plan day by day: grades are drawn from the model's recall and the habits, intervals are the model's, in whole days.

    Args: a fit or model; the plan; cards learned before. Raises `DataError` for a deck whose columns do not fit.
    """
    return _Simulation(CardModel.of(fitted), plan, deck).run()


class _Simulation:
    """The arrays of all cards, old ones first; day 0 is today."""

    def __init__(self, cards: CardModel, plan: Plan, deck: Deck | None) -> None:
        self.cards, self.plan, self.random = cards, plan, np.random.default_rng(plan.seed)
        old = 0 if deck is None else len(np.atleast_1d(deck.elapsed_days))
        rows = old + plan.new_cards
        self.states = {n: np.ones(rows) for n in cards.names}
        self.first, self.last, self.due = np.full(rows, np.nan), np.full(rows, np.nan), np.full(rows, np.inf)
        self.next_new, self.longest = old, 0
        self.order = self.random.permutation(rows)
        if deck is not None:
            self._take(deck, old)

    def _take(self, deck: Deck, old: int) -> None:
        states, elapsed, first = self.cards.checked(deck.states), np.asarray(deck.elapsed_days, float), np.asarray(deck.first_grade, float)
        lengths = {len(v) for v in (*states.values(), elapsed, first)} | ({len(deck.due_in)} if deck.due_in is not None else set())
        if lengths != {old} or not (np.isfinite(elapsed).all() and (elapsed >= 0).all()):
            got = f"columns of {sorted(lengths)} cards, elapsed_days from {elapsed.min(initial=0):g}"
            raise DataError(explain("a deck is not whole", got, "one value a card in each column, elapsed_days >= 0", "see last_states"))
        for name in self.cards.names:
            self.states[name][:old] = states[name]
        self.first[:old], self.last[:old] = first, -elapsed
        here = np.arange(old)
        self.due[:old] = self._interval(here)[0] - elapsed if deck.due_in is None else np.asarray(deck.due_in, float)

    def _of(self, chosen: Array) -> dict[str, Array]:
        return {n: v[chosen] for n, v in self.states.items()}

    def _interval(self, chosen: Array) -> tuple[Array, Array]:
        """Whole days to the next review, and which cards cannot have the desired retention (they come back after a day)."""
        wanted, known = np.full(len(chosen), self.plan.retention), {FIRST_GRADE: self.first[chosen], SAME_DAY: np.zeros(len(chosen))}
        found = solve(self.cards, self._of(chosen), wanted, known, 0.0, float(self.plan.maximum_interval))
        days = np.where(found.reachable, found.days, 0.0)
        return np.clip(np.rint(days), 1, self.plan.maximum_interval), ~found.reachable

    def _schedule(self, chosen: Array, day: int) -> int:
        days, lost = self._interval(chosen)
        self.last[chosen], self.due[chosen] = day, day + days
        self.longest = max(self.longest, int(days.max(initial=0)))
        return int(lost.sum())

    def run(self) -> Workload:
        """All days."""
        import pandas as pd

        rows = [self._day(day) for day in range(self.plan.days)]
        names = ("day", "new", "due", "reviews", "failed", "minutes", "backlog", "introduced", "expected_known", "unreachable")
        elapsed = self.plan.days - self.last
        return Workload(self.plan, pd.DataFrame(rows, columns=list(names)), self.states, elapsed, ~np.isnan(self.first), self.longest)

    def _day(self, day: int) -> tuple[float, ...]:
        habits, plan = self.plan.habits, self.plan
        waiting = np.flatnonzero(self.due < day + 1)
        line = waiting[np.lexsort((self.order[waiting], self.due[waiting]))]
        asked = line[: plan.max_reviews]
        seconds, failed, lost = 0.0, 0, 0
        if len(asked):
            known = {FIRST_GRADE: self.first[asked]}
            elapsed = day - self.last[asked]
            recall = self.cards.recall(self._of(asked), elapsed, {**known, SAME_DAY: np.zeros(len(asked))})
            grade = habits.grades(recall, self.random)
            after = self.cards.after(self._of(asked), elapsed, grade, {**known, SAME_DAY: np.zeros(len(asked))})
            for name, values in after.items():
                self.states[name][asked] = values
            lost += self._schedule(asked, day)
            seconds, failed = seconds + habits.spent(grade), int((grade == 1).sum())
        fresh = np.arange(self.next_new, min(self.next_new + plan.new_per_day, len(self.last)))
        if len(fresh):
            self.first[fresh] = habits.first_grades(len(fresh), self.random)
            for name, values in self.cards.start(self.first[fresh]).items():
                self.states[name][fresh] = values
            lost += self._schedule(fresh, day)
            seconds += habits.spent_first(self.first[fresh])
            self.next_new += len(fresh)
        seen = np.arange(self.next_new)
        known = {FIRST_GRADE: self.first[seen], SAME_DAY: np.zeros(len(seen))}
        recalled = self.cards.recall(self._of(seen), day + 1 - self.last[seen], known).sum() if len(seen) else 0.0
        backlog = len(waiting) - len(asked)
        return day, len(fresh), len(waiting), len(asked), failed, seconds / 60, backlog, len(seen), float(recalled), lost


@dataclass(frozen=True, eq=False)
class RetentionTable:
    """Plans that differ in the desired retention alone: ``table`` has a row each; ``best`` costs the fewest minutes a known card.

    Plans that leave reviews over at the end are out: their minutes are too few to compare; where all do, ``best`` is NaN.
    ``at_edge`` says that the best is the first or the last of those that count: the optimum may lie further out.
    """

    table: pd.DataFrame
    best: float
    at_edge: bool
    warning: str = WARNING

    def __str__(self) -> str:
        edge = "; it is the last one tried on that side, so the optimum may lie further out" if self.at_edge else ""
        rows = self.table.to_string(index=False, float_format="%.3f")
        waited = self.table.loc[self.table["backlog"] > 0, "retention"]
        if len(waited):
            edge += f"\n  at {', '.join(f'{r:g}' for r in waited)} reviews were left over at the end: their minutes are too few to compare"
        best = f"fewest minutes a known card at retention {self.best:g}"
        if np.isnan(self.best):
            best = "no retention is named best: allow more reviews a day (max_reviews) or fewer new cards"
        return f"{rows}\n  {best}{edge}\n  {self.warning}"


def minutes_by_retention(
    fitted: Fit | Model, plan: Plan, deck: Deck | None = None, retentions: Sequence[float] = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
) -> RetentionTable:
    """Simulate the plan at several desired retentions and compare minutes per remembered card (cards of the deck count as remembered too).

    Args: as `simulate_workload`; the retentions to try, two or more. The best is sought among those that leave no review over at the end.
    """
    import pandas as pd

    tried = sorted(set(retentions))
    if len(tried) < 2:
        raise DataError(explain("nothing to compare", f"{len(tried)} retention", "two or more", "pass retentions=(.8, .9)"))
    rows = []
    for r in tried:
        w = simulate_workload(fitted, replace(plan, retention=r), deck)
        d = w.daily
        rows.append(
            (r, d["reviews"].mean(), d["minutes"].mean(), int(d["backlog"].iloc[-1]), d["expected_known"].iloc[-1], w.minutes_per_known)
        )
    names = ["retention", "reviews_per_day", "minutes_per_day", "backlog", "expected_known", "minutes_per_known"]
    table = pd.DataFrame(rows, columns=names)
    done = table[(table["backlog"] == 0) & table["minutes_per_known"].notna()]
    if done.empty:
        return RetentionTable(table, float("nan"), False)
    best = int(done["minutes_per_known"].argmin())
    return RetentionTable(table, float(done["retention"].iloc[best]), best in (0, len(done) - 1))
