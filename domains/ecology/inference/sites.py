"""From a long frame of counts to sites: years made regular, zeros offset, every fault named at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.errors import DataError, did_you_mean, explain

Array = np.ndarray
FEWEST = 12
"""Observed years below which a series says nothing about phi beside a trend."""


@dataclass(frozen=True)
class Site:
    """A series of log counts (years,), NaN where nobody counted; ``variance`` of counting and ``covariate`` of log K where given."""

    name: str
    cluster: str
    first_year: int
    log_count: Array
    variance: Array | None = None
    covariate: Array | None = None

    @property
    def observed(self) -> Array:
        """Which years (years,) have a count."""
        return np.asarray(np.isfinite(self.log_count))


def read_sites(
    frame: pd.DataFrame, cluster: str | None = None, error_column: str | None = None, covariate: str | None = None, fewest: int = FEWEST
) -> tuple[Site, ...]:
    """Sites of a long frame ``series_id, year, count``.

    Args:
        cluster: column that names the source of a series; without it each site is its own.
        error_column: column of standard deviations of log counts, one an observed year.
        covariate: column that drives log K; every year from the first to the last count needs a value.
        fewest: observed years that a series must have.

    Years between the first and the last count that have no row are missing years. Zeros become half the smallest positive count of their
    series: inference reads the whole series, nothing is forecast here. Raises `DataError` with every fault found.
    """
    wanted = ["series_id", "year", "count", *(c for c in (cluster, error_column, covariate) if c)]
    columns = [str(c) for c in getattr(frame, "columns", [])]
    absent = [f"{n!r}{did_you_mean(n, columns)}" for n in wanted if n not in columns]
    if absent:
        raise DataError(explain(f"no column {', '.join(absent)}", columns, wanted, "rename the columns of the frame"))
    faults: list[str] = []
    sites: list[Site] = []
    if frame["series_id"].isna().any() or frame["year"].isna().any():
        faults.append("rows without series_id or year")
    for name, rows in frame.dropna(subset=["series_id", "year"]).groupby("series_id", sort=True):
        try:
            sites.append(_site(str(name), rows, cluster, error_column, covariate, fewest))
        except DataError as error:
            faults.append(str(error))
    if not faults and not sites:
        faults.append("the frame has no rows")
    if faults:
        more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
        expected = f"whole years once each, counts >= 0 that vary, at least {fewest} observed years a series"
        fix = "drop or repair these series; fewer trend terms need fewer years"
        raise DataError(explain("density dependence cannot be estimated from this frame", "; ".join(faults[:8]) + more, expected, fix))
    return tuple(sites)


def _site(name: str, rows: pd.DataFrame, cluster: str | None, error_column: str | None, covariate: str | None, fewest: int) -> Site:
    year = pd.to_numeric(rows["year"], errors="coerce").to_numpy(float)
    count = pd.to_numeric(rows["count"], errors="coerce").to_numpy(float)
    if not np.all(year == np.floor(year)):
        raise DataError(f"{name}: a year is not a whole number")
    if len(np.unique(year)) < len(year):
        raise DataError(f"{name}: year {int(next(y for y in year if (year == y).sum() > 1))} twice")
    if rows["count"].notna().sum() > np.isfinite(count).sum():
        raise DataError(f"{name}: a count is not a finite number")
    if (count < 0).any():
        raise DataError(f"{name}: a negative count ({np.nanmin(count):g})")
    seen = np.isfinite(count)
    if seen.sum() < fewest:
        raise DataError(f"{name}: {int(seen.sum())} observed years")
    if not (count > 0).any():
        raise DataError(f"{name}: no positive count")
    if np.ptp(count[seen]) == 0:
        raise DataError(f"{name}: every count is {count[seen][0]:g}")
    first, last = int(year[seen].min()), int(year[seen].max())
    length = last - first + 1
    if length > 100 * seen.sum():
        raise DataError(f"{name}: {int(seen.sum())} observed years within {length}")
    inside = (year >= first) & (year <= last)
    place = (year[inside] - first).astype(int)
    log_count = np.full(length, np.nan)
    smallest = count[count > 0].min()
    log_count[place] = np.log(np.where(count == 0, smallest / 2, count))[inside]

    def column(label: str) -> Array:
        values = np.full(length, np.nan)
        values[place] = pd.to_numeric(rows[label], errors="coerce").to_numpy(float)[inside]
        return values

    variance = driver = None
    if error_column:
        variance = column(error_column) ** 2
        if not np.isfinite(variance[np.isfinite(log_count)]).all():
            raise DataError(f"{name}: an observed year without {error_column}")
        variance = np.where(np.isfinite(log_count), variance, 0.0)
    if covariate:
        driver = column(covariate)
        if not np.isfinite(driver).all():
            raise DataError(f"{name}: {covariate} is missing in {first + int(np.flatnonzero(~np.isfinite(driver))[0])}")
        if np.ptp(driver) == 0:
            raise DataError(f"{name}: {covariate} does not vary")
    sources = rows[cluster].dropna().unique() if cluster else [name]
    if len(sources) != 1:
        raise DataError(f"{name}: {len(sources)} values of {cluster}")
    return Site(name, str(sources[0]), first, log_count, variance, driver)
