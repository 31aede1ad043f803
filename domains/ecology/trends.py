"""Low-frequency columns for a carrying capacity that bends."""

from __future__ import annotations

import numpy as np

from seqsci.errors import DataError, explain


def cosine_trend(years: np.ndarray, terms: int, first: int, last: int) -> dict[str, np.ndarray]:
    """Columns ``trend_1 ... trend_terms``: ``cos(pi j (year - first + 1/2) / (last - first + 1))`` for j = 1 ... terms.

    The slowest half waves over a span of years; over the whole span they are orthogonal to each other and to a constant. Years after
    ``last`` go on with the formula, so a forecast turns back with the cosines.

    Args:
        years: (rows,) calendar years.
        terms: number of columns, below the length of the span.
        first, last: the span in years, of the site or of the training window.

    Raises `DataError` where the span is too short.

    >>> cosine_trend(np.arange(2000, 2004), 1, 2000, 2003)["trend_1"].round(3)
    array([ 0.924,  0.383, -0.383, -0.924])
    """
    span = last - first + 1
    if not 1 <= terms < span:
        raise DataError(explain("the span is too short for the trend", f"{terms} terms, {span} years", "1 <= terms < years", "fewer terms"))
    place = (np.asarray(years, float) - first + 0.5) / span
    return {f"trend_{j}": np.cos(np.pi * j * place) for j in range(1, terms + 1)}
