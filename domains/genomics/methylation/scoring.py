"""Scores of forecast fractions: likelihood a read, splits by 1 Mb blocks, and intervals that resample whole blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def read_losses(methylated: Array, coverage: Array, probability: Array) -> Array:
    """(sites,) ``-(m log p + (n - m) log(1 - p))`` [nats]; the number of reads is in `coverage`.

    Raises: DataError for a forecast outside (0, 1) or more methylated reads than coverage.
    """
    m, n, p = (np.asarray(v, float) for v in (methylated, coverage, probability))
    if not ((p > 0) & (p < 1)).all() or (m > n).any() or (m < 0).any():
        got = f"p from {np.min(p):.3g} to {np.max(p):.3g}, {int((m > n).sum())} sites with methylated > coverage"
        raise DataError(explain("forecasts cannot be scored", got, "0 < p < 1, 0 <= methylated <= coverage", "check both"))
    return np.asarray(-(m * np.log(p) + (n - m) * np.log1p(-p)))


def folds(block: Codes, number: int = 5) -> Codes:
    """(sites,) fold of each site: blocks are dealt in turn along the genome, so that no block is cut.

    >>> folds(np.array([0, 0, 1, 2, 3]), 2).tolist()
    [0, 0, 1, 0, 1]
    """
    blocks = np.unique(block)
    if not 2 <= number <= len(blocks):
        raise DataError(
            explain("too few blocks to split", f"{len(blocks)} blocks, {number} folds", "2 folds or more, a block each", "use longer data")
        )
    return np.asarray(np.searchsorted(blocks, block) % number, np.int64)


@dataclass(frozen=True)
class Paired:
    """A difference of two mean losses a read [nats] with the interval of the block bootstrap."""

    difference: float
    low: float
    high: float
    blocks: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves out 0: only then is one said to be better."""
        return not self.low <= 0.0 <= self.high


def paired_interval(
    first: Array, second: Array, reads: Array, block: Codes, resamples: int = 4000, level: float = 0.95, seed: int = 0
) -> Paired:
    """Mean loss a read of ``first`` minus that of ``second``, with the percentile interval over resampled 1 Mb blocks.

    Formula: ``sum_b w_b D_b / sum_b w_b N_b``, with D_b the summed differences and N_b the reads of a block, w multinomial. Sites of one
    block are kept together, because neighbours share their errors.

    Args:
        first, second: (sites,) summed losses of a site; reads: (sites,); block: (sites,).

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, DOI 10.1017/CBO9780511802843.

    >>> paired_interval(np.array([1.0, 2.0]), np.array([1.0, 1.0]), np.ones(2), np.array([0, 1])).difference
    0.5
    """
    codes = np.unique(block, return_inverse=True)[1]
    count = int(codes.max()) + 1
    if count < 2:
        raise DataError(explain("one block has no bootstrap", count, "2 blocks or more", "use longer data, or smaller blocks"))
    d, n = np.bincount(codes, first - second, count), np.bincount(codes, reads, count)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    low, high = np.quantile((weights @ d) / (weights @ n), [0.5 - level / 2, 0.5 + level / 2])
    return Paired(float(d.sum() / n.sum()), float(low), float(high), count)
