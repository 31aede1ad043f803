"""pandas objects and arrays to `Sequences`."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqsci.errors import DataError, did_you_mean, explain
from seqsci.model import Model
from seqsci.sequences import Sequences


def to_sequences(model: Model, data: Any, unit: str | None = None) -> Sequences:
    """Return data as the model's sequences.

    Args:
        model: its mechanism names the outcome and the known columns.
        data: `Sequences`; a long frame (``unique_id, ds, y`` or the outcome's own name, and the known columns); a Series; a 1-D array.
        unit: unit of the outcome (``"decimal"`` or ``"percent"`` for returns); read from ``data.attrs["unit"]`` where absent.

    Raises `DataError` for a missing column, a missing or implausible unit, unsorted or duplicate dates.
    """
    if isinstance(data, Sequences):
        return data
    outcome = model.mechanism.outcomes[0]
    attrs = getattr(data, "attrs", {})
    unit = unit or attrs.get("unit")
    if outcome.units and unit not in outcome.units:
        raise DataError(
            explain(
                f"the unit of {outcome.name} is not stated",
                f"unit = {unit!r}",
                " or ".join(outcome.units),
                f"pass unit={outcome.units[0]!r}, or set frame.attrs['unit']",
            )
        )
    measure = {outcome.name: unit} if unit else {}
    if not hasattr(data, "columns"):
        index = np.asarray(data.index) if hasattr(data, "index") and not callable(data.index) else None
        _check_order(index)
        result = Sequences({outcome.name: np.asarray(data, float)}, index=index, measure=measure)
    else:
        result = _from_frame(model, data, outcome.name, measure)
    seen = np.asarray(result.observed, bool)
    model.mechanism.check({outcome.name: result.outcome[outcome.name][seen]}, unit or "")
    return result


def _from_frame(model: Model, frame: Any, outcome: str, measure: dict[str, str]) -> Sequences:
    columns = list(frame.columns)
    source = outcome if outcome in columns else "y"
    needed = [source, *(k.name for k in model.mechanism.known), *(o.name for o in model.mechanism.outcomes[1:])]
    missing = [n for n in needed if n not in columns]
    if missing:
        hints = ", ".join(f"{n!r}{did_you_mean(n, columns)}" for n in missing)
        raise DataError(
            explain(
                f"missing column {hints}",
                f"columns {columns}",
                f"a column 'y' or {outcome!r}, and {needed[1:] or 'nothing else'}",
                "rename or add it",
            )
        )
    unit = np.zeros(len(frame), np.int64)
    if "unique_id" in columns:
        codes: dict[Any, int] = {}
        unit = np.array([codes.setdefault(u, len(codes)) for u in frame["unique_id"]])
    index = frame["ds"].to_numpy() if "ds" in columns else None
    if len(np.unique(unit)) <= 1:
        _check_order(index)
    return Sequences(
        {outcome: frame[source].to_numpy(float), **{o.name: frame[o.name].to_numpy(float) for o in model.mechanism.outcomes[1:]}},
        {k.name: frame[k.name].to_numpy(float) for k in model.mechanism.known},
        unit=unit,
        index=index,
        measure=measure,
    )


def _check_order(index: np.ndarray | None) -> None:
    if index is None or len(index) < 2 or index.dtype == object:
        return
    order = index[1:] > index[:-1]
    if not order.all():
        at = int(np.argmin(order))
        kind = "duplicate" if index[at + 1] == index[at] else "unsorted"
        raise DataError(
            explain(
                f"{kind} dates",
                f"{str(index[at])[:10]} is followed by {str(index[at + 1])[:10]}",
                "strictly increasing dates",
                "sort them and drop duplicates: frame.sort_values('ds').drop_duplicates('ds')",
            )
        )
