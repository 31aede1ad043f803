"""From the ease factor and interval of SM-2 to the state of a memory model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqsci.domains.memory.planning.cards import SAME_DAY, CardModel, per_card
from seqsci.errors import DataError, explain
from seqsci.estimation.result import Fit
from seqsci.model import Model

Array = np.ndarray
START_EASE, FLOOR_EASE = 2.5, 1.3
"""Ease factor of a new card, and the least that SM-2 lets it fall to."""
RANGE = (1e-3, 36500.0)
"""Stabilities in days that are searched."""
STEPS = 200


def state_from_sm2(
    fitted: Fit | Model,
    ease_factor: Any,
    interval_days: Any,
    retention: Any = 0.9,
    lapses: Any = 0,
    given: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """States (n,) of cards that SM-2 scheduled: they recall with ``retention`` at the end of the interval that it gave them.

        stability:  R(interval_days; stability, ...) = retention,  solved by bisection in log stability
        ease:       2 + (ease_factor - 2.5) / 1.2 within [0, 3]    a good grade (2) at 2.5, a hard one (1) at 1.3
        difficulty: 5 - 5 (ease_factor - 2.5) / 1.2 within [1, 10]  the middle (5) at 2.5, the hardest (10) at 1.3
        lapses, failures:  as counted; what hard grades added is not known

    | argument | unit | set | reading |
    |---|---|---|---|
    | ease_factor | 1 | > 0; 130 % is 1.3 | factor of the interval after a pass |
    | interval_days | days | > 0 | the current interval |
    | retention | 1 | (0, 1) | recall at its end, assumed: SM-2 states none |
    | lapses | 1 | >= 0 | number of lapses |

    Limits: SM-2 has no probability, so ``retention`` is an assumption about the whole collection, best taken from its log. One number of
    SM-2 stands for a history: the maps of ease and difficulty are conventions, fixed at two points each. A card with its reviews still
    in the log should be replayed by `annotate` instead. States of other names come from ``given``, by name (n,).
    Raises `DataError` for values outside their sets, and where no stability from .001 to 36,500 days has that retention.
    Source of SM-2: Wozniak (1990), Optimization of learning, https://super-memory.com/english/ol/sm2.htm.
    """
    cards = CardModel.of(fitted)
    named = {"ease_factor": ease_factor, "interval_days": interval_days, "retention": retention, "lapses": lapses}
    lengths = {n: np.size(v) for n, v in (*named.items(), *(given or {}).items())}
    rows = max(lengths.values())
    if wrong := [f"{n} {size}" for n, size in lengths.items() if size not in (1, rows)]:
        got = f"{', '.join(wrong)}, beside {rows} cards"
        raise DataError(explain("columns of cards differ in length", got, "one value, or one a card, in each", "take them from one table"))
    factor, interval, wanted, counted = (np.array(per_card(n, v, rows)) for n, v in named.items())
    faults = [
        f"{name} {values.min():g} to {values.max():g}, not {admissible}"
        for name, values, ok, admissible in (
            ("ease_factor", factor, (factor > 0) & (factor < 20), "a factor such as 2.5"),
            ("interval_days", interval, (interval > 0) & np.isfinite(interval), "positive days"),
            ("retention", wanted, (wanted > 0) & (wanted < 1), "in (0, 1)"),
            ("lapses", counted, (counted >= 0) & np.isfinite(counted), "0 or more"),
        )
        if not ok.all()
    ]
    if faults:
        raise DataError(explain("cards of SM-2 cannot be read", "; ".join(faults), "values in their sets", "250 % is 2.5; drop new cards"))
    away = (factor - START_EASE) / (START_EASE - FLOOR_EASE)
    mapped = {
        "ease": np.clip(2 + away, 0, 3),
        "difficulty": np.clip(5 - 5 * away, 1, 10),
        "lapses": counted,
        "failures": counted,
        **(given or {}),
    }
    others = [n for n in cards.names if n != "stability"]
    if "stability" not in cards.names or (missing := [n for n in others if n not in mapped]):
        got = f"states {', '.join(cards.names)}"
        fix = f"pass given={{name: values}} for {', '.join(missing)}" if "stability" in cards.names else "replay the log: annotate"
        raise DataError(explain(f"SM-2 says nothing of {cards.model.name}", got, f"stability, and of {', '.join(mapped)}", fix))
    states = {n: per_card(n, mapped[n], rows) for n in others}
    return {n: stability(cards, states, interval, wanted) if n == "stability" else states[n].copy() for n in cards.names}


def stability(cards: CardModel, states: Mapping[str, Array], interval: Array, wanted: Array) -> Array:
    """The stability (n,) with which cards recall with a given probability after their interval; recall must rise with it."""
    known = {SAME_DAY: np.zeros(len(wanted))}

    def recall(value: Array) -> Array:
        return cards.recall({**states, "stability": value}, interval, known)

    low, high = np.log(np.full(len(wanted), RANGE[0])), np.log(np.full(len(wanted), RANGE[1]))
    outside = ~((recall(np.exp(low)) <= wanted) & (recall(np.exp(high)) >= wanted))
    if outside.any():
        i = int(np.flatnonzero(outside)[0])
        ends = ", ".join(f"{float(recall(np.exp(end))[i]):.4f}" for end in (low, high))
        got = f"{int(outside.sum())} cards; the first: {wanted[i]:g} after {interval[i]:g} days"
        expected = f"between {ends}, the recall of the least and the largest stability"
        raise DataError(explain("no stability has that retention", got, expected, "state another retention, or leave these cards out"))
    for _ in range(STEPS):
        middle = (low + high) / 2
        if ((middle <= low) | (middle >= high)).all():
            break
        above = recall(np.exp(middle)) >= wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(np.exp(high))
