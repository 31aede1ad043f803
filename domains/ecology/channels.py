"""What a fit says of a population year by year, on the scale of counts: K, the density, and the years nobody counted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.horizon_paths import row_years
from seqsci.errors import ParameterError, explain
from seqsci.estimation.result import Fit
from seqsci.estimation.smoother import smooth
from seqsci.linear_gaussian import LinearGaussian

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Channels:
    """One series, a value a year, all on the scale of counts.

    Attributes:
        name: of the series; years: (n,); count: (n,), NaN = missing, and half a count for a zero of a count model.
        density: (n,) filtered: given the counts up to the year, without survey error where the model has one.
        capacity, low, high: (n,) K with its 95 % band; the band is NaN where the model has none.
    """

    name: str
    years: npt.NDArray[np.int64]
    count: Array
    density: Array
    capacity: Array
    low: Array
    high: Array


def channels(fit: Fit, tables: Mapping[str, Any]) -> list[Channels]:
    """The channels of every series of a population fit, in its order.

    K is smoothed, given all counts, for a `LinearGaussian` model: from the columns ``smoothed_*`` of the table ``states``, else by the
    smoother. The other cells have K as it was filtered, or as a constant parameter, without a band; parameters are taken as known.

    Raises `ParameterError` for a model that has no log K.
    """
    if fit.outcome not in ("log_count", "count"):
        raise ParameterError(explain("not a model of counts", fit.model.name, "an outcome log_count or count", "use seqsci.plots.plot"))
    y = fit.sequences.outcome[fit.outcome]
    logs = np.log(np.maximum(y, 0.5)) if fit.outcome == "count" else y
    density, (capacity, sd) = _density(fit, logs), _capacity(fit, tables)
    names, years = _names(fit, tables), row_years(fit)
    ends = itertools.pairwise([*fit.sequences.starts, len(fit.sequences)])
    logs = np.where(np.asarray(fit.sequences.observed, bool), logs, np.nan)
    low, high = capacity - 1.96 * sd, capacity + 1.96 * sd
    return [
        Channels(name, years[a:b], *(np.exp(v[a:b]) for v in (logs, density, capacity, low, high)))
        for name, (a, b) in zip(names, ends, strict=True)
    ]


def _names(fit: Fit, tables: Mapping[str, Any]) -> list[str]:
    units = len(fit.sequences.starts)
    for table in ("states", "forecast"):
        if table in tables and "series_id" in tables[table]:
            found = [str(n) for n in tables[table]["series_id"].drop_duplicates()]
            if len(found) == units:
                return found
    return ["series"] if units == 1 else [str(i + 1) for i in range(units)]


def _after(fit: Fit, state: str) -> Array:
    """A state after each row: what the next row of the unit begins with."""
    i = [s.name for s in fit.model.mechanism.states].index(state)
    ends = np.r_[fit.sequences.starts[1:], len(fit.sequences)] - 1
    moved = np.r_[fit.path.states[1:, i], np.nan]
    moved[ends] = fit.path.last[:, i]
    return np.asarray(moved)


def _density(fit: Fit, logs: Array) -> Array:
    """Filtered log density; of a state space the signal, ``location + (1 - H / F) (y - location)``."""
    names = [s.name for s in fit.model.mechanism.states]
    if not isinstance(fit.model.mechanism, LinearGaussian):
        if "uncertainty" not in names:
            return _after(fit, "log_density")
        location = fit.path.reads[:, 0]  # no survey error: the count is the density, a missing year the forecast
        return np.asarray(np.where(np.asarray(fit.sequences.observed, bool), logs, location))
    reads = fit.model.kernel().program.read_names
    location, scale, wide = (fit.path.reads[:, reads.index(n)] for n in ("location", "scale", "diffuse_variance"))
    error = fit.sequences.known.get("observation_sd", fit.value.get("observation_sd", 0.0))
    gain = np.where(wide > 1e-9, 1.0, 1.0 - np.square(error) / scale**2)
    seen = np.asarray(fit.sequences.observed, bool)
    found = np.where(seen, location + gain * (np.where(seen, logs, 0.0) - location), location)
    first = np.flatnonzero(np.asarray(fit.sequences.reset, bool))
    for a, b in zip(first, [*first[1:], len(found)], strict=True):  # before its first count nothing is known of a series
        found[a : a + int(np.argmax(seen[a:b]))] = np.nan
    return np.asarray(found)


def _capacity(fit: Fit, tables: Mapping[str, Any]) -> tuple[Array, Array]:
    """Log K and its standard deviation (NaN: none)."""
    none = np.full(len(fit.sequences), np.nan)
    if not isinstance(fit.model.mechanism, LinearGaussian):
        states = [s.name for s in fit.model.mechanism.states]
        if "log_capacity" in states:
            return _after(fit, "log_capacity"), none
        return np.full(len(none), fit.value["log_capacity"]), none
    table: Any = tables.get("states")
    if table is None or "smoothed_signal" not in table or len(table) != len(none):
        table = smooth(fit).columns()
    capacity = np.asarray(table["smoothed_signal"], float) - np.asarray(table["smoothed_deviation"], float)
    bends = any(c.startswith("trend_") for c in fit.model.mechanism.components)  # then log K is a sum, whose sd is not in the table
    return capacity, none if bends else np.asarray(table["smoothed_log_capacity_sd"], float)
