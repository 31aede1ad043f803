"""BED: intervals with a name, a score and a strand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from seqsci.domains.genomics.reading.declared_build import with_build
from seqsci.domains.genomics.reading.table import SCORE, TEXT, WHOLE, Format, ordered, read_table
from seqsci.errors import ParameterError, explain

BED = Format("BED", (("chrom", TEXT), ("start", WHOLE), ("end", WHOLE), ("name", TEXT), ("score", SCORE), ("strand", TEXT)), 3)


def read_bed(
    path: str | os.PathLike[str],
    build: str | None = None,
    sizes: Mapping[str, int] | None = None,
    sort: bool = False,
    columns: int = 6,
) -> pd.DataFrame:
    """Read BED3 to BED6, plain or gzip, as a sorted frame of intervals: chrom, start, end and, where there, name, score, strand.

    Args:
        path: file; lines that begin with ``#``, ``track`` or ``browser`` are no data; between fields are tabs (or, without any, blanks).
        build: genome build to declare; a build that the file names (``track ... db=hg38``) must agree.
        sizes: bp by chromosome (`read_sizes`); None leaves the ends unchecked.
        sort: sort rows that are out of order instead of refusing them.
        columns: how many standard columns to read; 3 for a table whose fourth column is no name. Columns from the seventh are not read.

    Shapes: (lines of data,).
    Raises: DataError with file and line for malformed lines, start > end, ends beyond the sequence, rows out of order, mixed builds; for a
        file that is empty or cut short.
    Source: https://samtools.github.io/hts-specs/BEDv1.pdf
    """
    if not 3 <= columns <= 6:
        raise ParameterError(explain("columns of BED", columns, "3 to 6", "pass 3 to read the coordinates alone"))
    table = read_table(path, replace(BED, columns=BED.columns[:columns]))
    frame = ordered(table, table.frame, None if sizes is None else dict(sizes), sort)
    return with_build(frame, table.path, table.comments, build)
