"""The Canadian lynx counts, embedded: the domain's default series."""

from __future__ import annotations

import numpy as np
import pandas as pd

FIRST_YEAR = 1821
COUNTS = (
    (269, 321, 585, 871, 1475, 2821, 3928, 5943, 4950, 2577, 523, 98, 184, 279, 409, 2285, 2685, 3409, 1824),
    (409, 151, 45, 68, 213, 546, 1033, 2129, 2536, 957, 361, 377, 225, 360, 731, 1638, 2725, 2871, 2119),
    (684, 299, 236, 245, 552, 1623, 3311, 6721, 4254, 687, 255, 473, 358, 784, 1594, 1676, 2251, 1426, 756),
    (299, 201, 229, 469, 736, 2042, 2811, 4431, 2511, 389, 73, 39, 49, 59, 188, 377, 1292, 4031, 3495),
    (587, 105, 153, 387, 758, 1307, 3465, 6991, 6313, 3794, 1836, 345, 382, 808, 1388, 2713, 3800, 3091, 2985),
    (3790, 674, 81, 80, 108, 229, 399, 1132, 2432, 3574, 2935, 1537, 529, 485, 662, 1000, 1590, 2657, 3396),
)
"""Skins traded in the Mackenzie River district, 19 years a line."""


def lynx() -> pd.DataFrame:
    """Return the 114 lynx counts 1821-1934 of the Mackenzie River district in the one frame.

    Columns: series_id "lynx", species, year, count [skins traded], unit, cluster. They are harvests, not abundance. 1867 is 4254 as in
    the statistical literature; the Global Population Dynamics Database has 4245 there, and the same numbers in all other years.
    Source: Elton & Nicholson (1942), J. Animal Ecology 11, 215-244, DOI 10.2307/1358.

    >>> frame = lynx()
    >>> len(frame), frame["year"].iloc[-1].item(), frame["count"].max().item()
    (114, 1934, 6991.0)
    """
    count = np.concatenate([np.asarray(line, float) for line in COUNTS])
    year = np.arange(FIRST_YEAR, FIRST_YEAR + len(count))
    facts = {"series_id": "lynx", "species": "Lynx canadensis", "unit": "skins traded", "cluster": "Elton & Nicholson 1942"}
    return pd.DataFrame({**facts, "year": year, "count": count})[["series_id", "species", "year", "count", "unit", "cluster"]]
