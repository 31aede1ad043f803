"""Logistic regression of counts given coverage: reads are the weight, nothing is repeated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.errors import ConvergenceError, DataError, explain

Array = npt.NDArray[np.float64]
ROUNDS = 50


@dataclass(frozen=True, eq=False)
class BinomialRegression:
    """``logit p = b_0 + b . (x - centre) / scale``, fitted by penalised maximum likelihood of binomial counts (ridge on b, in reads).

    Attributes:
        coefficients: (1 + columns,); centre, scale: (columns,) of the training rows; log_likelihood: [nats, constants left out].

    Source: McCullagh and Nelder (1989), Generalized Linear Models, DOI 10.1007/978-1-4899-3242-6.
    """

    coefficients: Array
    centre: Array
    scale: Array
    log_likelihood: float

    def probability(self, features: Array) -> Array:
        """(sites,) fitted fraction; inside (0, 1)."""
        x = (np.asarray(features, float) - self.centre) / self.scale
        return np.asarray(np.clip(special.expit(self.coefficients[0] + x @ self.coefficients[1:]), 1e-6, 1 - 1e-6))


def fit_regression(features: Array, methylated: Array, coverage: Array, ridge: float = 1.0) -> BinomialRegression:
    """Newton steps with halving, on standardised columns.

    Raises: DataError for no reads, or tables that do not fit; ConvergenceError where the maximum is not reached.
    """
    x, m, n = np.asarray(features, float), np.asarray(methylated, float), np.asarray(coverage, float)
    if len(x) != len(m) or len(m) != len(n) or not n.sum() > 0 or not np.isfinite(x).all() or (m > n).any() or ridge < 0:
        got = f"features {x.shape}, {len(m)} counts, {n.sum():g} reads, ridge {ridge}"
        raise DataError(explain("no regression of these counts", got, "finite rows, reads, methylated <= coverage", "check the tables"))
    centre, spread = x.mean(0), x.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(x)), (x - centre) / scale])
    penalty = np.r_[1e-9, np.full(x.shape[1], ridge)]

    def objective(b: Array) -> float:
        eta = design @ b
        return float(n @ np.logaddexp(0.0, eta) - m @ eta + 0.5 * penalty @ b**2)

    b = np.zeros(design.shape[1])
    b[0] = special.logit((m.sum() + 0.5) / (n.sum() + 1))
    value = objective(b)
    for _ in range(ROUNDS):
        p = special.expit(design @ b)
        gradient = design.T @ (m - n * p) - penalty * b
        step = np.linalg.solve((design * (n * p * (1 - p))[:, None]).T @ design + np.diag(penalty), gradient)
        length = 1.0
        while length > 1e-6 and objective(b + length * step) > value:
            length /= 2
        b = b + length * step
        fresh = objective(b)
        if value - fresh < 1e-9 * abs(value) + 1e-9:
            return BinomialRegression(b, centre, scale, float(-(fresh - 0.5 * penalty @ b**2)))
        value = fresh
    advice = "raise ridge, or drop columns that repeat others"
    raise ConvergenceError(explain("the regression did not converge", f"{ROUNDS} steps", "a maximum", advice))
