"""Panels day by day: new rows move the states of all series, estimates stay; forecasts of the next step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import DataError, explain
from seqsci.estimation.search import WORKING_SCALE, rescale
from seqsci.forecast import Distribution
from seqsci.kernel import Packed
from seqsci.model import Model
from seqsci.panel import pool
from seqsci.panel.batch import Batch
from seqsci.panel.result import Panel
from seqsci.panel.units import Units, to_units

Array = np.ndarray


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
        batch = Batch.of(working, units, [units.rows(i) for i in chunk], factor)
        for j, i in enumerate(chunk):
            cut, place = slice(batch.offsets[j], batch.offsets[j + 1]), slice(batch.places[j], batch.places[j + 1])
            d = batch.data
            data = Packed(d.X[cut], d.observed[cut], d.weight[cut], d.reset[cut], d.Q[place], d.S0[place], 0)
            last[i] = working.kernel(not data.observed.all()).states(values[i], data).last[-1]

    if not pool.each(work, fitted, threads, lambda _: None):
        raise KeyboardInterrupt
    return replace(panel, states=last, last_dates=_last_dates(units))


def update_panel(panel: Panel, today: Any, threads: int | None = None) -> Panel:
    """Take new rows in: states move, estimates and standard errors stay.

    Args:
        panel: of `seqsci.fit_panel` (or one that was updated, or loaded).
        today: new rows, long or wide, of some or all of the series, in the panel's unit; NaN is a missing step.

    The cost is that of the new rows alone. Raises `DataError` for series that the panel does not know, for rows of a series that do not
    come after its last one, and for a fit of several sequences; a series that was not fitted stays as it is.
    """
    panel = with_states(panel, threads)
    working, factor = _working(panel)
    frame = today if not isinstance(today, pd.Series) else today.to_frame().T
    new = to_units(panel.model, frame, panel.by, None, panel.unit, keep_ends=True)
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
        if new.index is not None:
            dates[place[name]] = new.index[cut.stop - 1]
            before = None if old is None else old[place[name]]
            if before is not None and not pd.isna(before) and not new.index[cut.start] > before:
                faults.append(f"{name!r}: {str(new.index[cut.start])[:10]} is not after {str(before)[:10]}")
    if faults:
        got = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise DataError(explain("the new rows do not continue the panel", got, "later rows of its series", "pass these alone"))
    values, states = _values(panel, working, factor), np.array(panel.states)
    fitted = set(_fitted(panel))
    for j, name in enumerate(new.ids):
        i, cut = place[name], new.rows(j)
        if i in fitted and cut.stop > cut.start:
            known = {n: v[cut] for n, v in new.known.items()}
            states[i] = _moved(working, values[i], states[i], new.outcome[cut] * factor, known).last[-1]
    moved = None if old is None else np.array([dates.get(i, d) for i, d in enumerate(old)], dtype=object)
    return replace(panel, states=states, last_dates=moved)


def forecast_panel(panel: Panel, level: float = 0.95, future: Any = None, threads: int | None = None) -> pd.DataFrame:
    """The next step of every series: mean, standard_deviation and the central interval low .. high, in the unit of the outcome.

    ``future``: a frame with a row a series, its id and the known columns of that step, where the model has any. NaN where a series was not
    fitted. Parameters are taken as known.
    """
    panel = with_states(panel, threads)
    working, factor = _working(panel)
    values, fitted = _values(panel, working, factor), _fitted(panel)
    known = _future(panel, future)
    names = working.kernel().program.read_names
    reads = np.full((len(panel.table), len(names)), np.nan)
    states = np.asarray(panel.states)
    for i in fitted:
        row = {n: v[i : i + 1] for n, v in known.items()}
        reads[i] = _moved(working, values[i], states[i], np.array([np.nan]), row).reads[0]
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


def _future(panel: Panel, future: Any) -> dict[str, Array]:
    names = [k.name for k in panel.model.mechanism.known]
    if not names:
        return {}
    ids = list(panel.table[panel.by])
    if future is None or any(n not in future.columns for n in (panel.by, *names)):
        have = "no future=" if future is None else f"columns {', '.join(map(str, future.columns))}"
        template = f"pd.DataFrame({{{panel.by!r}: panel.table[{panel.by!r}], " + ", ".join(f"{n!r}: ..." for n in names) + "})"
        raise DataError(
            explain(f"the next step needs {', '.join(names)}", have, f"a row a series with {', '.join(names)}", f"future={template}")
        )
    table = future.set_index(panel.by).reindex(ids)
    found = {n: table[n].to_numpy(float) for n in names}
    bad = [str(i) for i, *v in zip(ids, *found.values(), strict=True) if not np.isfinite(v).all()]
    if bad:
        got = f"none for {', '.join(bad[:5])}{', ...' if len(bad) > 5 else ''}"
        raise DataError(
            explain(f"future= lacks {', '.join(names)} of some series", got, "finite numbers for each series", "add these rows")
        )
    return found


def _moved(model: Model, values: Array, state: Array, y: Array, known: dict[str, Array]) -> Any:
    """A pass over new rows from a state."""
    X = np.ascontiguousarray(np.column_stack([*known.values(), y]))
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
