"""Parameters drawn from what a fit leaves open: importance sampling by the exact likelihood, begun at the asymptotic normal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.estimation.result import Fit
from seqsci.kernel import Packed

Array = np.ndarray
ROUNDS, MOST_ROUNDS = 8, 24
"""Rounds of proposals; each but the first is centred where the draws so far put their weight. More where they are not yet worth ENOUGH."""
ENOUGH = 300.0
FREEDOM = 5.0
WIDEST, NARROWEST = 2.0, 0.1
"""Standard deviations of the first proposal along its axes are kept between these, on the raw scale."""
FEWEST = 50.0
"""Independent draws that the sample must be worth."""


@dataclass(frozen=True, eq=False)
class ParameterDraws:
    """Values of a model's parameters that its data allow.

    Attributes:
        values: (draws, k) natural values in the order of ``model.kernel_parameters``; those that were not estimated are constant.
        effective: number of independent draws that the sample is worth, ``(sum w)^2 / sum w^2`` over the candidates.
        sound: whether the fit's covariance was finite and positive definite; where not, the first proposal was a round one.
    """

    values: Array
    effective: float
    sound: bool


def draw_parameters(fit: Fit, draws: int = 4000, seed: int = 0) -> ParameterDraws:
    """Draw the estimated parameters of a fit in proportion to their likelihood.

    The target is the exact likelihood as a density over the parameters' natural values (a flat prior on each admissible set; a model's
    own prior takes its place where there is one). Candidates come from Student proposals on the raw scale: the first has the estimates
    and their asymptotic covariance, the next ones the weighted mean and covariance of the candidates before them; weights are those of
    the mixture of all proposals. Fixed parameters keep their values. Those pinned at a bound keep it too, but where a mechanism has several
    modes (`Mechanism.several_modes`, variances at zero): there they are drawn like the others. Without free ones, nothing is drawn.

    Shapes: -> values (draws, k). Raises `DataError` where the candidates are worth fewer than 50 independent draws.
    Source: Cornuet et al. (2012), Adaptive multiple importance sampling, DOI 10.1111/j.1467-9469.2011.00756.x.

    >>> from seqsci.cells.gompertz import Gompertz
    >>> from seqsci.estimation.maximum_likelihood import MaximumLikelihood
    >>> from seqsci.model import Model
    >>> from seqsci.observations.gaussian import Gaussian
    >>> model = Model(Gompertz(), Gaussian())
    >>> draw_parameters(MaximumLikelihood(starts=1).fit(model, model.simulate(60, seed=1)), draws=100).values.shape
    (100, 3)
    """
    if draws < 1:
        raise DataError(explain("no parameters to draw", f"draws = {draws}", "at least 1", "raise draws"))
    fit = _freed(fit)
    model = fit.model
    names = [p.name for p in model.kernel_parameters]
    free = [names.index(n) for n in fit.free_names]
    if not free:
        return ParameterDraws(np.tile(model.kernel_values, (draws, 1)), math.inf, True)
    rng = np.random.default_rng(seed)
    target = _Target(fit, free)
    sound, root = _first_root(fit.covariance_raw)
    centre = np.array([target.constraints[j].inverse(model.kernel_values[i]) for j, i in enumerate(free)])
    each, proposals = max(draws // ROUNDS, 500), []
    points, heights = np.zeros((0, len(free))), np.zeros(0)
    weights = np.zeros(0)
    for round_ in range(MOST_ROUNDS):
        if round_ >= ROUNDS and _effective(weights) >= ENOUGH:
            break
        proposals.append((centre, root))
        new = _student(rng, centre, root, each)
        points, heights = np.vstack([points, new]), np.r_[heights, [target(r) for r in new]]
        density = np.logaddexp.reduce([_log_student(points, *p) for p in proposals], axis=0) - math.log(len(proposals))
        gap = heights - density
        weights = _normalised(gap)
        flat = _tempered(gap, 10.0 * len(free))
        centre = flat @ points
        spread = (flat[:, None] * (points - centre)).T @ (points - centre)
        root = np.linalg.cholesky(spread + np.eye(len(free)) * NARROWEST**2 / 4)
    worth = _effective(weights)
    if worth < FEWEST:
        got = f"{len(points)} candidates worth {worth:.0f} independent draws"
        fix = "fix a parameter that the data do not hold, give the model a prior, or raise draws"
        raise DataError(
            explain(f"the parameters of {model.name} cannot be drawn from their likelihood", got, f"at least {FEWEST:.0f}", fix)
        )
    places = (np.arange(draws) + rng.uniform()) / draws
    chosen = rng.permutation(np.minimum(np.searchsorted(np.cumsum(weights), places), len(points) - 1))
    return ParameterDraws(np.array([target.natural(points[i]) for i in chosen]), worth, sound)


def _freed(fit: Fit) -> Fit:
    """The fit with its pinned parameters a little inside their sets and free, where modes may lie away from the bound; else itself."""
    if not fit.at_bound or not fit.model.mechanism.several_modes:
        return fit
    seen = np.asarray(fit.fitted_rows.observed, bool)
    spread = float(np.std(fit.fitted_rows.outcome[fit.outcome][seen]))
    inside = {}
    for p in fit.model.kernel_parameters:
        if p.name in fit.at_bound:
            low, high = p.constraint.bounds
            value = fit.value[p.name]
            inside[p.name] = value + 0.05 * (high - low) * (1 if value == low else -1) if math.isfinite(high - low) else 0.2 * spread
    names = tuple(p.name for p in fit.model.kernel_parameters if p.name in fit.free_names or p.name in fit.at_bound)
    wide = np.eye(len(names))
    kept = [names.index(n) for n in fit.free_names]
    wide[np.ix_(kept, kept)] = fit.covariance_raw
    return replace(fit, model=fit.model.start_at(**inside), free_names=names, covariance_raw=wide, at_bound=())


class _Target:
    """Log density of the free parameters at a raw point: likelihood, and the Jacobian or the model's prior."""

    def __init__(self, fit: Fit, free: list[int]) -> None:
        model, rows = fit.model, fit.fitted_rows
        self.values, self.free = model.kernel_values, free
        self.constraints = [model.kernel_parameters[i].constraint for i in free]
        self.data: Packed = model.pack(rows, fit.presamples)
        seen = np.asarray(rows.observed, bool)
        self.kernel = model.kernel(not seen.all())
        self.weight = np.where(seen, np.asarray(rows.weight, float), 0.0)
        self.counted = self.weight > 0
        names, prior = [model.kernel_parameters[i].name for i in free], model.active_prior
        centre, precision = (np.zeros(len(free)), np.zeros((len(free),) * 2)) if prior is None else prior.on(names, names)
        self.centre, self.precision = centre, precision
        self.flat = [j for j in range(len(free)) if precision[j, j] == 0]

    def natural(self, raw: Array) -> Array:
        """All kernel parameters (k,) at a raw point of the free ones."""
        values = self.values.copy()
        values[self.free] = [float(c.forward(r)) for c, r in zip(self.constraints, raw, strict=True)]
        return values

    def __call__(self, raw: Array) -> float:
        with np.errstate(all="ignore"):
            density = self.kernel.states(self.natural(raw), self.data).density
            height = float(self.weight[self.counted] @ density[self.counted])
        height += sum(float(self.constraints[j].log_jacobian(raw[j])) for j in self.flat)
        moved = np.where(np.diag(self.precision) > 0, raw - self.centre, 0.0)
        height -= 0.5 * float(moved @ self.precision @ moved)
        return height if math.isfinite(height) else -math.inf


def _effective(weights: Array) -> float:
    return float(1.0 / np.square(weights).sum())


def _normalised(logs: Array) -> Array:
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _tempered(logs: Array, least: float) -> Array:
    """Weights raised to the largest power up to 1 at which they are worth ``least`` draws, for the proposal's moments alone."""
    power = 1.0
    while _effective(weights := _normalised(np.where(np.isfinite(logs), power * logs, -np.inf))) < least and power > 1e-3:
        power *= 0.8
    return weights


def _first_root(covariance: Array) -> tuple[bool, Array]:
    """Whether the covariance is one, and a root of it with its axes kept within bounds; of the unit matrix where it is none."""
    if not np.isfinite(covariance).all():
        return False, np.eye(len(covariance))
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return bool(values[0] > 0), vectors * np.sqrt(np.clip(values, NARROWEST**2, WIDEST**2))


def _student(rng: np.random.Generator, centre: Array, root: Array, size: int) -> Array:
    scale = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, size))
    return np.asarray(centre + scale[:, None] * (rng.standard_normal((size, len(centre))) @ root.T))


def _log_student(points: Array, centre: Array, root: Array) -> Array:
    """Log density (n,) up to a constant that all proposals share."""
    z = np.linalg.solve(root, (points - centre).T)
    spread = float(np.linalg.slogdet(root)[1])
    return np.asarray(-spread - 0.5 * (FREEDOM + len(centre)) * np.log1p((z**2).sum(0) / FREEDOM))
