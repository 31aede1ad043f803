"""Sequences of one or many units, packed end to end, as every estimator and kernel reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from seqsci.errors import DataError, did_you_mean, explain

Array = np.ndarray


def _column(name: str, values: object, rows: int | None) -> Array:
    array = np.ascontiguousarray(values, dtype=float)
    if array.ndim != 1 or (rows is not None and len(array) != rows):
        raise DataError(explain(f"column {name!r} has the wrong shape", array.shape, f"({rows or 'rows'},)", "pass one value per row"))
    return array


def _absent(field_value: object) -> bool:
    return field_value is None


@dataclass(frozen=True, eq=False)
class Sequences:
    """Packed sequences; every array has one entry per row. ``None`` asks for a field's default; afterwards it is an array.

    Attributes:
        known: sequences known before the outcome, by name.
        outcome: observed sequences, by name; NaN where missing.
        observed: False marks a missing step (default: where no outcome is NaN).
        weight: factor of the row's log density; 0 updates the state but is not scored (default 1).
        reset: True where a unit starts (default: the first row only, or where ``unit`` changes).
        unit, group: integer code of the unit (a card, a stock) and of its group (a user); default 0.
        index: labels of the rows (dates) for tables; not used in computation.
        measure: unit of measure by column name, e.g. ``{"log_return": "percent"}``.
    """

    outcome: Mapping[str, Array]
    known: Mapping[str, Array] = field(default_factory=dict)
    observed: Array = None  # type: ignore[assignment]
    weight: Array = None  # type: ignore[assignment]
    reset: Array = None  # type: ignore[assignment]
    unit: Array = None  # type: ignore[assignment]
    group: Array = None  # type: ignore[assignment]
    index: Array | None = None
    measure: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.outcome:
            raise DataError(explain("sequences without an outcome", "no outcome column", "at least one", "pass outcome={'name': values}"))
        rows = len(np.asarray(next(iter(self.outcome.values()))))
        outcome = {n: _column(n, v, rows) for n, v in self.outcome.items()}
        known = {n: _column(n, v, rows) for n, v in self.known.items()}
        for name, values in {**outcome, **known}.items():
            bad = np.flatnonzero(np.isinf(values))
            if len(bad):
                at = bad[0] if self.index is None else self.index[bad[0]]
                raise DataError(
                    explain(
                        f"{name} is infinite",
                        f"{len(bad)} value(s), the first at {at}",
                        "finite values, NaN = missing",
                        "remove or mask them",
                    )
                )
        for name, values in known.items():
            if np.isnan(values).any():
                raise DataError(
                    explain(
                        f"{name} is known before the outcome but has gaps",
                        f"{int(np.isnan(values).sum())} NaN",
                        "a value at every row",
                        "fill it with what was known then",
                    )
                )
        finite = ~np.any([np.isnan(v) for v in outcome.values()], axis=0)
        observed = finite if _absent(self.observed) else np.asarray(self.observed, bool) & finite
        unit = np.zeros(rows, np.int64) if _absent(self.unit) else np.asarray(self.unit, np.int64)
        if _absent(self.reset):
            reset = np.r_[True, np.diff(unit) != 0][:rows]
        else:
            reset = np.asarray(self.reset, bool).copy()
            reset[:1] = True
        set_field = object.__setattr__
        set_field(self, "outcome", outcome)
        set_field(self, "known", known)
        set_field(self, "observed", np.ascontiguousarray(observed, np.uint8))
        set_field(self, "weight", np.ones(rows) if _absent(self.weight) else _column("weight", self.weight, rows))
        set_field(self, "reset", np.ascontiguousarray(reset, np.uint8))
        set_field(self, "unit", unit)
        set_field(self, "group", np.zeros(rows, np.int64) if _absent(self.group) else np.asarray(self.group, np.int64))

    def __len__(self) -> int:
        return len(next(iter(self.outcome.values())))

    @property
    def fingerprint(self) -> str:
        """Short hash of everything that a likelihood sees."""
        digest = hashlib.sha256()
        for name, values in sorted({**self.known, **self.outcome}.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        for flags in (self.observed, self.weight, self.reset):
            digest.update(np.ascontiguousarray(flags).tobytes())
        return digest.hexdigest()[:16]

    @property
    def starts(self) -> Array:
        """Row numbers at which units start."""
        return np.flatnonzero(self.reset)

    def column(self, name: str) -> Array:
        """A known or outcome column by name."""
        table = {**self.known, **self.outcome}
        if name not in table:
            raise DataError(
                explain(f"no column {name!r}{did_you_mean(name, table)}", f"columns {sorted(table)}", name, "add the column, or rename it")
            )
        return table[name]

    def rows(self, start: int, stop: int) -> Sequences:
        """The rows from start up to stop as sequences of their own."""
        cut = slice(start, stop)

        return Sequences(
            {n: v[cut] for n, v in self.outcome.items()},
            {n: v[cut] for n, v in self.known.items()},
            self.observed[cut].astype(bool),
            self.weight[cut],
            self.reset[cut].astype(bool),
            self.unit[cut],
            self.group[cut],
            None if self.index is None else self.index[cut],
            self.measure,
        )

    def with_known(self, columns: Mapping[str, Array]) -> Sequences:
        """The same sequences with known columns added or replaced."""
        flags = (self.observed.astype(bool), self.weight, self.reset.astype(bool), self.unit, self.group, self.index, self.measure)
        return Sequences(self.outcome, {**self.known, **columns}, *flags)

    def scaled(self, name: str, factor: float) -> Sequences:
        """The same sequences with one outcome multiplied by a factor."""
        outcome = {n: v * factor if n == name else v for n, v in self.outcome.items()}
        return Sequences(outcome, self.known, self.observed, self.weight, self.reset, self.unit, self.group, self.index, self.measure)
