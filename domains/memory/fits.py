"""Fits of a cell to review frames: one user, all users together, and the prior that other users make."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from seqsci.domains.memory.sequences import to_panel, to_sequences
from seqsci.errors import ConvergenceError, DataError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.prior_rule import at_prior
from seqsci.estimation.result import Fit
from seqsci.estimation.search import Search
from seqsci.inference import EmpiricalBayes, Shared
from seqsci.model import Model
from seqsci.panel.fitting import fit_panel
from seqsci.panel.result import Panel
from seqsci.prior import Prior

QUICK = MaximumLikelihood(starts=2, profile_bounds=False, far=30.0)
"""Two climbs and Wald intervals: what a forecast needs."""
WIDE = 1.5
"""Standard deviation, on the raw scale, of the prior under which the other users are fitted: it holds what their rows do not."""
EDGE, ON_EDGE = 4.0, 14.0
"""Raw value at which a centre is put where it sits on a bound (a published default may), and that from which it counts as sitting there."""
LEAST_ROWS = 20
"""Scored reviews from which a user has a say in a prior."""
NARROWEST = 0.2
"""Least standard deviation of a prior on the raw scale: few users may agree by chance."""


def fit_user(model: Model, frame: pd.DataFrame, exact: bool = False, estimator: MaximumLikelihood = QUICK) -> Fit:
    """Fit a cell to the reviews of a frame, one user's as a rule; under a prior, the prior is kept where the fit is worse (prior_rule)."""
    return estimator.fit(model, to_sequences(frame, exact))


def posterior_mode(model: Model, frame: pd.DataFrame) -> Model:
    """The model at the mode of its posterior given a frame's rows; no rule chooses between it and the prior. Raises `ConvergenceError`."""
    search = Search(model, to_sequences(frame), QUICK.evaluations)
    found = search.solve(QUICK.starts, True, QUICK.far)
    if not found.converged or found.collapsed:
        fix = "keep the prior, or pass more reviews"
        raise ConvergenceError(
            explain(f"{model.name} did not converge under its prior", f"{search.evaluations} evaluations", "a mode", fix)
        )
    return _at(model, search, found.raw)


def prior_centre(model: Model, frame: pd.DataFrame) -> Model:
    """The model at the centre of its prior; what the prior does not name is fitted to the frame's rows."""
    search = Search(model, to_sequences(frame), QUICK.evaluations)
    return _at(model, search, at_prior(search, search.start)[0])


def _at(model: Model, search: Search, raw: np.ndarray) -> Model:
    return model.start_at(**{n: v for n, v in search.natural(raw).items() if n not in model.fixed})


def fit_users(model: Model, frame: pd.DataFrame, exact: bool = False, threads: int | None = None) -> Panel:
    """Fit every user of a frame by itself, in compiled code: a row a user."""
    return fit_panel(model, to_panel(frame, exact), by="user", within="card_id", threads=threads)


def fit_pooled(model: Model, frame: pd.DataFrame, exact: bool = False) -> Panel:
    """One set of parameters for all users of a frame; standard errors clustered by user."""
    shared = EmpiricalBayes(Shared(), QUICK)
    return fit_panel(model, to_panel(frame, exact), by="user", within="card_id", estimator=shared)


def wide_prior(model: Model) -> Prior:
    """Independent normals about the model's values, of standard deviation `WIDE` on the raw scale, kept off the bounds."""
    parameters = [p for p in model.parameters if p.name in model.free_names]
    centre = tuple(_inside(p.constraint.inverse(model.value[p.name])) for p in parameters)
    covariance = np.diag(np.full(len(parameters), WIDE**2))
    return Prior(tuple(p.name for p in parameters), centre, tuple(map(tuple, covariance.tolist())), "wide, about the model's values")


def _inside(raw: float) -> float:
    """A raw value off the bounds: one that sits on a bound, or within rounding of it, is put `EDGE` away from the middle of the set."""
    return raw if abs(raw) < ON_EDGE else math.copysign(EDGE, raw)


def prior_of_others(model: Model, others: pd.DataFrame, exact: bool = False) -> Prior:
    r"""The prior for a user whom the frame does not hold: where the modes of the other users lie, and how far apart.

        centre = mean_u m_u,   variance = (1 + 1/U) sum_u (m_u - centre)^2 / (U - 1) + narrowest^2       on the raw scale, each parameter

    m_u is the posterior mode of user u under `wide_prior`, so a parameter that a user's rows do not hold stays at the model's value, and
    none runs off to a bound. Each user counts once, however many reviews they have. Few users (five, say) carry no covariance and no
    Laplace population of 7 to 35 parameters (`Partial` needs more of them), hence independent normals; 1/U: the centre is uncertain.
    The same rule serves every model; the published values of FSRS enter as the centre of its wide prior.
    A user of fewer than `LEAST_ROWS` scored reviews does not count: such modes all lie at the wide prior's centre, and look alike.
    Raises `DataError` where fewer than two users are left.
    """
    wide = model.with_prior(wide_prior(model))
    job = fit_panel(wide, to_panel(others, exact), by="user", within="card_id", estimator=replace(QUICK, min_rows=1))
    good = job.table[(job.table["status"] == "ok") & (job.table["rows"] >= LEAST_ROWS)]
    if len(good) < 2:
        got = f"{len(good)} user(s) with {LEAST_ROWS} scored reviews or more that can be fitted"
        raise DataError(explain("a prior from other users needs some", got, "at least two", "fit without: model.with_prior()"))
    parameters = [p for p in model.parameters if p.name in model.free_names]
    raw = np.array([[_inside(p.constraint.inverse(float(v))) for v in good[p.name]] for p in parameters])
    count = raw.shape[1]
    variance = (1 + 1 / count) * raw.var(axis=1, ddof=1) + NARROWEST**2
    names, centre = tuple(p.name for p in parameters), tuple(raw.mean(axis=1).tolist())
    return Prior(names, centre, tuple(map(tuple, np.diag(variance).tolist())), f"{count} other users")
