"""A panel of log counts with training and test windows: which series enter, what a zero becomes, where the test window begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.ecology.reading.frame import regular
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Which series are forecast, and on which years.

    Attributes:
        test_tenths: the last tenths of the span of years that are the test window (3 = 30 %).
        least_observed: observed years in the training window, at least.
        longest_span: span of years in observed years, at most.
    """

    test_tenths: int = 3
    least_observed: int = 12
    longest_span: float = 2.0

    def __post_init__(self) -> None:
        if not (0 < self.test_tenths < 10 and self.least_observed >= 3 and self.longest_span >= 1.0):
            expected = "0 < test_tenths < 10, least_observed >= 3, longest_span >= 1"
            raise DataError(explain("the selection is not usable", self, expected, "correct it"))


@dataclass(frozen=True, eq=False)
class CountPanel:
    """Log counts of many series, series after series, years consecutive.

    Attributes:
        series: (n,) names; cluster: (n,) labels of what shares shocks (the series' own name where the frame has no clusters).
        offsets: (n + 1,) rows at which series begin; first: (n,) position within the series at which its test window begins.
        year: (rows,); log_count: (rows,) natural logarithm of the count, NaN = missing.
        zero_value: (n,) count that stands for a zero: half the smallest positive one of the training window [abundance].
        zeros: (n,) zeros in the whole series.
        refused: by series that does not enter, the reason.
    """

    series: tuple[str, ...]
    cluster: tuple[str, ...]
    offsets: Index
    first: Index
    year: Index
    log_count: Array
    zero_value: Array
    zeros: Index
    refused: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.series)

    def values(self, i: int) -> Array:
        """Log counts of series number i (years,)."""
        return self.log_count[self.offsets[i] : self.offsets[i + 1]]

    @property
    def test_rows(self) -> Index:
        """Rows of the test windows, missing years included."""
        parts = [np.arange(self.offsets[i] + self.first[i], self.offsets[i + 1]) for i in range(len(self))]
        return np.concatenate(parts)

    @property
    def test_series(self) -> Index:
        """Number of the series of each of ``test_rows``."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets) - self.first)

    @property
    def zero_notes(self) -> tuple[str, ...]:
        """What a zero is worth in these windows, and by name where that is more than a positive count of later years."""
        having = [int(i) for i in np.flatnonzero(self.zeros > 0)]
        if not having:
            return ()
        worth = ", ".join(f"{self.series[i]} {self.zero_value[i]:g}" for i in having[:5])
        more = f" and {len(having) - 5} more series" if len(having) > 5 else ""
        rule = "half the smallest positive count of the first 70 % of its series' years, so that no later count decides"
        notes = [f"in this comparison a zero is taken as {rule}: {worth}{more}"]
        for i in having:
            least = float(np.nanmin(self.values(i)))
            if least < np.log(self.zero_value[i]) - 1e-9:
                at = int(np.nanargmin(self.values(i)))
                year, count = self.year[self.offsets[i] + at], np.exp(least)
                got = f"{self.series[i]}: a zero counts as {self.zero_value[i]:g} there, more than the {count:g} counted in {year}"
                notes.append(f"WARNING: {got}; scores of its zeros say little")
        return tuple(notes[:6]) + ((f"WARNING: {len(notes) - 6} more series alike",) if len(notes) > 6 else ())

    def some(self, chosen: npt.ArrayLike) -> CountPanel:
        """The panel of these series (numbers or a mask)."""
        keep = np.arange(len(self))[np.asarray(chosen)]
        rows = np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in keep])
        lengths = np.diff(self.offsets)[keep]
        return CountPanel(
            tuple(self.series[i] for i in keep),
            tuple(self.cluster[i] for i in keep),
            np.r_[0, np.cumsum(lengths)],
            self.first[keep],
            self.year[rows],
            self.log_count[rows],
            self.zero_value[keep],
            self.zeros[keep],
            self.refused,
        )


def count_panel(frame: pd.DataFrame, selection: Selection | None = None) -> CountPanel:
    """Return the series of a frame that can be forecast, with their windows; the others are named with the reason.

    The test window is the last 30 % of the span of years, rounded down. A zero becomes half the smallest positive count of the training
    window, so that no later count decides what an earlier zero is worth.

    Args:
        frame: the one frame (`seqsci.domains.ecology.reading.frame.checked`).
        selection: by default span <= 2 x observed years, >= 12 observed training years, one of them positive.

    Raises: DataError as `regular`, and where no series enters.

    >>> from seqsci.domains.ecology.reading.lynx import lynx
    >>> panel = count_panel(lynx())
    >>> panel.series, panel.first.tolist(), panel.year[panel.test_rows[0]].item()
    (('lynx',), [80], 1901)
    """
    rule = selection or Selection()
    full = regular(frame)
    names: list[str] = []
    clusters: list[str] = []
    values: list[Array] = []
    years: list[Index] = []
    firsts: list[int] = []
    worth: list[float] = []
    zeros: list[int] = []
    refused: dict[str, str] = {}
    for name, rows in full.groupby("series_id", sort=True):
        count = rows["count"].to_numpy(float)
        first = len(count) - rule.test_tenths * len(count) // 10
        train = count[:first]
        seen = int(np.isfinite(train).sum())
        reason = ""
        if len(count) > rule.longest_span * np.isfinite(count).sum():
            reason = f"{len(count)} years with {int(np.isfinite(count).sum())} observed"
        elif seen < rule.least_observed:
            reason = f"{seen} observed training years, {rule.least_observed} are needed"
        elif not (train > 0).any():
            reason = "no positive count in the training window"
        if reason:
            refused[str(name)] = reason
            continue
        least = float(train[train > 0].min()) / 2.0
        names.append(str(name))
        clusters.append(str(rows["cluster"].iloc[0]) if "cluster" in rows and pd.notna(rows["cluster"].iloc[0]) else str(name))
        values.append(np.log(np.where(count == 0, least, count)))
        years.append(rows["year"].to_numpy(np.int64))
        firsts.append(first)
        worth.append(least)
        zeros.append(int((count == 0).sum()))
    if not names:
        got = "; ".join(f"{k}: {v}" for k, v in list(refused.items())[:3])
        raise DataError(explain("no series can be forecast", got, str(rule), "pass longer series, or a Selection that asks for less"))
    offsets = np.r_[0, np.cumsum([len(v) for v in values])]
    whole, log_count = np.concatenate(years), np.concatenate(values)
    where = (np.asarray(firsts), whole, log_count, np.asarray(worth), np.asarray(zeros))
    return CountPanel(tuple(names), tuple(clusters), offsets, *where, refused)
