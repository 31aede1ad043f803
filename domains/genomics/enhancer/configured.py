"""The pairs that a configuration names: a table of the user's, the CRISPR benchmark, or a simulated screen, as the one frame."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.genomics.enhancer.pairs import labels, read_pairs, studies
from seqsci.domains.genomics.enhancer.simulator import Landscape, simulate_screen
from seqsci.domains.genomics.genome.builds import build_of_table, canonical_build
from seqsci.errors import ConfigError, DataError, did_you_mean, explain
from seqsci.registry import Section, check_keys, refuse

CRISPR = "genomics/enhancer_crispr/EPCrisprBenchmark_combined_data.training_K562.GRCh38.tsv.gz"
SOURCES = {"crispr_k562": (CRISPR, "hg38")}
"""Published tables in SEQSCI_DATA by name, with the build of their coordinates."""
DATA_KEYS = ("path", "build", "source", "simulated")
SIMULATED = ("seed", "chromosomes", "elements", "genes", "boundaries", "reach_bp")


def read_data(data: Section) -> pd.DataFrame:
    """The labelled pairs of a section ``data``; what is known of a simulated screen is in ``frame.attrs["landscape"]``.

    A file comes before a source, and a source before a simulation, so that a shipped configuration can be given the user's own pairs.
    Raises: ConfigError, DataError.
    """
    check_keys(data.values, DATA_KEYS, data.place)
    path, source, build, drawn = data.text("path"), data.text("source"), data.text("build"), data.inner("simulated")
    refuse(data.faults)
    if path:
        frame = _user_table(Path(path).expanduser(), build)
    elif source:
        frame = _published(source, build, data.place)
    elif drawn is not None:
        frame = _simulated(drawn)
    else:
        fix = "pass --data.path pairs.tsv, or take genomics/enhancer_demo, which needs no file"
        what = "a tab-separated table in the CRISPR benchmark's format"
        raise ConfigError(explain(f"{data.place}: no element-gene pairs", "no data.path", what, fix))
    labels(frame)
    return frame


def data_file(source: str = "crispr_k562") -> Path:
    """The file of a published table; raises `DataError` where SEQSCI_DATA does not lead to it."""
    name, _ = SOURCES[source]
    folder = os.environ.get("SEQSCI_DATA")
    path = Path(folder or os.devnull, name)
    if not path.is_file():
        got = "SEQSCI_DATA is not set" if not folder else f"no file {path}"
        fix = "fetch it from github.com/EngreitzLab/CRISPR_comparison and export SEQSCI_DATA=/that/folder; or take genomics/enhancer_demo"
        raise DataError(explain(f"{name} is not there", got, "a folder SEQSCI_DATA with it", fix))
    return path


def described(frame: pd.DataFrame) -> str:
    """What was read, in two lines at most: pairs, genes, studies, build."""
    by_study, y = pd.Series(studies(frame)).nunique(), frame["Regulated"].to_numpy(bool)
    text = (
        f"{len(frame):,} element-gene pairs, {int(y.sum()):,} regulated; {frame['measuredGeneSymbol'].nunique():,} genes on "
        f"{frame['chrom'].nunique()} chromosomes, {by_study} {'study' if by_study == 1 else 'studies'}; "
        f"genome build {frame.attrs.get('build') or 'not declared'}"
    )
    known = frame.attrs.get("landscape")
    return text if known is None else f"{text}\n{_known(known)}"


def _known(landscape: Landscape) -> str:
    lengths = ", ".join(f"{t / 1e3:,.0f}" for t in landscape.bank.lengths)
    intercept, slope, shielded = landscape.answer
    passing = float(np.exp(-landscape.bank.insulation))
    return (
        f"simulated; known: decay lengths {lengths} kb with weights 1/length, a boundary lets {passing:.0%} pass, "
        f"intercept {intercept:g}, slope {slope:g}, shielded promoters {shielded:g}"
    )


def _user_table(path: Path, build: str | None) -> pd.DataFrame:
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*") if p.is_file()]) if path.parent.is_dir() else ""
        need = "a tab-separated table of element-gene pairs, plain or gzip"
        raise DataError(explain(f"cannot read {path}{near}", "a folder" if path.is_dir() else "no such file", need, "check the path"))
    frame = read_pairs(path, build)
    frame.attrs["build"] = build_of_table(frame, build, str(path))
    return frame


def _published(source: str, build: str | None, place: str) -> pd.DataFrame:
    if source not in SOURCES:
        what = f"{place}.source: unknown name {source!r}{did_you_mean(source, SOURCES)}"
        raise ConfigError(explain(what, source, ", ".join(SOURCES), "use one of these, or data.path"))
    own = SOURCES[source][1]
    if build is not None and canonical_build(build) != canonical_build(own):
        raise ConfigError(explain(f"{place}.build contradicts the source {source}", build, own, "leave out data.build"))
    return read_pairs(data_file(source), own)


def _simulated(drawn: Section) -> pd.DataFrame:
    check_keys(drawn.values, SIMULATED, drawn.place)
    base = Landscape()
    numbers = {k: drawn.integer(k, getattr(base, k), least=0 if k == "boundaries" else 1) for k in SIMULATED[1:]}
    seed = drawn.integer("seed", 1, least=0)
    refuse(drawn.faults)
    landscape = Landscape(
        chromosomes=numbers["chromosomes"],
        elements=numbers["elements"],
        genes=numbers["genes"],
        boundaries=numbers["boundaries"],
        reach_bp=numbers["reach_bp"],
    )
    frame = simulate_screen(landscape, seed).pairs
    frame.attrs["landscape"] = landscape
    return frame
