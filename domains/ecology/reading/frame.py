"""The long frame of annual counts: what it must hold, and its checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seqsci.errors import DataError, did_you_mean, explain

REQUIRED = ("series_id", "year", "count")
"""Columns of every frame of counts: name of the series, calendar year, count (any unit, NaN = missing)."""


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame sorted by series and year with ``series_id`` as text, ``year`` as integers and ``count`` as floats.

    Rows that are out of order are sorted: the year says where they belong. Everything else that cannot be right is refused.

    Args:
        frame: columns series_id, year, count [any unit of abundance]; others are kept.

    Shapes: (rows,) -> (rows,).
    Raises: DataError for missing columns, no rows, years that are not whole numbers, a year twice in a series, and counts that are no
        numbers, infinite or negative.

    >>> checked(pd.DataFrame({"series_id": "a", "year": [2001, 2000], "count": [3, 4]}))["count"].tolist()
    [4.0, 3.0]
    """
    columns = [str(c) for c in frame.columns]
    if missing := [c for c in REQUIRED if c not in columns]:
        hints = ", ".join(f"{c!r}{did_you_mean(c, columns)}" for c in missing)
        raise DataError(explain(f"missing column {hints}", f"columns {columns}", f"columns {list(REQUIRED)}", "rename or add it"))
    if frame.empty:
        raise DataError(explain("the frame of counts is empty", "0 rows", "one row a series and year", "check what was read"))
    count = _numbers(frame["count"], "count")
    year = _years(frame["year"])
    if (strange := ~np.isfinite(year) | (year != np.round(year))).any():
        got = f"{frame['year'].to_numpy()[strange][0]!r} and {int(strange.sum()) - 1} more"
        raise DataError(explain("a year is not a whole number", got, "calendar years such as 1959", "round or drop these rows"))
    names = frame["series_id"].astype(str).to_numpy()
    faults = []
    for kind, bad in (("negative", count < 0), ("infinite", np.isinf(count))):
        if bad.any():
            row = int(np.argmax(bad))
            faults.append(f"{int(bad.sum())} {kind}, the first {count[row]:g} in series {names[row]!r}, year {year[row]:.0f}")
    if faults:
        raise DataError(explain("counts outside [0, inf)", "; ".join(faults), "counts >= 0, NaN where missing", "correct them, or set NaN"))
    result = frame.assign(series_id=names, year=year.astype(np.int64), count=count)
    result = result.sort_values(["series_id", "year"], kind="stable", ignore_index=True)
    if (twice := result.duplicated(["series_id", "year"])).any():
        first = result[twice].iloc[0]
        got = f"{int(twice.sum())} rows too many, the first in series {first['series_id']!r}, year {first['year']}"
        raise DataError(explain("a year occurs twice in a series", got, "one row a series and year", "aggregate or drop the repeated rows"))
    return result


def regular(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with consecutive years from the first to the last observed count of each series; missing years are NaN rows.

    ``cluster``, ``species``, ``unit`` and ``source`` are constant within a series and are filled in where they were; other columns stay
    NaN in the years that were added. A series without any observed count is refused.

    Shapes: (rows,) -> (rows and added years,).
    Raises: DataError as `checked`, and for series without an observed count.

    >>> regular(pd.DataFrame({"series_id": "a", "year": [2000, 2002], "count": [4.0, 3.0]}))["count"].tolist()
    [4.0, nan, 3.0]
    """
    parts, empty = [], []
    for name, rows in checked(frame).groupby("series_id", sort=True):
        seen = rows["year"][rows["count"].notna()]
        if seen.empty:
            empty.append(str(name))
            continue
        years = pd.RangeIndex(int(seen.iloc[0]), int(seen.iloc[-1]) + 1, name="year")
        full = rows.set_index("year").reindex(years).reset_index()
        constant = [c for c in ("series_id", "cluster", "species", "unit", "source") if c in full]
        full[constant] = full[constant].ffill().bfill()
        parts.append(full[list(rows.columns)])
    if empty:
        got = f"{len(empty)} series, such as {', '.join(empty[:3])}"
        raise DataError(explain("series without an observed count", got, "one at least", "drop these series"))
    return pd.concat(parts, ignore_index=True)


def integer_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame where all observed counts are whole numbers, as a count model (Poisson, negative binomial) needs.

    Raises: DataError that says how many are not: indices and densities are modelled as log counts instead.

    >>> len(integer_counts(pd.DataFrame({"series_id": "a", "year": [2000, 2001], "count": [4.0, 3.0]})))
    2
    """
    count = frame["count"].to_numpy(float)
    bad = np.isfinite(count) & (count != np.round(count))
    if bad.any():
        got = f"{int(bad.sum())} of {int(np.isfinite(count).sum())} are not whole, such as {count[bad][0]:g}"
        raise DataError(
            explain("a count model needs whole numbers", got, "counts of individuals", "model indices and densities as log_count")
        )
    return frame


def covariates(frame: pd.DataFrame, names: Sequence[str], years: Sequence[int]) -> np.ndarray:
    """Return the covariates of one series in the years of a forecast (years, names).

    Raises: DataError for a covariate that is no column, and for years in which it is missing: a forecast would need a guess of it.

    >>> covariates(pd.DataFrame({"series_id": "a", "year": [2000, 2001], "count": 1.0, "rain": [3.0, 5.0]}), ["rain"], [2001])
    array([[5.]])
    """
    columns = [str(c) for c in frame.columns]
    if missing := [n for n in names if n not in columns]:
        hints = ", ".join(f"{n!r}{did_you_mean(n, columns)}" for n in missing)
        raise DataError(explain(f"missing covariate {hints}", f"columns {columns}", f"columns {list(names)}", "add it to the frame"))
    if frame["series_id"].nunique() != 1:
        got = f"{frame['series_id'].nunique()} series"
        raise DataError(explain("covariates of several series", got, "rows of one series", "frame[frame['series_id'] == name]"))
    values = frame.set_index("year")[list(names)].reindex(list(years)).to_numpy(float)
    if (gaps := np.isnan(values)).any():
        where = [
            f"{n} in {', '.join(str(y) for y, g in zip(years, gaps[:, i], strict=True) if g)}"
            for i, n in enumerate(names)
            if gaps[:, i].any()
        ]
        fix = "add the value or a scenario for these years, or shorten the horizon"
        raise DataError(explain("a covariate is missing in a forecast year", "; ".join(where), "a value in every year", fix))
    return values


DATE = r"\s*\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?\s*"
"""An ISO date, with or without a time."""


def refuse_dates(values: pd.Series, what: str = "years") -> None:
    """Raise `DataError` where a column of years holds dates."""
    texts = values.dropna().astype(str)
    if len(texts) and texts.str.fullmatch(DATE).all():
        fix = f"keep the year alone, as {texts.iloc[0].strip()[:4]}; where a year has several dates, first choose or add up its counts"
        raise DataError(explain(f"{what} are dates", texts.iloc[0], "calendar years such as 1959, one row a series and year", fix))


def _years(values: pd.Series) -> np.ndarray:
    refuse_dates(values)
    return _numbers(values, "year")


def _numbers(values: pd.Series, name: str) -> np.ndarray:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        fix = "convert them first: pd.to_numeric(values)"
        raise DataError(explain(f"{name} holds values that are no numbers", str(error), "numbers, NaN where missing", fix)) from error
