"""The climb of `seqsci.estimation.optimise` for very many fits at once, on the device of their data: every fit keeps a state of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from seqsci.estimation.optimise import _ACCEPT, _FAR, _MAX_RAW_STEP, _NEAR_BOUND, _STEEP
from seqsci.lanes.launch import LaneKernel
from seqsci.lanes.layout import Lanes

SCORING, ENTERING, TURNING, SEARCHING, DONE = range(5)
"""Where a fit is: in Fisher scoring; about to begin BFGS; in need of a direction; in a line search; at its end."""
TRIES = 30


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
    """One entry a fit: point, value, gradient, information; damping; inverse Hessian and line search; counts."""

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
    moving: Tensor
    index: Tensor

    def at(self, rows: Tensor) -> _State:
        return _State(*[getattr(self, f.name)[rows] for f in fields(self)])

    def put(self, rows: Tensor, part: _State) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(part, f.name)


@dataclass(frozen=True, eq=False)
class Climbed:
    """Where climbs ended: raw (C, n), value (C,), evaluations (C,), converged (C,)."""

    raw: Tensor
    nll: Tensor
    evaluations: Tensor
    converged: Tensor


def climb(target: Target, raw: Tensor, index: Tensor, moving: Tensor, limit: int, tolerance: float) -> Climbed:
    """Minimise from raw points (C, n) over the entries that move (C, n); the rules are those of `seqsci.estimation.optimise.maximise`.

    Every round is one launch: a trial point of each fit that has not ended. Those that have are left out of the next one.
    """
    count, n = raw.shape
    zero, whole = raw.new_zeros(count), torch.zeros(count, dtype=torch.int64, device=raw.device)
    value, g, info = target(raw, index, True)
    square = raw.new_zeros((count, n, n))
    s = _State(
        raw.clone(), value, _masked(g, moving), square if info is None else _masked_square(info, moving), square.clone(), zero + 1e-3,
        torch.zeros_like(raw), zero.clone(), zero.clone(), zero + math.inf, zero + 1.0, whole.clone(), whole.clone(), whole + 1,
        whole + SCORING, ~moving.any(1), moving.clone(), index,
    )  # fmt: skip
    s.phase[~torch.isfinite(value) | s.converged] = DONE
    s.converged &= torch.isfinite(value)
    active = torch.nonzero(s.phase != DONE).flatten()
    while len(active):
        part = s.at(active)
        _propose(part, limit, tolerance)
        going = torch.nonzero(part.phase != DONE).flatten()
        if len(going):
            moved = part.at(going)
            _answer(target, moved, limit, tolerance)
            part.put(going, moved)
        s.put(active, part)
        active = active[part.phase != DONE]
    return Climbed(s.raw, s.best, s.evaluations, s.converged)


def _masked(g: Tensor, moving: Tensor) -> Tensor:
    return torch.where(moving, g, 0.0)


def _masked_square(info: Tensor, moving: Tensor) -> Tensor:
    """The information of what moves, 1 on the diagonal elsewhere."""
    both = moving[:, :, None] & moving[:, None, :]
    return torch.where(both, info, 0.0) + torch.diag_embed((~moving).to(info.dtype))


def factor(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Cholesky factors, and which matrices have one."""
    chol, fault = torch.linalg.cholesky_ex(matrix)
    return chol, (fault == 0) & torch.isfinite(chol).flatten(1).all(1)


def inverted(chol: Tensor) -> Tensor:
    """Inverses from Cholesky factors; by triangular solves, which cuBLAS has for batches of any size."""
    eye = torch.eye(chol.shape[-1], dtype=chol.dtype, device=chol.device).expand_as(chol)
    half = torch.linalg.solve_triangular(chol, eye, upper=False)
    inverse: Tensor = half.transpose(1, 2) @ half
    return inverse


def _propose(s: _State, limit: int, tolerance: float) -> None:
    """Directions and lengths: a damped scoring step, or a new BFGS direction."""
    diagonal = torch.diagonal(s.info, dim1=1, dim2=2)
    s.phase = torch.where((s.phase == SCORING) & ((s.evaluations >= limit) | (s.damping >= 1e8)), ENTERING, s.phase)
    waiting = torch.nonzero(s.phase == SCORING).flatten()
    while len(waiting):
        d = diagonal[waiting]
        chol, good = factor(s.info[waiting] + torch.diag_embed(s.damping[waiting, None] * d + 1e-9))
        ok, bad = waiting[good], waiting[~good]
        half = torch.linalg.solve_triangular(chol[good], -s.g[ok, :, None], upper=False)
        s.step[ok] = torch.linalg.solve_triangular(chol[good].transpose(1, 2), half, upper=True)[..., 0]
        s.damping[bad] = s.damping[bad] * 10 + 1e-6
        over = s.damping[bad] >= 1e8
        s.phase[bad[over]] = ENTERING
        waiting = bad[~over]
    scoring = (s.phase == SCORING)[:, None]
    running = scoring & (s.raw * s.step > 0) & (s.raw.abs() > _NEAR_BOUND)  # one that runs to its bound must not hold up the others
    s.step = torch.where(running, s.step.clamp(-_MAX_RAW_STEP, _MAX_RAW_STEP), s.step)
    entering = torch.nonzero(s.phase == ENTERING).flatten()
    if len(entering):
        a = s.info[entering]
        a = a + torch.diag_embed(torch.diagonal(a, dim1=1, dim2=2) * 1e-6 + 1e-8)
        chol, good = factor(a)
        eye = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
        plain = torch.diag_embed(1.0 / torch.diagonal(a, dim1=1, dim2=2).clamp(min=1e-8))
        s.inverse[entering] = torch.where(good[:, None, None], inverted(torch.where(good[:, None, None], chol, eye)), plain)
        s.phase[entering] = TURNING
    turning = s.phase == TURNING
    direction = -(s.inverse @ s.g[:, :, None])[..., 0]
    s.step = torch.where(turning[:, None], direction, s.step)
    slope = (s.step * s.g).sum(1)
    s.slope = torch.where(turning, slope, s.slope)
    spent = turning & (s.evaluations >= limit)
    flat = turning & ~spent & (~(slope < 0) | (slope > -0.01 * tolerance))
    s.converged |= flat
    s.phase = torch.where(spent | flat, DONE, torch.where(turning, SEARCHING, s.phase))
    fresh = turning | (s.phase == SCORING)
    longest = s.step.abs().amax(1)
    s.length = torch.where(fresh, torch.where(longest > 0, (_MAX_RAW_STEP / longest).clamp(max=1.0), 1.0), s.length)
    s.low, s.high = torch.where(turning, 0.0, s.low), torch.where(turning, math.inf, s.high)
    s.tries = torch.where(turning, 0, s.tries)


def _answer(target: Target, s: _State, limit: int, tolerance: float) -> None:
    """Evaluate the trial points and take the consequences."""
    plain = s.raw + s.length[:, None] * s.step
    trial = torch.where(s.moving, torch.where(s.raw.abs() <= _FAR, plain.clamp(-_FAR, _FAR), plain), s.raw)
    scoring = s.phase == SCORING
    value, g, info = target(trial, s.index, bool(scoring.any()))
    g = _masked(g, s.moving)
    s.evaluations += 1
    better = value < s.best
    decrease = s.best - value
    taken = scoring & better
    if info is not None:
        s.info = torch.where(taken[:, None, None], _masked_square(info, s.moving), s.info)
    s.damping = torch.where(scoring, torch.where(better, (s.damping * 0.2).clamp(min=1e-9), s.damping * 8 + 1e-6), s.damping)
    s.phase = torch.where(scoring & torch.where(better, decrease < 0.05, s.damping > 1e2), ENTERING, s.phase)
    searching = s.phase == SEARCHING
    slope = (g * s.step).sum(1)
    high = ~(value <= s.best + _ACCEPT * s.length * s.slope)
    low = ~high & (slope < _STEEP * s.slope)
    found = ~high & ~low
    s.high, s.low = torch.where(searching & high, s.length, s.high), torch.where(searching & low, s.length, s.low)
    s.tries += searching.to(s.tries.dtype)
    middle = torch.where(torch.isfinite(s.high), 0.5 * (s.low + s.high), 2.0 * s.low)
    narrow = (s.high - s.low < 1e-6 * s.low.clamp(min=1e-3)) | (s.evaluations >= limit) | (s.tries >= TRIES)
    ended = searching & (found | narrow)
    s.length = torch.where(searching & ~ended, middle, s.length)
    stuck, stepped = ended & ~better, ended & better  # no descent along an exact gradient: a kink, or rounding
    y, moved = g - s.g, torch.where(s.moving, trial - s.raw, 0.0)
    sy = (moved * y).sum(1)
    hy = (s.inverse @ y[:, :, None])[..., 0]
    scale = torch.where(sy > 1e-12, sy, 1.0)[:, None, None]
    one, cross = moved[:, :, None] * moved[:, None, :], hy[:, :, None] * moved[:, None, :]
    updated = s.inverse + (1.0 + (hy * y).sum(1)[:, None, None] / scale) * one / scale - (cross + cross.transpose(1, 2)) / scale
    s.inverse = torch.where((stepped & found & (sy > 1e-12))[:, None, None], updated, s.inverse)
    s.small = torch.where(stepped, torch.where(decrease < tolerance, s.small + 1, 0), s.small)
    settled = stepped & (s.small >= 2)
    s.converged |= stuck | settled
    s.phase = torch.where(stuck | settled, DONE, torch.where(stepped, TURNING, s.phase))
    accepted = taken | stepped
    s.raw, s.g = torch.where(accepted[:, None], trial, s.raw), torch.where(accepted[:, None], g, s.g)
    s.best = torch.where(accepted, value, s.best)
