"""What a baseline of one series accepts, and what it refuses."""

from __future__ import annotations

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.sequences import Sequences

Array = np.ndarray


def training_series(train: Sequences, label: str, fewest: int = 2) -> tuple[str, Array]:
    """Name and values (rows,) of the only outcome of one unit to be fitted; NaN where it is not observed.

    Raises `DataError` for several outcomes or units, weights (baselines of other packages cannot honour them), fewer than ``fewest``
    observed values, and values that do not vary.
    """
    if len(train.outcome) != 1:
        fix = "pass the others as known columns, or drop them"
        raise DataError(explain(f"{label} forecasts one outcome", sorted(train.outcome), "one outcome column", fix))
    if len(train.starts) != 1:
        raise DataError(explain(f"{label} takes one unit at a time", f"{len(train.starts)} units", "1", "fit every unit by itself"))
    weight = np.asarray(train.weight)
    if np.any(weight != 1):
        got = f"weights from {weight.min():g} to {weight.max():g}"
        raise DataError(explain(f"{label} cannot weight rows", got, "weight 1 in every training row", "cut the rows that should not count"))
    name = next(iter(train.outcome))
    values = np.where(np.asarray(train.observed, bool), train.outcome[name], np.nan)
    seen = values[~np.isnan(values)]
    if len(seen) < fewest:
        raise DataError(explain(f"too few observed values of {name} for {label}", len(seen), f"at least {fewest}", "use a longer series"))
    if np.ptp(seen) == 0:
        got = f"{seen[0]:g} in all {len(seen)} rows"
        raise DataError(explain(f"{name} is constant", got, "values that vary", "check the column that was read"))
    return name, values


def following_series(rows: Sequences, name: str, unit: str | None, label: str) -> Array:
    """Values (rows,) of rows that follow those already seen; NaN where not observed.

    Raises `DataError` if they are in another unit of measure than ``unit`` or belong to several units.
    """
    if rows.measure.get(name) != unit:
        fix = "pass the new rows in the unit of the training rows"
        raise DataError(explain(f"{name} changed its unit of measure", rows.measure.get(name), unit, fix))
    if np.any(rows.starts > 0):
        got = f"a unit starts at row {rows.starts[-1]}"
        raise DataError(explain(f"{label} takes one unit at a time", got, "rows of one unit", "predict every unit by itself"))
    return np.where(np.asarray(rows.observed, bool), rows.column(name), np.nan)


def complete(values: Array, label: str) -> Array:
    """The values as they are; `DataError` where one is missing."""
    gaps = np.flatnonzero(np.isnan(values))
    if len(gaps):
        got = f"{len(gaps)} missing, the first at row {gaps[0]}"
        fix = "drop the missing rows before the call; a Model of seqsci and ExponentialSmoothing take them as they are"
        raise DataError(explain(f"{label} cannot take missing values", got, "every row observed", fix))
    return values
