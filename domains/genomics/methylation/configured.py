"""The counts that a configuration names: files of the user's, the published time course, or a simulated culture, as one series of sites."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqsci.cells.methylation import StrandConvention
from seqsci.domains.genomics.methylation.command import FIVE_MC
from seqsci.domains.genomics.methylation.count_table import read_count_table
from seqsci.domains.genomics.methylation.counts_over_time import READERS, CountFiles
from seqsci.domains.genomics.methylation.repli import read_repli
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.simulator import Passages
from seqsci.domains.genomics.reading.counts import merge_strands
from seqsci.errors import ConfigError, DataError, did_you_mean, explain
from seqsci.registry import Section, check_keys, refuse

DATA_KEYS = ("path", "paths", "times", "time_unit", "format", "code", "build", "merge_strands", "source", "region", "simulated")
SIMULATED = ("sites", "divisions", "every", "coverage", "maintenance", "de_novo", "initial_fraction", "spread", "runs_apart", "seed")
SOURCES = {"repli_chr22": "genomics/methyl_repliBS/repliBS_HUES64_chr22.tsv.gz"}
"""Published tables under SEQSCI_DATA."""
UNITS = ("hours", "divisions")


@dataclass(frozen=True, eq=False)
class Counts:
    """The series that a configuration names.

    Attributes:
        notes: what a reader must know of it; paths: its files by time, absolute; kept: of a simulation, the share of a site's own initial
            fraction that is left at the last time, else 1.
    """

    series: SiteSeries
    notes: tuple[str, ...]
    paths: Mapping[str, str] | None = None
    kept: float = 1.0


def read_counts(data: Section, unit: str, strands: StrandConvention) -> Counts:
    """The counts of a section ``data``: files before a source before a simulation, so that a shipped name takes the user's own files.

    Args:
        unit: of the model's time, where the section states none.
        strands: of which strands a simulated (mu, delta) speaks.

    Raises: ConfigError, DataError.
    """
    check_keys(data.values, DATA_KEYS, data.place)
    path, source, drawn, region = data.text("path"), data.text("source"), data.inner("simulated"), data.text("region")
    unit = data.choice("time_unit", unit, UNITS)
    build, form, code = data.text("build"), data.text("format"), data.text("code")
    merge = _truth(data, "merge_strands")
    files = _files(data)
    if form is not None and form not in READERS:
        what = f"{data.place}.format is unknown{did_you_mean(form, READERS)}"
        data.faults.append(explain(what, form, ", ".join(READERS), "use one of these"))
    if code not in (None, FIVE_MC):
        fix = f"--data.code {FIVE_MC}, or leave it out where the file holds 5mC alone"
        data.faults.append(explain(f"{data.place}.code: the models speak of 5-methylcytosine alone", code, FIVE_MC, fix))
    refuse(data.faults)
    if files:
        held = CountFiles(list(files.values()), [float(t) for t in files], unit, form, code, build, merge)
        frame = held.frame()
        notes = [] if frame.attrs["build"] else ["no file declares a genome build: they are taken to be of one (state it: data.build)"]
        notes += _kept_apart(frame)
        found, kept = SiteSeries.from_frame(frame), {t: str(Path(p).expanduser().absolute()) for t, p in files.items()}
        return Counts(_within(found, region, data.place), tuple(notes), kept)
    if path:
        frame = read_count_table(path, build=build)
        frame.attrs["time_unit"] = unit
        frame = merge_strands(frame) if merge else frame
        return Counts(_within(SiteSeries.from_frame(frame), region, data.place), _kept_apart(frame))
    if source:
        return _published(source, region, data.place)
    if drawn is not None:
        return _simulated(drawn, strands)
    fix = "pass --data.paths day0.cov.gz,day4.cov.gz --data.times 0,4, or take genomics/methylation_demo, which needs no file"
    raise ConfigError(explain(f"{data.place}: no counts", "no data.paths", "files of counts, a file a time, or one long table", fix))


def _kept_apart(frame: pd.DataFrame) -> tuple[str, ...]:
    both = {"+", "-"} <= set(frame["strand"].unique())
    return ("strands are kept apart, a site each (data.merge_strands: true adds them up)",) if both else ()


def _truth(data: Section, key: str) -> bool:
    value = data.values.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    return data.choice(key, "no", ("yes", "no", "true", "false")) in ("yes", "true")


def _files(data: Section) -> dict[str, str]:
    """File by time, as text: from a mapping, from a list with ``times``, or from the command line, where commas separate them."""
    value, given = data.values.get("paths"), data.values.get("times")
    if value is None:
        return {}
    if isinstance(value, Mapping):
        times, files = list(value), [value[t] for t in value]
    else:
        files = value if isinstance(value, list) else [p.strip() for p in str(value).split(",")]
        times = given if isinstance(given, list) else [] if given is None else str(given).split(",")
    try:
        numbers = [float(t) for t in times]
    except (TypeError, ValueError):
        numbers = [float("nan")] * len(times)
    if len(files) != len(numbers) or not np.isfinite(numbers).all() or not all(isinstance(f, str) for f in files) or not files:
        got = f"{len(files)} files, times {', '.join(map(str, times)) or 'none'}"
        fix = "data.paths: {0: day0.cov.gz, 4: day4.cov.gz}; or --data.paths day0.cov.gz,day4.cov.gz --data.times 0,4"
        data.faults.append(explain(f"{data.place}.paths is not valid", got, "a file a time, times as numbers", fix))
        return {}
    if len(set(numbers)) < len(numbers):
        got = ", ".join(f"{t:g}" for t in numbers)
        fix = "add up the counts of replicates, site by site: methylated and coverage"
        data.faults.append(explain(f"{data.place}.times: a time stands twice", got, "times that increase", fix))
        return {}
    return {f"{t:g}": f for t, f in zip(numbers, files, strict=True)}


def _published(source: str, region: str | None, place: str) -> Counts:
    if source not in SOURCES:
        what = f"{place}.source is unknown{did_you_mean(source, SOURCES)}"
        raise ConfigError(explain(what, source, ", ".join(SOURCES), "use one of these, or data.paths"))
    root = os.environ.get("SEQSCI_DATA")
    path = Path(root or ".") / SOURCES[source]
    if root is None or not path.is_file():
        got = "SEQSCI_DATA is not set" if root is None else f"no file {path}"
        fix = "set SEQSCI_DATA to the folder that holds it, or take genomics/methylation_demo, which needs no file"
        raise DataError(explain(f"{place}: the table of {source} is not there", got, f"$SEQSCI_DATA/{SOURCES[source]}", fix))
    text = "hours after replication; the first sample, taken at the end of a one-hour pulse, counts as 0.5 h old (an assumption)"
    return Counts(_within(read_repli(path), region, place), (text,))


def _within(series: SiteSeries, region: str | None, place: str) -> SiteSeries:
    """The sites of ``chr22`` or ``chr22:20000000-30000000`` (0-based, half-open)."""
    if region is None:
        return series
    match = re.fullmatch(r"([^:\s]+)(?::([\d,]+)-([\d,]+))?", region)
    if match is None:
        raise ConfigError(explain(f"{place}.region is not valid", region, "chr22 or chr22:20000000-30000000", "correct data.region"))
    chosen = series.chromosome == match[1]
    if match[2]:
        start, end = (int(v.replace(",", "")) for v in match.groups()[1:])
        chosen &= (series.position >= start) & (series.position < end)
    if not chosen.any():
        have = f"{series.chromosome[0]}:{series.position[0]} to {series.chromosome[-1]}:{series.position[-1]}"
        raise DataError(explain(f"{place}.region holds no site", region, f"a part of {have}", "correct data.region"))
    return series.rows(np.asarray(chosen, bool))


def _simulated(drawn: Section, strands: StrandConvention) -> Counts:
    check_keys(drawn.values, SIMULATED, drawn.place)
    sites, seed = drawn.integer("sites", 1000, least=2), drawn.integer("seed", 1, least=0)
    apart = drawn.integer("runs_apart", 0, least=0)
    shares: dict[str, Any] = {k: drawn.number(k, v, least=0.0) for k, v in (("maintenance", 0.96), ("de_novo", 0.17), ("spread", 0.1))}
    culture = {"initial_fraction": drawn.number("initial_fraction", 0.2, least=0.0), "coverage": drawn.number("coverage", 10.0, least=0.0)}
    divisions, every = drawn.integer("divisions", 20, least=1), drawn.integer("every", 1, least=1)
    refuse(drawn.faults)
    made = Passages(**shares, **culture, divisions=divisions, every=every, strands=strands)
    truth = f"simulated with mu {made.maintenance:g}, delta {made.de_novo:g} ({type(strands).__name__}): equilibrium {made.equilibrium:.3f}"
    left = float(strands.kept(made.maintenance) - strands.written(made.de_novo)) ** divisions
    return Counts(made.draw(sites, seed, apart), (f"{truth}, initial fraction {made.initial_fraction:g}",), kept=abs(left))
