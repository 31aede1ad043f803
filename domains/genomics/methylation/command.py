"""`seqsci predict genomics/methylation`: its options, and what it does; imports nothing heavy until it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqsci.errors import ConfigError, explain

if TYPE_CHECKING:
    import pandas as pd

HELP = "methylated fractions by site, imputed from the neighbours or forecast for a later time, as bedGraph or bigWig"
OPTIONS = {
    "counts": "files of methylation counts, a file a time, separated by commas; or one long table with a column time",
    "times": "their times, separated by commas, increasing; one file and a long table need none",
    "at": "forecast this later time from all files (two or more); without it, sites are imputed at the last time",
    "format": "bedmethyl, bismark, methylkit or table (default: by the ending)",
    "code": "m (5mC), where a bedMethyl file holds several modifications; the models speak of no other one",
    "merge-strands": "yes: both strands of a CpG are added up",
    "build": "genome build of all files, such as hg38, where they do not declare it",
    "sizes": "chrom.sizes (name and bp); needed for a bigWig",
}
FIVE_MC = "m"
"""Code of 5-methylcytosine in bedMethyl files."""
ENDINGS = (".bedgraph", ".bg", ".bdg", ".bw", ".bigwig")


def run(values: Mapping[str, str | None]) -> None:
    """Read the files, write the fractions to ``out``, and say on stderr what was assumed."""
    faults = [f"--{name} is missing" for name in ("counts", "out") if values.get(name) is None]
    files = [p.strip() for p in (values.get("counts") or "").split(",") if p.strip()]
    times = _numbers(values.get("times"), faults) or ([0.0] if len(files) == 1 else [])
    later = _numbers(values.get("at"), faults)
    long = _long_table(files, values)
    times = times if long is None else sorted(long["time"].unique().tolist())
    if values.get("code") not in (None, FIVE_MC):
        faults.append(f"--code {values['code']}, where the models speak of 5mC alone: --code {FIVE_MC}")
    if len(later) > 1:
        faults.append(f"--at {values['at']}, where one time is forecast a file: run it again for each")
    out = Path(str(values.get("out") or "x.bedgraph")).expanduser()
    name = out.name.lower().removesuffix(".gz")
    if not name.endswith(ENDINGS):
        faults.append(f"--out {out.name}, which ends in none of {', '.join(ENDINGS)}")
    if name.endswith((".bw", ".bigwig")) and values.get("sizes") is None:
        faults.append("a bigWig needs --sizes chrom.sizes")
    if (values.get("merge-strands") or "no").lower() not in ("yes", "no", "true", "false"):
        faults.append(f"--merge-strands {values.get('merge-strands')}, not yes or no")
    if len(later) == 1 and (len(times) < 2 or (long is None and len(files) < 2) or later[0] <= times[-1]):
        given = "not given" if not values.get("times") and long is None else ", ".join(f"{t:g}" for t in times)
        faults.append(f"--at {later[0]:g} from {len(files)} file{'s' * (len(files) != 1)}, times {given}")
    if faults:
        fix = "seqsci predict genomics/methylation --counts a.cov.gz,b.cov.gz --times 0,4 --at 16 --out fractions.bedgraph"
        expected = "--counts, --out; with --at two files or more, and one time after the last"
        raise ConfigError(explain("the fractions cannot be predicted as asked", "; ".join(faults), expected, fix))
    from seqsci.domains.genomics.methylation.counts_over_time import CountFiles
    from seqsci.domains.genomics.methylation.predict import Forecast, Imputation, fractions, pairs_of_strands
    from seqsci.domains.genomics.reading.counts import merge_strands
    from seqsci.domains.genomics.reading.writers import write_bedgraph, write_bigwig

    merge = (values.get("merge-strands") or "no").lower() in ("yes", "true")
    if long is None:
        held = CountFiles(files, times, "units of time", values.get("format"), values.get("code"), values.get("build"), merge)
        frame = held.frame()
    else:
        frame = merge_strands(long) if merge else long
    if frame.attrs["build"] is None and len(files) > 1:
        print("seqsci: no file declares a genome build; they are taken to be of one (state it: --build hg38)", file=sys.stderr)
    pairs = 0 if later else pairs_of_strands(frame, times[-1])
    if pairs:
        what = f"{pairs:,} pairs of sites stand 1 bp apart, as both strands of one CpG do: each is imputed with the reads of the other"
        known = frame["strand"].isin(["+", "-"]).all()
        fix = "--merge-strands yes" if known else "with coverage2cytosine --merge_CpG, see docs/methylation.md"
        print(f"seqsci: {what}; add them up: {fix}", file=sys.stderr)
    task = Forecast(later[0]) if later else Imputation(times[-1])
    learned = task.learn(frame)
    print(f"seqsci: {learned}", file=sys.stderr)
    sizes = None if values.get("sizes") is None else _sizes(str(values["sizes"]))
    pieces = fractions(frame, learned)
    if name.endswith((".bw", ".bigwig")):
        write_bigwig(out, pieces, sizes or {})
    else:
        write_bedgraph(out, pieces, sizes)
    sites = len(frame.drop_duplicates(["chrom", "start"]))
    count = frame["chrom"].nunique()
    print(f"{sites:,} site{'s' * (sites != 1)} on {count} chromosome{'s' * (count != 1)} written to {out}")


def _long_table(files: list[str], values: Mapping[str, str | None]) -> pd.DataFrame | None:
    """The rows of one table with a column time, as `fit` takes it; None for files of one time each."""
    tables = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
    if len(files) != 1 or values.get("times") is not None or values.get("format") not in (None, "table"):
        return None
    if values.get("format") is None and not files[0].lower().endswith(tables):
        return None
    from seqsci.domains.genomics.methylation.count_table import has_times, read_count_table

    if not has_times(files[0]):
        return None
    frame = read_count_table(files[0], build=values.get("build"))
    frame.attrs["time_unit"] = "units of time"
    return frame


def _numbers(text: str | None, faults: list[str]) -> list[float]:
    try:
        return [] if text is None else [float(t) for t in str(text).split(",")]
    except ValueError:
        faults.append(f"{text} is no list of numbers")
        return []


def _sizes(path: str) -> dict[str, int]:
    """Base pairs by chromosome of a file of two columns."""
    from seqsci.domains.genomics.reading.text import opened

    found: dict[str, int] = {}
    with opened(path) as file:
        for number, line in enumerate(file.read().decode("utf-8", "replace").splitlines(), 1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) < 2 or not fields[1].isdigit():
                raise ConfigError(explain(f"{path}, line {number}: no size", line[:60], "a name and a number of bp", "correct the line"))
            found[fields[0]] = int(fields[1])
    return found
