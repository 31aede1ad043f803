"""A yes-or-no outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.equations.vocabulary import Expression, log, log1p, where
from seqsci.observations.base import Arrays, Observation
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class Bernoulli(Observation):
    """An outcome of 1 with a probability, else 0: ``log p`` or ``log(1 - p)``.

    | argument | unit | set | reading |
    |---|---|---|---|
    | probability | 1 | (0, 1) | probability of a 1 |
    """

    arguments = ("probability",)
    mass = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        p = given["probability"]
        return where(y > 0.5, log(p), log1p(-p))

    def information(self, given: Mapping[str, Expression]) -> dict[tuple[str, str], Expression]:
        p = given["probability"]
        return {("probability", "probability"): 1 / (p * (1 - p))}

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        return where(noise < given["probability"], 1.0, 0.0)

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(size=size)

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        return np.where(np.asarray(y) < 0, 0.0, np.where(np.asarray(y) < 1, 1 - np.asarray(given["probability"]), 1.0))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        return np.where(np.asarray(probability) <= 1 - np.asarray(given["probability"]), 0.0, 1.0)

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["probability"], float)

    def variance(self, given: Arrays) -> np.ndarray:
        p = np.asarray(given["probability"], float)
        return np.asarray(p * (1 - p))
