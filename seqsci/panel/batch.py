"""Some units packed for the compiled fits, and what those fits return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seqsci.estimation.fused import KINKED_TOLERANCE, SMOOTH_TOLERANCE, no_information
from seqsci.estimation.fused_panel import evaluate_many, solve_many
from seqsci.kernel import Packed
from seqsci.model import Model
from seqsci.panel.guesses import presamples
from seqsci.panel.stretches import Stretches
from seqsci.panel.units import Units

if TYPE_CHECKING:
    from seqsci.panel.card import Card

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Task:
    """What all compiled fits of a model share.

    Attributes:
        model: the working model, in the unit in which it is estimated; names: its kernel's parameters.
        free: (k,) places of the parameters that move; floor, ceiling: (n,) whether their sets end there; rough: (k,) whether they move
            a kink; newton: whether the information is the Gauss-Newton form.
        centre, precision: the prior on the raw scale, empty where there is none.
        starts, far, evaluations, forced: see `MaximumLikelihood`.
    """

    model: Model
    names: tuple[str, ...]
    free: Array
    floor: Array
    ceiling: Array
    rough: Array
    newton: bool
    centre: Array
    precision: Array
    starts: int
    far: float
    evaluations: int
    forced: int

    @classmethod
    def of(cls, model: Model, starts: int, far: float, evaluations: int, forced: int) -> Task:
        """The task of a working model with its own prior."""
        parameters = model.kernel_parameters
        names = tuple(p.name for p in parameters)
        free = np.array([i for i, n in enumerate(names) if n not in model.fixed], np.int64)
        bounds = np.array([p.constraint.bounds for p in parameters]).reshape(-1, 2)
        floor, ceiling = (np.isfinite(bounds[:, side]).astype(np.uint8) for side in (0, 1))
        moving = model.kernel().program.rough_parameters
        rough = np.array([names[i] in moving for i in free], np.uint8)
        nothing: tuple[Array, Array] = (np.zeros(0), np.zeros((0, 0)))
        centre, precision = nothing if model.active_prior is None else model.active_prior.on(names, [names[i] for i in free])
        newton = bool(rough.all())
        return cls(model, names, free, floor, ceiling, rough, newton, centre, precision, starts, far, evaluations, forced)

    def under(self, centre: Array, precision: Array) -> Task:
        """The same under a prior on the free parameters: centre (k,), precision (k, k)."""
        n, places = len(self.names), self.free
        whole, matrix = np.zeros(n), np.zeros((n, n))
        whole[places] = centre
        matrix[np.ix_(places, places)] = precision
        return replace(self, centre=whole, precision=matrix)

    def compile(self, gaps: bool) -> None:
        """Load the compiled functions, before threads ask for them."""
        kernel = self.model.kernel(gaps)
        _ = kernel.objective_function
        if self.newton:
            _ = kernel.information_function


@dataclass(frozen=True, eq=False)
class Solved:
    """Results of compiled fits, an entry a unit.

    Attributes:
        raw: (u, n) estimates on the raw scale; nll: (u,) negative log-likelihood less log prior; pinned: (u, n) at a bound.
        converged, collapsed: (u,) how the climb ended; evaluations: (u,) of the likelihood.
        outer, hessian: (u, k, k) outer products and information on the raw scale, where errors were asked for.
        natural, slope: (u, n) natural values and their derivatives by raw, there too.
    """

    raw: Array
    nll: Array
    converged: Array
    collapsed: Array
    evaluations: Array
    pinned: Array
    outer: Array
    hessian: Array
    natural: Array
    slope: Array

    @property
    def good(self) -> Array:
        """Fits that converged to a finite likelihood (u,)."""
        return np.asarray(self.converged & ~self.collapsed & np.isfinite(self.nll))


@dataclass(frozen=True, eq=False)
class Batch:
    """Stretches of rows packed end to end, each a fit of its own; ``offsets``, ``places``: where fits begin among rows and sequences.

    ``column`` is that of the first outcome; ``count``, ``spread``: observed values of each fit and their log standard deviation;
    ``card``: where fits are made, None for the CPU; ``weighted``: whether any weight differs from 1.
    """

    data: Packed
    offsets: Array
    places: Array
    count: Array
    spread: Array
    column: int
    card: Card | None = None
    weighted: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def scored(self) -> Array:
        """Number of observed values of each fit whose weight is not zero."""
        if not self.weighted:
            return self.count
        return np.add.reduceat((self.data.observed == 1) & (self.data.weight > 0), self.offsets[:-1], dtype=float)

    @classmethod
    def of(cls, model: Model, units: Units, cuts: Stretches, factor: float, card: Card | None = None) -> Batch:
        """Pack stretches of the units' rows, outcomes multiplied by a factor."""
        mechanism, offsets = model.mechanism, cuts.offsets
        y = cuts.joined(units.outcome)
        y = y if factor == 1.0 else y * factor
        reset = cuts.joined(units.reset).copy()
        reset[offsets[:-1]] = True
        known = {n: cuts.joined(v) for n, v in units.known.items()}
        more = [cuts.joined(v) for v in units.more.values()]
        X = np.ascontiguousarray(np.column_stack([*known.values(), y, *more])) if known or more else y.reshape(-1, 1)
        weight = cuts.joined(units.weight) if units.weight is not None else _ones(len(y), card is None)
        firsts = np.flatnonzero(reset)
        Q = np.zeros((len(firsts), len(mechanism.presamples)))
        outcome, observed = mechanism.outcomes[0].name, y == y  # NaN is no number
        sequences, missing = Stretches(firsts, np.append(firsts[1:], len(y))), np.flatnonzero(~observed)
        for stack in sequences.stacks(missing) if mechanism.presamples else ():
            seen = ({outcome: stack.of(y)}, {n: stack.of(v) for n, v in known.items()})
            Q[stack.which] = presamples(mechanism, *seen)
        S0 = np.zeros((len(firsts), len(mechanism.states)))
        data = Packed(X, observed.view(np.uint8), weight, reset.view(np.uint8), Q, S0, 0)
        places, sizes = np.searchsorted(firsts, offsets).astype(np.int64), _sizes(y, observed, offsets)
        return cls(data, offsets, places, *sizes, len(known), card, units.weight is not None)

    def weighing(self, weight: Array) -> Batch:
        """The same rows under other weights."""
        return replace(self, data=replace(self.data, weight=weight), weighted=True)

    def solve(self, task: Task, points: Array, gaps: bool, errors: bool = True, free: Array | None = None) -> Solved:
        """Fit every stretch from its starting points (u, points, n); ``free``: the parameters that move, where not all of the task's."""
        kernel = task.model.kernel(gaps)
        moving = task.free if free is None else free
        if self.card is not None:
            return Solved(*self.card.solve(self, task, points, kernel, errors, moving))
        rough = task.rough[np.isin(task.free, moving)]
        tolerance = KINKED_TOLERANCE if kernel.program.kinked else SMOOTH_TOLERANCE
        u, n, k = len(self), len(task.names), len(moving)
        raw, report, nll = np.zeros((u, n)), np.zeros((u, 3)), np.zeros(u)
        natural, slope, pinned = np.zeros((u, n)), np.zeros((u, n)), np.zeros((u, n), np.uint8)
        outer, hessian = np.zeros((u, k, k)), np.zeros((u, k, k))
        compiled: Callable[..., None] = solve_many
        compiled(
            kernel.objective_function, kernel.information_function if task.newton else no_information, task.centre, task.precision, points,
            task.forced, task.starts, task.far, moving, task.floor, task.ceiling, self.count, self.spreads(task.model), rough, task.newton,
            errors,
            self.offsets, self.places, *self.data.arguments, task.evaluations, tolerance,
            raw, pinned, report, nll, outer, hessian, natural, slope,
        )  # fmt: skip
        return Solved(raw, nll, report[:, 1] == 1, report[:, 2] == 1, report[:, 0], pinned.astype(bool), outer, hessian, natural, slope)

    def spreads(self, model: Model) -> Array:
        """Log standard deviations onto which a density might collapse; -inf for an outcome with a mass."""
        return np.full_like(self.spread, -np.inf) if model.observation.mass else self.spread

    def joined(self) -> Batch:
        """All stretches as the sequences of a single fit."""
        y, seen = self.data.X[:, self.column], self.data.observed.astype(bool)
        ends = np.array([0, len(self.data.X)]), np.array([0, len(self.data.Q)])
        return Batch(self.data, *ends, *_sizes(y, seen, ends[0]), self.column, self.card, self.weighted)

    def evaluate(self, task: Task, raw: Array, gaps: bool) -> tuple[Array, Array, Array]:
        """At raw points (u, n), without the prior: negative log-likelihood (u,), natural values (u, n), its gradient by raw (u, n)."""
        if self.card is not None:
            found, natural, score = self.card.evaluate(self, task, raw, task.model.kernel(gaps))
            return np.where(np.isfinite(found), found, np.inf), natural, score
        found, natural, score = np.zeros(len(self)), np.zeros_like(raw), np.zeros_like(raw)
        compiled: Callable[..., None] = evaluate_many
        compiled(task.model.kernel(gaps).objective_function, raw, self.offsets, self.places, *self.data.arguments, found, natural, score)
        return np.where(np.isfinite(found), found, np.inf), natural, score


_held = [np.ones(2**16)]
"""Ones that all batches share, so that no new memory is touched for weights; replaced by a longer array when one is needed."""


def _ones(rows: int, whole: bool) -> Array:
    """Weights of 1, an array of that length where compiled code reads them."""
    if not whole:
        return np.broadcast_to(_held[0][0], rows)
    held = _held[0]  # read once: another thread may put its own there meanwhile
    if len(held) < rows:
        held = _held[0] = np.ones(2 * rows)
    return held[:rows]


def _sizes(y: Array, observed: Array, offsets: Array) -> tuple[Array, Array]:
    """Number of observed values, and log standard deviation of each fit as `seqsci.estimation.search.log_spread` has it."""
    fits = Stretches.between(offsets)
    count, spread = fits.lengths.astype(float), np.full(len(fits), -np.inf)
    for part in fits.parts():
        a, b = int(offsets[part.start]), int(offsets[part.stop])
        own, starts = observed[a:b], offsets[part] - a
        if whole := bool(own.all()):
            seen = y[a:b]
        else:
            seen, count[part] = y[a:b][own], np.add.reduceat(own, starts, dtype=float)
        same = seen[1:] == seen[:-1]
        if np.count_nonzero(same) < 2:
            continue
        ends = np.cumsum(count[part]).astype(np.int64)[:-1]
        first = np.r_[0, ends]
        repeated = np.r_[0, np.cumsum(np.r_[False, same])]  # pairs before each observed row; across fits they do not matter
        pairs = repeated[np.r_[ends, len(seen)]] - repeated[np.minimum(first + 1, len(seen))]
        value = y[a:b] if whole else np.where(own, y[a:b], 0.0)
        away = y[a:b] - np.repeat(np.add.reduceat(value, starts) / count[part], fits.lengths[part])
        away = away if whole else np.where(own, away, 0.0)
        with np.errstate(divide="ignore"):
            deviation = 0.5 * np.log(np.add.reduceat(away**2, starts) / count[part])
        spread[part] = np.where(pairs > 1, deviation, -np.inf)
    return count, spread
