"""Stretches of packed rows, and passes over many of them at once: equally long ones as the rows of a matrix."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
ROWS = 2**17
"""Rows that a pass takes at a time, so that what it makes of them stays in cache."""
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Stack:
    """Stretches with equally many observed rows.

    Attributes:
        which: (u,) their places among the stretches; shape: (u, observed rows).
        rows: where the observed rows are: the first and the one after the last where they lie end to end, else (u, observed rows) numbers.
    """

    which: Array
    shape: tuple[int, int]
    rows: slice | Array

    def of(self, column: Array) -> Array:
        """A column's values at the observed rows, (u, observed rows)."""
        return np.asarray(column[self.rows].reshape(self.shape))


@dataclass(frozen=True, eq=False)
class Stretches:
    """Stretches of rows; starts, stops: (u,) the first row of each, and the one after its last."""

    starts: Array
    stops: Array

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def between(cls, offsets: Array) -> Stretches:
        """Stretches end to end, from each of the offsets to the next."""
        return cls(offsets[:-1], offsets[1:])

    @property
    def lengths(self) -> Array:
        """Rows of each."""
        return np.asarray(self.stops - self.starts)

    @functools.cached_property
    def offsets(self) -> Array:
        """Where they begin and end (u + 1,) once they are put end to end."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    @functools.cached_property
    def adjoining(self) -> bool:
        """Whether they lie end to end already."""
        return bool((self.starts[1:] == self.stops[:-1]).all())

    @property
    def rows(self) -> Array:
        """The numbers of all their rows, end to end."""
        return np.repeat(self.starts - self.offsets[:-1], self.lengths) + np.arange(self.offsets[-1])

    def joined(self, column: Array) -> Array:
        """A column's values end to end: a view where they lie so already."""
        if self.adjoining:
            return column[self.starts[0] : self.stops[-1]] if len(self) else column[:0]
        return np.concatenate([column[a:b] for a, b in zip(self.starts.tolist(), self.stops.tolist(), strict=True)])

    def hold(self, rows: Array) -> Array:
        """Which of them hold one of some rows, whose numbers increase (booleans)."""
        return np.asarray(np.searchsorted(rows, self.stops) > np.searchsorted(rows, self.starts))

    def parts(self) -> Iterator[slice]:
        """Ranges of stretches of about `ROWS` rows together, at least one stretch each."""
        first, count, offsets = 0, len(self), self.offsets
        while first < count:
            after = max(int(np.searchsorted(offsets, offsets[first] + ROWS, side="right")) - 1, first + 1)
            yield slice(first, after)
            first = after

    def stacks(self, missing: Array) -> Iterator[Stack]:
        """All stretches in stacks of equally many observed rows; ``missing``: the numbers of the other rows, increasing."""
        for part in self.parts():
            some = Stretches(self.starts[part], self.stops[part])
            yield from some._stacked(missing, np.arange(part.start, part.stop))

    def _stacked(self, missing: Array, places: Array) -> Iterator[Stack]:
        count, lengths = len(self), self.lengths
        whole = not self.hold(missing).any()
        if whole and self.adjoining and (lengths == lengths[0]).all():
            yield Stack(places, (count, int(lengths[0])), slice(int(self.starts[0]), int(self.stops[-1])))
            return
        gaps = Stretches(np.searchsorted(missing, self.starts), np.searchsorted(missing, self.stops))
        observed = lengths - gaps.lengths
        order = np.argsort(observed, kind="stable")
        firsts = [0, *(np.flatnonzero(np.diff(observed[order])) + 1).tolist(), count]
        alone = {a for a, b in itertools.pairwise(firsts) if b == a + 1 and observed[order[a]] == lengths[order[a]]}
        rows, before = (_NONE, _NONE) if len(alone) == len(firsts) - 1 else self._observed(missing, gaps, whole)
        for a, b in itertools.pairwise(firsts):
            some, size = order[a:b], int(observed[order[a]])
            if a in alone:  # one stretch, end to end
                start = int(self.starts[some[0]])
                yield Stack(places[some], (1, size), slice(start, start + size))
            else:
                yield Stack(places[some], (b - a, size), rows[before[some][:, None] + np.arange(size)])

    def _observed(self, missing: Array, gaps: Stretches, whole: bool) -> tuple[Array, Array]:
        """The numbers of the observed rows, end to end, and where each stretch begins among them."""
        rows, observed = self.rows, self.lengths - gaps.lengths
        if not whole:
            seen = np.ones(len(rows), bool)
            seen[missing[gaps.rows] + np.repeat(self.offsets[:-1] - self.starts, gaps.lengths)] = False
            rows = rows[seen]
        return rows, np.cumsum(observed) - observed
