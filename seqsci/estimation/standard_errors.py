"""Covariance of estimates: observed information by exact scores, outer product, and their sandwich."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqsci.errors import ParameterError, explain

Array = np.ndarray
ScoreFunction = Callable[[Array, bool], tuple[Array, Array]]
"""theta, full -> gradient of the negative log-likelihood and, where full, the sum of outer products of its rows (else empty)."""

KINK_STEP, SMOOTH_STEP = 0.5, 1e-3
FEW_CLUSTERS = 30
"""Number of clusters below which a fit says that they are few."""


WELL_CONDITIONED = 1e-9
"""Ratio of the smallest to the largest eigenvalue above which a plain inverse serves."""
LOADING = 0.01
"""A parameter whose share in a direction without information (its entry of the unit vector) is larger is not identified."""


def invert(information: Array) -> Array:
    """Inverse of an information matrix; rows and columns of the parameters that it does not identify are NaN, the others finite.

    A parameter is not identified where it carries no information or loads on a direction (of the matrix scaled to a unit diagonal)
    without any; the others take the inverse on the remaining directions.
    """
    inverse, lost = identified_inverse(information)
    return _without(inverse, lost)


def identified_inverse(information: Array) -> tuple[Array, Array]:
    """Inverse on the directions that carry information, zero elsewhere; and which parameters are not identified (booleans)."""
    k = len(information)
    diagonal = np.diag(information)
    lost = ~np.isfinite(diagonal) | (diagonal == 0)
    inverse = np.zeros((k, k))
    kept = np.flatnonzero(~lost)
    matrix = information[np.ix_(kept, kept)]
    if not len(kept) or not np.isfinite(matrix).all():
        return inverse, np.ones(k, bool)
    scale = np.sqrt(np.abs(np.diag(matrix)))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    empty = values <= 1e-12 * values.max()
    lost[kept] = (np.abs(vectors[:, empty]) > LOADING).any(axis=1)
    good = vectors[:, ~empty]
    inverse[np.ix_(kept, kept)] = (good / values[~empty]) @ good.T / np.outer(scale, scale)
    return inverse, lost


def _without(covariance: Array, lost: Array) -> Array:
    """A covariance with NaN in the rows and columns of lost parameters."""
    return np.where(lost[:, None] | lost[None, :], np.nan, covariance)


def observed_information(score: ScoreFunction, theta: Array, rough: Array, outer: Array | None = None) -> Array:
    r"""Second derivative of the negative log-likelihood by central differences of the exact score.

    ``H_ij = (g_i(theta + h_j e_j) - g_i(theta - h_j e_j)) / 2 h_j``, made symmetric. A parameter that moves no kink takes
    ``h_j = 0.001`` outer-product standard errors (equal to the exact Hessian to about 1e-6); one that does (``rough``, booleans)
    takes 0.5, which averages over the kinks. Meant for a few rough parameters (the mean of TARCH): where every parameter moves the
    kinks, through a state, steps of that length leave the quadratic range, and `Kernel.information` (Gauss-Newton) is used instead.
    """
    outer = score(theta, True)[1] if outer is None else outer
    information = np.diag(outer)
    step = np.where(information > 0, SMOOTH_STEP / np.sqrt(np.maximum(information, 1e-300)), 1e-4)
    if rough.any():
        variance = np.diag(invert(outer))
        deviation = np.where(np.isfinite(variance), np.sqrt(np.maximum(variance, 0.0)), step / SMOOTH_STEP)
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

    def meat(self, outer: Array, rows: Callable[[], Array], group: Array) -> Array:
        """The sum of outer products, or what takes its place: made from ``rows()`` (scored rows, k), raw-scale scores, and their groups."""
        return outer

    def described(self, group: Array) -> str:
        """The name for tables, given the groups of the scored rows."""
        return self.name

    @abstractmethod
    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        """Covariance matrix from the sum of outer products of scores and, where it is asked for, the information."""

    @abstractmethod
    def plain(self, outer: Array, information: Array) -> Array:
        """The same for stacks (fits, k, k) of well-conditioned matrices, by plain inverses."""

    def variances(self, outer: Array, information: Array) -> Array:
        """Diagonals (fits, k) for stacks of matrices: plain where they are well conditioned, `estimate` elsewhere."""
        good = _well_conditioned(outer) & _well_conditioned(information)
        found = np.full(outer.shape[:2], np.nan)
        if good.any():
            found[good] = np.diagonal(self.plain(outer[good], information[good]), axis1=1, axis2=2)
        for j in np.flatnonzero(~good):
            found[j] = np.diag(self.estimate(outer[j], lambda j=j: information[j]))  # type: ignore[misc]
        return found


@dataclass(frozen=True)
class OuterProduct(Covariance):
    """Inverse of the sum of outer products of per-row scores (BHHH): right where the model is."""

    name = "outer product of scores"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        return invert(outer)

    def plain(self, outer: Array, information: Array) -> Array:
        return np.linalg.inv(outer)


@dataclass(frozen=True)
class ObservedInformation(Covariance):
    """Inverse of the information: right where the model is."""

    name = "information"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        return invert(information())

    def plain(self, outer: Array, information: Array) -> Array:
        return np.linalg.inv(information)


@dataclass(frozen=True)
class Posterior(Covariance):
    """Inverse of the information and the prior's precision together: Laplace's approximation of the posterior."""

    name = "posterior (Laplace)"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        return invert(information())

    def plain(self, outer: Array, information: Array) -> Array:
        return np.linalg.inv(information)


@dataclass(frozen=True)
class Sandwich(Covariance):
    """``H^-1 (sum of outer products) H^-1``: right for the pseudo-true parameters of a wrong density too.

    Source: Bollerslev and Wooldridge (1992), DOI 10.1080/07474939208800229.
    """

    name = "sandwich (robust)"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        bread, lost = identified_inverse(information())
        meat = np.where((lost[:, None] | lost[None, :]) & ~np.isfinite(outer), 0.0, outer)
        return _without(bread @ meat @ bread, lost)

    def plain(self, outer: Array, information: Array) -> Array:
        bread = np.linalg.inv(information)
        return np.asarray(bread @ outer @ bread)


@dataclass(frozen=True)
class ClusterSandwich(Covariance):
    """``H^-1 (sum over clusters of s_g s_g') H^-1 G / (G - 1)``, s_g the summed scores of a cluster: rows of one may depend on each other.

    Clusters are `Sequences.group`; ``seqsci.fit(..., cluster="column")`` reads them from a column. The law holds as their number G grows;
    below `FEW_CLUSTERS` the errors tend to be too small. A panel fits each series by itself, so it has no clusters and refuses.

    Source: Liang and Zeger (1986), DOI 10.1093/biomet/73.1.13; Cameron and Miller (2015), DOI 10.3368/jhr.50.2.317.
    """

    name = "cluster-robust sandwich"

    def meat(self, outer: Array, rows: Callable[[], Array], group: Array) -> Array:
        codes, place = np.unique(group, return_inverse=True)
        if len(codes) < 2:
            raise ParameterError(
                explain(
                    "cluster-robust errors need clusters",
                    f"{len(codes)} cluster in the scored rows",
                    f"at least 2, and {FEW_CLUSTERS} to be trusted",
                    'name their column: seqsci.fit(model, frame, cluster="column"), or set Sequences(group=...)',
                )
            )
        scores = rows()
        sums = np.zeros((len(codes), scores.shape[1]))
        np.add.at(sums, place, scores)
        return np.asarray(sums.T @ sums * (len(codes) / (len(codes) - 1)))

    def described(self, group: Array) -> str:
        count = len(np.unique(group))
        few = f" (fewer than {FEW_CLUSTERS}: errors tend to be too small)" if count < FEW_CLUSTERS else ""
        return f"{self.name}, {count} clusters{few}"

    def estimate(self, outer: Array, information: Callable[[], Array]) -> Array:
        return Sandwich().estimate(outer, information)

    def plain(self, outer: Array, information: Array) -> Array:
        raise _no_clusters()

    def variances(self, outer: Array, information: Array) -> Array:
        raise _no_clusters()


def _no_clusters() -> ParameterError:
    fix = "leave the covariance out, or fit the series together: seqsci.fit(model, frame, cluster='column')"
    return ParameterError(explain("a panel has no clusters", "ClusterSandwich", "a covariance of one series", fix))


def _well_conditioned(stack: Array) -> Array:
    """Which matrices (fits, k, k) are positive definite with room to spare, after scaling to a unit diagonal."""
    diagonal = np.diagonal(stack, axis1=1, axis2=2)
    sound = np.isfinite(stack).all(axis=(1, 2)) & (diagonal > 0).all(axis=1)
    good = sound.copy()
    scale = np.sqrt(diagonal[sound])
    values = np.linalg.eigvalsh(stack[sound] / (scale[:, :, None] * scale[:, None, :]))
    good[sound] = values[:, 0] > WELL_CONDITIONED * values[:, -1]
    return np.asarray(good)
