"""What is known of many units before they are fitted: faults, presample numbers, starting points."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.errors import EquationError, SeqsciError, explain
from seqsci.mechanism import Mechanism

if TYPE_CHECKING:
    from seqsci.panel.stretches import Stretches
    from seqsci.panel.units import Units

Array = np.ndarray


def _one_by_one(outcome: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """The units of a stack (units, rows)."""
    for rows in zip(*outcome.values(), strict=True):
        yield dict(zip(outcome, rows, strict=True))


def presamples(mechanism: Mechanism, outcome: Mapping[str, Array], known: Mapping[str, Array]) -> Array:
    """Presample numbers (units, presamples) from the observed rows (units, rows) of a stack."""
    names, units = [p.name for p in mechanism.presamples], len(next(iter(outcome.values())))
    if mechanism.stacks:
        found = mechanism.presample(outcome, known)
        for name in names:
            shape: tuple[int, ...] = np.shape(found[name])
            if shape != (units,):
                fix = "write it along the last axis, or set stacked = False"
                what = f"{type(mechanism).__name__}.presample is stacked and gives {name!r} no entry a unit"
                raise EquationError(explain(what, f"shape {shape}", f"({units},)", fix))
        return np.column_stack([found[n] for n in names])
    every = _one_by_one(known) if known else itertools.repeat({})
    told = [mechanism.presample(one, k) for one, k in zip(_one_by_one(outcome), every, strict=False)]
    return np.array([[t[n] for n in names] for t in told])


def faults(mechanism: Mechanism, outcome: Mapping[str, Array], unit: str) -> dict[int, str]:
    """By unit of a stack (units, rows) of observed rows, what its check says against it."""
    if type(mechanism).check is Mechanism.check:
        return {}
    if mechanism.stacks:
        try:
            mechanism.check(outcome, unit)
        except SeqsciError:  # one of them at least: which, and why, is asked below
            pass
        else:
            return {}
    found = {}
    for place, one in enumerate(_one_by_one(outcome)):
        try:
            mechanism.check(one, unit)
        except SeqsciError as error:
            found[place] = str(error).splitlines()[0]
    return found


def lacking(seen: Array, least: int | None) -> dict[int, str]:
    """By unit of a stack (units, rows) of observed rows, why they are not enough; ``least``: fewest values, None where any do."""
    units, count = seen.shape
    if not count:
        return dict.fromkeys(range(units), "no observed value")
    low, high, found = np.minimum.reduce(seen, axis=1), np.maximum.reduce(seen, axis=1), {}
    if least is not None and count < least:
        found = dict.fromkeys(range(units), f"{count} observed values, fewer than {least}")
    elif least is not None:
        found = {j: f"constant: {low[j]:g} in all {count} rows" for j in np.flatnonzero(low == high).tolist()}
    with np.errstate(invalid="ignore", over="ignore"):
        infinite = np.flatnonzero(~np.isfinite(high - low))
    for j in infinite.tolist():
        count = int(np.isinf(seen[j]).sum())
        found[j] = f"{count} infinite value(s)" if count else f"values from {low[j]:g} to {high[j]:g}: too large to compute with"
    return found


def lacking_of(units: Units, cuts: Stretches, least: int | None) -> Iterator[tuple[Array, Array, dict[int, str]]]:
    """Stacks of stretches: their places, observed rows (units, rows), and by place why these are not enough."""
    for stack in cuts.stacks(units.missing):
        seen = stack.of(units.outcome)
        yield stack.which, seen, {int(stack.which[j]): reason for j, reason in lacking(seen, least).items()}


def unfit(mechanism: Mechanism, units: Units, cuts: Stretches, broken: dict[str, Array], least: int | None) -> dict[int, str]:
    """By place, why stretches of rows cannot be fitted; ``broken``: by known column, the numbers of the rows without a finite value."""
    gaps = "{} is known before the outcome but has gaps"
    known = {name: np.flatnonzero(cuts.hold(rows)).tolist() for name, rows in reversed(broken.items())}
    reasons = {j: gaps.format(name) for name, places in known.items() for j in places}
    for which, seen, told in lacking_of(units, cuts, least):
        reasons |= told
        if reasons and not (kept := np.array([j not in reasons for j in which.tolist()])).all():
            which, seen = which[kept], seen[kept]
        found = faults(mechanism, {mechanism.outcomes[0].name: seen}, units.measure or "") if len(which) else {}
        reasons |= {int(which[j]): reason for j, reason in found.items()}
    if units.weight is not None:
        scored = np.flatnonzero((units.weight > 0) & ~np.isnan(units.outcome))
        for j in np.flatnonzero(~cuts.hold(scored)).tolist():
            reasons.setdefault(j, "no observed value with a weight above 0")
    return reasons


def points(
    mechanism: Mechanism,
    outcome: Mapping[str, Array],
    first: list[dict[str, float]],
    own: Mapping[str, tuple[bool, float]],
    most: int | None,
) -> Iterator[tuple[slice, Array]]:
    """Units of a stack (units, rows), as many as the mechanism takes at once, and their starting points (units, points, parameters).

    These are the first ``most`` that differ, in natural values; short lists repeat their first one. first: points before the mechanism's;
    own: by parameter whether it is fixed, and the model's own value.
    """
    if mechanism.stacks:
        guesses = map(dict, itertools.islice(mechanism.starting_values(outcome), most))  # a mechanism may yield one dict again and again
        yield slice(None), _distinct([*first, *guesses], own, len(next(iter(outcome.values()))), most)
        return
    for place, one in enumerate(_one_by_one(outcome)):
        guesses = map(dict, itertools.islice(mechanism.starting_values(one), most))
        yield slice(place, place + 1), _distinct([*first, *guesses], own, 1, most)


def _distinct(guesses: list[dict[str, Any]], own: Mapping[str, tuple[bool, float]], units: int, most: int | None) -> Array:
    """The points (units, points, parameters) in natural values, without those that an earlier one equals."""
    values = np.empty((units, len(guesses), len(own)))
    for j, guess in enumerate(guesses):
        for i, (name, (fixed, value)) in enumerate(own.items()):
            values[:, j, i] = value if fixed else guess.get(name, value)
    if len(guesses) == 1:
        return values
    again = np.zeros((units, len(guesses)), bool)
    for j in range(1, len(guesses)):
        again[:, j] = (values[:, :j] == values[:, j : j + 1]).all(2).any(1)
    if not again.any():
        return values[:, :most]
    order = np.argsort(again, axis=1, kind="stable")[:, : int((~again).sum(1).max())][:, :most]
    return np.where(np.take_along_axis(again, order, 1)[:, :, None], values[:, :1], np.take_along_axis(values, order[:, :, None], 1))
