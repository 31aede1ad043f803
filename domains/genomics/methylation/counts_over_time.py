"""Files of counts, a file a time, as one series of sites: one build, one unit of time, strands merged only where that is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from seqsci.domains.genomics.genome.builds import refuse_mixed_names, require_same_build
from seqsci.domains.genomics.methylation.count_table import read_one_time
from seqsci.domains.genomics.reading.bedmethyl import read_bedmethyl
from seqsci.domains.genomics.reading.bismark import read_bismark
from seqsci.domains.genomics.reading.counts import merge_strands
from seqsci.domains.genomics.reading.methylkit import read_methylkit
from seqsci.errors import DataError, explain

Reader = Callable[[str, str | None, str | None], pd.DataFrame]
READERS: Mapping[str, Reader] = {
    "bedmethyl": lambda path, build, code: read_bedmethyl(path, code, build, sort=True),
    "bismark": lambda path, build, _: read_bismark(path, build, sort=True),
    "methylkit": lambda path, build, _: read_methylkit(path, build, sort=True),
    "table": lambda path, build, _: read_one_time(path, build),
}
"""Readers of one file by the name that configurations use."""
ENDINGS = {".cov": "bismark", ".bed": "bedmethyl", ".bedmethyl": "bedmethyl", ".csv": "table", ".tsv": "table"}
"""Format by the ending of a file, ``.gz`` aside, where none is stated."""


@dataclass(frozen=True)
class CountFiles:
    """Files of methylation counts, a file a time, read to the long frame of `SiteSeries.from_frame`.

    Args:
        paths: a file a time, in the order of ``times``; times: >= 0, increasing, in ``time_unit``.
        format: a name of `READERS`, or None: by the ending of each file.
        code: modification of a bedMethyl file (models take ``m`` alone); build: genome build of all files, where they do not declare it.
        merge: whether the strands of each CpG are added up.

    Raises: DataError for times that do not increase, a format that is unknown, different declared builds (or some declared, some not, and
        none stated), a chromosome under two names (chr1, 1), and whatever the readers refuse.
    """

    paths: Sequence[str]
    times: Sequence[float]
    time_unit: str = "hours"
    format: str | None = None
    code: str | None = None
    build: str | None = None
    merge: bool = False

    def __post_init__(self) -> None:
        pairs = list(itertools.pairwise(self.times))
        if (
            not self.paths
            or len(self.paths) != len(self.times)
            or any(b <= a for a, b in pairs)
            or any(not 0 <= t < 1e9 for t in self.times)
        ):
            got = f"{len(self.paths)} files, times {', '.join(f'{t:g}' for t in self.times) or 'none'}"
            fix = "name the files in the order of their times, and a time for each; add up the counts of replicates, site by site"
            raise DataError(explain("a file a time, at times that increase", got, "as many times as files, 0 or later, increasing", fix))

    def frame(self) -> pd.DataFrame:
        """All files in long form: chrom, start, end, strand, methylated, coverage, time."""
        parts = [self._one(path) for path in self.paths]
        refuse_mixed_names((name for part in parts for name in part["chrom"].unique()), ", ".join(map(str, self.paths)))
        build = self._build(parts)
        long = pd.concat([part.assign(time=t) for part, t in zip(parts, self.times, strict=True)], ignore_index=True)
        long.attrs = {"build": build, "code": parts[0].attrs.get("code", "m"), "time_unit": self.time_unit}
        return long

    def _one(self, path: str) -> pd.DataFrame:
        name = Path(path).name.removesuffix(".gz").lower()
        kind = self.format or ENDINGS.get(Path(name).suffix, "")
        if kind not in READERS:
            what = f"{path}: what format is this?"
            raise DataError(
                explain(
                    what,
                    kind or f"the ending of {name}",
                    ", ".join(READERS),
                    "state it: --data.format bismark of a fit, --format bismark of a prediction",
                )
            )
        frame = READERS[kind](path, self.build, self.code)
        return merge_strands(frame) if self.merge else frame

    def _build(self, parts: Sequence[pd.DataFrame]) -> str | None:
        if all(part.attrs.get("build") is None for part in parts):
            return None
        for a, b in itertools.pairwise(parts):
            require_same_build(a, b)
        found = parts[0].attrs["build"]
        return None if found is None else str(found)
