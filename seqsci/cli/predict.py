"""seqsci predict: forecast from a run, after taking in rows that came since the fit."""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqsci.errors import ArtefactError, ConfigError, DataError, explain

if TYPE_CHECKING:
    from seqsci.cell import NetworkDrive
    from seqsci.estimation.result import Fit
    from seqsci.forecast import PathForecast
    from seqsci.sequences import Sequences

HELP = "forecast from a run, after taking in new rows"
READING = ("kind", "unit", "column", "date_column", "id_column", "unique_id", "series", "series_column", "year_column", "count_column")
"""How a data file is read, where it differs from the run's own."""
FORECAST = "forecast.csv"
"""Forecasts that a domain made of all series of a run when it was fitted."""
SAME, MOST = 0.05, 0.5
"""Rows of a data file are those that were fitted where they differ by less than SAME standard deviations, in at least MOST of them."""
LARGEST = 20_000_000
"""Most simulated outcomes (draws times horizon)."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    from seqsci.cli import predict_domain

    parser.add_argument("run", metavar="RUN", help="folder of a run, or its model.json; or the name of a prediction from files, see below")
    parser.add_argument("--horizon", metavar="H", type=int, help="number of steps; needed for a run")
    parser.add_argument("--data.path", metavar="FILE", help="rows after the last fitted one are taken in, read as the run read its data")
    for key in READING:
        parser.add_argument(f"--data.{key}", metavar=key.upper(), help=f"data.{key} of the file, where it differs from the run's")
    parser.add_argument("--future", metavar="FILE", help="CSV of H rows: future values of known columns, and ds where dates are wanted")
    parser.add_argument("--out", metavar="FILE", help="CSV to write (default: print it)")
    parser.add_argument("--level", metavar="P", type=float, default=0.95, help="probability between low and high (default: .95)")
    parser.add_argument("--draws", metavar="N", type=int, default=20_000, help="simulated paths (default: 20000)")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="seed of the paths (default: 0)")
    predict_domain.add(parser)
    parser.set_defaults(forecast={n: parser.get_default(n) for n in predict_domain.RUN_OPTIONS})


def run(arguments: argparse.Namespace) -> None:
    """Forecast and write the table, or hand over to a domain's prediction from files."""
    from seqsci.cli import predict_domain

    module = predict_domain.chosen(arguments.run)
    if module is not None:
        return predict_domain.run(arguments.run, module, vars(arguments), arguments.forecast)
    predict_domain.refuse_foreign(vars(arguments))
    _check(arguments)
    from seqsci.cli.configured import drive_of, fit_of

    folder, fit = fit_of(arguments.run)
    one_series(fit, f"{arguments.run}: a forecast continues one series", folder)
    path = getattr(arguments, "data.path")
    if path is not None:
        fit = take_in(fit, folder, path, {k: getattr(arguments, f"data.{k}") for k in READING})
    known, dates = future(fit, arguments.horizon, arguments.future, drive_of(folder, fit))
    forecast = fit.predict(arguments.horizon, arguments.draws, arguments.seed, known or None)
    if (folder / FORECAST).is_file():
        told = f"estimates are taken as known; {folder / FORECAST}, made with the fit, also holds what is not known of them"
        print(f"seqsci: a forecast of {fit.outcome} [{fit.unit}]; {told}", file=sys.stderr)
    _write(table(forecast, dates or following(fit, arguments.horizon), arguments.level), arguments.out)


def one_series(fit: Fit, what: str, folder: Path | None = None) -> None:
    """Refuse a run of several units: rows that come later belong to one of them each, and are never matched by position."""
    units = len(fit.sequences.starts)
    if units == 1:
        return
    fix = "score it held out: seqsci compare RUN; take the model elsewhere: seqsci export RUN --to python; or fit the series by itself"
    if any(k.name == "elapsed_days" for k in fit.model.mechanism.known):
        fix += "; when to review a card next: next_interval of seqsci.domains.memory.planning.intervals, in Python"
    if folder is not None and (folder / FORECAST).is_file():
        fix = f"read {folder / FORECAST}: it has the forecasts of every series; {fix} (--data.series NAME)"
    raise DataError(explain(what, f"{units:,} units", "a run of one unit", fix))


def _check(arguments: argparse.Namespace) -> None:
    faults = []
    if arguments.horizon is None or arguments.horizon < 1:
        faults.append(("no --horizon" if arguments.horizon is None else f"--horizon {arguments.horizon}", "at least 1 step"))
    if not 0 < arguments.level < 1:
        faults.append((f"--level {arguments.level:g}", "between 0 and 1"))
    if arguments.draws < 100:
        faults.append((f"--draws {arguments.draws}", "at least 100 paths"))
    if arguments.seed < 0:
        faults.append((f"--seed {arguments.seed}", "0 or more"))
    if arguments.draws * (arguments.horizon or 0) > LARGEST:
        faults.append((f"{arguments.draws} draws of {arguments.horizon} steps", f"draws times horizon at most {LARGEST:,}"))
    if faults:
        got, expected = ("; ".join(column) for column in zip(*faults, strict=True))
        raise ConfigError(explain("the forecast cannot be made as asked", got, expected, "seqsci predict --help"))


def take_in(fit: Fit, folder: Path, path: str, reading: Mapping[str, str | None] | None = None) -> Fit:
    """The fit with the rows of a file that come after its last row; raises `DataError` for another series, unit or kind of dates."""
    import numpy as np

    from seqsci.cli.configured import config_of, drive_of
    from seqsci.study import load
    from seqsci.training.gradient import feed

    if not Path(path).is_file():
        raise DataError(explain("no such data file", path, "a CSV or Parquet file", "check the path"))
    given = {f"data.{k}": v for k, v in (reading or {}).items() if v is not None}
    with contextlib.redirect_stdout(sys.stderr):  # what a domain says of its data is no part of the table
        study = load(config_of(folder), {"data.path": path, **given})
    new, old = feed(drive_of(folder, fit), study.sequences()), fit.sequences
    if len(new.starts) > 1:
        fix = "choose the one that was fitted: --data.series NAME"
        raise DataError(explain(f"{path} holds several series", ", ".join(study.units[:10]) or len(new.starts), "one series", fix))
    unit = new.measure.get(fit.outcome, "1")
    if unit != fit.unit:
        raise DataError(explain(f"{path}: the unit differs from that of the fit", unit, fit.unit, "convert the file"))
    if old.index is None or new.index is None or old.index.dtype.kind != new.index.dtype.kind or old.index.dtype.kind not in "Miuf":
        got = [f"{name} {s.index.dtype if s.index is not None else 'none'}" for name, s in (("fitted", old), ("file", new))]
        what = f"{path}: which rows are new cannot be told"
        raise DataError(
            explain(what, "dates: " + ", ".join(got), "dates of one kind in both", "give the file the dates of the fitted data")
        )
    _check_overlap(fit, new, path)
    later = int(np.searchsorted(new.index, old.index[-1], side="right"))
    rows = len(new) - later
    last = str(old.index[-1])[:10]
    if not rows:
        print(f"seqsci: {path} has no row after {last}: the forecast starts there", file=sys.stderr)
        return fit
    print(f"seqsci: {rows} rows taken in, {str(new.index[later])[:10]} to {str(new.index[-1])[:10]}, after {last}", file=sys.stderr)
    steps = np.diff(old.index) if old.index.dtype.kind in "iu" else np.zeros(0)
    if len(steps) > 1 and (steps == steps[0]).all() and new.index[later] != old.index[-1] + steps[0]:  # numbered rows, such as years
        fix = "pass the series with the rows between, or from before them on"
        seen = f"{new.index[later]} after {last}"
        raise DataError(explain(f"{path} leaves a gap after the last fitted row", seen, old.index[-1] + steps[0], fix))
    if later == 0:
        print(f"seqsci: {path} starts after {last}; check that no step lies between (of prices, the first return is lost)", file=sys.stderr)
    return fit.update(new.rows(later, len(new)))


def _check_overlap(fit: Fit, new: Sequences, path: str) -> None:
    import numpy as np

    old = fit.sequences
    if old.index is None or new.index is None:
        return
    _, i, j = np.intersect1d(old.index, new.index, return_indices=True)
    a, b = old.outcome[fit.outcome], new.outcome[fit.outcome][j]
    both = ~np.isnan(a[i]) & ~np.isnan(b)
    apart = np.abs(a[i] - b)[both] > SAME * np.nanstd(a)
    if apart.any():
        got = f"{int(apart.sum())} of {len(apart)} rows that were fitted differ by more than {SAME:g} standard deviations"
        if apart.mean() > MOST:
            raise DataError(
                explain(f"{path} is not the series that was fitted", got, "the same values at the same dates", "check the column")
            )
        print(f"seqsci: {path}: {got}; the fitted values are kept", file=sys.stderr)


def future(fit: Fit, horizon: int, path: str | None, drive: NetworkDrive | None = None) -> tuple[dict[str, Any], list[str]]:
    """Future values of the known columns (horizon,) and dates where the file has them; of a drive its inputs are asked for."""
    needed = [k.name for k in fit.model.mechanism.known if drive is None or k.name != drive.name]
    needed += list(drive.inputs) if drive is not None else []
    template = ",".join(["ds", *needed]) + f", then {horizon} row(s)" + (" (ds may be left out)" if needed else "")
    fix = f"seqsci predict RUN --horizon {horizon} --future FILE.csv"
    if path is None:
        if needed:
            what = f"{fit.model.name} needs future values of {', '.join(needed)}"
            raise ConfigError(explain(what, "no --future", f"a CSV with the header {template}", fix))
        return {}, []
    try:
        with Path(path).open(newline="") as stream:
            reader = csv.DictReader(stream)
            rows, columns = list(reader), list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(explain(f"{path} cannot be read", error, f"a CSV with the header {template}", "check the path")) from error
    faults = [f"no column {n!r}" for n in needed or ["ds"] if n not in columns] + ([f"{len(rows)} rows"] if len(rows) != horizon else [])
    values: dict[str, Any] = {n: [] for n in needed if n in columns}
    for line, row in enumerate(rows, 2):
        for name, column in values.items():
            try:
                column.append(float(row[name]))
            except (TypeError, ValueError):
                faults.append(f"line {line}: {name} is {row[name]!r}")
    faults += [f"{n} is not finite" for n, column in values.items() if not all(abs(v) < float("inf") for v in column)]
    if faults:
        raise DataError(explain(f"{path} does not hold the future", "; ".join(faults[:5]), f"the header {template}", "correct the file"))
    if drive is not None:
        import numpy as np

        from seqsci.sequences import Sequences
        from seqsci.training.gradient import feed

        values = dict(feed(drive, Sequences({fit.outcome: np.zeros(horizon)}, values)).known)
    return values, [str(row["ds"]) for row in rows] if "ds" in columns else []


def following(fit: Fit, horizon: int) -> list[str]:
    """Dates of the next steps where the fitted ones are equally spaced; none where they are not (a trading calendar is not guessed)."""
    import numpy as np

    index = fit.sequences.index
    if index is None or index.dtype.kind not in "Miu" or len(index) < 3:
        return []
    steps = np.diff(index)
    if not (steps == steps[0]).all():
        return []
    following = index[-1] + steps[0] * np.arange(1, horizon + 1)
    return [text[:10] if text.endswith("T00:00:00") else text for text in _texts(following)]


def _texts(index: Any) -> list[str]:
    return [str(v) for v in (index.astype("datetime64[s]") if index.dtype.kind == "M" else index)]


def table(forecast: PathForecast, dates: Sequence[str], level: float) -> list[dict[str, Any]]:
    """One row a step: step, ds where known, mean, standard_deviation, low, high."""
    low, high = forecast.quantile(0.5 - level / 2), forecast.quantile(0.5 + level / 2)
    columns: Mapping[str, Any] = {
        "mean": forecast.mean,
        "standard_deviation": forecast.variance**0.5,
        "low": low,
        "high": high,
    }
    return [{"step": t + 1, **({"ds": dates[t]} if dates else {}), **{n: float(v[t]) for n, v in columns.items()}} for t in range(len(low))]


def _write(rows: list[dict[str, Any]], path: str | None) -> None:
    def to(stream: Any) -> None:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

    if path is None:
        return to(sys.stdout)
    try:
        with Path(path).open("w", newline="") as stream:
            to(stream)
    except OSError as error:
        raise ArtefactError(
            explain(f"cannot write {path}", error.strerror, "a folder that can be written", "choose another: --out")
        ) from error
    print(f"forecast written to {path}")
