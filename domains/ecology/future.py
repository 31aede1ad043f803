"""What a model's known columns are in the years of a forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seqsci.domains.ecology.prepared import COLUMN_OF, Prepared
from seqsci.domains.ecology.trends import cosine_trend
from seqsci.errors import DataError, explain
from seqsci.estimation.result import Fit

OF_SURVEY = ("observation_sd", "log_effort")
"""What belongs to the survey: it is likely to go on as it was."""
RECENT = 10
"""Counted years whose median stands for a survey to come."""


def future_rows(fit: Fit, prepared: Prepared, frame: pd.DataFrame, horizon: int) -> tuple[pd.DataFrame | None, str]:
    """The known columns in the ``horizon`` years after each series, and a note of what was taken for granted; None for a model without any.

    Values come from rows of the frame in these years (their count is empty). Where errors or efforts of surveys have none, the median of
    the last ten of the series stands for them. What moves the population itself (catch, a covariate of K) is never guessed: `DataError`.
    """
    names = [k.name for k in fit.model.mechanism.known]
    if not names:
        return None, ""
    terms = sum(n.startswith("trend_") for n in names)
    parts, taken, gaps = [], dict[str, list[str]](), list[str]()
    for series, rows in prepared.rows.groupby("series_id", sort=True):
        year = rows["year"].to_numpy()
        ahead = pd.DataFrame({"series_id": str(series), "year": year[-1] + np.arange(1, horizon + 1)})
        later = frame[frame["series_id"] == series].set_index("year")
        for name in (n for n in names if not n.startswith("trend_")):
            column = COLUMN_OF.get(name, name)
            values = pd.to_numeric(later[column], errors="coerce").reindex(ahead["year"]).to_numpy(float)
            empty = ~(values > 0) if name == "log_effort" else ~np.isfinite(values)
            if empty.any() and name in OF_SURVEY:
                usual = float(pd.to_numeric(rows.loc[rows["count"].notna(), column], errors="coerce").tail(RECENT).median())
                values = np.where(empty, usual, values)
                taken.setdefault(column, []).append(f"{series} {usual:g}")
            elif empty.any():
                years = ahead["year"][empty].tolist()
                span = f"{years[0]} to {years[-1]}" if len(years) == years[-1] - years[0] + 1 > 1 else ", ".join(map(str, years))
                gaps.append(f"{column} in {span} (series {series!r})")
            ahead[name] = np.log(values) if name == "log_effort" else values
        if terms:
            ahead = ahead.assign(**cosine_trend(ahead["year"].to_numpy(), terms, int(year[0]), int(year[-1])))
        parts.append(ahead)
    if gaps:
        got = "; ".join(gaps[:3]) + (f"; and {len(gaps) - 3} more" if len(gaps) > 3 else "")
        fix = "append rows of these years with an empty count and this value to the CSV, or shorten --horizon"
        raise DataError(explain("future years have no value of a column that the model reads", got, "a value in every year", fix))
    notes = [
        f"{column} of future years is taken as the median of its last {RECENT} values: {', '.join(values[:5])}"
        + (f" and {len(values) - 5} more series" if len(values) > 5 else "")
        for column, values in taken.items()
    ]
    return pd.concat(parts, ignore_index=True), "; ".join(notes)
