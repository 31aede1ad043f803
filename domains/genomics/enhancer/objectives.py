"""What a fit of pairs makes large: a likelihood, or how well regulated pairs are ranked above the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.errors import ParameterError, explain

Array = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


class Objective(ABC):
    """Abstract base: a loss of log odds (or log scores) and labels, and its gradient by each of them."""

    @property
    @abstractmethod
    def calibrated(self) -> bool:
        """Whether an intercept and a slope are identified, so that scores are log odds; a ranking knows the order alone."""

    @abstractmethod
    def loss(self, score: Array, regulated: Truth) -> tuple[float, Array]:
        """Loss, a sum or mean over pairs, and its gradient (n,)."""


@dataclass(frozen=True)
class Likelihood(Objective):
    """Bernoulli likelihood of log odds: ``sum log(1 + exp(eta)) - y eta`` [nats]."""

    @property
    def calibrated(self) -> bool:
        return True

    def loss(self, score: Array, regulated: Truth) -> tuple[float, Array]:
        probability = _sigmoid(score)
        return float(np.logaddexp(0.0, score).sum() - score[regulated].sum()), probability - regulated


@dataclass(frozen=True)
class SmoothAveragePrecision(Objective):
    """One minus average precision, ranks smoothed: the listwise surrogate of the area under the precision-recall curve.

    Formula: ``1 - mean over regulated i of (1 + sum_j regulated s_ij) / (1 + sum_j s_ij)``, ``s_ij = sigmoid((eta_j - eta_i) / T)``,
    j over all other pairs. As T falls to 0 it becomes one minus average precision.

    Attributes: temperature: T, in the unit of the log score; the larger, the smoother.
    Source: Brown et al. (2020), Smooth-AP, DOI 10.1007/978-3-030-58545-7_39.
    """

    temperature: float = 0.2

    def __post_init__(self) -> None:
        _check(self.temperature)

    @property
    def calibrated(self) -> bool:
        return False

    def loss(self, score: Array, regulated: Truth) -> tuple[float, Array]:
        from seqsci.domains.genomics.enhancer.ranking_kernel import smooth_average_precision

        value, gradient = smooth_average_precision(score, np.flatnonzero(regulated), regulated, self.temperature)
        return 1.0 - value, -gradient


@dataclass(frozen=True)
class PairwiseRanking(Objective):
    """Mean over a regulated and an unregulated pair of ``T log(1 + exp((eta_j - eta_i) / T))``: a smooth area under the ROC curve.

    Attributes: temperature: T, in the unit of the log score.
    Source: Burges et al. (2005), RankNet, DOI 10.1145/1102351.1102363.
    """

    temperature: float = 0.2

    def __post_init__(self) -> None:
        _check(self.temperature)

    @property
    def calibrated(self) -> bool:
        return False

    def loss(self, score: Array, regulated: Truth) -> tuple[float, Array]:
        from seqsci.domains.genomics.enhancer.ranking_kernel import pairwise

        value, gradient = pairwise(score, np.flatnonzero(regulated), np.flatnonzero(~regulated), self.temperature)
        return value, gradient


def _check(temperature: float) -> None:
    if not 0 < temperature < np.inf:
        raise ParameterError(explain("the temperature of a ranking", temperature, "above 0", "0.2 is a fifth of a factor e"))


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, e) / (1.0 + e))
