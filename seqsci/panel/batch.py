"""Some units packed for the compiled fits, and what those fits return."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.estimation.fused import KINKED_TOLERANCE, SMOOTH_TOLERANCE, no_information
from seqsci.estimation.fused_panel import evaluate_many, solve_many
from seqsci.kernel import Packed
from seqsci.model import Model
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
    ``card``: where fits are made, None for the CPU.
    """

    data: Packed
    offsets: Array
    places: Array
    count: Array
    spread: Array
    column: int
    card: Card | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def scored(self) -> Array:
        """Number of observed values of each fit whose weight is not zero."""
        return np.add.reduceat(((self.data.observed == 1) & (self.data.weight > 0)).astype(float), self.offsets[:-1])

    @classmethod
    def of(cls, model: Model, units: Units, cuts: Sequence[slice], factor: float) -> Batch:
        """Pack stretches of the units' rows, outcomes multiplied by a factor."""
        mechanism = model.mechanism
        offsets = np.cumsum([0, *(c.stop - c.start for c in cuts)]).astype(np.int64)
        y = _joined(units.outcome, cuts)
        y = y if factor == 1.0 else y * factor
        reset = _joined(units.reset, cuts).copy()
        reset[offsets[:-1]] = True
        known = {n: _joined(v, cuts) for n, v in units.known.items()}
        more = [_joined(v, cuts) for v in units.more.values()]
        X = np.ascontiguousarray(np.column_stack([*known.values(), y, *more])) if known or more else y.reshape(-1, 1)
        weight = _ones(len(y)) if units.weight is None else _joined(units.weight, cuts)
        firsts = np.flatnonzero(reset)
        places = np.searchsorted(firsts, offsets).astype(np.int64)
        observed = ~np.isnan(y)
        Q = np.zeros((len(firsts), len(mechanism.presamples)))
        if mechanism.presamples:
            outcome, full = mechanism.outcomes[0].name, bool(observed.all())
            for q, (a, b) in enumerate(zip(firsts.tolist(), [*firsts[1:].tolist(), len(y)], strict=True)):
                seen: Any = slice(None) if full else observed[a:b]
                presample = mechanism.presample({outcome: y[a:b][seen]}, {n: v[a:b][seen] for n, v in known.items()})
                Q[q] = [presample[p.name] for p in mechanism.presamples]
        S0 = np.zeros((len(firsts), len(mechanism.states)))
        data = Packed(X, observed.view(np.uint8), weight, reset.view(np.uint8), Q, S0, 0)
        return cls(data, offsets, places, *_sizes(y, observed, offsets), len(known))

    def outcomes(self) -> list[Array]:
        """Observed outcomes of each fit."""
        y, seen = np.ascontiguousarray(self.data.X[:, self.column]), self.data.observed.view(bool)
        pairs = list(itertools.pairwise(self.offsets.tolist()))
        return [y[a:b] for a, b in pairs] if seen.all() else [y[a:b][seen[a:b]] for a, b in pairs]

    def weighing(self, weight: Array) -> Batch:
        """The same rows under other weights."""
        return replace(self, data=replace(self.data, weight=weight))

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
        return Batch(self.data, *ends, *_sizes(y, seen, ends[0]), self.column)

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


def _ones(rows: int) -> Array:
    if len(_held[0]) < rows:
        _held[0] = np.ones(2 * rows)
    return _held[0][:rows]


def _joined(values: Array, cuts: Sequence[slice]) -> Array:
    """Stretches end to end: a view where they lie so already."""
    if all(a.stop == b.start for a, b in itertools.pairwise(cuts)):
        return values[cuts[0].start : cuts[-1].stop]
    return np.concatenate([values[c] for c in cuts])


def _sizes(y: Array, observed: Array, offsets: Array) -> tuple[Array, Array]:
    """Number of observed values, and log standard deviation of each fit as `seqsci.estimation.search.log_spread` has it."""
    starts = offsets[:-1]
    if observed.all() and np.count_nonzero(y[1:] == y[:-1]) < 2:
        return np.diff(offsets).astype(float), np.full(len(starts), -np.inf)
    value = np.where(observed, y, 0.0)
    count = np.add.reduceat(observed.astype(float), starts)
    seen = y[observed]
    ends = np.cumsum(count).astype(np.int64)[:-1]
    repeated = np.r_[0, np.cumsum(np.r_[False, seen[1:] == seen[:-1]])]  # pairs before each observed row; across fits they do not matter
    first = np.r_[0, ends]
    pairs = repeated[np.r_[ends, len(seen)]] - repeated[np.minimum(first + 1, len(seen))]
    mean = np.add.reduceat(value, starts) / count
    away = np.where(observed, y - np.repeat(mean, np.diff(offsets)), 0.0)
    with np.errstate(divide="ignore"):
        spread = 0.5 * np.log(np.add.reduceat(away**2, starts) / count)
    return count, np.where(pairs > 1, spread, -np.inf)
