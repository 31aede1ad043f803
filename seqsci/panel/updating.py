"""Panels day by day: new rows move the states of all series, estimates stay; forecasts of the next step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import DataError, ParameterError, explain
from seqsci.estimation.search import WORKING_SCALE, rescale
from seqsci.forecast import Distribution
from seqsci.frames import SCALES
from seqsci.kernel import Packed
from seqsci.model import Model
from seqsci.panel import pool
from seqsci.panel.batch import Batch
from seqsci.panel.result import Panel
from seqsci.panel.units import Units, to_units

Array = np.ndarray
LEAST, SMALLEST, LARGEST = 5, 0.05, 10.0
"""New rows from which their size is judged, and between what the median of them lies, in forecast sizes."""


def with_states(panel: Panel, threads: int | None = None) -> Panel:
    """The panel with the states after the last row of every fitted series (in the unit of estimation; NaN where it was not fitted)."""
    if panel.states is not None:
        return panel
    working, factor = _working(panel)
    values, fitted = _values(panel, working, factor), _fitted(panel)
    units, last = panel.units, np.full((len(panel.table), len(working.mechanism.states)), np.nan)
    if units is None:
        raise DataError(
            explain("the panel has no data", "a table alone", "the panel that fit_panel returned", "fit again, or load_panel(...)")
        )
    if (np.add.reduceat(units.reset.astype(int), units.offsets[:-1][np.diff(units.offsets) > 0]) > 1).any():
        what, fix = "a unit of several sequences has several states", "fit sequences by themselves: leave out within="
        raise DataError(explain(what, "fits with within=", "one sequence a fit", fix))

    def work(chunk: list[int]) -> None:
        batch = Batch.of(working, units, units.stretches(np.array(chunk, np.int64)), factor)
        for j, i in enumerate(chunk):
            cut, place = slice(batch.offsets[j], batch.offsets[j + 1]), slice(batch.places[j], batch.places[j + 1])
            d = batch.data
            data = Packed(d.X[cut], d.observed[cut], d.weight[cut], d.reset[cut], d.Q[place], d.S0[place], 0)
            last[i] = working.kernel(not data.observed.all()).states(values[i], data).last[-1]

    if not pool.each(work, fitted, threads, lambda _: None):
        raise KeyboardInterrupt
    return replace(panel, states=last, last_dates=_last_dates(units))


def update_panel(panel: Panel, today: Any, threads: int | None = None, unit: str | None = None) -> Panel:
    """Take new rows in: states move, estimates and standard errors stay.

    Args:
        panel: of `seqsci.fit_panel` (or one that was updated, or loaded).
        today: new rows, long or wide, of some or all of the series, ; NaN is a missing step.
        unit: of the new rows, where it is not the panel's (also ``today.attrs["unit"]``); they are converted.

    The cost is that of the new rows alone. Raises `DataError` for series that the panel does not know, for rows of a series that do not
    come after its last one, and for a fit of several sequences; a series that was not fitted stays as it is.
    """
    panel = with_states(panel, threads)
    working, factor = _working(panel)
    frame = today if not isinstance(today, pd.Series) else today.to_frame().T
    new, factor = _taken(panel, frame, factor, unit)
    place = {name: i for i, name in enumerate(panel.table[panel.by])}
    faults = [f"{name!r} is not in the panel" for name in new.ids if name not in place]
    faults += [f"{new.ids[j]!r}: {reason}" for j, reason in new.reasons.items()]
    old, dates = panel.last_dates, {}
    for j, name in enumerate(new.ids):
        cut = new.rows(j)
        if name not in place or cut.stop == cut.start:
            continue
        if np.isinf(new.outcome[cut]).any():
            faults.append(f"{name!r}: an infinite value")
        faults += [f"{name!r}: {n} has gaps" for n, v in new.known.items() if not np.isfinite(v[cut]).all()]
        if new.index is not None:
            dates[place[name]] = new.index[cut.stop - 1]
            before = None if old is None else old[place[name]]
            if before is None or pd.isna(before):
                continue
            if np.asarray(before).dtype.kind != new.index.dtype.kind:
                faults.append(f"{name!r}: {str(new.index[cut.start])[:10]} after {str(before)[:10]}: another kind of date")
            elif not new.index[cut.start] > before:
                faults.append(f"{name!r}: {str(new.index[cut.start])[:10]} is not after {str(before)[:10]}")
    if faults:
        got = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise DataError(explain("the new rows do not continue the panel", got, "later rows of its series", "pass these alone"))
    values, states = _values(panel, working, _working(panel)[1]), np.array(panel.states)
    fitted, passes = set(_fitted(panel)), []
    for j, name in enumerate(new.ids):
        i, cut = place[name], new.rows(j)
        if i in fitted and cut.stop > cut.start:
            known, more = ([v[cut] for v in columns.values()] for columns in (new.known, new.more))
            y = new.outcome[cut] * factor
            passes.append((i, y, _moved(working, values[i], states[i], [*known, y, *more], y)))
            states[i] = passes[-1][2].last[-1]
    _same_size(working, passes, values)
    moved = None if old is None else np.array([dates.get(i, d) for i, d in enumerate(old)], dtype=object)
    return replace(panel, states=states, last_dates=moved)


def _same_size(model: Model, passes: list[tuple[int, Array, Any]], values: Array) -> None:
    """Raise `DataError` where new rows are of another size than their forecasts: a mix-up of units, or prices for returns."""
    names, columns = model.kernel().program.read_names, [p.name for p in model.kernel_parameters]
    far: list[float] = []
    for i, y, found in passes:
        given: dict[str, Array | float] = {n: found.reads[:1, m] for m, n in enumerate(names)}  # before any new row
        given |= {n: values[i, columns.index(n)] if n in columns else v for n, v in model.shape_values.items()}
        density = Distribution(model.observation, given)
        with np.errstate(all="ignore"):
            far += (np.abs(y) / np.sqrt(density.variance + density.mean**2))[np.isfinite(y)].tolist()
    if len(far) >= LEAST and model.mechanism.outcomes[0].units:
        middle = float(np.median(far))
        if not SMALLEST < middle < LARGEST:
            got = f"the median new row is {middle:.3g} times the size that was forecast ({len(far)} rows)"
            fix = "say what they are: update_panel(panel, today, unit='decimal'), and pass returns where returns were fitted"
            raise DataError(explain("the new rows are of another size than those of the panel", got, "about 0.7", fix))


def _taken(panel: Panel, frame: Any, factor: float, unit: str | None) -> tuple[Units, float]:
    """New rows as units, and what their outcome is multiplied by: they may be in another unit that can be converted."""
    own = unit or getattr(frame, "attrs", {}).get("unit") or panel.unit
    if own != panel.unit and (own not in SCALES or panel.unit not in SCALES):
        raise DataError(explain("the new rows are in another unit", repr(own), repr(panel.unit), "convert them first"))
    scale = 1.0 if own == panel.unit else SCALES[str(panel.unit)] / SCALES[str(own)]
    return to_units(panel.model, frame, panel.by, None, own, keep_ends=True), factor * scale


def forecast_panel(panel: Panel, level: float = 0.95, future: Any = None, threads: int | None = None) -> pd.DataFrame:
    """The next step of every series: mean, standard_deviation and the central interval low .. high, in the unit of the outcome.

    ``future``: a frame with a row a series, its id and the known columns of that step, where the model has any. NaN where a series was not
    fitted. ``level`` is the probability between low and high: at 0.98 low is the quantile of 1 %, so minus the value at risk of 99 %.
    Parameters are taken as known.
    """
    panel = with_states(panel, threads)
    if not 0 < level < 1:
        raise ParameterError(explain("level is not a probability", level, "0 < level < 1", "pass the coverage, as 0.95"))
    working, factor = _working(panel)
    values, fitted = _values(panel, working, factor), _fitted(panel)
    known = _future(panel, future, fitted)
    names = working.kernel().program.read_names
    reads = np.full((len(panel.table), len(names)), np.nan)
    states, unseen = np.asarray(panel.states), [np.array([np.nan])] * len(working.mechanism.outcomes)
    for i in fitted:
        row = {n: v[i : i + 1] for n, v in known.items()}
        reads[i] = _moved(working, values[i], states[i], [*row.values(), *unseen], unseen[0]).reads[0]
    given: dict[str, Array | float] = {n: reads[fitted, m] for m, n in enumerate(names)}
    columns = [p.name for p in working.kernel_parameters]
    for name, fixed in working.shape_values.items():
        given[name] = values[fitted, columns.index(name)] if name in columns else fixed
    found = Distribution(working.observation, given)
    table = pd.DataFrame({panel.by: panel.table[panel.by]})
    ends = (found.quantile((1 - level) / 2), found.quantile((1 + level) / 2))
    for name, column in (("mean", found.mean), ("standard_deviation", np.sqrt(found.variance)), ("low", ends[0]), ("high", ends[1])):
        whole = np.full(len(table), np.nan)
        whole[fitted] = column / factor
        table[name] = whole
    return table


def _future(panel: Panel, future: Any, fitted: list[int]) -> dict[str, Array]:
    names = [k.name for k in panel.model.mechanism.known]
    if not names:
        return {}
    ids = list(panel.table[panel.by])
    future = future.to_pandas() if hasattr(future, "to_pandas") else future
    if not hasattr(future, "columns") or any(n not in future.columns for n in (panel.by, *names)):
        have = f"columns {', '.join(map(str, future.columns))}" if hasattr(future, "columns") else f"future={type(future).__name__}"
        template = f"pd.DataFrame({{{panel.by!r}: panel.table[{panel.by!r}], " + ", ".join(f"{n!r}: ..." for n in names) + "})"
        raise DataError(
            explain(f"the next step needs {', '.join(names)}", have, f"a row a series with {', '.join(names)}", f"future={template}")
        )
    if future[panel.by].duplicated().any():
        raise DataError(
            explain("future= has a series twice", str(future[panel.by][future[panel.by].duplicated()].iloc[0]), "once", "drop one")
        )
    table = future.set_index(panel.by).reindex(ids)
    found = {n: pd.to_numeric(table[n], errors="coerce").to_numpy(float) for n in names}
    bad = [str(ids[i]) for i in fitted if not all(np.isfinite(v[i]) for v in found.values())]
    if bad:
        got = f"none for {', '.join(bad[:5])}{', ...' if len(bad) > 5 else ''}"
        raise DataError(
            explain(f"future= lacks {', '.join(names)} of some series", got, "finite numbers for each series", "add these rows")
        )
    return found


def _moved(model: Model, values: Array, state: Array, columns: list[Array], y: Array) -> Any:
    """A pass over new rows, their known columns and outcomes, from a state."""
    X = np.ascontiguousarray(np.column_stack(columns))
    observed = (~np.isnan(y)).astype(np.uint8)
    reset = np.zeros(len(y), np.uint8)
    reset[0] = 1
    q = np.zeros((1, len(model.mechanism.presamples)))
    return model.kernel(not observed.all()).states(values, Packed(X, observed, np.ones(len(y)), reset, q, state[None].copy(), 1))


def _working(panel: Panel) -> tuple[Model, float]:
    factor = WORKING_SCALE.get(panel.unit or "", 1.0)
    return (panel.model if factor == 1.0 else rescale(panel.model, factor)), factor


def _fitted(panel: Panel) -> list[int]:
    return [int(i) for i in np.flatnonzero(panel.table["status"] == "ok")]


def _values(panel: Panel, working: Model, factor: float) -> Array:
    """Natural parameters of every series in the unit of estimation, in the kernel's order."""
    columns = [
        panel.table[p.name].to_numpy(float) * factor**p.dimension
        if p.name in panel.table
        else np.full(len(panel.table), working.value[p.name])
        for p in working.kernel_parameters
    ]
    return np.ascontiguousarray(np.column_stack(columns))


def _last_dates(units: Units) -> Array | None:
    if units.index is None:
        return None
    empty = np.diff(units.offsets) == 0
    found = np.array([None if e else units.index[b - 1] for b, e in zip(units.offsets[1:], empty, strict=True)], dtype=object)
    return found
