"""Directions in which the data hardly hold the parameters, named in words before a number is read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from seqsci.constraints import Constraint
from seqsci.estimation.summary import Estimate, number

if TYPE_CHECKING:
    from seqsci.estimation.result import Fit

Array = np.ndarray
FLAG, LOST = "weakly identified", "not identified"
WIDE = 2.0
"""Raw length of a 95 % interval from which a number is not to be read alone: its ends differ by a factor of e^2 = 7 (positive
parameters), by two units (real ones; a unit is a standard deviation of the outcome where the parameter carries the outcome's unit)."""
SHARE = 0.5
"""Of a parameter in a bounded set the interval must also cover so much of the set: near a bound the raw scale stretches without limit."""
INFLATED = 5.0
"""Standard error over that with all others known, from which parameters are said to trade off. The default volatility cell on 5,030
days of the S&P 500 reaches 9 with raw errors below 0.5, so inflation alone is no alarm: an interval must be wide as well."""
LOADED = 0.3
"""Entry of a direction's unit vector from which a parameter is named as a part of it."""
COST = 0.5
"""Log-likelihood that the step told in the text may cost: one standard error of a regular parameter."""
FURTHEST = 3.0
"""Standard errors along the direction beyond which the step does not go, however little it costs."""
NEAREST = 0.25
"""Standard errors that a step must reach to be told: where `COST` stops it earlier, the covariance does not describe the likelihood."""
READABLE = 0.1
"""Relative standard error up to which a derived quantity is offered as what may be read instead."""


@dataclass(frozen=True)
class WeakDirection:
    """One direction of weak identification.

    Attributes:
        parameters, loadings: the parameters in it and their entries of its unit vector (in standard errors with all others known).
        inflation: standard error along it over the one with no trade-off; infinite where the likelihood has no curvature.
        standard_error: largest raw-scale standard error of its parameters along it; NaN where there is none.
        values: a point along it by parameter, in the unit of the data; empty where no step is told.
        cost: log-likelihood that is lost at that point, evaluated there.
        readable: derived quantities that stay well determined along it.
        text: all of this as a sentence.
    """

    parameters: tuple[str, ...]
    loadings: tuple[float, ...]
    inflation: float
    standard_error: float
    values: tuple[tuple[str, float], ...] = ()
    cost: float = math.nan
    readable: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class _Found:
    direction: WeakDirection
    step: dict[str, float] = field(default_factory=dict)
    """One standard error along the direction on the raw scale, all free parameters."""
    correlation: float = math.nan


def weak_directions(fit: Fit) -> tuple[WeakDirection, ...]:
    """Weakly identified directions of a fit, each with its sentence; empty where every number may be read.

    With C the covariance on the raw scale and ``A = D^(-1/2) C^(-1) D^(-1/2)``, D = diag(C^-1), an eigenvector of A with eigenvalue l has
    the inflation ``l^(-1/2)``. It is told where that is at least `INFLATED` and one of its parameters has a wide 95 % interval (`WIDE`,
    `SHARE`); a parameter with a wide interval and no partner is told by itself. The diagnostic of collinearity is that of Belsley, Kuh
    and Welsch (1980, DOI 10.1002/0471725153), on the information instead of a design.
    """
    return tuple(_told(fit, found) for found in _find(fit))


def weak_parameters(fit: Fit) -> frozenset[str]:
    """Names of the parameters in a weak direction; quicker than the directions, whose steps are evaluated."""
    return frozenset(n for found in _find(fit) for n in found.direction.parameters)


def flagged(fit: Fit, rows: tuple[Estimate, ...]) -> tuple[Estimate, ...]:
    """Rows of estimates, those of parameters in a weak direction flagged as such (a parameter that is not identified says so already)."""
    weak = weak_parameters(fit)
    return tuple(replace(e, flag=", ".join(filter(None, (e.flag, FLAG)))) if e.name in weak and e.flag != LOST else e for e in rows)


def _find(fit: Fit) -> list[_Found]:
    mine = set(fit.model.prior.names) if fit.prior_kept and fit.model.prior else set()  # their numbers are the prior's, and the rows say so
    rows = {e.name: e for e in fit.unflagged(0.95)}
    variance = dict(zip(fit.free_names, np.diag(fit.covariance_raw), strict=True))
    held = [n for n in fit.free_names if math.isfinite(variance[n]) and variance[n] > 0]
    lost = tuple(n for n in fit.free_names if n not in held)
    wide = [n for n in (*held, *fit.at_bound) if n not in mine and _is_wide(fit, rows[n])]
    found = [_Found(WeakDirection(lost, (1.0,) * len(lost), math.inf, math.nan))] if lost else []
    if not wide:
        return found
    place = [fit.free_names.index(n) for n in held]
    covariance = fit.covariance_raw[np.ix_(place, place)]
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    precision = np.linalg.pinv(correlation, hermitian=True)
    alone = np.sqrt(np.maximum(np.diag(precision), 1e-300))  # standard error over that with all others known, one by one
    values, vectors = np.linalg.eigh(precision / np.outer(alone, alone))
    covered: set[str] = set()
    for value, vector in zip(values, vectors.T, strict=True):
        inflation, loaded = 1 / math.sqrt(max(value, 1e-12)), np.flatnonzero(np.abs(vector) >= LOADED)
        order = loaded[np.argsort(-np.abs(vector[loaded]), kind="stable")]
        names = tuple(held[i] for i in order)
        if inflation < INFLATED or len(names) < 2 or not set(names) & set(wide):
            continue
        covered |= set(names)
        step = spread * vector / alone * inflation
        direction = WeakDirection(names, tuple(float(v) for v in vector[order]), inflation, float(np.abs(step[order]).max()))
        found.append(_Found(direction, dict(zip(held, map(float, step), strict=True)), float(correlation[order[0], order[1]])))
    for name in (n for n in wide if n not in covered):
        if name not in held:
            found.append(_Found(WeakDirection((name,), (1.0,), math.nan, math.nan)))
            continue
        i = held.index(name)
        step = covariance[:, i] / spread[i]
        found.append(
            _Found(WeakDirection((name,), (1.0,), float(alone[i]), float(spread[i])), dict(zip(held, map(float, step), strict=True)))
        )
    return found


def _is_wide(fit: Fit, row: Estimate) -> bool:
    """Whether a 95 % interval is too wide for its number to be read alone; one whose end was not found is."""
    parameter = next(p for p in fit.model.parameters if p.name == row.name)
    if row.name in fit.at_bound and row.name not in fit.profiles:
        return False  # no interval was asked for; the flag says where it sits
    if math.isnan(row.low) or math.isnan(row.high):
        return True
    low, high = parameter.constraint.bounds
    length = _raw(parameter.constraint, row.high) - _raw(parameter.constraint, row.low)
    if math.isinf(low):
        length /= float(np.nanstd(fit.sequences.outcome[fit.outcome])) ** parameter.dimension
    return length >= WIDE and not (math.isfinite(high - low) and row.high - row.low < SHARE * (high - low))


def _raw(constraint: Constraint, value: float) -> float:
    if math.isinf(value):  # an end of an interval that ran off
        return math.copysign(700.0, value)
    return max(min(constraint.inverse(value), 700.0), -700.0)


def _told(fit: Fit, found: _Found) -> WeakDirection:
    direction = found.direction
    rows = {e.name: e for e in fit.unflagged(0.95)}
    readings = {p.name: p.reading.split(";")[0] for p in fit.model.parameters}
    named = [f"{n} [{readings[n]}]" for n in direction.parameters]
    if not found.step:
        name = direction.parameters[0]
        if name in fit.at_bound:
            row = rows[name]
            span = f"the 95 % interval is {number(row.low)} .. {number(row.high)}"
            text = f"{named[0]} sits at its bound {number(row.value)}, but the data hardly hold it there: {span}. Fix it, or add data."
        else:
            verb = "is" if len(named) == 1 else "are"
            it = "it" if len(named) == 1 else "them"
            text = f"{_listed(named)} {verb} not identified: the likelihood has no curvature in {it}. Fix {it}, or add data."
        return replace(direction, text=text)
    values, cost = _step(fit, found.step)
    moves = [_move(n, fit.value[n], values[n]) for n in direction.parameters if values]
    follow = " (the others following)" if len(found.step) > len(moves) else ""
    price = f"{cost:.2g} log-likelihood" if cost >= 0.005 else "nothing"
    told = [f"{_listed(moves)}{follow} costs {price}"] if values else []
    readable = _readable(fit, values) if values else ()
    instead = f", or read only {_listed(readable)}, well determined along it" if readable else ""
    if len(named) == 1:
        row = rows[direction.parameters[0]]
        span = f"its 95 % interval is {number(row.low)} .. {number(row.high)}"
        text = f"{named[0]} is hardly held by the data: {'; '.join((span, *told))}. Fix it, or add data{instead}."
    else:
        told.append(f"correlation of the first two {found.correlation:+.2f}" if len(named) > 2 else f"correlation {found.correlation:+.2f}")
        text = f"{_listed(named)} trade off: {'; '.join(told)}. Fix one of them, or add data{instead}."
    return replace(direction, values=tuple(values.items()), cost=cost, readable=readable, text=text)


def _move(name: str, here: float, there: float) -> str:
    return f"{'raising' if there > here else 'lowering'} {name} from {number(here)} to {number(there)}"


def _listed(parts: Iterable[str]) -> str:
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _log_likelihood(fit: Fit, values: dict[str, float]) -> float:
    rows = fit.fitted_rows
    density = fit.model.start_at(**values).filter(rows, fit.presamples).density
    scored = np.asarray(rows.observed).astype(bool) & (np.asarray(rows.weight) > 0)
    return float(density[scored] @ np.asarray(rows.weight)[scored])


def _step(fit: Fit, step: dict[str, float]) -> tuple[dict[str, float], float]:
    """The furthest point along a raw step, on the side that reaches further, that costs at most `COST`, and its cost; none if too near."""
    table = {p.name: p.constraint for p in fit.model.parameters}
    best = _log_likelihood(fit, {})

    def at(t: float) -> tuple[dict[str, float], float]:
        with np.errstate(over="ignore"):
            values = {n: float(table[n].forward(_raw(table[n], fit.value[n]) + t * s)) for n, s in step.items()}
        values = {n: min(max(v, table[n].bounds[0]), table[n].bounds[1]) for n, v in values.items()}
        if not all(map(math.isfinite, values.values())):
            return values, math.inf  # beyond what a parameter can hold
        cost = best - _log_likelihood(fit, values)
        return values, max(cost, 0.0) if math.isfinite(cost) else math.inf

    def furthest(sign: float) -> float:
        if at(sign * FURTHEST)[1] <= COST:
            return FURTHEST
        low, high = 0.0, FURTHEST
        for _ in range(12):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if at(sign * middle)[1] <= COST else (low, middle)
        return low

    up, down = furthest(1.0), furthest(-1.0)
    return at(up if up >= down else -down) if max(up, down) >= NEAREST else ({}, math.nan)


def _readable(fit: Fit, values: dict[str, float]) -> tuple[str, ...]:
    """Derived quantities with a small standard error, which the step leaves within two of them."""
    with np.errstate(all="ignore"):  # a quantity that runs off along the step is not readable: the comparison below says so
        there = fit.model.start_at(**values).derived_values
    rows = [e for e in fit.derived() if not e.flag and 0 < e.standard_error <= READABLE * abs(e.value)]
    return tuple(e.name for e in rows if abs(there[e.name] - e.value) <= 2 * e.standard_error)
