"""The time until recall has fallen to a desired retention, and the four states and intervals that a review can lead to."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.domains.memory.planning.cards import ELAPSED, GRADES, SAME_DAY, CardModel, States, per_card
from seqsci.equations.inversion import Inverse, inverse
from seqsci.equations.symbolic import trace
from seqsci.errors import DataError, explain
from seqsci.estimation.result import Fit
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.base import Observation

Array = np.ndarray
MAXIMUM = 36500.0
"""A hundred years: the longest interval, unless another is asked for."""
GRID, HALVINGS = 33, 200
EPSILON, TINY = float(np.finfo(float).eps), 1e-15
RISE = 1e-5
"""Recall may rise by this much: some cells call recall at time 0 a little less than certain."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of cards, arrays of one shape.

    Attributes:
        days: time at which recall has fallen to the retention; NaN where it is lower from the start, the maximum where it is still higher.
        retention: what was desired.
        reachable: False where recall is below the retention even after the shortest time.
        largest: the largest retention that can be had, recall after the shortest time.
        capped: True where recall is still above the retention at the maximum.
    """

    days: Array
    retention: Array
    reachable: Array
    largest: Array
    capped: Array

    def required(self) -> Array:
        """The days; raises `DataError` where a retention is out of reach, with the largest that is not."""
        if not self.reachable.all():
            at = np.argmin(np.where(self.reachable, np.inf, self.largest).ravel())
            got = f"retention {self.retention.ravel()[at]:.4g} for {int((~self.reachable).sum())} of {self.reachable.size} cards"
            expected = f"at most {self.largest.ravel()[at]:.4f} for card {at}: recall right after its last review is no better"
            raise DataError(explain("the desired retention cannot be reached", got, expected, "ask for less, or review such cards at once"))
        return self.days


@dataclass(frozen=True, eq=False)
class NextStates:
    """What each grade leads to: ``states`` by name (4, n), ``intervals`` of shape (4, n); rows are again, hard, good, easy."""

    states: Mapping[str, Array]
    intervals: Intervals

    @property
    def ordered(self) -> Array:
        """Whether again <= hard <= good <= easy in days (n,); an interval out of reach counts as none at all."""
        days = np.where(self.intervals.reachable, self.intervals.days, 0.0)
        return np.asarray((np.diff(days, axis=0) >= -1e-9 * days[1:]).all(axis=0))

    def __str__(self) -> str:
        wrong = np.flatnonzero(~self.ordered)
        cards = f"{len(self.ordered)} cards: "
        if not len(wrong):
            return cards + "again <= hard <= good <= easy for each"
        return cards + f"the better grade leads to the shorter interval for {len(wrong)}, the first is card {wrong[0]}"


def next_interval(
    fitted: Fit | Model,
    states: States,
    retention: Any,
    known: Mapping[str, Array] | None = None,
    shortest: float = 0.0,
    maximum: float = MAXIMUM,
) -> Intervals:
    """Solve ``R(t) = retention`` for t, card by card: by the closed form where the equation has one, else by a root in a bracket.

    The time counts from the review that led to the states, and is not on its day (same_day 0). In the additive stability model R(0) < 1,
    so that some retentions are out of reach: their days are NaN, ``reachable`` is False, and ``largest`` says what can be had.

    Args: a fit or model; states by name (n,); retention in (0, 1), one or (n,); ``known`` values (n,) by name where the cell needs
    them; the ends of the search in days. Raises `DataError` for retentions or ends outside their range, and where recall rises with time.
    """
    cards = CardModel.of(fitted)
    found = cards.checked(states)
    rows = len(next(iter(found.values())))
    wanted = per_card("retention", retention, rows)
    if not ((wanted > 0) & (wanted < 1)).all() or not 0 <= shortest < maximum < np.inf:
        got = f"retention {wanted.min():g} to {wanted.max():g}, interval {shortest:g} to {maximum:g} days"
        raise DataError(explain("no interval can be sought", got, "0 < retention < 1, 0 <= shortest < maximum", "correct these"))
    fixed = {SAME_DAY: np.zeros(rows), **{n: per_card(f"known {n}", v, rows) for n, v in (known or {}).items()}}
    times = shortest + np.expm1(np.linspace(0, np.log1p(maximum - shortest), GRID))
    times[-1] = maximum
    curve = np.stack([cards.recall(found, np.full(rows, t), fixed) for t in times])
    if (rising := (np.diff(curve, axis=0) > RISE).any(axis=0)).any() or np.isnan(curve).any():
        got = f"{int((rising | np.isnan(curve).any(axis=0)).sum())} of {rows} cards"
        expected = "a probability that falls with elapsed_days"
        raise DataError(explain("recall does not fall with time: an interval has no meaning", got, expected, "check states and parameters"))
    return solve(cards, found, wanted, fixed, float(shortest), float(maximum))


def solve(cards: CardModel, states: States, wanted: Array, known: Mapping[str, Array], shortest: float, maximum: float) -> Intervals:
    """`next_interval` without the checks of its arguments, for loops; ``known`` must say same_day 0."""
    low, high = np.full(len(wanted), shortest), np.full(len(wanted), maximum)
    largest, last = cards.recall(states, low, known), cards.recall(states, high, known)
    reachable, capped = largest >= wanted, last >= wanted
    days = np.where(reachable, np.where(capped, maximum, np.nan), np.nan)
    open_ = reachable & ~capped
    if open_.any():
        chosen = {n: v[open_] for n, v in states.items()}
        rest = {n: np.asarray(v)[open_] for n, v in known.items()}
        days[open_] = _root(cards, chosen, wanted[open_], rest, low[open_], high[open_])
    return Intervals(days, wanted, reachable, np.asarray(largest), reachable & capped)


def _root(cards: CardModel, states: States, wanted: Array, known: Mapping[str, Array], low: Array, high: Array) -> Array:
    found = np.full(len(wanted), np.nan)
    if (form := closed_form(cards)) is not None:
        guess = form({**{n: np.asarray(v) for n, v in cards.model.values}, **states, **known}, wanted)
        guess = np.broadcast_to(guess, wanted.shape)
        inside = np.isfinite(guess) & (guess >= low) & (guess <= high)
        recall = cards.recall(states, np.where(inside, guess, low), known)
        found = np.where(inside & (np.abs(recall - wanted) <= 1e-10), guess, np.nan)
    if (todo := np.isnan(found)).any():
        some = {n: v[todo] for n, v in states.items()}
        found[todo] = _bracketed(cards, some, wanted[todo], {n: v[todo] for n, v in known.items()}, low[todo], high[todo])
    return found


def _bracketed(cards: CardModel, states: States, wanted: Array, known: Mapping[str, Array], low: Array, high: Array) -> Array:
    """The root in ``u = log(1 + t)``, by Chandrupatla's method: inverse quadratic steps where they are safe, else halvings.

    Source: Chandrupatla (1997), DOI 10.1016/S0965-9978(96)00051-8.
    """

    def excess(u: Array) -> Array:
        return np.asarray(cards.recall(states, np.expm1(u), known) - wanted)

    a, b = np.log1p(high), np.log1p(low)
    fa, fb = excess(a), excess(b)
    c, fc, share = b, fb, np.full(len(wanted), 0.5)
    best = np.where(np.abs(fa) < np.abs(fb), a, b)
    for _ in range(HALVINGS):
        u = a + share * (b - a)
        f = excess(u)
        same = (f > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = u, f
        smaller = np.abs(fa) < np.abs(fb)
        best, f_best = np.where(smaller, a, b), np.where(smaller, fa, fb)
        with np.errstate(all="ignore"):
            least = (2 * EPSILON * np.abs(best) + TINY) / np.abs(b - a)
            if ((least > 0.5) | (f_best == 0)).all():
                break
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inner = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(inner)
            step = np.where(safe, inner, 0.5)
            done = (least > 0.5) | (f_best == 0)
            share = np.where(done, 0.5, np.clip(step, np.minimum(least, 0.5), np.maximum(1 - least, 0.5)))
    return np.asarray(np.expm1(best))


def closed_form(cards: CardModel) -> Inverse | None:
    """The time as a formula of retention, states and parameters, or None where the equation has none."""
    return _form(cards.model.mechanism, cards.model.observation, cards.model.folded)


@functools.lru_cache(maxsize=64)
def _form(mechanism: Mechanism, observation: Observation, folded: tuple[tuple[str, float], ...]) -> Inverse | None:
    return inverse(trace(mechanism, observation, folded), "probability", ELAPSED)


def next_states(
    fitted: Fit | Model,
    states: States,
    elapsed_days: Any,
    retention: Any,
    known: Mapping[str, Array] | None = None,
    maximum: float = MAXIMUM,
) -> NextStates:
    """States and intervals after a review now, for each of the four grades; vectorised over cards.

    Args: a fit or model; states before the review by name (n,); days since the last review (n,); desired retention, one or (n,);
    ``known`` values (n,) by name where the cell needs them (first_grade); the longest interval in days.
    In the additive stability model again <= hard <= good <= easy holds where a better first grade means more stability (a bound of its
    parameters), and in FSRS-6 within its bounds; elsewhere `NextStates.ordered` says for which cards it does not.
    Raises `DataError` as `next_interval`.
    """
    cards = CardModel.of(fitted)
    found = cards.checked(states)
    rows = len(next(iter(found.values())))
    elapsed = per_card("elapsed_days", elapsed_days, rows)
    wanted = np.tile(per_card("retention", retention, rows), len(GRADES))
    given = {n: per_card(f"known {n}", v, rows) for n, v in (known or {}).items()}
    after = [cards.after(found, elapsed, np.full(rows, g), given) for g in GRADES]
    flat = {n: np.concatenate([a[n] for a in after]) for n in cards.names}
    later = {n: np.tile(v, len(GRADES)) for n, v in given.items() if n != SAME_DAY}
    solved = next_interval(fitted, flat, wanted, later, 0.0, maximum)
    shape = (len(GRADES), rows)
    fields = (solved.days, solved.retention, solved.reachable, solved.largest, solved.capped)
    return NextStates({n: v.reshape(shape) for n, v in flat.items()}, Intervals(*(v.reshape(shape) for v in fields)))
