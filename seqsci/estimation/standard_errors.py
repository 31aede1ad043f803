"""Covariance of estimates: observed information by exact scores, outer product, and their sandwich."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
ScoreFunction = Callable[[Array, bool], tuple[Array, Array]]
"""theta, full -> gradient of the negative log-likelihood and, where full, the sum of outer products of its rows (else empty)."""

KINK_STEP, SMOOTH_STEP = 0.5, 1e-3


def invert(information: Array) -> Array:
    """Inverse of an information matrix after scaling to a unit diagonal; directions without information give NaN."""
    scale = np.sqrt(np.abs(np.diag(information)))
    if not np.isfinite(information).all() or (scale == 0).any():
        return np.full_like(information, np.nan)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values.min() <= 1e-12 * values.max():
        return np.full_like(information, np.nan)
    result: Array = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return result


def observed_information(score: ScoreFunction, theta: Array, rough: Array, outer: Array | None = None) -> Array:
    r"""Second derivative of the negative log-likelihood by central differences of the exact score.

    ``H_ij = (g_i(theta + h_j e_j) - g_i(theta - h_j e_j)) / 2 h_j``, made symmetric. A parameter that moves no kink takes
    ``h_j = 0.001`` outer-product standard errors (equal to the exact Hessian to about 1e-6); one that does (``rough``, booleans)
    takes 0.5, which averages over the kinks. Meant for a few rough parameters (the mean of TARCH): where every parameter moves the
    kinks, through a state, steps of that length leave the quadratic range, and `gauss_newton_information` is used instead.
    """
    outer = score(theta, True)[1] if outer is None else outer
    information = np.diag(outer)
    step = np.where(information > 0, SMOOTH_STEP / np.sqrt(np.maximum(information, 1e-300)), 1e-4)
    if rough.any():
        covariance = invert(outer)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0)) if np.isfinite(covariance).all() else step / SMOOTH_STEP
        step = np.where(rough, KINK_STEP * deviation, step)
    hessian = np.empty((len(theta), len(theta)))
    for j, h in enumerate(step):
        e = np.zeros(len(theta))
        e[j] = h
        hessian[:, j] = (score(theta + e, False)[0] - score(theta - e, False)[0]) / (2 * h)
    return (hessian + hessian.T) / 2


class Covariance(ABC):
    """Abstract base of the ways to estimate the covariance of estimates."""

    name: str

    @abstractmethod
    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        """Covariance matrix from the sum of outer products of scores and, where it is asked for, the information."""


@dataclass(frozen=True)
class OuterProduct(Covariance):
    """Inverse of the sum of outer products of per-row scores (BHHH): right where the model is."""

    name = "outer product of scores"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        return invert(outer)


@dataclass(frozen=True)
class ObservedInformation(Covariance):
    """Inverse of the information: right where the model is."""

    name = "information"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        return invert(information())


@dataclass(frozen=True)
class Sandwich(Covariance):
    """``H^-1 (sum of outer products) H^-1``: right for the pseudo-true parameters of a wrong density too.

    Source: Bollerslev and Wooldridge (1992), DOI 10.1080/07474939208800229.
    """

    name = "sandwich (robust)"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        bread = invert(information())
        result: Array = bread @ outer @ bread
        return result
