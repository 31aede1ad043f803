"""The fit of a pair model: the maximum, standard errors that respect genes, and the table of estimates."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.design import Design
from seqsci.domains.genomics.enhancer.objectives import Likelihood
from seqsci.domains.genomics.enhancer.protocol import FittedPairs
from seqsci.errors import ConvergenceError, DataError, explain
from seqsci.estimation.summary import Estimate, Summary

if TYPE_CHECKING:
    from seqsci.domains.genomics.enhancer.models import PairModel

Array = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]
ROUNDS, TOLERANCE = 200, 1e-8
EDGE = 9.0
"""A bounded parameter further out on its raw scale sits at its bound."""
BLOCKS = 10
"""Groups of genes that are left out in turn for the errors of a ranking."""


@dataclass(frozen=True, eq=False)
class FittedPairModel(FittedPairs):
    """A fitted `PairModel`.

    Attributes:
        model: what was fitted; raw: parameters on the raw scale (k,); loss: nats (likelihood) or the ranking's loss.
        design, regulated, gene: what was fitted on; gene: codes from 0 (pairs,).
    """

    model: PairModel
    raw: Array
    loss: float
    design: Design
    regulated: Truth
    gene: npt.NDArray[np.int64]

    @functools.cached_property
    def covariance(self) -> Array:
        """Covariance of the raw parameters (k, k), robust to genes; NaN where a parameter sits at its bound. Computed at first use."""
        if isinstance(self.model.objective, Likelihood):
            return _sandwich(self.design, self.regulated, self.raw, self.gene)
        return _jackknife(self.design, self.regulated, self.raw, self.gene)

    def predict(self, frame: pd.DataFrame) -> Array:
        """Probabilities of regulation (likelihood), or scores whose logarithm was ranked (rows,)."""
        score = Design.of(self.model, frame).score(self.raw)
        return np.asarray(1.0 / (1.0 + np.exp(-score))) if self.model.objective.calibrated else np.exp(score)

    @property
    def value(self) -> dict[str, float]:
        """Estimates by name, on their natural scale."""
        return {p.name: float(p.constraint.forward(r)) for p, r in zip(self.model.parameters, self.raw, strict=True)}

    @property
    def log_likelihood(self) -> float:
        """Nats; NaN for a ranking."""
        return -self.loss if isinstance(self.model.objective, Likelihood) else float("nan")

    def estimates(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """Each parameter with a standard error that respects genes, and an interval built on the raw scale."""
        z, found = NormalDist().inv_cdf(0.5 + level / 2), []
        for i, p in enumerate(self.model.parameters):
            se, raw = float(np.sqrt(self.covariance[i, i])), float(self.raw[i])
            value = float(p.constraint.forward(raw))
            slope = float(np.exp(p.constraint.log_jacobian(raw)))
            low, high = (float(p.constraint.forward(raw + sign * z * se)) for sign in (-1, 1))
            flag = "at a bound, or not identified" if np.isnan(se) else ""
            found.append(Estimate(p.name, p.symbol, value, se * slope, low, high, p.unit, p.reading, flag))
        return tuple(found)

    def elasticities(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """Coefficients of the gates over the slope: powers of what arrives; errors by the delta method. None for a ranking (slope 1)."""
        if not self.model.objective.calibrated or not self.model.gates:
            return ()
        z, k, s, found = NormalDist().inv_cdf(0.5 + level / 2), len(self.raw), float(self.raw[1]), []
        for j, gate in enumerate(self.model.gates):
            place = k - len(self.model.gates) + j
            gradient = np.zeros(k)
            gradient[place], gradient[1] = 1 / s, -self.raw[place] / s**2
            used = gradient != 0
            se = float(np.sqrt(gradient[used] @ self.covariance[np.ix_(used, used)] @ gradient[used]))
            value = float(self.raw[place]) / s
            reading = "the coefficient over the slope"
            found.append(Estimate(f"{gate.name}_power", "", value, se, value - z * se, value + z * se, "1", reading, ""))
        return tuple(found)

    def summary(self, level: float = 0.95) -> Summary:
        """The table of estimates."""
        what = f"log-likelihood {self.log_likelihood:.2f} nats" if self.model.objective.calibrated else f"ranking loss {self.loss:.4f}"
        errors = "robust to genes (sandwich)" if self.model.objective.calibrated else f"jackknife over {BLOCKS} groups of genes"
        facts = (
            f"{len(self.gene):,} pairs, {int(self.regulated.sum()):,} regulated, {int(self.gene.max()) + 1:,} genes; {what}; "
            f"standard errors {errors}",
        )
        return Summary(self.model.name, facts, self.estimates(level), self.elasticities(level), level)


def fit_pairs(model: PairModel, frame: pd.DataFrame, design: Design, regulated: Truth) -> FittedPairModel:
    """Maximise the objective of a model over pairs; raises `ConvergenceError` where it does not settle, `DataError` without variation."""
    for j, gate in enumerate(model.gates):
        if np.ptp(design.gates[:, j]) == 0:
            got = f"{design.gates[0, j]:g} in all {len(regulated)} pairs"
            raise DataError(explain(f"the gate {gate.name} has nothing to learn from", got, "a column that varies", "leave it out"))
    head = _first(design, regulated) if model.objective.calibrated else np.zeros(0)
    start = np.r_[head, model.contact.start, np.zeros(len(model.gates))]
    maximise = _scoring if isinstance(model.objective, Likelihood) else _ranking
    raw, loss = maximise(design, regulated, start)
    gene = pd.factorize(frame["measuredGeneSymbol"])[0].astype(np.int64)
    return FittedPairModel(model, raw, loss, design, regulated, gene)


def _first(design: Design, regulated: Truth) -> Array:
    """Intercept and slope that start at the share of regulated pairs."""
    x = design.model.contact.log_contact(design.distance, design.model.contact.start) + design.log_activity
    share = regulated.mean()
    return np.array([np.log(share / (1 - share)) - x.mean(), 1.0])


def _scoring(design: Design, regulated: Truth, raw: Array) -> tuple[Array, float]:
    """Damped Fisher scoring of the likelihood."""
    objective, damping = design.model.objective, 1e-4
    loss, slope = objective.loss(design.score(raw), regulated)
    for _ in range(ROUNDS):
        jacobian = design.jacobian(raw)
        gradient = jacobian.T @ slope
        p = np.asarray(slope) + regulated
        information = jacobian.T @ (jacobian * (p * (1 - p))[:, None])
        scale = np.diag(information).clip(1e-12)
        for _ in range(60):
            step = np.linalg.solve(information + damping * np.diag(scale), gradient)
            trial = raw - step
            found, new_slope = objective.loss(design.score(trial), regulated)
            if np.isfinite(found) and found <= loss:
                break
            damping = max(10 * damping, 1e-6)
        else:
            return raw, loss
        settled = loss - found < TOLERANCE and abs(float(gradient @ step)) < 1e-6
        raw, loss, slope, damping = trial, found, new_slope, damping / 10
        if settled:
            return raw, loss
    got = f"{ROUNDS} rounds, last step {np.abs(step).max():.2g}"
    fix = "1. fewer gates or channels  2. check for a column that separates the labels"
    raise ConvergenceError(explain("the likelihood of the pairs did not settle", got, "a maximum", fix))


def _ranking(design: Design, regulated: Truth, raw: Array) -> tuple[Array, float]:
    from scipy.optimize import minimize

    def value(v: Array) -> tuple[float, Array]:
        loss, slope = design.model.objective.loss(design.score(v), regulated)
        return loss, design.jacobian(v).T @ slope

    if not len(raw):
        return raw, value(raw)[0]
    found = minimize(value, raw, jac=True, method="BFGS", options={"gtol": 1e-6})
    if not np.isfinite(found.fun) or np.abs(found.jac).max() > 1e-3:
        got = f"gradient {np.abs(found.jac).max():.2g}: {found.message}"
        raise ConvergenceError(explain("the ranking did not settle", got, "a gradient near 0", "raise the temperature"))
    return np.asarray(found.x), float(found.fun)


def _sandwich(design: Design, regulated: Truth, raw: Array, genes: npt.NDArray[np.int64]) -> Array:
    """``A^-1 B A^-1``: expected information A, B of the scores summed by gene; a parameter at its bound is left out as NaN."""
    _, slope = design.model.objective.loss(design.score(raw), regulated)
    jacobian, p = design.jacobian(raw), slope + regulated
    information = jacobian.T @ (jacobian * (p * (1 - p))[:, None])
    bounded = np.array([np.isfinite(q.constraint.bounds).all() for q in design.model.parameters], bool)
    keep = ~(bounded & (np.abs(raw) > EDGE)) & (np.diag(information) > 1e-10)
    sums = np.zeros((genes.max() + 1, len(raw)))
    np.add.at(sums, genes, jacobian * slope[:, None])
    found = np.full((len(raw), len(raw)), np.nan)
    inner = np.ix_(keep, keep)
    bread, count = np.linalg.pinv(information[inner], rcond=1e-12), len(sums)
    found[inner] = bread @ (sums[:, keep].T @ sums[:, keep]) @ bread * count / max(count - 1, 1)
    return found


def _jackknife(design: Design, regulated: Truth, raw: Array, genes: npt.NDArray[np.int64]) -> Array:
    """Covariance of the estimates with each of ten groups of genes left out in turn."""
    if not len(raw):
        return np.zeros((0, 0))
    block = np.random.default_rng(0).permutation(int(genes.max()) + 1)[genes] % BLOCKS
    found = []
    for out in range(BLOCKS):
        kept = block != out
        part = Design(design.model, design.distance[kept], design.log_activity[kept], design.gates[kept])
        found.append(_ranking(part, regulated[kept], raw)[0])
    centred = np.array(found) - np.mean(found, axis=0)
    return np.asarray((BLOCKS - 1) / BLOCKS * centred.T @ centred)
