"""The Model Confidence Set: which of all candidates cannot be told from the best one."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqsci.errors import DataError, MissingExtraError, explain
from seqsci.evaluate.comparison import EQUAL
from seqsci.evaluate.resampling import automatic_block_length
from seqsci.evaluate.scores import diebold_mariano, finite_array

Array = np.ndarray


@dataclass(frozen=True)
class ConfidenceSet:
    """The models that are among the best with a given confidence.

    Attributes:
        score: the loss; size: one minus the confidence; block: mean block length (dates).
        p_values: by model, in the order given: the smallest size at which it is left out.
    """

    score: str
    size: float
    block: int
    p_values: Mapping[str, float]

    @property
    def included(self) -> tuple[str, ...]:
        """The models in the set."""
        return tuple(n for n, p in self.p_values.items() if p > self.size)


def model_confidence_set(
    losses: Array, names: Sequence[str], score: str, size: float = 0.10, resamples: int = 1000, seed: int = 0
) -> ConfidenceSet:
    """Return the Model Confidence Set of some candidates.

    The range statistic ``max_ij (mean_i - mean_j) / sd_ij`` is compared with its stationary bootstrap distribution; while it is too large
    the worst model leaves. Models whose mean difference and two (Newey-West) standard errors of it stay below the fourth decimal are one
    candidate: two optimisers at one maximum. The mean block length is the longest automatic one of a model's loss less the mean over the
    models, rounded up.

    Parameters: ``losses`` (rows, models), of a panel the mean over its series by date; ``names``; ``score``, how the loss is called;
    ``size``, one minus the confidence; ``resamples`` and ``seed`` of the bootstrap.
    Raises: DataError for losses that are not finite or not a table of 2 rows or more; MissingExtraError without arch.
    Source: Hansen, Lunde & Nason (2011), Econometrica 79, 453-497, DOI 10.3982/ECTA5771; computed by `arch.bootstrap.MCS`.

    >>> noise = np.random.default_rng(0).normal(size=(300, 1))
    >>> other = np.random.default_rng(1).normal(size=(300, 3))
    >>> model_confidence_set(noise + other + np.array([0.0, 0.0, 1.0]), ["a", "b", "c"], "MSE").included
    ('a', 'b')
    """
    table = finite_array("losses", losses)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] != len(names):
        got = f"shape {table.shape}, {len(names)} names"
        raise DataError(explain("losses are not a table of rows and models", got, "(rows, models), 2 rows or more", "score more dates"))
    twin = _twins(table)
    distinct = sorted(set(twin))
    if len(distinct) == 1:
        return ConfidenceSet(score, size, 1, dict.fromkeys(names, 1.0))
    try:
        bootstrap = importlib.import_module("arch.bootstrap")
    except ImportError as error:
        raise MissingExtraError("arch", "finance", "a Model Confidence Set") from error
    some = table[:, distinct]
    apart = some - some.mean(1, keepdims=True)
    block = min(math.ceil(max(automatic_block_length(column) for column in apart.T)), len(table))
    found = bootstrap.MCS(some, size, reps=resamples, block_size=block, method="R", bootstrap="stationary", seed=seed)
    found.compute()
    p_values = {distinct[int(i)]: float(p) for i, p in found.pvalues["Pvalue"].items()}
    return ConfidenceSet(score, size, block, {n: p_values[twin[i]] for i, n in enumerate(names)})


def _twins(table: Array) -> list[int]:
    """For each column the first one that it equals."""
    found: list[int] = []
    for i in range(table.shape[1]):
        pairs = ((j, diebold_mariano(table[:, i], table[:, j])) for j in sorted(set(found)))
        same = (j for j, test in pairs if abs(test.mean_difference) + 2.0 * test.standard_error < EQUAL)
        found.append(next(same, i))
    return found
