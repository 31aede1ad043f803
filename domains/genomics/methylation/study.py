"""Turns a methylation configuration into a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqsci.cells.methylation import DaughterStrand, DivisionMethylation, PopulationStrands, StrandConvention
from seqsci.domains.genomics.methylation.change import effective_number, independent_clusters
from seqsci.domains.genomics.methylation.configured import Counts, read_counts
from seqsci.domains.genomics.methylation.held_out import HeldOutReads, Terms, held_out, why_not_compared
from seqsci.domains.genomics.methylation.imputation import IMPUTERS
from seqsci.domains.genomics.methylation.kinetics import sequences_of, starting_point
from seqsci.domains.genomics.methylation.models import MODELS
from seqsci.domains.genomics.methylation.run_tables import RunTables
from seqsci.domains.genomics.methylation.series import BLOCK_BP, SiteSeries
from seqsci.errors import ConfigError, DataError, did_you_mean, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ClusterSandwich, Sandwich
from seqsci.model import Model
from seqsci.registry import Section, check_keys, refuse
from seqsci.sequences import Sequences
from seqsci.study import Study
from seqsci.training.configuration import read_estimator

KEYS = ("name", "domain", "data", "model", "strands", "clusters", "estimator", "comparison")
COMPARISON_KEYS = ("label", "tried_before", "share", "imputation")
STRANDS: Mapping[str, StrandConvention] = {"population": PopulationStrands(), "daughter": DaughterStrand()}
FEWEST_BLOCKS = 10
"""So many 1 Mb blocks, and standard errors allow for dependence within them; with fewer, within sites alone."""
LEAST_WORTH = 5.0
"""So many blocks of equal reads they must be worth (`effective_number`): where one holds most reads, errors by block are far too small."""
FORGOTTEN = 0.05
MOST_ROWS = 100_000
"""Rows (sites and times) that are fitted one by one at most; more are added up by block."""


def build(config: Mapping[str, Any]) -> Study:
    """The study of a methylation configuration; raises `ConfigError` naming a wrong key, `DataError` for counts that cannot be used."""
    place, faults = str(config.get("name", "the configuration")), list[str]()
    check_keys(config, KEYS, place)
    data, comparison = (Section(f"{place}: {key}", config.get(key) or {}, faults) for key in ("data", "comparison"))
    check_keys(comparison.values, COMPARISON_KEYS, comparison.place)
    top = Section(place, config, faults)
    strands = STRANDS[top.choice("strands", "population", tuple(STRANDS))]
    clusters = top.choice("clusters", "", ("block", "site"))
    terms = Terms(
        comparison.choice("label", "development", ("development", "confirmation")),
        comparison.integer("tried_before", 0, least=0),
        1.0 if comparison.values.get("share") in (None, 1, 1.0, "1") else comparison.share("share", 1.0),
    )
    imputed = comparison.choice("imputation", "yes", ("yes", "no")) == "yes"
    estimator = _estimator(config.get("estimator"), place, faults)
    name = str(config.get("model", ""))
    if name not in MODELS:
        what = f"{place}: unknown model {name!r}{did_you_mean(name, MODELS)}"
        faults.append(explain(what, name or "no model", ", ".join(MODELS), "set model: to one of these"))
    refuse(faults)
    counts = read_counts(data, "divisions" if name == "per_division" else "hours", strands)
    series = counts.series
    model = _model(name, series, strands, place)
    units = units_of(series, model, clusters, place)
    _say(counts, units, strands)

    reason = _all_alike(counts) or why_not_compared(series)

    def test(_: Any, progress: Callable[[str], None] | None) -> HeldOutReads:
        if reason:
            raise DataError(explain(f"{place}: no held-out comparison", reason, "more times, more blocks", "compare on longer data"))
        return held_out(series, terms, progress)

    return Study(
        name=place,
        model=model,
        frame=units.fitted.frame(),
        baselines=(),
        estimator=replace(estimator, covariance=ClusterSandwich() if len(np.unique(units.codes)) > 1 else Sandwich()),
        tried_before=terms.tried_before,
        label=terms.label,
        config=_with_paths(config, counts),
        rows=units.rows(model),
        units=units.names(),
        held_out=test,
        not_compared=reason,
        tables=RunTables(
            series,
            series.by_block() if units.clusters == "block" else series,
            {"block": series.block, "site": np.arange(len(series))}[clusters] if clusters else independent_clusters(series),
            terms.share,
            IMPUTERS if imputed else (),
            reason,
        ),
    )


def _estimator(value: Any, place: str, faults: list[str]) -> MaximumLikelihood:
    """Maximum likelihood, one climb from least squares on the pooled fractions unless starts are asked for."""
    found = read_estimator(value, f"{place}: estimator", faults)
    if not isinstance(found, MaximumLikelihood):
        faults.append(explain(f"{place}: estimator", type(found).__name__, "MaximumLikelihood", "remove estimator.class_path"))
        found = MaximumLikelihood()
    asked = isinstance(value, Mapping) and value.get("starts") is not None
    return replace(found, starts=found.starts if asked else 1, warm=True, min_rows=1)


def _model(name: str, series: SiteSeries, strands: StrandConvention, place: str) -> Model:
    """The model in the unit of the series' times, started at least squares; one that does not fit that unit is refused."""
    if name == "per_division":
        if series.time_unit != "divisions":
            fix = "take model: per_hour, or state data.time_unit: divisions"
            raise ConfigError(explain(f"{place}: per_division needs times in divisions", series.time_unit, "divisions", fix))
        model = MODELS[name](strands)
    else:
        model = MODELS[name](series.time_unit, strands)
    start = starting_point(series, model)
    return model.start_at(**{n: v for n, v in start.items() if n in model.free_names})


@dataclass(frozen=True, eq=False)
class Units:
    """What is fitted: ``fitted``, sites one by one or the reads of each 1 Mb block added up; ``clusters``: "block" or "site"."""

    fitted: SiteSeries
    clusters: str
    added: bool

    @property
    def codes(self) -> np.ndarray:
        """(fitted,) cluster of each unit."""
        return self.fitted.block if self.clusters == "block" else np.arange(len(self.fitted))

    def rows(self, model: Model) -> Sequences:
        """The rows of the model, each with its time as a label and its cluster as its group."""
        rows = sequences_of(self.fitted, model)
        each = len(rows) // len(self.fitted)
        times = np.arange(each) if isinstance(model.mechanism, DivisionMethylation) else self.fitted.times
        return replace(rows, index=np.tile(times, len(self.fitted)), group=np.repeat(self.codes, each))

    def names(self) -> tuple[str, ...]:
        """A name for each unit: its place."""
        ending, step = (" Mb", BLOCK_BP) if self.added else ("", 1)
        return tuple(f"{c}:{p // step}{ending}" for c, p in zip(self.fitted.chromosome, self.fitted.position, strict=True))

    def __str__(self) -> str:
        one = f"{len(self.fitted):,} sites one by one"
        what = f"the reads of {len(self.fitted)} blocks of 1 Mb, added up" if self.added else one
        text = f"{what}; standard errors clustered by {'1 Mb block' if self.clusters == 'block' else 'site'}"
        if self.clusters == "block" and (worth := worth_of_blocks(self.fitted)) < LEAST_WORTH:
            return f"{text} (these are worth {worth:.1f} blocks of equal reads, so errors and intervals are far too small)"
        return text


def worth_of_blocks(series: SiteSeries) -> float:
    """How many 1 Mb blocks of equal reads those of a series are worth."""
    return effective_number(np.bincount(series.block, series.coverage.sum(1)).astype(float))


def units_of(series: SiteSeries, model: Model, asked: str, place: str) -> Units:
    """Sites one by one where they are few enough, else blocks: for rates that all sites share the likelihood is the same."""
    blocks = len(np.unique(series.block))
    times = int(series.times[-1]) + 1 if isinstance(model.mechanism, DivisionMethylation) else len(series.times)
    few = len(series) * times <= MOST_ROWS
    even = not few or worth_of_blocks(series) >= LEAST_WORTH  # many rows can only be added up by block; the printed line says what of it
    clusters = asked or ("block" if blocks >= FEWEST_BLOCKS and even else "site")
    if clusters == "block" and blocks < 2:
        raise DataError(explain(f"{place}: clusters block", "one block of 1 Mb", "two or more", "clusters: site"))
    if few:
        return Units(series, clusters, False)
    if clusters == "site":
        got, fix = f"{len(series):,} sites, {len(series) * times:,} rows", "clusters: block, or a smaller data.region"
        raise DataError(explain(f"{place}: too many sites to be fitted one by one", got, f"{MOST_ROWS:,} rows at most", fix))
    return Units(series.by_block(), clusters, True)


def _say(counts: Counts, units: Units, strands: StrandConvention) -> None:
    """What was read and what is fitted, printed before anything is computed."""
    s = counts.series
    depth = ", ".join(f"{v:.1f}" for v in s.coverage.mean(0))
    times = ", ".join(f"{t:g}" for t in s.times)
    lines = [f"{len(s):,} sites, {int(s.coverage.sum()):,} reads at {times} {s.time_unit}; mean coverage {depth}"]
    print("\n".join([*lines, f"fitted: {units}", f"strands: {_convention(strands)}", *counts.notes]) + "\n", flush=True)


def _convention(strands: StrandConvention) -> str:
    if isinstance(strands, DaughterStrand):
        return "(mu, delta) of the new strand alone; a division keeps the old strand: f = (1 + mu - delta) / 2 (strands: daughter)"
    return "(mu, delta) of the fraction over old and new strands: f = mu - delta (strands: population)"


def _all_alike(counts: Counts) -> str:
    """Why forecasts of a simulation would say nothing: its sites share their rates and have forgotten where they began."""
    if counts.kept >= FORGOTTEN:
        return ""
    when = f"{counts.series.times[-1]:g} {counts.series.time_unit}"
    text = f"the simulated sites share one (mu, delta), and after {when} {counts.kept:.1%} of where each began is left"
    return (
        f"{text}: one fraction for all is the truth then, and no forecaster can beat the global mean (data.simulated.divisions: 4 can be)"
    )


def _with_paths(config: Mapping[str, Any], counts: Counts) -> dict[str, Any]:
    """The configuration with absolute paths, so that a run finds its files from elsewhere."""
    if counts.paths is None:
        return dict(config)
    kept = {k: v for k, v in (config.get("data") or {}).items() if k != "times"}
    return {**config, "data": {**kept, "paths": {float(t): p for t, p in counts.paths.items()}}}
