"""The rule for fits with a prior: never worse than the prior on rows held out, else the prior is kept and the result says so."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import numpy as np

from seqsci.estimation.search import Search
from seqsci.estimation.standard_errors import invert
from seqsci.kernel import Packed

Array = np.ndarray
HELD_OUT = 0.3
"""Share of the scored rows, the last ones, that validate a fit against its prior."""

EQUAL = 1e-3
"""Nats on the rows held out below which a fit and its prior count as equal; the fit is then taken."""


SEVERAL = 10
"""Units of one fit from which whole units are held out: the last rows of every short unit (a card) are not like its first ones, so a fit
to the first ones extrapolates. On 3,900 reviews of 600 cards such a rule kept a prior that forecast later reviews far worse."""


def held_out(data: Packed, offsets: Array | None = None) -> tuple[Array, Array]:
    """Weights (rows,) for the training rows and for those held out.

    A fit of fewer than `SEVERAL` units holds out the last `HELD_OUT` of each unit's scored rows, at least one; a fit of more the last
    units, until they have that share of its scored rows. ``offsets`` are the rows at which fits begin; by default there is one fit.
    """
    scored = data.observed.astype(bool) & (data.weight != 0)
    starts = np.flatnonzero(data.reset)
    last = np.zeros(len(scored), bool)
    for first, stop in itertools.pairwise([0, len(scored)] if offsets is None else offsets.tolist()):
        units = starts[np.searchsorted(starts, first) : np.searchsorted(starts, stop)]
        if len(units) >= SEVERAL:
            left = np.cumsum(scored[first:stop][::-1])[::-1][units - first]  # scored rows from the start of each unit on
            enough = units[1:][left[1:] >= HELD_OUT * left[0]]
            last[enough[-1] if len(enough) else units[1] : stop] = True
            continue
        for a, b in itertools.pairwise([*units, stop]):
            places = a + np.flatnonzero(scored[a:b])
            if len(places) > 1:
                last[places[-max(1, round(HELD_OUT * len(places))) :]] = True
    return np.where(last, 0.0, data.weight), np.where(last, data.weight, 0.0)


def verdict(fitted: float, kept: float, rows: int) -> str:
    """Why the prior is kept, or nothing; both arguments are negative log-likelihoods of the rows held out."""
    if not rows:
        return "too few rows to hold any out"
    if not fitted <= kept + EQUAL:
        worse = f"{fitted - kept:.3g} nats worse" if np.isfinite(fitted) else "not finite"
        return f"the fit was {worse} than the prior on the {rows} rows held out together"
    return ""


def why_kept(search: Search, starts: int, far: float) -> str:
    """Fit the training rows alone and compare with the prior on the rows held out; why the prior is kept, or nothing."""
    train, test = held_out(search.data)
    trial = copy.copy(search)
    trial.data, trial._last = replace(search.data, weight=train), (b"", False, np.inf)
    found = trial.solve(starts, True, far) if test.any() else None
    if found is not None and (not found.converged or found.collapsed):
        return "the training rows alone could not be fitted"
    plain, _ = at_prior(trial, trial.start)
    trial.data, trial._last = replace(search.data, weight=test), (b"", False, np.inf)
    search.evaluations = trial.evaluations
    return verdict(np.inf if found is None else trial.nll(found.raw), trial.nll(plain), int(np.sum(test > 0)))


def at_prior(search: Search, raw: Array) -> tuple[Array, Array]:
    """The prior's centre with the parameters that it does not name climbed from ``raw``; and which those are (indices)."""
    held = np.diag(search.precision) > 0
    rest = np.array([i for i in search.free if not held[i]], dtype=np.int64)
    point = np.where(held, search.centre, raw)
    return (search.climb(point, rest)[0] if len(rest) else point), rest


def kept_covariance(search: Search, raw: Array, free: Array) -> Array:
    """Covariance on the raw scale where the prior was kept: its own, and for parameters that it does not name the inverse information."""
    held = np.diag(search.precision)[free] > 0
    covariance = np.zeros((len(free), len(free)))
    named = np.flatnonzero(held)
    covariance[np.ix_(named, named)] = np.linalg.inv(search.precision[np.ix_(free[named], free[named])])
    rest = np.flatnonzero(~held)
    if len(rest):
        _, information = search.curvature(raw, free[rest])
        covariance[np.ix_(rest, rest)] = invert(information)
    return covariance
