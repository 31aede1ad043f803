"""The genome build that a file names in its comment lines."""

from __future__ import annotations

import re

import pandas as pd

from seqsci.domains.genomics.genome.builds import canonical_build
from seqsci.errors import DataError, explain

NAMED = (
    re.compile(r"^#!genome-(?:build|version)\s+(\S+)"),  # Ensembl, NCBI
    re.compile(r"^##genome-build\s+\S+\s+(\S+)"),  # GFF3: source and build
    re.compile(r"^track\s.*\bdb=\"?([\w.-]+)"),  # UCSC
)


def build_from(path: str, comments: tuple[str, ...], build: str | None) -> str | None:
    """Return the build of a file: what the caller states, else what its comment lines name, else None.

    Raises: DataError where two builds are named, in the file or by file and caller.

    >>> build_from("x.gtf", ("#!genome-build GRCh38.p14",), None)
    'GRCh38.p14'
    """
    found = {} if build is None else {canonical_build(build): build}
    for line in comments:
        for pattern in NAMED:
            if match := pattern.search(line):
                found.setdefault(canonical_build(match[1]), match[1])
    if len(found) > 1:
        fix = "read each build's file by itself, or correct build="
        raise DataError(explain(f"{path} mixes genome builds", ", ".join(found.values()), "one build", fix))
    return next(iter(found.values()), None)


def with_build(frame: pd.DataFrame, path: str, comments: tuple[str, ...], build: str | None) -> pd.DataFrame:
    """Return the frame with its build in ``attrs``."""
    frame.attrs = {"build": build_from(path, comments, build)}
    return frame
