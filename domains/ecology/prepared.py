"""A frame of counts as sequences of a population model: years made regular, zeros given a value, known columns filled in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.ecology.reading.frame import integer_counts, regular
from seqsci.domains.ecology.trends import cosine_trend
from seqsci.errors import ConfigError, DataError, explain
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = npt.NDArray[np.float64]
FEWEST = 5
"""Observed years that a series needs to join others in a fit."""
LONGEST = 100
"""Span of years in observed years, at most: a longer one holds a mistyped year."""
COLUMN_OF = {"log_effort": "effort"}
"""Column of the frame behind a known sequence, where the names differ."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Counts that can be modelled.

    Attributes:
        rows: the one frame with consecutive years, series after series, and ``log_count``.
        zero_value: by series with zeros, the count that stands for one in the fit and its forecasts: half its smallest positive count.
        left_out: by series that cannot be modelled, the reason.
    """

    rows: pd.DataFrame
    zero_value: Mapping[str, float]
    left_out: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Series, in the order of their units."""
        return tuple(self.rows["series_id"].unique())

    @property
    def summary(self) -> str:
        """What was read, what a zero became, what was left out and why."""
        year, seen = self.rows["year"], self.rows["count"].notna()
        lines = [f"{len(self.names)} series, {int(seen.sum()):,} years counted of {len(self.rows):,}, {year.min()} to {year.max()}"]
        if self.zero_value:
            zeros = int((self.rows["count"] == 0).sum())
            worth = ", ".join(f"{n} {v:g}" for n, v in list(self.zero_value.items())[:5])
            more = f" and {len(self.zero_value) - 5} more series" if len(self.zero_value) > 5 else ""
            rule = "half the smallest positive count of its series, all years of which are fitted"
            lines.append(f"zeros: {zeros}, each taken as {rule}: {worth}{more}")
        lines += [f"left out: {n}: {reason}" for n, reason in list(self.left_out.items())[:8]]
        lines += [f"left out: {len(self.left_out) - 8} more series"] if len(self.left_out) > 8 else []
        return "\n".join(lines)


def prepare(frame: pd.DataFrame) -> Prepared:
    """The series of a frame that can be modelled, the others with a reason; raises `DataError` where none is left.

    >>> from seqsci.domains.ecology.reading.lynx import lynx
    >>> prepare(lynx()).summary
    '1 series, 114 years counted of 114, 1821 to 1934'
    """
    single, reasons, worth = frame["series_id"].nunique() == 1, dict[str, str](), dict[str, float]()
    for name, rows in frame.groupby("series_id", sort=True):
        reason, value = _judge(rows, single)
        if reason:
            reasons[str(name)] = reason
        elif value:
            worth[str(name)] = value
    kept = frame[~frame["series_id"].isin(list(reasons))]
    if kept.empty:
        got = "; ".join(f"{n}: {r}" for n, r in list(reasons.items())[:8])
        more = f"; and {len(reasons) - 8} more" if len(reasons) > 8 else ""
        raise DataError(explain("no series can be modelled", got + more, "observed counts, some of them positive", "correct these series"))
    rows = regular(kept)
    count = rows["count"].to_numpy(float)
    zero = rows["series_id"].map(worth).to_numpy(float)
    return Prepared(rows.assign(log_count=np.log(np.where(count == 0, zero, count))), worth, reasons)


def _judge(rows: pd.DataFrame, single: bool) -> tuple[str, float]:
    """Why a series cannot be modelled, or the value of its zeros (0 where it has none)."""
    seen = rows[rows["count"].notna()]
    if seen.empty:
        return "no observed count", 0.0
    first, last = int(seen["year"].min()), int(seen["year"].max())
    span = last - first + 1
    if span > LONGEST * len(seen):
        return f"{len(seen)} counted years within {span:,}: is a year mistyped ({first}, {last})?", 0.0
    if not single and len(seen) < FEWEST:
        return f"{len(seen)} observed year(s), {FEWEST} are needed", 0.0
    if not (seen["count"] == 0).any():
        return "", 0.0
    if not (seen["count"] > 0).any():
        return "every count is zero: nothing says what a zero is worth", 0.0
    if len(seen) < FEWEST:
        return (
            f"{len(seen)} observed years with a zero: pass the whole series, which says what a zero is worth",
            0.0,
        )
    return "", float(seen["count"][seen["count"] > 0].min()) / 2.0


def check_columns(model: Model, frame: pd.DataFrame, named: Collection[str], place: str) -> None:
    """Raise `ConfigError` where the model reads a column that is not there, or does not read one that the configuration has ``named``."""
    known = {COLUMN_OF.get(k.name, k.name) for k in model.mechanism.known if not k.name.startswith("trend_")}
    options = {"effort": "effort", "catch": "catch", "observation_sd": "observation_sd", "capacity_covariate": "covariate"}
    if lost := [n for n in known if n not in frame]:
        fix = "pass " + ", ".join(f"--data.{options[n]}_column NAME" for n in sorted(lost))
        raise ConfigError(explain(f"{place}: {model.name} reads what is not there", f"no {', '.join(sorted(lost))}", "their columns", fix))
    if idle := [n for n in ("effort", "catch") if n in named and n not in known]:
        fix = "take `model: harvested`, or leave the column out"
        raise ConfigError(explain(f"{place}: {model.name} does not read {', '.join(idle)}", ", ".join(idle), "columns it reads", fix))


def to_sequences(model: Model, rows: pd.DataFrame, last: int | None = None) -> Sequences:
    """Rows of a `Prepared` as the model's sequences, a unit a series, labelled by year.

    Args:
        last: year at which the span of trend columns ends, at each series' own last year if that is earlier; None: there.

    Raises: DataError for counts that are not whole in a count model, and a known column with a gap.
    """
    outcome = model.mechanism.outcomes[0].name
    values = (integer_counts(rows)["count"] if outcome == "count" else rows["log_count"]).to_numpy(float)
    code = pd.factorize(rows["series_id"])[0]
    group = pd.factorize(rows["cluster"])[0] if "cluster" in rows else np.zeros(len(rows), np.int64)
    known = {k.name: _known(k.name, rows) for k in model.mechanism.known if not k.name.startswith("trend_")}
    terms = sum(k.name.startswith("trend_") for k in model.mechanism.known)
    if terms:
        parts = [_trend(r["year"].to_numpy(), terms, last) for _, r in rows.groupby(code, sort=True)]
        known |= {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}
    unit = "count" if outcome == "count" else "log count"
    year = rows["year"].to_numpy(np.int64)
    return Sequences({outcome: values}, known, unit=code, group=group, index=year, measure={outcome: unit})


def _trend(year: npt.NDArray[np.int64], terms: int, last: int | None) -> dict[str, Array]:
    end = int(year[-1]) if last is None else min(int(year[-1]), last)
    if end - int(year[0]) < terms + 1:  # a series that has hardly begun: its trend stands still
        return {f"trend_{j}": np.zeros(len(year)) for j in range(1, terms + 1)}
    return cosine_trend(year, terms, int(year[0]), end)


def _known(name: str, rows: pd.DataFrame) -> Array:
    """A known column (rows,). What belongs to a count alone (its error, its effort) may be missing where nobody counted."""
    column = COLUMN_OF.get(name, name)
    seen = rows["count"].notna()
    values = pd.to_numeric(rows[column], errors="coerce").astype(float)
    if name in ("observation_sd", "log_effort"):
        low = values > 0 if name == "log_effort" else values >= 0
        if (bad := seen & ~low).any():
            at = rows[bad].iloc[0]
            got = f"{int(bad.sum())} counted years without one, the first {at['year']} in series {at['series_id']!r}"
            expected = "a value above 0 in every counted year" if name == "log_effort" else "0 or more in every counted year"
            fix = "correct it, or set the count of such a year to missing"
            raise DataError(explain(f"{column} is not usable", got, expected, fix))
        values = values.where(seen, values[seen].median())
        return np.asarray(np.log(values) if name == "log_effort" else values, float)
    given = " (named by data.covariate_column)" if column == "capacity_covariate" else ""
    if (gap := values.isna()).any():
        some = "; ".join(f"{column} in {r.year} (series {r.series_id!r})" for r in rows[gap].head(3).itertuples())
        more = f" and {int(gap.sum()) - 3} more years" if gap.sum() > 3 else ""
        fix = "add the value" + (", 0 where nothing was caught" if column == "catch" else ", or begin the series after the gap")
        what = f"{column}{given} is missing within the years that are fitted"
        raise DataError(explain(what, some + more, "a value in every year from the first count to the last", fix))
    if column == "catch" and (bad := values < 0).any():
        at = rows[bad].iloc[0]
        got = f"{int(bad.sum())} negative, the first {values[bad].iloc[0]:g} in series {at['series_id']!r}, year {at['year']}"
        raise DataError(explain("a catch is negative", got, "0 or more in every year", "correct it; releases are not modelled"))
    return np.asarray(values, float)


def check_inputs(model: Model, rows: pd.DataFrame) -> list[str]:
    """What a reader must know of the known columns of rows that are to be fitted.

    Raises `DataError` for a covariate of K that stands still in every series: its coefficient and the level of K are then one number.
    """
    names = {k.name for k in model.mechanism.known}
    if "capacity_covariate" in names:
        spread = rows.assign(z=pd.to_numeric(rows["capacity_covariate"], errors="coerce")).groupby("series_id")["z"].agg(np.ptp)
        if (spread == 0).all():
            got = f"{rows['capacity_covariate'].iloc[0]:g} in every year" + (" of a series" if len(spread) > 1 else "")
            fix = "choose another column (--data.covariate_column), or a model without one"
            raise DataError(explain("the covariate of K does not vary", got, "a column that moves while the series lasts", fix))
    if "catch" not in names:
        return []
    above = pd.to_numeric(rows["catch"], errors="coerce") > rows["count"]
    if not above.any():
        return []
    at = rows[above].iloc[0]
    where = f"the first {at['year']} in series {at['series_id']!r}: {at['catch']:g} of {at['count']:g}"
    return [f"WARNING: the catch is above the count in {int(above.sum())} years, {where}; right only if the count is an index of abundance"]
