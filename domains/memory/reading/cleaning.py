"""Cleaning of review logs: every row is either kept or counted under one named rule."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EARLIEST = 10**11
"""Times (ms) below this are none: the same number in seconds would be the year 5138."""
LONGEST_ANSWER = 86_400_000
"""Durations (ms) above a day are cut to it: nobody looks at a card for longer, and one absurd number must not cost the log."""
LEARNING, REVIEW, RELEARNING, FILTERED, MANUAL, RESCHEDULED, UNKNOWN, FOREIGN = 0, 1, 2, 3, 4, 5, -1, 99
"""Kinds of a log row, as in Anki's revlog.type; UNKNOWN where a file does not say, FOREIGN where Anki would not say so."""

RULES = {
    "not_a_number": "a time, card, grade or state that is no integer (of an Anki log: any field that is read)",
    "manual": "written by hand and not an answer: rating 0, or Anki's type 4 (set due date, forget)",
    "rescheduled": "written by a reschedule and not an answer (Anki's type 5)",
    "cram": "a filtered-deck review that does not affect scheduling (Anki's type 3 with factor 0)",
    "unknown_type": "a row of a type that Anki is not known to write (outside 0 to 5)",
    "bad_grade": "a rating outside 1 to 4",
    "too_early": "a time before March 1973 (10^11 ms): a clock set wrong, or seconds among milliseconds",
    "future": "a time after now",
    "unknown_card": "a review of a card that is not in the collection (deleted)",
    "before_creation": "a review dated before its card was made",
    "duplicate": "a second row of one card at one time (same review id); the lower grade is kept",
    "before_reset": "a review before the card was last reset (forget); the history starts anew after it",
    "before_new_learning": "a review before the card's last start as a new card; older versions of Anki wrote no row for the reset",
    "incomplete_history": "a review of a card whose history does not start with a first learning review",
    "before_cutoff": "a review of a card whose history starts before the date given as ignore_before",
}
"""One line a rule, in the order in which they apply: a row counts under the first that fits."""


def reading_of(rule: str) -> str:
    """The one-line reading of a rule."""
    return RULES.get(rule, "a rule of the caller")


@dataclass(frozen=True)
class Cleaning:
    """What the rules depend on.

    Attributes:
        keep_incomplete: keep cards whose history does not start with a first learning review, unscored and with ``incomplete`` = 1.
        restart_at_learning: whether learning rows that follow other rows start a card anew. None: yes in Anki's log, as Anki does; no in
            a table, where only a row of state 0 does.
        ignore_before: drop cards whose history starts before this time (ms since the epoch).
        now: time after which a row lies in the future (ms since the epoch); None is the clock of this machine.
    """

    keep_incomplete: bool = False
    restart_at_learning: bool | None = None
    ignore_before: int | None = None
    now: int | None = None


@dataclass(frozen=True, eq=False)
class RawLog:
    """What a file held: its rows as `clean` takes them, the count of rows with a field that is no integer, and notes."""

    frame: pd.DataFrame
    not_a_number: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Cleaned:
    """The rows that are kept, the count of every rule, and notes."""

    frame: pd.DataFrame
    dropped: dict[str, int]
    notes: tuple[str, ...]


def clean(log: pd.DataFrame, cleaning: Cleaning, restart_at_learning: bool) -> Cleaned:
    """Apply every rule to a raw log.

    Args:
        log: columns user, card_id, review_time, grade, kind (as above), factor, duration_ms, created (ms, -1 unknown), known (the card
            exists), starts (the row says that the card is new); integers.
        cleaning: the user's choices.
        restart_at_learning: the reader's, where the user made none.

    The rows come back sorted, with state 0 for a history's first learning row, 1, 2, 3 for learning, review, relearning; an answer in a
    filtered deck that does affect scheduling is a review. ``sum(dropped) + len(frame) == len(log)``.
    """
    users = pd.factorize(log["user"], sort=True)[0]
    f = log.iloc[np.lexsort([log[c].to_numpy() for c in ("duration_ms", "grade", "review_time", "card_id")] + [users])]
    now = int(time.time() * 1000) if cleaning.now is None else cleaning.now
    reason = _row_reasons(f, now)
    restart = restart_at_learning if cleaning.restart_at_learning is None else cleaning.restart_at_learning
    reason, incomplete, first = _history_reasons(f, reason, f["review_time"].between(EARLIEST, now).to_numpy(), cleaning, restart)
    names = np.array([*RULES])
    counts = pd.Series(names[reason[reason >= 0]]).value_counts()
    dropped = {name: int(counts.get(name, 0)) for name in RULES}
    kept = reason < 0
    g = f[kept].reset_index(drop=True)
    kind = g["kind"].to_numpy()
    state = np.select([first[kept] & np.isin(kind, (LEARNING, UNKNOWN)), kind == LEARNING, kind == RELEARNING], [0, 1, 3], 2)
    notes = []
    if filtered := int((kind == FILTERED).sum()):
        notes.append(f"{filtered:,} answers in filtered decks affect scheduling and are kept as reviews")
    if negative := int((g["duration_ms"] < 0).sum()):
        notes.append(f"{negative:,} durations below zero were set to zero")
    if absurd := int((g["duration_ms"] > LONGEST_ANSWER).sum()):
        notes.append(f"{absurd:,} durations above a day were set to a day")
    again = (kind == LEARNING) & ~first[kept] & np.concatenate([[False], np.isin(kind[:-1], (REVIEW, RELEARNING, FILTERED))])
    if not restart and (late := int(again.sum())):
        notes.append(
            f"{late:,} times learning follows a review: the card may have been reset; kept "
            "(in Python Cleaning(restart_at_learning=True) starts anew)"
        )
    g = g.assign(state=state.astype(np.int64), duration_ms=g["duration_ms"].clip(0, LONGEST_ANSWER))
    if cleaning.keep_incomplete:
        g["incomplete"] = incomplete[kept].astype(np.int64)
    return Cleaned(g.drop(columns=["kind", "factor", "created", "known", "starts"]), dropped, tuple(notes))


def _row_reasons(f: pd.DataFrame, now: int) -> NDArray[np.int64]:
    """Index of the first rule (rows,) that a row breaks by itself, -1 where none."""
    kind, grade, factor, times, created = (f[c].to_numpy() for c in ("kind", "grade", "factor", "review_time", "created"))
    broken = {
        "manual": (kind == MANUAL) | ((grade == 0) & (kind != RESCHEDULED)),
        "rescheduled": kind == RESCHEDULED,
        "cram": (kind == FILTERED) & (factor == 0),
        "unknown_type": kind > RESCHEDULED,
        "bad_grade": (grade < 1) | (grade > 4),
        "too_early": times < EARLIEST,
        "future": times > now,
        "unknown_card": ~f["known"].to_numpy(),
        "before_creation": (created >= 0) & (times < created),
    }
    rules = [*RULES]
    reason = np.full(len(f), -1)
    for name, mask in broken.items():
        reason[(reason < 0) & mask] = rules.index(name)
    answers = f.loc[reason < 0, ["user", "card_id", "review_time"]]
    reason[np.flatnonzero(reason < 0)[answers.duplicated().to_numpy()]] = rules.index("duplicate")
    return reason


def _history_reasons(
    f: pd.DataFrame, reason: NDArray[np.int64], dated: NDArray[np.bool_], cleaning: Cleaning, restart: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Reasons with the rules on histories added; which rows (rows,) are of an incomplete history; which are the first of their history.

    Anki's reading: rows by hand and rescheduled rows stay in sight, as they part one group of learning rows from the next; a reset is a row
    by hand with factor 0. The history is that from the first row of the last group of learning rows, if no reset follows.
    """
    rules = [*RULES]
    by_hand = np.isin(reason, (rules.index("manual"), rules.index("rescheduled")))
    seen = np.flatnonzero((reason < 0) | (by_hand & dated & f["known"].to_numpy()))
    reason, incomplete, first = reason.copy(), np.zeros(len(f), dtype=np.bool_), np.zeros(len(f), dtype=np.bool_)
    if not seen.size:
        return reason, incomplete, first
    e = f.iloc[seen]
    place, answer, kind = np.arange(len(seen)), reason[seen] < 0, e["kind"].to_numpy()
    users, cards = pd.factorize(e["user"])[0], e["card_id"].to_numpy()
    begins = np.concatenate([[0], np.flatnonzero((users[1:] != users[:-1]) | (cards[1:] != cards[:-1])) + 1])
    sizes = np.diff(np.append(begins, len(seen)))

    def last(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Last place of a card at which the mask holds, -1 where it never does."""
        return np.maximum.reduceat(np.where(mask, place, -1), begins)

    def next_answer(at: NDArray[np.int64]) -> NDArray[np.int64]:
        """First answer at or after a place; len(seen) where there is none."""
        after = np.minimum.accumulate(np.where(answer, place, len(seen))[::-1])[::-1]
        return np.append(after, len(seen))[at]

    opening = answer & np.isin(kind, (LEARNING, UNKNOWN)) & (place == np.repeat(next_answer(begins), sizes))
    learning = answer & ((kind == LEARNING) | (opening & (kind == UNKNOWN)))
    reset = last(~answer & (kind == MANUAL) & (e["factor"].to_numpy() == 0) & (e["grade"].to_numpy() == 0))
    new = learning & e["starts"].to_numpy()
    if restart:
        final = last(learning)
        other = np.maximum.accumulate(np.where(learning, -1, place))
        start = np.maximum(np.maximum(other[final], begins - 1) + 1, np.maximum.reduceat(np.where(new, place, -1), begins))
        complete = (final >= 0) & (final > reset)
    else:
        start = next_answer(np.maximum(np.maximum(reset + 1, last(new)), begins))
        inside = start < begins + sizes
        complete = inside & learning[np.where(inside, start, begins)]
    start = np.where(complete, start, len(seen))
    of = np.repeat(np.arange(len(begins)), sizes)
    early = answer & (place < reset[of])
    older = answer & ~early & complete[of] & (place < start[of])
    lacking = answer & ~early & ~complete[of]
    when = e["review_time"].to_numpy()
    limit = -1 if cleaning.ignore_before is None else cleaning.ignore_before
    cut = answer & ~early & ~older & complete[of] & (when[np.where(complete, start, begins)] < limit)[of]
    for name, mask in (("before_reset", early), ("before_new_learning", older), ("before_cutoff", cut)):
        reason[seen[mask]] = rules.index(name)
    if cleaning.keep_incomplete:
        incomplete[seen[lacking]] = True
    else:
        reason[seen[lacking]] = rules.index("incomplete_history")
    first[seen[start[complete]]] = True
    return reason, incomplete, first
