"""fit_panel: the compiled fit of a single series, run over very many on a pool of threads."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from seqsci.errors import ParameterError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.panel.job import Job, Rows
from seqsci.panel.store import Store
from seqsci.panel.units import Units, to_units

Chunk = Future[Rows]
CHUNK = 64
PANEL = MaximumLikelihood(starts=2, profile_bounds=False, far=30.0)


@dataclass(frozen=True, eq=False)
class Panel:
    """Fits of one model to many series.

    Attributes:
        table: a row a series: id, ``status`` ("ok", "failed" or "not run"), ``reason``, ``converged``, ``rows``, ``log_likelihood``, each
            parameter's estimate, ``se_*`` its standard error (NaN at a bound), ``at_bound``, ``evaluations``, ``seconds``.
        model: what was fitted; unit: of the outcome.
    """

    table: pd.DataFrame
    model: Model
    unit: str | None

    @property
    def failures(self) -> pd.DataFrame:
        """The rows that are not ok."""
        return self.table[self.table["status"] != "ok"]

    def __repr__(self) -> str:
        counts = self.table["status"].value_counts().to_dict()
        facts = ", ".join(f"{n:,} {status}" for status, n in counts.items())
        free = [n for n in self.model.free_names if n in self.table]
        middle = self.table.loc[self.table["status"] == "ok", free].median()
        return f"{self.model.name}: {len(self.table):,} series ({facts})\nmedian estimates: " + ", ".join(
            f"{n} {v:.4g}" for n, v in middle.items()
        )


def fit_panel(
    model: Model,
    frame: Any,
    by: str = "unique_id",
    within: str | None = None,
    unit: str | None = None,
    estimator: MaximumLikelihood = PANEL,
    threads: int | None = None,
    store: str | Path | None = None,
) -> Panel:
    """Fit a model to every series of a frame by maximum likelihood, each by itself, with the compiled fit of `MaximumLikelihood`.

    Args:
        model: what to fit; never changed.
        frame: long (``by``, ds, y, known columns) or wide (dates x names); NaN inside a series is a missing step.
        by: column that names the fits.
        within: column that names the sequences which share one fit (the cards of a user).
        unit: of the outcome; read from ``frame.attrs["unit"]`` where absent.
        estimator: `MaximumLikelihood`; the default climbs from two basins where the data leave them open; Wald errors.
        threads: default: one a core.
        store: Parquet file that keeps finished rows; a later call with the same data goes on where this one stopped.

    A series that cannot be fitted is a row with a reason, never an exception. Ctrl-C returns what is done; the rest has status "not run".
    Raises `DataError` for what concerns the whole frame, `ParameterError` where nothing is free.
    """
    if not model.free_names:
        raise ParameterError(explain(f"{model.name} has no free parameter", "all fixed", "at least one", "model.free([...])"))
    units = to_units(model, frame, by, within, unit)
    job = Job.of(model, units, estimator)
    kept = Store(None if store is None else Path(store), job.signature())
    done = kept.read(units)
    wanted = [i for i in range(len(units)) if i not in done]
    results = dict(done)
    count = threads or os.cpu_count() or 1
    stop = threading.Event()
    job.compile()

    def work(chunk: list[int]) -> Rows:
        return [] if stop.is_set() else job.run(chunk)

    chunks = [wanted[i : i + CHUNK] for i in range(0, len(wanted), CHUNK)]
    pool = ThreadPoolExecutor(count, thread_name_prefix="seqsci")
    try:
        _gather((pool.submit(work, c) for c in chunks), len(chunks), results, kept, units, count)
    except KeyboardInterrupt:
        stop.set()
        print(f"\nseqsci: interrupted; {len(results):,} of {len(units):,} series are done", file=sys.stderr)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        kept.write(units, results)
    unfinished = {"status": "not run", "reason": "interrupted", "converged": False}
    plain = {"at_bound": "", "evaluations": 0, "seconds": 0.0}
    rows = [{by: units.ids[i], "rows": units.count(i), **plain, **results.get(i, unfinished)} for i in range(len(units))]
    columns = [by, "status", "reason", "converged", "rows", "log_likelihood"]
    for n in model.free_names:
        columns += [n, f"se_{n}"]
    return Panel(pd.DataFrame(rows, columns=[*columns, "at_bound", "evaluations", "seconds"]), model, units.measure)


def _gather(
    submitted: Iterable[Future[list[tuple[int, dict[str, Any]]]]],
    total: int,
    results: dict[int, Any],
    kept: Store,
    units: Units,
    count: int,
) -> None:
    """Collect chunks as they finish, a few in flight beyond the threads; show progress on a terminal, store now and then."""
    waiting: set[Chunk] = set()
    source, finished, told, saved = iter(submitted), 0, 0.0, time.monotonic()
    more = True
    while more or waiting:
        while more and len(waiting) < 4 * count:
            future = next(source, None)
            more = future is not None
            if future is not None:
                waiting.add(future)
        if not waiting:
            break
        ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in ready:
            results.update(future.result())
            finished += 1
        now = time.monotonic()
        if sys.stderr.isatty() and now - told > 0.5:
            told = now
            print(f"\rseqsci: {finished / total:5.1%} of the series", end="\n" if finished == total else "", file=sys.stderr, flush=True)
        if now - saved > 20:
            saved = now
            kept.write(units, results)
