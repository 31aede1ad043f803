"""Profile likelihood of one parameter: how far the likelihood lets it go when all others follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from seqsci.constraints import Constraint

Array = np.ndarray
LEVELS = (1.644854, 1.959964, 2.575829)
"""Roots at which intervals of 90, 95 and 99 % end."""
REACH = 2.7
"""Largest signed root that is traced: enough for intervals of 99 %."""


@dataclass(frozen=True)
class Profile:
    """Signed roots ``sign(v - estimate) sqrt(2 (log L_max - log L(v)))`` at increasing values v of a parameter, all others refitted.

    The interval of level a holds the values with ``|root| <= z_{(1+a)/2}``; it ends at a bound where the root there is smaller (then the
    bound stands twice, the second time with a root that no level reaches). An end that the trace did not reach is NaN: not found.
    It needs no standard error and is right near bounds, where Wald intervals are not (Venzon and Moolgavkar 1988, DOI 10.2307/2347496).
    """

    values: tuple[float, ...]
    roots: tuple[float, ...]

    def interval(self, level: float) -> tuple[float, float]:
        """Ends of the interval; linear interpolation of the root between traced values."""
        z = NormalDist().inv_cdf(0.5 + level / 2)
        low, high = (float(v) for v in np.interp([-z, z], self.roots, self.values, left=np.nan, right=np.nan))
        return low, high


def trace(refit: Callable[[float], float], estimate: float, best: float, deviation: float, constraint: Constraint) -> Profile:
    """Follow the profile to both sides of an estimate.

    Args:
        refit: value -> smallest negative log-likelihood with the parameter held there; called at neighbouring values in turn.
        estimate, best: the estimate (may be a bound) and its negative log-likelihood.
        deviation: first step, about a standard error.
        constraint: the parameter's set; the trace ends at its bounds.

    A side ends without a result where the next value is not finite, or after 60 steps; a value without a likelihood counts as excluded.
    """
    low, high = constraint.bounds
    values, roots = [estimate], [0.0]
    for sign, bound in ((-1.0, low), (1.0, high)):
        at, step, left = estimate, deviation, 60
        while at != bound and left:
            ahead = at + sign * step
            if not np.isfinite(ahead) or ahead == at:
                break
            near = np.isfinite(bound) and (ahead - bound) * sign >= -0.2 * step
            at = float(bound) if near else float(ahead)
            nll = refit(at)
            root = sign * float(np.sqrt(max(2 * (nll - best), 0.0))) if np.isfinite(nll) else sign * 2 * REACH
            values.append(at)
            roots.append(root)
            left -= 1
            if abs(root) > REACH:
                break
            step *= 1.0 if abs(root) > 0.6 else 1.7
        if at == bound:
            values.append(at)
            roots.append(sign * 2 * REACH)
    order = np.lexsort((roots, values))
    sorted_values = np.array(values)[order]
    sorted_roots = np.maximum.accumulate(np.array(roots)[order])
    return Profile(tuple(map(float, sorted_values)), tuple(map(float, sorted_roots)))


def trace_grid(
    refit: Callable[[float], float], estimate: float, best: float, constraint: Constraint, nodes: int = 21, refinements: int = 3
) -> Profile:
    """The profile of a bounded parameter over its whole set, so that modes behind a barrier count: its interval is their hull.

    Args:
        refit, estimate, best, constraint: as in `trace`; both bounds are finite.
        nodes: values over the set, besides the estimate; refinements: times that the outermost brackets of 90, 95 and 99 % are halved.
    """
    low, high = constraint.bounds
    found = {estimate: 0.0}

    def root(value: float) -> None:
        nll = refit(value)
        found[value] = float(np.sqrt(max(2 * (nll - best), 0.0))) if np.isfinite(nll) else 2 * REACH

    grid = np.linspace(low, high, nodes)
    for side in (grid[grid < estimate][::-1], grid[grid > estimate]):
        for value in side:
            root(float(value))
    for _ in range(refinements):
        for value in sorted({v for z in LEVELS for v in _outermost(found, z)}):
            root(value)
    values = np.array(sorted(found))
    left = values <= estimate
    size = np.array([found[v] for v in values])
    signed = np.r_[-np.minimum.accumulate(size[left]), np.minimum.accumulate(size[~left][::-1])[::-1]]
    ends = ((values[0],), (-2 * REACH,)), ((values[-1],), (2 * REACH,))  # the set ends there, whatever the root
    (low_v, low_r), (high_v, high_r) = ends
    return Profile(tuple(map(float, (*low_v, *values, *high_v))), tuple(map(float, (*low_r, *signed, *high_r))))


def _outermost(found: dict[float, float], z: float) -> list[float]:
    """Middles of the brackets in which the first and the last value with a root of at most z lie."""
    values = sorted(found)
    inside = [i for i, v in enumerate(values) if found[v] <= z]
    first, last = inside[0], inside[-1]
    return [0.5 * (values[i] + values[i + 1]) for i in (first - 1, last) if 0 <= i < len(values) - 1]
