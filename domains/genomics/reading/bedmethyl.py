"""bedMethyl: methylation counts of modkit (18 columns) and of ENCODE (11 columns)."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.reading.counts import counts_frame
from seqsci.domains.genomics.reading.tabix import region_lines
from seqsci.domains.genomics.reading.table import REAL, SKIP, TEXT, WHOLE, Format, Table, first, joined, pieces_of, refuse, tables
from seqsci.domains.genomics.reading.text import lines_of
from seqsci.errors import DataError, did_you_mean, explain

HEAD = (("chrom", TEXT), ("start", WHOLE), ("end", WHOLE), ("code", TEXT), ("score", SKIP), ("strand", TEXT))
DISPLAY = (("thickStart", SKIP), ("thickEnd", SKIP), ("color", SKIP), ("coverage", WHOLE))
MODKIT = Format(
    "bedMethyl (modkit)", (*HEAD, *DISPLAY, ("percent", SKIP), ("methylated", WHOLE), ("canonical", WHOLE)), 18, (18,), blanks=True
)
ENCODE = Format("bedMethyl (ENCODE)", (*HEAD, *DISPLAY, ("percent", REAL)), 11, (11,), blanks=True)


def read_bedmethyl(
    path: str | os.PathLike[str],
    code: str | None = None,
    build: str | None = None,
    sizes: Mapping[str, int] | None = None,
    sort: bool = False,
    region: Interval | None = None,
) -> pd.DataFrame:
    """Read bedMethyl, plain, gzip or bgzip, as methylation counts: chrom, start, end, strand, methylated, coverage.

    Args:
        path: modkit's 18 columns (coverage is N_valid_cov, methylated N_mod) or ENCODE's 11, where methylated is ``round(coverage *
            percent / 100)``, exact up to a coverage of 100, as the percentage there is a whole number.
        code: modification, ``"m"`` (5mC), ``"h"`` (5hmC), ``"a"`` (6mA) or a ChEBI number; needed where the file holds several. modkit
            writes a row for each at one position, and both have the whole coverage.
        build, sizes, sort: as in `read_bed`.
        region: read these bases alone, through the index ``path.tbi`` of a file of bgzip.

    Strands are kept apart: `merge_strands` adds them. The modification is in ``attrs["code"]`` (ENCODE's files name none: pass it).

    Shapes: (sites and strands,).
    Raises: DataError with file and line as `read_bed`; for several modifications without ``code``, negative counts, methylated > coverage,
        a site that stands twice, an index that is missing or of another file.
    Source: https://nanoporetech.github.io/modkit/intro_pileup.html, https://www.encodeproject.org/data-standards/wgbs/
    """
    head = b""
    for lines in lines_of(path, MODKIT.comments, 1 << 16):
        head = lines.data.partition(b"\n")[0]
        if head:
            break
    kind = ENCODE if len(head.split()) == 11 else MODKIT
    codes: dict[str, int] = {}

    def chosen(frame: pd.DataFrame) -> np.ndarray:
        numbers, texts = pd.factorize(frame["code"])
        names = np.array([str(t).partition(",")[0] for t in texts], object)  # modkit writes m,CG,0 where a motif was asked for
        for name, count in zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True):
            codes[name] = codes.get(name, 0) + count
        return names[numbers] == code if code is not None and kind is MODKIT else np.ones(len(frame), np.bool_)

    parts = pieces_of(path, kind) if region is None else tables(region_lines(path, region, kind.comments), f"{path} ({region})", kind)
    table = joined(parts, chosen)
    listed = ", ".join(f"{name} ({count:,} rows)" for name, count in sorted(codes.items()))
    if kind is MODKIT and code is None and len(codes) > 1:
        one = "m" if "m" in codes else min(codes)
        fix = f"choose one, such as --data.code {one} of a fit or --code {one} of a prediction"
        raise DataError(explain(f"{table.path} holds several modifications", listed, "one, or a choice", fix))
    if not len(table.frame):
        what = f"{table.path} holds no rows of the modification {code!r}{did_you_mean(str(code), codes)}"
        raise DataError(explain(what, listed, "a code of the file", "choose one of these codes"))
    return counts_frame(_counted(table, kind), code or _only(codes, kind), build, sizes, sort)


def _only(codes: Mapping[str, int], kind: Format) -> str:
    return "m" if kind is ENCODE else next(iter(codes))


def _counted(table: Table, kind: Format) -> Table:
    frame = table.frame
    if kind is MODKIT:
        parts = (frame["methylated"] + frame["canonical"]).to_numpy()
        over = parts > frame["coverage"].to_numpy()
        faults = first(over, lambda i: f"{parts[i]} modified and canonical calls of {frame['coverage'].iloc[i]} valid ones")
        negative = first((frame["canonical"] < 0).to_numpy(), lambda i: f"canonical {frame['canonical'].iloc[i]} < 0")
        methylated_alone = (frame["methylated"] > frame["coverage"]).to_numpy()
        refuse(table, [] if methylated_alone.any() else faults + negative, "calls within N_valid_cov", "check the columns")
        return table
    percent, coverage = frame["percent"].to_numpy(), frame["coverage"].to_numpy()
    faults = first((percent < 0) | (percent > 100), lambda i: f"{percent[i]:g} percent methylated")
    refuse(table, faults, "0 to 100 percent", "correct these lines, or check the columns")
    frame["methylated"] = np.rint(coverage * percent / 100).astype(np.int64)
    return table
