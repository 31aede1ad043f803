"""The climb of `seqsci.estimation.optimise` for very many fits at once, on the device of their data: every fit keeps a state of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from seqsci.estimation.lane_algebra import inverted, product
from seqsci.estimation.optimise import _ACCEPT, _FAR, _MAX_RAW_STEP, _NEAR_BOUND, _STEEP
from seqsci.lanes.launch import LaneKernel
from seqsci.lanes.layout import Lanes

SCORING, ENTERING, TURNING, SEARCHING, DONE = range(5)
"""Where a fit is: in Fisher scoring; about to begin BFGS; in need of a direction; in a line search; at its end."""
TRIES = 30
FULL, HALF, FEW = 0.875, 0.5, 4096
"""Share of fits under way below which those that have ended are taken out, and until which they are evaluated in vain; of few fits, which
take a large card as long as one, half."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is minimised: the negative log-likelihood of lanes, less the log of a Gaussian prior with centre (n,) and precision (n, n)."""

    kernel: LaneKernel
    lanes: Lanes
    centre: Tensor | None
    precision: Tensor | None

    def __call__(self, raw: Tensor, index: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Value (C,), gradient (C, n) and, where full, information (C, n, n) at raw points (C, n) of the lanes index (C,)."""
        found = self.kernel.objective(raw, self.lanes, index, full)
        if self.centre is None or self.precision is None:
            return found.nll, found.gradient, found.outer
        away = raw - self.centre
        pull = torch.where(self.precision != 0, self.precision * away[:, None, :], 0.0).sum(-1)
        value = found.nll + 0.5 * torch.where(pull != 0, pull * away, 0.0).sum(-1)
        return value, found.gradient + pull, None if found.outer is None else found.outer + self.precision


@dataclass(eq=False)
class _State:
    """One entry a fit: point, value, gradient, information; damping; inverse Hessian and line search; counts; whether it has a trial."""

    raw: Tensor
    best: Tensor
    g: Tensor
    info: Tensor
    inverse: Tensor
    damping: Tensor
    step: Tensor
    slope: Tensor
    low: Tensor
    high: Tensor
    length: Tensor
    tries: Tensor
    small: Tensor
    evaluations: Tensor
    phase: Tensor
    converged: Tensor
    ready: Tensor
    moving: Tensor
    index: Tensor
    place: Tensor

    def at(self, rows: Tensor) -> _State:
        return _State(*[getattr(self, f.name).index_select(0, rows) for f in fields(self)])


@dataclass(frozen=True, eq=False)
class Climbed:
    """Where climbs ended: raw (C, n), value (C,), evaluations (C,), converged (C,)."""

    raw: Tensor
    nll: Tensor
    evaluations: Tensor
    converged: Tensor

    def put(self, s: _State) -> None:
        for mine, theirs in ((self.raw, s.raw), (self.nll, s.best), (self.evaluations, s.evaluations), (self.converged, s.converged)):
            mine.index_copy_(0, s.place, theirs)


def climb(target: Target, raw: Tensor, index: Tensor, moving: Tensor, limit: int, tolerance: float) -> Climbed:
    """Minimise from raw points (C, n) over the entries that move (C, n); the rules are those of `seqsci.estimation.optimise.maximise`.

    Every round is one launch, a trial point of each fit that has not ended, and waits for the device once: for how many these are.
    """
    count, n = raw.shape
    zero, whole = raw.new_zeros(count), torch.zeros(count, dtype=torch.int64, device=raw.device)
    value, g, info = target(raw, index, True)
    fixed, sound, square = ~moving.any(1), torch.isfinite(value), raw.new_zeros((count, n, n))
    place = torch.arange(count, device=raw.device)
    s = _State(
        raw.clone(), value, _masked(g, moving), square if info is None else _masked_square(info, moving), square.clone(), zero + 1e-3,
        torch.zeros_like(raw), zero.clone(), zero.clone(), zero + math.inf, zero + 1.0, whole.clone(), whole.clone(), whole + 1,
        torch.where(sound & ~fixed, SCORING, DONE), fixed & sound, sound & ~fixed, moving.clone(), index, place,
    )  # fmt: skip
    told, scoring = Climbed(raw.clone(), value.clone(), whole.clone(), fixed.clone()), True
    while count:
        _propose(s, limit, tolerance, scoring)
        under_way = s.phase != DONE
        left, scored = torch.stack([under_way.sum(), (s.phase == SCORING).sum()]).tolist()
        scoring = scored > 0
        if left <= (FULL if len(s.phase) > FEW else HALF) * len(s.phase):
            told.put(s)
            s = s.at(torch.nonzero(under_way).flatten())
        if not left:
            break
        _answer(target, s, limit, tolerance, scoring)
    return told


def _masked(g: Tensor, moving: Tensor) -> Tensor:
    return torch.where(moving, g, 0.0)


def _masked_square(info: Tensor, moving: Tensor) -> Tensor:
    """The information of what moves, 1 on the diagonal elsewhere."""
    both = moving[:, :, None] & moving[:, None, :]
    return torch.where(both, info, 0.0) + torch.diag_embed((~moving).to(info.dtype))


def _propose(s: _State, limit: int, tolerance: float, scoring: bool) -> None:
    """Directions and lengths: a damped scoring step, or a new BFGS direction; ``scoring``: whether any fit may be in Fisher scoring.

    A damped information that is not positive definite is damped more, and the fit sits out a round.
    """
    if scoring:
        _score(s, limit)
    else:
        s.ready = s.phase == SEARCHING
    turning = s.phase == TURNING
    s.step = torch.where(turning[:, None], -product(s.inverse, s.g), s.step)
    slope = (s.step * s.g).sum(1)
    s.slope = torch.where(turning, slope, s.slope)
    allowed = turning & (s.evaluations < limit)
    turned = allowed & (slope <= -0.01 * tolerance)
    s.converged |= allowed & ~turned
    s.phase = torch.where(turned, SEARCHING, torch.where(turning, DONE, s.phase))
    longest = s.step.abs().amax(1)
    fresh = turning | (s.phase == SCORING)
    s.length = torch.where(fresh, torch.where(longest > 0, (_MAX_RAW_STEP / longest).clamp(max=1.0), 1.0), s.length)
    s.low.masked_fill_(turning, 0.0), s.high.masked_fill_(turning, math.inf), s.tries.masked_fill_(turning, 0)
    s.ready |= turned


def _score(s: _State, limit: int) -> None:
    """Damped scoring steps; the inverse information of fits that have scored enough."""
    scoring = s.phase == SCORING
    entering = (s.phase == ENTERING) | (scoring & ((s.evaluations >= limit) | (s.damping >= 1e8)))
    scoring &= ~entering
    d = torch.diagonal(s.info, dim1=1, dim2=2)
    ridge = torch.where(entering[:, None], 1e-6 * d + 1e-8, s.damping[:, None] * d + 1e-9)
    found, good = inverted(s.info + torch.diag_embed(ridge))
    plain = torch.diag_embed(1.0 / (d + ridge).clamp(min=1e-8))
    s.inverse = torch.where(entering[:, None, None], torch.where(good[:, None, None], found, plain), s.inverse)
    s.phase = torch.where(entering, TURNING, s.phase)
    step = -product(found, s.g)
    running = (s.raw * step > 0) & (s.raw.abs() > _NEAR_BOUND)  # one that runs to its bound must not hold up the others
    step = torch.where(running, step.clamp(-_MAX_RAW_STEP, _MAX_RAW_STEP), step)
    stepping = scoring & good & ((step * s.g).sum(1) <= 0)  # a nearly singular inverse need not be positive definite
    s.step = torch.where(stepping[:, None], step, s.step)
    s.damping = torch.where(scoring & ~stepping, s.damping * 10 + 1e-6, s.damping)
    s.ready = stepping | (s.phase == SEARCHING)


def _answer(target: Target, s: _State, limit: int, tolerance: float, full: bool) -> None:
    """Evaluate the trial points and take the consequences; ``full``: whether any fit is in Fisher scoring."""
    plain = s.raw + s.length[:, None] * s.step
    trial = torch.where(s.raw.abs() <= _FAR, plain.clamp(-_FAR, _FAR), plain)
    trial = torch.where(s.moving & s.ready[:, None], trial, s.raw)
    value, g, info = target(trial, s.index, full)
    g = _masked(g, s.moving)
    s.evaluations += s.ready
    better, decrease = value < s.best, s.best - value
    taken = None
    if full and info is not None:
        scoring = s.ready & (s.phase == SCORING)
        taken = scoring & better
        s.info = torch.where(taken[:, None, None], _masked_square(info, s.moving), s.info)
        s.damping = torch.where(scoring, torch.where(better, (s.damping * 0.2).clamp(min=1e-9), s.damping * 8 + 1e-6), s.damping)
        enough = scoring & torch.where(better, decrease < 0.05, s.damping > 1e2)
    searching = s.phase == SEARCHING
    slope = (g * s.step).sum(1)
    fallen, steep = value <= s.best + _ACCEPT * s.length * s.slope, slope < _STEEP * s.slope
    found = fallen & ~steep
    s.high, s.low = torch.where(searching & ~fallen, s.length, s.high), torch.where(searching & fallen & steep, s.length, s.low)
    s.tries += searching
    middle = torch.where(s.high < math.inf, 0.5 * (s.low + s.high), 2.0 * s.low)
    narrow = (s.high - s.low < 1e-6 * s.low.clamp(min=1e-3)) | (s.evaluations >= limit) | (s.tries >= TRIES)
    ended = searching & (found | narrow)
    s.length = torch.where(searching & ~ended, middle, s.length)
    stuck, stepped = ended & ~better, ended & better  # no descent along an exact gradient: a kink, or rounding
    y, moved = g - s.g, torch.where(s.moving, trial - s.raw, 0.0)  # what is held may be infinite
    sy = (moved * y).sum(1)
    curved = stepped & found & (sy > 1e-12)
    hy, scale = product(s.inverse, y), torch.where(curved, sy, 1.0)[:, None]
    weight = (1.0 + (hy * y).sum(1, keepdim=True) / scale) / scale
    cross = (hy / scale)[:, :, None] * moved[:, None, :]
    updated = s.inverse + (weight * moved)[:, :, None] * moved[:, None, :] - cross - cross.transpose(1, 2)
    s.inverse = torch.where(curved[:, None, None], updated, s.inverse)
    s.small = torch.where(stepped, torch.where(decrease < tolerance, s.small + 1, 0), s.small)
    over = stuck | (stepped & (s.small >= 2))
    s.converged |= over
    s.phase = torch.where(over, DONE, torch.where(stepped, TURNING, s.phase))
    if taken is not None:
        s.phase = torch.where(enough, ENTERING, s.phase)
    accepted = stepped if taken is None else taken | stepped
    s.raw, s.g = torch.where(accepted[:, None], trial, s.raw), torch.where(accepted[:, None], g, s.g)
    s.best = torch.where(accepted, value, s.best)
