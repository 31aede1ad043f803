"""A memory model evaluated on many cards at once: start, recall before a review, state after it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.equations.symbolic import Program, trace
from seqsci.equations.tracing import Equations
from seqsci.errors import DataError, EquationError, explain
from seqsci.estimation.result import Fit
from seqsci.model import Model

Array = np.ndarray
States = Mapping[str, Array]
GRADES = (1, 2, 3, 4)
"""Again, hard, good, easy; a card is recalled where the grade is above 1."""
ELAPSED, SAME_DAY, FIRST_GRADE = "elapsed_days", "same_day", "first_grade"


@dataclass(frozen=True)
class CardModel:
    """Equations of a memory model over (n,) arrays, a card each; no compilation, no sequence.

    ``known`` holds what a cell knows besides the elapsed time: ``first_grade`` and the like; ``same_day`` is 1 where less than one day has
    passed, unless it is given. Raises `EquationError` for a model of something else.
    """

    model: Model

    def __post_init__(self) -> None:
        mechanism = self.model.mechanism
        known, outcomes = {k.name for k in mechanism.known}, {o.name for o in mechanism.outcomes}
        arguments = self.model.observation.arguments
        if ELAPSED not in known or not outcomes <= {"recalled", "grade"} or "probability" not in arguments or mechanism.presamples:
            got = f"known {sorted(known)}, outcomes {sorted(outcomes)}, observation of {list(arguments)}"
            expected = f"known {ELAPSED}, outcomes recalled and grade, an observation of a probability, no presample"
            raise EquationError(explain(f"{self.model.name} is not a model of recall", got, expected, "take a model of this domain"))

    @classmethod
    def of(cls, fitted: Fit | Model) -> CardModel:
        """The card model of a fit or of a model."""
        return cls(fitted if isinstance(fitted, Model) else fitted.model)

    @functools.cached_property
    def equations(self) -> Equations:
        """The equations, bound by name."""
        return Equations(self.model.mechanism, self.model.observation)

    @functools.cached_property
    def program(self) -> Program:
        """The traced equations."""
        return trace(self.model.mechanism, self.model.observation, self.model.folded)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.equations.state_names

    @functools.cached_property
    def needed(self) -> tuple[frozenset[str], frozenset[str]]:
        """Known sequences that start needs, and those that a review needs."""
        known = {k.name for k in self.model.mechanism.known}
        groups = (self.program.start, (*self.program.reads, *self.program.update))
        start, review = (frozenset({s.name for e in group for s in e.free_symbols} & known) for group in groups)
        return start, review

    def start(self, first_grade: Array | Sequence[float], known: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """States after the first review, by name (n,). Raises `DataError` for grades other than 1 to 4."""
        grades = checked_grades(first_grade)
        columns = self._filled(self.needed[0], {**(known or {}), FIRST_GRADE: grades}, np.zeros(len(grades)))
        with np.errstate(all="ignore"):
            return self._named(self.equations.start(self.model.value, columns, {}), len(grades))

    def retention(self, states: States, elapsed_days: Any, known: Mapping[str, Array] | None = None) -> Array:
        """Probability of recall (n,) of cards in these states, ``elapsed_days`` after their last review."""
        states, elapsed = self.checked(states), np.asarray(elapsed_days, float)
        return self.recall(states, elapsed, known or {})

    def recall(self, states: States, elapsed: Array, known: Mapping[str, Array]) -> Array:
        """`retention` without the checks of its arguments, for loops."""
        columns = self._filled(self.needed[1], known, elapsed)
        with np.errstate(all="ignore"):
            reads = self.equations.read(self.model.value, states, columns)
        return np.broadcast_to(
            np.asarray(reads["probability"], float), np.broadcast_shapes(elapsed.shape, *(s.shape for s in states.values()))
        )

    def after(self, states: States, elapsed_days: Any, grade: Any, known: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """States (n,) after a review with these grades."""
        states, elapsed, grades = self.checked(states), np.asarray(elapsed_days, float), checked_grades(grade)
        columns = self._filled(self.needed[1], known or {}, elapsed)
        outcome = {"grade": grades, "recalled": (grades > 1).astype(float)}
        with np.errstate(all="ignore"):
            reads = self.equations.read(self.model.value, states, columns)
            step = self.equations.update(self.model.value, states, columns, outcome, reads)
        return self._named(step.states, len(grades))

    def checked(self, states: States) -> dict[str, Array]:
        """The states as float arrays; raises `DataError` where one is missing, not finite or of another length."""
        missing = [n for n in self.names if n not in states]
        if missing:
            what = f"states of {self.model.name} are missing"
            raise DataError(explain(what, f"{', '.join(states) or 'none'}", ", ".join(self.names), f"add {', '.join(missing)}"))
        found = {n: np.atleast_1d(np.asarray(states[n], float)) for n in self.names}
        if len({v.shape for v in found.values()}) != 1 or not all(np.isfinite(v).all() for v in found.values()):
            got = ", ".join(f"{n} {v.shape}, {int((~np.isfinite(v)).sum())} not finite" for n, v in found.items())
            raise DataError(explain("states are not one finite number a card", got, "arrays of one length", "drop cards without a state"))
        return found

    def _filled(self, needed: frozenset[str], known: Mapping[str, Array], elapsed: Array) -> dict[str, Array]:
        if not (np.isfinite(elapsed).all() and (elapsed >= 0).all()):
            raise DataError(
                explain("elapsed times must be finite and not negative", f"{elapsed.min()} to {elapsed.max()}", "days >= 0", "check them")
            )
        columns = {**known, ELAPSED: elapsed}
        columns.setdefault(SAME_DAY, (elapsed < 1).astype(float))
        if missing := sorted(needed - set(columns)):
            what = f"{self.model.name} needs to know {', '.join(missing)}"
            raise DataError(
                explain(what, f"known {', '.join(sorted(columns))}", ", ".join(sorted(needed)), "pass them in known={name: values}")
            )
        names = {k.name for k in self.model.mechanism.known}
        return {n: np.asarray(v, float) for n, v in columns.items() if n in names}

    def _named(self, values: Sequence[Any], rows: int) -> dict[str, Array]:
        return {n: np.broadcast_to(np.asarray(v, float), (rows,)).copy() for n, v in zip(self.names, values, strict=True)}


def per_card(name: str, value: Any, rows: int) -> Array:
    """One number for all cards, or one a card, as a float array (rows,); raises `DataError` for anything else."""
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise DataError(explain(f"{name} is no number", repr(value)[:80], "a number, or one a card", "correct it")) from error
    if found.ndim > 1 or (found.ndim == 1 and len(found) not in (1, rows)):
        got = f"an array of shape {found.shape} for {rows} cards"
        raise DataError(
            explain(f"{name} does not fit the cards", got, f"one number, or one a card: ({rows},)", "ask for one value at a time")
        )
    return np.broadcast_to(found, (rows,))


def checked_grades(grade: Any) -> Array:
    """Grades as a float array (n,); raises `DataError` for anything but 1, 2, 3 and 4."""
    grades = np.atleast_1d(np.asarray(grade, float))
    if not np.isin(grades, GRADES).all():
        bad = sorted({str(g) for g in grades[~np.isin(grades, GRADES)][:5]})
        raise DataError(explain("grades are out of range", ", ".join(bad), "1 again, 2 hard, 3 good, 4 easy", "map the buttons to these"))
    return grades
