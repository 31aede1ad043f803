"""Rows of a panel's table, held by column until the table is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows; columns: by name, (u,) or a value for all of them; places: (u,) which series they are of."""

    places: Array
    columns: Mapping[str, Any]

    @classmethod
    def of(cls, records: Mapping[int, Mapping[str, Any]]) -> list[Rows]:
        """Rows by position, those with the same columns together."""
        alike: dict[tuple[str, ...], list[int]] = {}
        for i, record in records.items():
            alike.setdefault(tuple(record), []).append(i)
        return [cls(np.array(some), {n: column([records[i][n] for i in some]) for n in names}) for names, some in alike.items()]

    @classmethod
    def failed(cls, reasons: Mapping[int, str]) -> list[Rows]:
        """Rows of series that could not be fitted, by position the reason."""
        if not reasons:
            return []
        columns = {"status": "failed", "reason": column(list(reasons.values())), "converged": False}
        return [cls(np.array(list(reasons)), columns)]

    def records(self) -> dict[int, dict[str, Any]]:
        """A dictionary a row."""
        columns = {n: v.tolist() if isinstance(v, np.ndarray) else [v] * len(self.places) for n, v in self.columns.items()}
        return {i: {n: v[j] for n, v in columns.items()} for j, i in enumerate(self.places.tolist())}


def column(values: Sequence[Any]) -> Array:
    """Values as an array, text as objects."""
    found = np.array(values)
    return found if found.dtype.kind in "bif" else np.array(values, object)


def filled(parts: Sequence[Rows], name: str, count: int, default: Any) -> Array:
    """A column of the whole table: the values of the parts that have it, elsewhere the default (one value, or one a series)."""
    held = [(p.places, p.columns[name]) for p in parts if name in p.columns]
    kinds = [np.asarray(v).dtype for _, v in held if not isinstance(v, str)]
    if len(kinds) < len(held) or not isinstance(default, np.ndarray | int | float):
        kind = np.dtype(object)
    else:
        kind = np.result_type(np.asarray(default).dtype, *kinds)
    found = np.empty(count, kind)
    found[:] = default
    for places, values in held:
        found[places] = values
    return found


def patterns(flags: Array) -> tuple[Array, Array]:
    """The different rows of flags (u, k), and by row which it is (u,)."""
    which, first = np.zeros(len(flags), np.int64), np.zeros(min(len(flags), 1), np.int64)
    for flag in flags.T[flags.any(0)]:
        _, first, which = np.unique(2 * which + flag, return_index=True, return_inverse=True)
    return flags[first], which
