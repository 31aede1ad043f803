"""fit_panel: the compiled fit of a single series, run over very many on a pool of threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from seqsci.errors import ArtefactError, ParameterError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ClusterSandwich
from seqsci.model import Model
from seqsci.panel import pool
from seqsci.panel.job import Job
from seqsci.panel.pooling import EmpiricalBayes, PerGroup
from seqsci.panel.result import Panel, Population
from seqsci.panel.rows import Rows, filled
from seqsci.panel.store import Store
from seqsci.panel.units import Units, to_units

if TYPE_CHECKING:
    from seqsci.panel.card import Card

PANEL = EmpiricalBayes().likelihood
"""How a panel climbs: from two basins where the data leave them open; Wald errors."""

ROLLING = replace(PANEL, far=10.0)
"""How refits of a backtest climb: from the last estimates, and from the model's own guess where that is nearly as good."""


def fit_panel(
    model: Model,
    frame: Any,
    by: str = "unique_id",
    within: str | None = None,
    unit: str | None = None,
    estimator: MaximumLikelihood | EmpiricalBayes = PANEL,
    threads: int | None = None,
    store: str | Path | None = None,
    device: str | Card | None = None,
) -> Panel:
    """Fit a model to every series of a frame with the compiled fit of `MaximumLikelihood`.

    Args:
        model: what to fit; never changed. With a prior (`Model.with_prior`) each fit is a posterior mode, or the prior where it is worse.
        frame: long (``by``, ds, y, known columns) or wide (dates x names); NaN inside a series is a missing step.
        by: column that names the fits.
        within: column that names the sequences which share one fit (the cards of a user).
        unit: of the outcome; read from ``frame.attrs["unit"]`` where absent.
        estimator: `MaximumLikelihood`, each series by itself; or `EmpiricalBayes` with `Partial` pooling (series are draws from a
            population, short ones are shrunk towards it) or `Shared` parameters.
        threads: default: one a core.
        store: Parquet file that keeps finished rows; a later call with the same data goes on where this one stopped. Not with pooling.
        device: "cuda" fits on a card, as many series at a time as its memory holds (or a `seqsci.panel.card.Card`); default: the CPU.
            The same algorithm and tables; estimates agree with the CPU's to rounding, which kinked likelihoods magnify. Not with pooling.

    A series that cannot be fitted is a row with a reason, never an exception. Ctrl-C returns what is done; the rest has status "not run".
    Raises `DataError` for what concerns the whole frame, `ParameterError` where nothing is free, `DeviceError` for a card that cannot be
    had or is too small, `EquationError` for an equation that has no form on the card.
    """
    if not model.free_names:
        raise ParameterError(explain(f"{model.name} has no free parameter", "all fixed", "at least one", "model.free([...])"))
    pooled = isinstance(estimator, EmpiricalBayes) and not isinstance(estimator.pooling, PerGroup)
    if pooled and store is not None:
        what, fix = "a store keeps series that were fitted by themselves", "leave out store=, or use MaximumLikelihood"
        raise ParameterError(explain(what, f"pooling {type(estimator.pooling).__name__}", "no pooling", fix))  # type: ignore[union-attr]
    covariance = (estimator.likelihood if isinstance(estimator, EmpiricalBayes) else estimator).covariance
    if isinstance(covariance, ClusterSandwich):
        what, fix = "a panel has no clusters within a fit", "fit series by series with seqsci.fit(..., cluster=...), or pool: Shared()"
        raise ParameterError(explain(what, covariance.name, "Sandwich, ObservedInformation or OuterProduct", fix))
    if threads is not None and threads < 1:
        raise ParameterError(explain("threads must be positive", threads, ">= 1, or None for one a core", "pass another number"))
    card = None if device is None else _card(device)
    if card is not None and pooled:
        what, fix = "pooling runs on the CPU", "leave out device=, or use MaximumLikelihood"
        raise ParameterError(explain(what, f"device={device!r}", "no device", fix))
    units = to_units(model, frame, by, within, unit)
    job = Job.of(model, units, estimator.likelihood if isinstance(estimator, EmpiricalBayes) else estimator, card)
    job.compile()
    population = None
    if pooled:
        results, population = _pooled(job, estimator, threads)  # type: ignore[arg-type]
    else:
        results = _by_themselves(job, threads, Store(None, "") if store is None else Store(Path(store), job.signature()))
    return Panel(_table(model, units, by, results, population), model, units.measure, units, by, population)


def _pooled(job: Job, estimator: EmpiricalBayes, threads: int | None) -> tuple[list[Rows], Population | None]:
    try:
        return estimator.pooling.estimate(job, threads)
    except KeyboardInterrupt:
        print("\nseqsci: interrupted; a pooled estimation has nothing to keep before its end", file=sys.stderr)
        raise


def _by_themselves(job: Job, threads: int | None, kept: Store) -> list[Rows]:
    units = job.units
    kept.check()
    results = kept.read(units)
    done = {i for part in results for i in part.places.tolist()}
    wanted = [i for i in range(len(units)) if i not in done]
    if len(wanted) > 1:  # long ones first, so that threads end together; equally long ones together, which are looked at together
        lengths = units.stretches(np.array(wanted, np.int64)).lengths
        wanted = [wanted[i] for i in np.argsort(-lengths, kind="stable").tolist()]
    take = results.extend

    try:
        if job.card is not None:
            _on_card(job, wanted, take)
        elif not pool.each(job.surely, wanted, threads, take, lambda: kept.write(units, results)):
            count = sum(len(part.places) for part in results)
            print(f"\nseqsci: interrupted; {count:,} of {len(units):,} series are done", file=sys.stderr)
    finally:
        try:
            kept.write(units, results)
        except ArtefactError as error:
            print(f"\nseqsci: {error}\nseqsci: the fits are in the panel that is returned", file=sys.stderr)
    return results


def _card(device: str | Card) -> Card:
    from seqsci.panel.card import Card

    return device if isinstance(device, Card) else Card(device)


def _on_card(job: Job, wanted: list[int], take: Callable[[list[Rows]], None]) -> None:
    """Chunk after chunk in this thread; Ctrl-C keeps what is done."""
    bar, card = pool.Bar(len(wanted), "series"), job.card
    try:
        for part in card.chunks(wanted, job.units, job.task) if card is not None else ():
            take(job.surely(part))
            bar.advance(len(part))
    except KeyboardInterrupt:
        print(f"\nseqsci: interrupted; {bar.done:,} of {len(wanted):,} series are done", file=sys.stderr)
    finally:
        bar.close()


def _table(model: Model, units: Units, by: str, parts: list[Rows], population: Population | None) -> pd.DataFrame:
    count, nothing = len(units), float("nan")
    done = np.zeros(count, bool)
    for part in parts:
        done[part.places] |= "rows" in part.columns
    rest = np.flatnonzero(~done)
    rows = np.zeros(count, np.int64)
    rows[rest] = units.counts(rest)
    shrunk = set() if population is None else set(population.prior.names)
    kept = model.active_prior is not None or any("prior_kept" in part.columns for part in parts)
    columns: dict[str, Any] = {"status": "not run", "reason": "interrupted", "converged": False, "rows": rows, "log_likelihood": nothing}
    for n in model.free_names:
        columns |= {n: nothing, f"se_{n}": nothing, **({f"shrink_{n}": nothing} if n in shrunk else {})}
    columns |= {"at_bound": "", **({"prior_kept": nothing} if kept else {}), "evaluations": 0, "seconds": 0.0}
    if not count:
        return pd.DataFrame([], columns=[by, *columns])
    ids = pd.DataFrame.from_records([(name,) for name in units.ids], columns=[by])[by]
    values = {name: filled(parts, name, count, default) for name, default in columns.items()}
    return pd.DataFrame({by: ids} | {name: v if v.dtype != object else pd.Series(v.tolist()) for name, v in values.items()})
