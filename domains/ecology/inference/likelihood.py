"""Log-likelihoods of many sites at many points: sites with the same observed years share a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqsci.domains.ecology.inference.drift import Drift
from seqsci.domains.ecology.inference.kernel import tabulate
from seqsci.domains.ecology.inference.observation_error import ObservationError
from seqsci.domains.ecology.inference.sites import Site
from seqsci.errors import DataError, explain

Array = np.ndarray


@dataclass(frozen=True)
class Group:
    """Sites with the same observed years, error variances and covariate, in the kernel's layout."""

    members: Array
    columns: Array
    fixed: int
    drivers: Array
    observed: Array
    base: Array


@dataclass(frozen=True)
class Likelihood:
    """The restricted likelihood of a drift model for a set of sites, with the process variance of each site maximised over."""

    groups: tuple[Group, ...]
    sites: int
    error: ObservationError

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """Log-likelihoods and process variances (points, sites) at points (n, 4): phi, level ratio, slope ratio, observation ratio."""
        grid = np.asarray(self.error.process_variances)
        if len(grid) == 0:
            return self._evaluate(points, True)
        many = np.repeat(points, len(grid), axis=0)
        many[:, 3] = np.tile(1 / grid, len(points))
        values = self._evaluate(many, False)[0].reshape(len(points), len(grid), self.sites)
        return _parabola(values, np.log(grid))

    def _evaluate(self, points: Array, profiled: bool) -> tuple[Array, Array]:
        points = np.ascontiguousarray(points, float)
        values, variances = np.empty((len(points), self.sites)), np.empty((len(points), self.sites))
        for g in self.groups:
            out, spread = np.empty((len(points), len(g.members))), np.empty((len(points), len(g.members)))
            tabulate(points, g.columns, g.fixed, g.drivers, g.observed, g.base, profiled, out, spread)
            values[:, g.members], variances[:, g.members] = out, spread
        return values, variances


def likelihood(sites: Sequence[Site], drift: Drift, error: ObservationError) -> Likelihood:
    """Sort sites into groups and sweep their regressors out of the data once.

    Raises `DataError` where the observed years of a site cannot carry the regressors.
    """
    keys: dict[tuple[bytes, ...], list[int]] = {}
    for i, site in enumerate(sites):
        parts = [site.observed.tobytes(), b"", b""]
        if error.column and site.variance is not None:
            parts[1] = site.variance.tobytes()
        if drift.covariate and site.covariate is not None:
            parts[2] = site.covariate.tobytes()
        keys.setdefault(tuple(parts), []).append(i)
    return Likelihood(tuple(_group([sites[i] for i in m], np.array(m), drift, error) for m in keys.values()), len(sites), error)


def _group(sites: Sequence[Site], members: Array, drift: Drift, error: ObservationError) -> Group:
    first = sites[0]
    years, seen = len(first.log_count), first.observed
    x = drift.regressors(years)
    covariates = 1 if drift.covariate else 0
    if seen.sum() < x.shape[1] + covariates + 3 or np.linalg.cond(x[seen]) > 1e8:
        got = f"{int(seen.sum())} observed years for {x.shape[1] + covariates} coefficients"
        fix = "fewer trend terms, or drop the series"
        raise DataError(explain(f"series {first.name!r} is too short for {drift.label}", got, "at least three more years", fix))
    columns = np.zeros((years, x.shape[1] + len(sites)))
    columns[seen, : x.shape[1]] = basis = np.linalg.qr(x[seen])[0]
    data = np.column_stack([s.log_count[seen] for s in sites])
    columns[seen, x.shape[1] :] = data - basis @ (basis.T @ data)
    base = np.ones(years) if error.column is None or first.variance is None else first.variance
    drivers = np.zeros((years, 0))
    if drift.covariate and first.covariate is not None:
        drivers = ((first.covariate - first.covariate.mean()) / first.covariate.std())[:, None].copy()
    return Group(members, columns, x.shape[1], drivers, seen.astype(np.uint8), np.ascontiguousarray(base))


def _parabola(values: Array, at: Array) -> tuple[Array, Array]:
    """Largest value over the middle axis of (points, grid, sites) and exp of where it is, by the parabola through the best three."""
    best = values.argmax(axis=1)
    inner = np.clip(best, 1, len(at) - 2)
    step = at[1] - at[0]
    low, mid, high = (np.take_along_axis(values, (inner + d)[:, None], 1)[:, 0] for d in (-1, 0, 1))
    bend = low - 2 * mid + high
    shift = np.where((bend < 0) & (best == inner), 0.5 * (low - high) / np.where(bend < 0, bend, -1.0), (best - inner).astype(float))
    top = np.where(best == inner, mid - 0.25 * (low - high) * shift, np.take_along_axis(values, best[:, None], 1)[:, 0])
    return top, np.exp(at[inner] + shift * step)
