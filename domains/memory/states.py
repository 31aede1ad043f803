"""States and recall before and after every review of a log, with the gates that moved them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqsci.domains.memory.cards import ELAPSED, CardModel
from seqsci.errors import DataError, explain
from seqsci.estimation.result import Fit
from seqsci.model import Model
from seqsci.sequences import Sequences

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray
KEYS = ("user", "card_id", "review_time", "review", "grade", ELAPSED)


def annotate(fitted: Fit | Model, reviews: pd.DataFrame, sequences: Sequences | None = None) -> pd.DataFrame:
    """A row a review: what the model says before it, what it makes of it, and by which gates.

    | column | meaning |
    |---|---|
    | user, card_id, review_time, review, grade, elapsed_days | as in the log |
    | retention | probability of recall before the review; NaN for a card's first |
    | STATE_before, STATE_after | each state of the cell by its name; before is NaN for a card's first review |
    | forget_STATE, write_STATE | gates f and i of the update c' = f c + i z, for the states that the cell writes as `Gated` |

    Args: a fit or model; the frame of `Reviews`, or rows of it that hold whole cards from their first review on; ``sequences`` of the rows
    with review >= 1 in the same order, where the cell knows more than the frame's columns. Raises `DataError` for an incomplete card.
    """
    import pandas as pd

    cards = CardModel.of(fitted)
    first = _checked(cards, reviews, sequences)
    later = reviews.loc[~first]
    s = _sequences(cards, later) if sequences is None else sequences
    table: dict[str, Array] = {name: reviews[name].to_numpy() for name in KEYS}
    start = cards.start(reviews.loc[first, "grade"].to_numpy(float))
    n, rows = len(cards.names), np.flatnonzero(~first)
    before, after, retention = np.full((len(reviews), n), np.nan), np.full((len(reviews), n), np.nan), np.full(len(reviews), np.nan)
    after[first] = np.column_stack([start[name] for name in cards.names])
    gates = np.full((len(reviews), 0), np.nan)
    if len(rows):
        path = cards.model.filter(s)
        before[rows] = path.states
        retention[rows] = path.reads[:, cards.program.read_names.index("probability")]
        ends = np.append(s.starts[1:], len(s)) - 1
        following = np.vstack([path.states[1:], path.states[:1]])
        following[ends] = path.last
        after[rows] = following
        gates = np.full((len(reviews), path.gates.shape[1]), np.nan)
        gates[rows] = path.gates
    table["retention"] = retention
    for i, name in enumerate(cards.names):
        table[f"{name}_before"], table[f"{name}_after"] = before[:, i], after[:, i]
    for g, name in enumerate(gated_states(cards) if len(rows) else ()):
        table[f"forget_{name}"], table[f"write_{name}"] = gates[:, 3 * g], gates[:, 3 * g + 1]
    return pd.DataFrame(table, index=reviews.index)


def gated_states(cards: CardModel) -> tuple[str, ...]:
    """Names of the states whose update is `Gated`, in the order of the kernel's gates."""
    ones = dict.fromkeys((*cards.names, *(k.name for k in cards.model.mechanism.known)), 0.5)
    outcome = {o.name: 1.0 for o in cards.model.mechanism.outcomes}
    states = {n: ones[n] for n in cards.names}
    known = {n: v for n, v in ones.items() if n not in states}
    with np.errstate(all="ignore"):
        reads = cards.equations.read(cards.model.value, states, known)
        step = cards.equations.update(cards.model.value, states, known, outcome, reads)
    return tuple(name for name, gate in zip(cards.names, step.gates, strict=True) if gate is not None)


def _checked(cards: CardModel, reviews: pd.DataFrame, sequences: Sequences | None) -> Array:
    """Which rows are a card's first review; raises `DataError` where rows or columns are missing."""
    needed = [*KEYS, *((k.name for k in cards.model.mechanism.known) if sequences is None else ())]
    if missing := [n for n in dict.fromkeys(needed) if n not in reviews.columns]:
        what = f"the log lacks {', '.join(missing)}"
        raise DataError(
            explain(what, f"columns {list(reviews.columns)}", ", ".join(needed), "read it with this domain, or pass sequences=")
        )
    if not len(reviews):
        raise DataError(explain("a log without a review", "0 rows", "at least one card", "check the file and its filters"))
    number = reviews["review"].to_numpy()
    first = np.asarray(number == 0)
    card = np.cumsum(first)
    same = np.r_[False, (np.diff(card) == 0) & (reviews["card_id"].to_numpy()[1:] == reviews["card_id"].to_numpy()[:-1])]
    same &= np.r_[False, reviews["user"].to_numpy()[1:] == reviews["user"].to_numpy()[:-1]]
    broken = ~first & ~(same & np.r_[False, np.diff(number) == 1])
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        got = f"row {reviews.index[row]}: card {reviews['card_id'].iloc[row]}, review {number[row]}, without the one before it"
        raise DataError(
            explain("a card is not whole", got, "all reviews of a card together, from 0 on", "take whole cards, sorted by review")
        )
    if sequences is not None and len(sequences) != int((~first).sum()):
        got = f"{len(sequences)} rows of sequences, {int((~first).sum())} reviews after the first"
        raise DataError(explain("sequences of another log", got, "one row a review after a card's first", "make them of this frame"))
    return first


def _sequences(cards: CardModel, later: pd.DataFrame) -> Sequences:
    """The reviews after each card's first, a unit a card, known and outcome columns by their names in the log."""
    mechanism = cards.model.mechanism
    known = {k.name: later[k.name].to_numpy(float) for k in mechanism.known}
    grade = later["grade"].to_numpy(float)
    outcome = {o.name: {"grade": grade, "recalled": (grade > 1).astype(float)}[o.name] for o in mechanism.outcomes}
    reset = later["review"].to_numpy() == 1
    return Sequences(outcome, known, reset=reset, unit=np.cumsum(reset))


def last_states(fitted: Fit | Model, reviews: pd.DataFrame, day: int) -> tuple[dict[str, Array], Array, Array]:
    """Every card at the start of a study day: states by name (n,), days since its last review (n,), first grade (n,).

    Args: a fit or model; a frame of `Reviews`; the study day as in its column ``day``, not before the last review.
    """
    if (reviews["day"] > day).any():
        got, fix = f"a review on day {int(reviews['day'].max())}", "leave out later reviews, or plan from a later day"
        raise DataError(explain(f"the log goes on after day {day}", got, f"reviews up to day {day}", fix))
    table = annotate(fitted, reviews)
    last = np.r_[reviews["review"].to_numpy()[1:] == 0, True]
    states = {n: table[f"{n}_after"].to_numpy()[last] for n in CardModel.of(fitted).names}
    grade = reviews["grade"].to_numpy(float)[reviews["review"].to_numpy() == 0]
    elapsed = day - reviews["day"].to_numpy(float)[last]
    return states, elapsed, grade
