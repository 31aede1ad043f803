"""pandas objects and arrays to `Sequences`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from seqsci.dates import label, moment, ordered
from seqsci.errors import DataError, did_you_mean, explain
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
SCALES = {"decimal": 1.0, "percent": 100.0}
"""Units of measure that are converted into one another: how many of each make a whole."""


def to_sequences(model: Model, data: Any, unit: str | None = None) -> Sequences:
    """Return data as the model's sequences, checked.

    Args:
        model: its mechanism names the outcome and the known columns.
        data: `Sequences`; a long frame (``unique_id, ds, y`` or the outcome's own name, and the known columns); a frame of dates and
            one numeric column; a Series; a 1-D array or list.
        unit: unit of the outcome (``"decimal"`` or ``"percent"`` for returns); read from ``data.attrs["unit"]`` or from the measure of
            `Sequences` where absent. Only `Sequences` may leave it out altogether (what a model simulates has none): then it is not
            checked, and the fit is reported in the numbers' own unit.

    Dates must increase within each ``unique_id``, whose rows must stand together. Text is read as ISO dates and becomes dates; text of
    another kind is kept as labels, and refused only where it holds dates with the year last that increase neither as day-month nor as
    month-day, or dates between things that are none.

    Raises `DataError` for a missing column, a missing or implausible unit, unsorted or duplicate dates, values that are no numbers.
    """
    result = _sequences(model, data, unit)
    outcome = model.mechanism.outcomes[0].name
    seen = np.asarray(result.observed, bool)
    model.mechanism.check({outcome: result.outcome[outcome][seen]}, result.measure.get(outcome, ""))
    return result


def read_clusters(model: Model, frame: Any, column: str) -> tuple[Any, Array]:
    """The frame without a column that only names clusters, and the clusters' codes (rows,) in their order of appearance.

    Raises `DataError` where the data are no frame, have no such column, or a row has no cluster.
    """
    if not hasattr(frame, "columns"):
        fix = "pass a frame, or Sequences(group=...) with MaximumLikelihood(covariance=ClusterSandwich())"
        raise DataError(explain(f"no column {column!r} to read clusters from", type(frame).__name__, "a long frame", fix))
    names = [str(c) for c in frame.columns]
    if column not in names:
        hint = did_you_mean(column, names)
        raise DataError(explain(f"no cluster column {column!r}{hint}", f"columns {names}", column, "name a column of the frame"))
    values = frame[column]
    if values.isna().any():
        got, fix = f"{int(values.isna().sum())} rows without one", "drop these rows, or give each a cluster"
        raise DataError(explain(f"cluster column {column!r} has gaps", got, "a cluster in every row", fix))
    codes: dict[Any, int] = {}
    found = np.array([codes.setdefault(v, len(codes)) for v in values], np.int64)
    needed = {"unique_id", "ds", "y", *(r.name for r in (*model.mechanism.known, *model.mechanism.outcomes))}
    return frame if column in needed else frame.drop(columns=[column]), found


def continuing(model: Model, before: Sequences, data: Any, unit: str | None = None) -> Sequences:
    """Return data as rows that follow ``before``, in its unit of measure; what has no unit of its own is taken to be in that unit.

    Whether the values are plausible in it is not asked: a few rows do not tell. Raises `DataError` as `to_sequences` does, and for rows
    that do not come after the last one of ``before``, for several series, and for a unit that cannot be converted.
    """
    outcome = model.mechanism.outcomes[0].name
    wanted = before.measure.get(outcome)
    stated = unit or _unit_of(data, outcome)
    result = _sequences(model, data, stated or wanted, stated is None, tuple(before.known))
    if len(result.starts) > 1:
        raise DataError(explain("rows of several series", f"{len(result.starts)} series", "rows of one series", "pass the rows of one"))
    if lost := [n for n in {**before.outcome, **before.known} if n not in {**result.outcome, **result.known}]:
        have = sorted({**result.outcome, **result.known})
        raise DataError(explain(f"missing column {', '.join(map(repr, lost))}", f"columns {have}", "the columns of the fit", "add them"))
    if before.index is not None and result.index is not None and len(before) and len(result):
        later = ordered(np.asarray(result.index))
        result = replace(result, index=later)
        last, first = moment(before.index[-1:]), moment(later[:1])
        labels = last is None and first is None
        if not labels and not (type(first) is type(last) and first > last):
            raise DataError(
                explain(
                    "the new rows do not come after the last fitted one",
                    f"{label(first)} after {label(last)}",
                    f"rows after {label(last)}",
                    "pass later rows only, such as frame[frame['ds'] > last], or rows without dates",
                )
            )
    stated = stated or wanted
    if stated == wanted:
        return result
    if stated not in SCALES or wanted not in SCALES:
        raise DataError(
            explain(
                f"the new rows of {outcome} are in another unit than the fit",
                f"{stated!r}; the fit is in {wanted!r}",
                f"{wanted!r}, or one that can be converted: {', '.join(SCALES)}",
                "convert them first",
            )
        )
    scaled = result.scaled(outcome, SCALES[wanted] / SCALES[stated])
    return replace(scaled, measure={**result.measure, outcome: wanted})


def _unit_of(data: Any, outcome: str) -> str | None:
    stated = data.measure.get(outcome) if isinstance(data, Sequences) else getattr(data, "attrs", {}).get("unit")
    return None if stated is None else str(stated)


def _sequences(model: Model, data: Any, unit: str | None, inherited: bool = False, more: tuple[str, ...] = ()) -> Sequences:
    """Data as sequences in a unit, which is not asked for where it is inherited; ``more`` are columns to carry along."""
    outcome = model.mechanism.outcomes[0]
    own = _unit_of(data, outcome.name)
    if isinstance(data, Sequences) and unit and own and unit != own:
        raise DataError(
            explain(
                f"two units of {outcome.name}", f"unit={unit!r}, but the sequences are in {own!r}", "one unit", f"leave out unit={unit!r}"
            )
        )
    unit = unit or own
    free = inherited or (isinstance(data, Sequences) and unit is None)
    if outcome.units and unit not in outcome.units and not free:
        raise DataError(
            explain(
                f"the unit of {outcome.name} is not stated" if unit is None else f"{outcome.name} has no unit {unit!r}",
                f"unit = {unit!r}",
                " or ".join(outcome.units),
                f"pass unit={outcome.units[0]!r}, or set frame.attrs['unit']",
            )
        )
    measure = {outcome.name: unit} if unit else {}
    if isinstance(data, Sequences):
        _check_columns(model, data)
        return data if not unit or own else replace(data, measure={**data.measure, **measure})
    if hasattr(data, "columns"):
        return _from_frame(model, data, outcome.name, measure, more)
    values = _numbers(data, outcome.name)
    index = data.index if hasattr(data, "index") and not callable(data.index) else None
    positions = index is None or hasattr(index, "step")  # a RangeIndex: row numbers, not labels
    return Sequences({outcome.name: values}, index=None if positions else ordered(np.asarray(index)), measure=measure)


def _check_columns(model: Model, sequences: Sequences) -> None:
    columns = {**sequences.known, **sequences.outcome}
    missing = [r.name for r in (*model.mechanism.known, *model.mechanism.outcomes) if r.name not in columns]
    if missing:
        hints = ", ".join(f"{n!r}{did_you_mean(n, columns)}" for n in missing)
        raise DataError(explain(f"missing column {hints}", f"columns {sorted(columns)}", "every column of the model", "rename or add it"))


def _numbers(values: Any, name: str) -> Array:
    """A column as floats (rows,)."""
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise DataError(
            explain(
                f"{name} holds values that are no numbers",
                f"{type(values).__name__}: {error}",
                "numbers, NaN where one is missing",
                "convert them first, for instance pd.to_numeric(values), and check the column that was read",
            )
        ) from error
    if array.ndim != 1:
        fix = "pass one column, such as values[:, 0]" if array.ndim > 1 else "pass a frame, a Series or a 1-D array"
        raise DataError(explain(f"{name} is not one series", f"{type(values).__name__} of shape {array.shape}", "shape (rows,)", fix))
    return array


def _from_frame(model: Model, frame: Any, outcome: str, measure: dict[str, str], more: tuple[str, ...]) -> Sequences:
    columns = list(frame.columns)
    others = [*(k.name for k in model.mechanism.known), *(o.name for o in model.mechanism.outcomes[1:])]
    missing = [n for n in others if n not in columns]
    source = outcome if outcome in columns else "y"
    if source not in columns:
        numeric = [c for c in columns if c not in (*others, *more, "ds", "unique_id") and getattr(frame[c].dtype, "kind", "") in "iuf"]
        if len(numeric) == 1:
            source = numeric[0]
        elif numeric:
            raise DataError(
                explain(
                    f"{len(numeric)} columns could be {outcome}",
                    f"{', '.join(map(str, numeric[:10]))}{', ...' if len(numeric) > 10 else ''}",
                    f"a column 'y' or {outcome!r}, or one numeric column besides the dates",
                    f"choose one: frame[[{numeric[0]!r}]]; a reader chooses too: "
                    f"seqsci.domains.finance.data.read_returns(frame, column={numeric[0]!r}, kind=...)",
                )
            )
        else:
            missing = ["y", *missing]
    if missing:
        hints = ", ".join(f"{n!r}{did_you_mean(n, map(str, columns))}" for n in missing)
        raise DataError(
            explain(
                f"missing column {hints}",
                f"columns {columns}",
                f"a column 'y' or {outcome!r}, and {others or 'nothing else'}",
                "rename or add it",
            )
        )
    unit = np.zeros(len(frame), np.int64)
    names: list[Any] = [None]
    if "unique_id" in columns:
        codes: dict[Any, int] = {}
        unit = np.array([codes.setdefault(u, len(codes)) for u in frame["unique_id"]], np.int64)
        names = list(codes) or names
    reset = np.r_[True, unit[1:] != unit[:-1]][: len(unit)]
    if reset.sum() > len(names):
        raise DataError(
            explain(
                "the rows of a series are not together",
                f"{len(names)} series in {int(reset.sum())} pieces",
                "all rows of one unique_id, then those of the next",
                "frame.sort_values(['unique_id', 'ds'])",
            )
        )
    dates = _dates(frame, columns, source)
    index = None if dates is None else ordered(dates, reset, lambda row: "" if len(names) < 2 else f"series {names[unit[row]]!r}: ")
    return Sequences(
        {outcome: _numbers(frame[source], str(source)), **{o: _numbers(frame[o], o) for o in others[len(model.mechanism.known) :]}},
        {n: _numbers(frame[n], n) for n in dict.fromkeys((*(k.name for k in model.mechanism.known), *more)) if n in columns},
        unit=unit,
        index=index,
        measure=measure,
    )


def _dates(frame: Any, columns: list[Any], source: Any) -> Array | None:
    """The column ``ds``, else an index of dates or text, else the only column that is called a date or holds dates."""
    if "ds" in columns:
        return np.asarray(frame["ds"])
    if getattr(frame.index.dtype, "kind", "M") in "MO":  # a period or a date with a zone has no letter
        return np.asarray(frame.index)
    named = [c for c in columns if c != source and (str(c).lower() in ("date", "datetime", "timestamp") or frame[c].dtype.kind == "M")]
    return np.asarray(frame[named[0]]) if len(named) == 1 else None
