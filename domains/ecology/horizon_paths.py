"""Simulated futures of a fit: one path a parameter draw, from a last state that is drawn as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.errors import DataError, did_you_mean, explain
from seqsci.estimation.result import Fit
from seqsci.kernel import Packed
from seqsci.linear_gaussian import DIFFUSE_TOLERANCE, LinearGaussian

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths of one series (draws, horizon): of the outcome, and of the same without survey error where the model tells them apart."""

    outcome: Array
    density: Array


def row_years(fit: Fit) -> npt.NDArray[np.int64]:
    """Calendar years of the rows (rows,); without labels the rows of each series are numbered from 1.

    Raises `DataError` for labels that are no years.
    """
    index = fit.sequences.index
    if index is None:
        starts = np.asarray(fit.sequences.starts)
        return np.asarray(np.arange(len(fit.sequences)) - np.repeat(starts, np.diff([*starts, len(fit.sequences)])) + 1, np.int64)
    if index.dtype.kind == "M":
        return np.asarray(index.astype("datetime64[Y]").astype(np.int64) + 1970)
    try:
        return np.array([int(float(v)) for v in index], np.int64)
    except (TypeError, ValueError) as error:
        fix = "label the rows with calendar years"
        raise DataError(explain("the rows have labels that are no years", repr(index[0]), "years such as 1959, or none", fix)) from error


def future_columns(names: Sequence[str], series: Sequence[str], years: Array, known: pd.DataFrame | None) -> dict[str, Array]:
    """Future values of known columns (series, horizon) by name.

    Args:
        years: (series, horizon); known: ``year``, the columns, and ``series_id`` where they differ between series.

    Raises `DataError` that names every covariate and year without a value.

    >>> table = pd.DataFrame({"year": [2001, 2002], "rain": [0.5, 0.7]})
    >>> future_columns(["rain"], ["a", "b"], np.array([[2001, 2002]] * 2), table)["rain"].tolist()
    [[0.5, 0.7], [0.5, 0.7]]
    """
    if not names:
        return {}
    fix = "pass known=: a frame with year, the columns, and series_id where they differ between series"
    columns = [] if known is None else [str(c) for c in known.columns]
    if known is None or (missing := [n for n in ("year", *names) if n not in columns]):
        absent = [*names] if known is None else missing
        hints = ", ".join(f"{n}{did_you_mean(n, columns)}" for n in absent)
        got = f"none for {years.min()} to {years.max()}" if known is None else f"columns {columns}"
        raise DataError(explain(f"a forecast needs future values of {hints}", got, "a value in every forecast year", fix))
    own = known.assign(series_id=known["series_id"].astype(str)) if "series_id" in columns else known
    found = {n: np.empty(years.shape) for n in names}
    faults = []
    for u, name in enumerate(series):
        rows = own[own["series_id"] == name] if "series_id" in columns else own
        if rows["year"].duplicated().any():
            twice = rows["year"][rows["year"].duplicated()].iloc[0]
            raise DataError(explain("a future year occurs twice", f"series {name!r}, {twice}", "one row a year", "drop one of them"))
        table = rows.set_index("year")[[*names]].reindex(years[u]).to_numpy(float)
        for i, n in enumerate(names):
            found[n][u] = table[:, i]
            gaps = [str(y) for y, v in zip(years[u], table[:, i], strict=True) if not np.isfinite(v)]
            faults += [f"{n} in {', '.join(gaps)} (series {name!r})"] if gaps else []
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        fix = "add the value or a scenario for these years, or shorten the horizon"
        raise DataError(explain("a covariate is missing in a forecast year", "; ".join(faults[:3]) + more, "a value in every year", fix))
    return found


def simulate_paths(fit: Fit, series: Sequence[str], parameters: Array, horizon: int, seed: int, future: Mapping[str, Array]) -> list[Paths]:
    """Paths of every series: the filter and the simulation of path d both take parameters[d].

    Shapes: parameters (draws, k) in the order of ``model.kernel_parameters``, future (series, horizon) by name.
    Raises `DataError` for a series without an outcome, or with too few for its states.
    """
    model, sequences = fit.model, fit.sequences
    seen = np.asarray(sequences.observed, bool)
    observed = np.add.reduceat(seen, sequences.starts)
    if (observed == 0).any():
        which = ", ".join(s for s, n in zip(series, observed, strict=True) if n == 0)
        raise DataError(explain("a series without an observed count cannot be forecast", which, "one count at least", "leave it out"))
    data, kernel = model.pack(sequences, fit.presamples), model.kernel(not seen.all())
    unique, place = np.unique(parameters, axis=0, return_inverse=True)
    last = np.array([kernel.states(np.ascontiguousarray(p), data).last for p in unique])[place.reshape(-1)]
    rng = np.random.default_rng(seed)
    if isinstance(model.mechanism, LinearGaussian):
        names = [p.name for p in model.kernel_parameters]
        values = {n: v for n, v in model.value.items() if n not in names} | {n: parameters[:, i] for i, n in enumerate(names)}
        states = [s.name for s in model.mechanism.states]
        parts = [_LinearStart.of(model.mechanism, states, last[:, u], series[u]) for u in range(len(series))]
        return [_linear(model.mechanism, p, values, horizon, rng, {n: f[u] for n, f in future.items()}) for u, p in enumerate(parts)]
    return _generated(fit, parameters, last, horizon, rng, future)


def _generated(
    fit: Fit, parameters: Array, last: Array, horizon: int, rng: np.random.Generator, future: Mapping[str, Array]
) -> list[Paths]:
    """By the kernel that simulates: the outcome it draws moves the state, as an observed one would."""
    model, (draws, units, _) = fit.model, last.shape
    rows = units * horizon
    inputs = [future[k.name].reshape(-1) for k in model.mechanism.known]
    noise = model.observation.noise((draws, rows), model.shape_values, rng)
    reset = np.zeros((units, horizon), np.uint8)
    reset[:, 0] = 1
    kernel, presamples = model.kernel(), np.tile(fit.presamples[:1] * 0.0, (units, 1))
    outcome = np.empty((draws, units, horizon))
    for d in range(draws):
        X = np.ascontiguousarray(np.column_stack([*inputs, np.zeros(rows)]))
        flags = (np.ones(rows, np.uint8), np.ones(rows), reset.reshape(-1))
        packed = Packed(X, *flags, presamples, np.ascontiguousarray(last[d]), 1)
        kernel.simulate(np.ascontiguousarray(parameters[d]), packed, np.ascontiguousarray(noise[d]))
        outcome[d] = X[:, -1].reshape(units, horizon)
    return [Paths(outcome[:, u], outcome[:, u]) for u in range(units)]


@dataclass(frozen=True, eq=False)
class _LinearStart:
    """Predicted state of the first forecast year: mean (draws, m) and variance (draws, m, m)."""

    mean: Array
    variance: Array

    @classmethod
    def of(cls, mechanism: LinearGaussian, states: Sequence[str], last: Array, series: str) -> _LinearStart:
        m = len(mechanism.components)
        wide = list(range(m + m * (m + 1) // 2, len(states)))
        if len(wide) and (left := np.abs(last[:, wide]).max(0) > DIFFUSE_TOLERANCE).any():
            which = ", ".join(states[i] for i, bad in zip(wide, left, strict=True) if bad)
            expected = "an outcome for every diffuse component"
            raise DataError(explain(f"series {series!r} has too few counts for its states", which, expected, "leave it out"))
        upper = np.triu_indices(m)
        variance = np.zeros((len(last), m, m))
        variance[:, upper[0], upper[1]] = last[:, m : m + m * (m + 1) // 2]
        variance[:, upper[1], upper[0]] = last[:, m : m + m * (m + 1) // 2]
        return cls(last[:, :m], variance)


def _normal(rng: np.random.Generator, variance: Array) -> Array:
    """Draws of N(0, variance) for variances (draws, m, m) that may be singular."""
    values, vectors = np.linalg.eigh(variance)
    noise = rng.standard_normal(values.shape) * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(np.einsum("dij,dj->di", vectors, noise))


def _stacked(entries: object, draws: int) -> Array:
    """Nested entries, each a number or (draws,), as one array (draws, ...)."""
    if isinstance(entries, list | tuple):
        return np.stack([_stacked(e, draws) for e in entries], axis=1)
    return np.broadcast_to(np.asarray(entries, float), (draws,))


def _linear(
    mechanism: LinearGaussian,
    start: _LinearStart,
    values: Mapping[str, Array | float],
    horizon: int,
    rng: np.random.Generator,
    future: Mapping[str, Array],
) -> Paths:
    """States are drawn and moved, so that the population is told from its survey."""
    draws = len(start.mean)
    a = start.mean + _normal(rng, start.variance)
    outcome, density = np.empty((draws, horizon)), np.empty((draws, horizon))
    for h in range(horizon):
        space = mechanism.state_space({**values, **{n: float(f[h]) for n, f in future.items()}})
        transition, noise = _stacked(space.transition, draws), _stacked(space.state_variance, draws)
        density[:, h] = (_stacked(space.design, draws) * a).sum(1) + _stacked(space.observation_input, draws)
        outcome[:, h] = density[:, h] + np.sqrt(_stacked(space.observation_variance, draws)) * rng.standard_normal(draws)
        a = np.einsum("dij,dj->di", transition, a) + _normal(rng, noise)
        if len(space.state_input):
            a = a + _stacked(space.state_input, draws)
    return Paths(outcome, density)
