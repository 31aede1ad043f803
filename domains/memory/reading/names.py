"""Names of cards and users in a table: numbers where they are, apart where leading zeros alone part them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.reading.times import whole_numbers
from seqsci.errors import DataError, explain


def blank_cells(column: pd.Series) -> NDArray[np.bool_]:
    """Cells (rows,) that hold nothing, or spaces alone."""
    empty = column.isna()
    return (empty if column.dtype.kind in "iufb" else empty | (column.astype(str).str.strip() == "")).to_numpy(np.bool_)


def parted_by_zeros(names: Any) -> int:
    """How many numbers occur both with leading zeros and without, or with different ones, among distinct names."""
    stems = pd.Series(names, dtype=object).str.replace(r"\.0*$", "", regex=True)
    whole = stems[stems.str.fullmatch(r"\d+")]
    return int((whole.groupby(whole.str.lstrip("0")).nunique() > 1).sum())


def card_numbers(column: pd.Series, notes: list[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers of the cards (rows,), and which rows have one; names that are text, or that leading zeros alone part, are numbered."""
    if column.dtype.kind in "iuf":
        return whole_numbers(column)
    given = ~blank_cells(column)
    codes, names = pd.factorize(column.astype(str).str.strip().where(given), sort=True)
    if not len(names):
        return np.zeros(len(column), dtype=np.int64), given
    numbers, whole = whole_numbers(pd.Series(names, dtype=object))
    values, exact = np.append(numbers, 0)[codes], np.append(whole, False)[codes]  # a row without a name has code -1: the last
    parted = parted_by_zeros(names)
    worded = bool(exact[given].mean() <= 0.5)
    if not worded and not parted:
        return values, exact
    why = "" if worded else f", as {parted:,} numbers occur with and without leading zeros"
    notes.append(f"cards are named by text{why}: card_id is the place (from 0) in the sorted list of {len(names):,} names")
    return codes.astype(np.int64), given


def user_names(column: pd.Series) -> NDArray[Any]:
    """Names of the users (rows,): numbers where all are whole and leading zeros part none, else text."""
    if column.isna().any():
        got, fix = f"{int(column.isna().sum())} rows without one", "fill the column, or name none (in Python user=None in ReviewColumns)"
        raise DataError(explain(f"the user is not stated ({column.name})", got, "text or a number in every row", fix))
    if column.dtype.kind in "iu":
        return column.to_numpy()
    text = column.astype(str)
    codes, names = pd.factorize(text)
    numbers = pd.Series(names, dtype=object).str.fullmatch(r"[+-]?\d{1,18}").all() and not parted_by_zeros(names)
    return np.array([int(n) for n in names], dtype=np.int64)[codes] if numbers else text.to_numpy()
