"""The fit of `seqsci.estimation.fused` for very many series at once: starting points, climbs, bounds, curvature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from seqsci.estimation.fused import BOUND_COST, COLLAPSE, HOPELESS, KINK_STEP, NEAR_BOUND, SMOOTH_STEP, VANISHED
from seqsci.estimation.lane_algebra import inverted
from seqsci.estimation.lane_climb import Climbed, Target, climb


@dataclass(frozen=True, eq=False)
class Rules:
    """How fits are made; see `seqsci.estimation.fused.solve`.

    Attributes:
        forced, starts, far, limit, tolerance: of the climbs.
        moving, floor, ceiling, rough: (n,) which parameters are free; whether their sets end there; whether they move a kink.
        newton: the information is the Gauss-Newton form.
        count, spread: (lanes,) observed values, and their log standard deviation where a density may collapse onto them.
    """

    forced: int
    starts: int
    far: float
    limit: int
    tolerance: float
    moving: Tensor
    floor: Tensor
    ceiling: Tensor
    rough: Tensor
    newton: bool
    count: Tensor
    spread: Tensor

    def collapsed(self, raw: Tensor, nll: Tensor, index: Tensor) -> Tensor:
        """Whether a density has collapsed onto repeated values (C,)."""
        vanished = (self.moving & self.floor & ~self.ceiling & (raw < VANISHED) & (raw > -math.inf)).any(1)
        spread = self.spread[index]
        return (spread > -math.inf) & (vanished | (-nll / self.count[index] > COLLAPSE - spread))


@dataclass(eq=False)
class Found:
    """Results, an entry a lane, as `seqsci.panel.batch.Solved` has them, over all parameters."""

    raw: Tensor
    nll: Tensor
    converged: Tensor
    collapsed: Tensor
    evaluations: Tensor
    pinned: Tensor


def solve(target: Target, points: Tensor, rules: Rules) -> Found:
    """Climb from the most promising of the points (lanes, points, n), keep the best, pin what sits at a bound."""
    u, s, n = points.shape
    lanes = torch.arange(u, device=points.device)
    value = points.new_full((u, s), -math.inf)
    evaluations = torch.zeros(u, dtype=torch.int64, device=points.device)
    order = torch.arange(s, device=points.device).expand(u, s)
    if s > rules.starts or rules.far < math.inf:
        begin = 1 if s <= rules.starts else rules.forced
        for j in range(begin, s):
            found = target(points[:, j], lanes, False)[0]
            value[:, j] = torch.where(torch.isfinite(found), found, math.inf)
        evaluations += max(s - begin, 0)
        if s > rules.starts:
            order = torch.argsort(value, dim=1, stable=True)
    tries = min(s, max(rules.starts, 1))
    best = Found(
        points.new_zeros((u, n)), points.new_full((u,), math.inf), lanes < 0, lanes < 0, evaluations, torch.zeros_like(points[:, 0]).bool()
    )
    bad = lanes >= 0
    together = _together(target, points, order[:, :tries], rules) if rules.far == math.inf else None
    for m in range(tries):
        climbed = value.gather(1, order[:, m : m + 1])[:, 0] - best.nll <= rules.far
        climbed |= best.nll == math.inf
        if together is None:
            where = torch.nonzero(climbed).flatten()
            start = points[where, order[where, m]]
            told = climb(target, start, where, rules.moving.expand(len(where), n), rules.limit, rules.tolerance)
        else:
            where, told = lanes, Climbed(*(v[m::tries] for v in together))
        evaluations[where] += told.evaluations
        fails = ~told.converged | rules.collapsed(told.raw, told.nll, where)
        wins = torch.isfinite(told.nll) & ((bad[where] & ~fails) | ((bad[where] == fails) & (told.nll < best.nll[where])))
        at = where[wins]
        best.raw[at], best.nll[at], best.converged[at], bad[at] = told.raw[wins], told.nll[wins], told.converged[wins], fails[wins]
    best.collapsed = torch.isfinite(best.nll) & rules.collapsed(best.raw, best.nll, lanes)
    _pin(target, best, rules)
    return best


def _together(target: Target, points: Tensor, order: Tensor, rules: Rules) -> tuple[Tensor, ...]:
    """The climbs from all points at once, lane by lane."""
    u, tries = order.shape
    lanes = torch.arange(u, device=points.device).repeat_interleave(tries)
    told = climb(target, points[lanes, order.reshape(-1)], lanes, rules.moving.expand(len(lanes), -1), rules.limit, rules.tolerance)
    return told.raw, told.nll, told.evaluations, told.converged


def _pin(target: Target, best: Found, rules: Rules) -> None:
    """Put parameters far out to their bounds where that costs next to nothing."""
    sound = torch.isfinite(best.nll) & ~best.collapsed
    for i in torch.nonzero(rules.moving).flatten().tolist():
        x = best.raw[:, i]
        bounded = torch.where(x < 0, rules.floor[i], rules.ceiling[i])
        at = torch.nonzero(sound & bounded & (x.abs() >= NEAR_BOUND)).flatten()
        if not len(at):
            continue
        trial = best.raw[at].clone()
        trial[:, i] = torch.where(trial[:, i] < 0, -math.inf, math.inf)
        nll = target(trial, at, False)[0]
        best.evaluations[at] += 1
        near = nll - best.nll[at] <= HOPELESS
        at, trial = at[near], trial[near]
        if not len(at):
            continue
        moving = rules.moving & ~best.pinned[at]
        moving[:, i] = False
        told = climb(target, trial, at, moving, rules.limit, rules.tolerance)
        best.evaluations[at] += told.evaluations
        kept = (told.nll - best.nll[at] < BOUND_COST) & ~rules.collapsed(told.raw, told.nll, at)
        at = at[kept]
        best.raw[at], best.nll[at] = told.raw[kept], told.nll[kept]
        best.pinned[at, i] = True


def curvature(target: Target, raw: Tensor, index: Tensor, moving: Tensor, rules: Rules) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outer products and information (C, n, n), zero where nothing moves, natural values and slopes; as `fused.curvature`."""
    kernel, lanes = target.kernel, target.lanes
    here = kernel.objective(raw, lanes, index)
    both = moving[:, :, None] & moving[:, None, :]
    outer = torch.where(both, here.outer, 0.0) if here.outer is not None else raw.new_zeros(both.shape)
    if rules.newton:
        natural = kernel.information(here.natural, lanes, index)
        hessian = natural * here.slope[:, :, None] * here.slope[:, None, :]
    else:
        hessian = torch.zeros_like(outer)
        inverse, good = inverted(outer + torch.diag_embed((~moving).to(outer.dtype)))
        joint = torch.diagonal(inverse, dim1=1, dim2=2)
        for a in torch.nonzero(rules.moving).flatten().tolist():
            d = outer[:, a, a]
            step = torch.where(d > 0, SMOOTH_STEP / torch.sqrt(d), 1e-6)
            if bool(rules.rough[a]):
                own = torch.where(good, joint[:, a], 0.0)
                step = torch.where(own > 0, KINK_STEP * torch.sqrt(own), KINK_STEP * step / SMOOTH_STEP)
            up = raw.clone()
            up[:, a] += step
            after = kernel.objective(up, lanes, index, False).gradient
            if bool(rules.rough[a]):
                down = raw.clone()
                down[:, a] -= step
                hessian[:, :, a] = (after - kernel.objective(down, lanes, index, False).gradient) / (2 * step)[:, None]
            else:  # a small step from the score that is there already: its error is a share of the step
                hessian[:, :, a] = (after - here.gradient) / step[:, None]
        hessian = 0.5 * (hessian + hessian.transpose(1, 2))
    if target.precision is not None:
        hessian = hessian + target.precision
    return outer, torch.where(both, hessian, 0.0), here.natural, here.slope
