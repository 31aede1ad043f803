"""The Diebold-Mariano test for each of many series, and the correction for having made many tests."""

from __future__ import annotations

import numpy as np
from scipy import special

from seqsci.evaluate.scores import _cube_root_floor

Array = np.ndarray
COLUMNS = 256


def diebold_mariano_many(difference: Array, offsets: Array) -> tuple[Array, Array]:
    """Return standard error and p-value of the mean difference of each series, as `seqsci.evaluate.scores.diebold_mariano` has them.

    Parameters: ``difference`` (rows,), series after series; ``offsets`` (series + 1,), row numbers at which they begin. A series of
    fewer than 2 rows has p = 1.
    Shapes: -> (series,), (series,).
    Source: Diebold & Mariano (1995), DOI 10.1080/07350015.1995.10524599.

    >>> standard_error, p = diebold_mariano_many(np.array([-0.5, 0.5, -1.0, -1.0, 1.0]), np.array([0, 4, 5]))
    >>> p.round(4)
    array([0.0736, 1.    ])
    """
    count = np.diff(offsets)
    mean = np.add.reduceat(difference, offsets[:-1]) / count
    lags = np.array([_cube_root_floor(int(n)) for n in count])
    variance = np.empty(len(count))
    for a in range(0, len(count), COLUMNS):
        some = slice(a, min(a + COLUMNS, len(count)))
        many = some.stop - some.start
        rows = slice(int(offsets[a]), int(offsets[some.stop]))
        column = np.repeat(np.arange(many), count[some])
        place = np.arange(rows.start, rows.stop) - offsets[some][column]
        centred = np.zeros((int(count[some].max()), many))
        centred[place, column] = difference[rows] - mean[some][column]
        total = np.einsum("ti,ti->i", centred, centred)
        for lag in range(1, int(lags[some].max()) + 1):
            weight = 2.0 * np.maximum(0.0, 1.0 - lag / (lags[some] + 1.0))
            total += weight * np.einsum("ti,ti->i", centred[lag:], centred[: len(centred) - lag])
        variance[some] = np.maximum(0.0, total) / count[some]
    error = np.sqrt(variance / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(mean == 0.0, 0.0, np.abs(mean) / error)
    return error, np.where(count < 2, 1.0, 2.0 * special.ndtr(-statistic))


def holm(p_values: Array, level: float = 0.05) -> Array:
    """Return which hypotheses are rejected when the chance of a single false rejection is to stay below ``level``.

    Formula: the k-th smallest p-value is compared with ``level / (n - k + 1)``, up to the first that is not below. Valid whatever the
    dependence between the tests is, as that of stocks which share shocks.

    Shapes: (n,) -> (n,) booleans.
    Source: Holm (1979), Scandinavian J. Statistics 6, 65-70 (no DOI).

    >>> holm(np.array([0.01, 0.04, 0.02]))
    array([ True,  True,  True])
    """
    order = np.argsort(p_values, kind="stable")
    below = p_values[order] <= level / np.arange(len(p_values), 0, -1)
    rejected = np.zeros(len(p_values), bool)
    rejected[order] = np.logical_and.accumulate(below)
    return rejected
