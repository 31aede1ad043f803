"""Bootstrap of a mean over series that draws clusters: series of one data source move together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seqsci.errors import DataError, ParameterError, explain
from seqsci.evaluate.equivalence import codes_of
from seqsci.evaluate.joint_bootstrap import Estimate
from seqsci.evaluate.scores import finite_series

Array = npt.NDArray[np.float64]


def cluster_bootstrap(
    values: npt.ArrayLike, clusters: npt.ArrayLike, resamples: int = 4000, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Return the mean of values with the percentile interval of a bootstrap that draws whole clusters.

    Formula: with ``n_bg``, how often resample b has cluster g, its mean is ``sum_g n_bg sum_{i in g} x_i / sum_g n_bg size_g``; the
    interval are its quantiles ``(1 -+ level) / 2``. The same seed draws the same clusters, so that all comparisons share them.

    Parameters: ``values`` x, one per series (any unit); ``clusters``, its label; ``resamples``; ``seed``; ``level`` (a fraction).
    Shapes: (series,), (series,) -> scalars.
    Raises: DataError for values that are not finite, lengths that differ, and a single cluster; ParameterError unless 0 < level < 1.
    Source: Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8, DOI 10.1017/CBO9780511802843.

    >>> cluster_bootstrap([1.0, 1.0, 3.0], ["a", "a", "b"]).value.__round__(3)
    1.667
    """
    x, code = finite_series("values", values), codes_of(clusters)
    if code.shape != x.shape:
        raise DataError(explain("values and clusters do not match", f"{x.shape}, {code.shape}", "a label per value", "align them"))
    if not 0.0 < level < 1.0:
        raise ParameterError(explain("level is not a probability", level, "0 < level < 1", "pass the coverage, as 0.95"))
    sums, sizes = np.bincount(code, x), np.bincount(code).astype(float)
    if len(sums) < 2:
        raise DataError(explain("one cluster has no spread", "1 cluster", "2 or more", "cluster by something finer"))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(sums), np.full(len(sums), 1.0 / len(sums)), size=resamples)
    means = (draws @ sums) / (draws @ sizes)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Estimate(float(x.mean()), float(low), float(high))
