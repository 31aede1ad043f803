"""Dates as labels of rows: what text means, and whether rows are in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from seqsci.errors import DataError, explain

Array = np.ndarray
SLASHED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(.*)")
"""Dates with the year last, whose day and month may come in either order."""


def moment(index: Array) -> Any:
    """The date or position of one row; None for a label of another kind."""
    row = np.asarray(index)
    if row.dtype.kind in "iuf":
        return float(row[0])
    value = (_parsed(row.astype(object))[0] if row.dtype.kind in "OU" else row)[0]
    return value if isinstance(value, np.generic) or hasattr(value, "year") else None


def label(value: Any) -> str:
    """A date without its midnight, or the label as text."""
    return str(value).removesuffix("T00:00:00.000000000").removesuffix("T00:00:00.000000").removesuffix(" 00:00:00")


def ordered(index: Array, reset: Array | None = None, place: Callable[[int], str] = lambda row: "") -> Array:
    """The index with text dates parsed; refused where it does not increase from row to row inside a series (``reset`` starts one)."""
    starts = np.zeros(len(index), bool) if reset is None else reset
    if index.dtype.kind == "U":
        index = index.astype(object)
    index, readings = _parsed(index) if index.dtype == object else (index, [index])
    faults = [i for i in (_first_fault(r, starts) for r in readings) if i is not None]
    if not faults or len(faults) < len(readings):
        return index
    at = max(faults)
    kind = "duplicate" if index[at] == index[at - 1] else "unsorted"
    raise DataError(
        explain(
            f"{kind} dates",
            f"{place(at)}{label(index[at - 1])} is followed by {label(index[at])}",
            "strictly increasing dates in each series",
            "sort them and drop duplicates: frame.sort_values('ds').drop_duplicates('ds') for each unique_id",
        )
    )


def _first_fault(index: Array, starts: Array) -> int | None:
    """Row of the first entry that is not above the one before it in its series."""
    try:
        fine = np.asarray(index[1:] > index[:-1], bool) | starts[1:]
    except TypeError:  # labels that have no order
        return None
    return None if fine.all() else int(np.argmin(fine)) + 1


def _parsed(index: Array) -> tuple[Array, list[Array]]:
    """An index of objects, with ISO text as dates, and the readings one of which must be in order (none for plain labels)."""
    texts = [v for v in index if isinstance(v, str)]
    if not texts:
        return index, [index] if len(index) and hasattr(index[0], "year") else []
    dates = [_iso(v) for v in index]
    bad = [i for i, d in enumerate(dates) if d is None]
    if not bad:
        parsed = np.array(dates, "datetime64[us]")
        return parsed, [parsed]
    if 2 * len(bad) < len(index):
        raise DataError(
            explain(
                "dates that cannot be read",
                f"row {bad[0]}: {index[bad[0]]!r}" + (f", and {len(bad) - 1} more" if len(bad) > 1 else ""),
                "year-month-day in every row",
                "correct them, or parse them first: pd.to_datetime(frame['ds'])",
            )
        )
    parts = [SLASHED.fullmatch(v) for v in texts]
    if len(texts) < len(index) or not all(parts):
        return index, []
    readings = []
    for day, month in ((1, 2), (2, 1)):
        stamps = [_iso(f"{m[3]}-{m[month]:0>2}-{m[day]:0>2}{m[4]}") for m in parts if m is not None]
        if None not in stamps:
            readings.append(np.array(stamps, "datetime64[us]"))
    return index, readings


def _iso(value: Any) -> datetime | None:
    """A date written year first (dashes, slashes, dots, or none) without its zone, which is moved to UTC; None for anything else."""
    if not isinstance(value, str) or len(value) < 8:
        return None
    try:
        found = datetime.fromisoformat(re.sub(r"^(\d{4})[/.](\d\d)[/.](\d\d)", r"\1-\2-\3", value.strip()))
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
