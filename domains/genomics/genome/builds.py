"""Genome builds: coordinates of two builds are different places, so what is joined must be of one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from seqsci.errors import DataError, explain

SYNONYMS = {
    "ncbi36": "hg18",
    "grch37": "hg19",
    "grch38": "hg38",
    "t2t-chm13v2.0": "hs1",
    "ncbi37": "mm9",
    "grcm38": "mm10",
    "grcm39": "mm39",
    "bdgp6": "dm6",
    "wbcel235": "ce11",
    "grcz11": "danrer11",
    "tair10": "aratha1",
}
"""Names of the Genome Reference Consortium and their like, in lower case, to those of UCSC: two names of one assembly."""
BUILD_COLUMNS = ("build", "genome_build")
"""Columns in which a table may declare the build of its rows."""


def canonical_build(build: str) -> str:
    """Return one name for the synonyms of a build, in lower case; patch releases (``.p14``) move no coordinate and are dropped.

    >>> canonical_build("GRCh38.p14"), canonical_build("hg38")
    ('hg38', 'hg38')
    """
    name = re.sub(r"\.p\d+$", "", build.strip().lower())
    return SYNONYMS.get(name, name).lower()


def build_of(thing: Any) -> str | None:
    """Return the build that an interval, a genome or a frame (``frame.attrs["build"]``) declares, or None."""
    attrs = getattr(thing, "attrs", None)
    build = attrs.get("build") if isinstance(attrs, dict) else getattr(thing, "build", None)
    return None if build is None else str(build)


def require_same_build(a: Any, b: Any, build: str | None = None) -> str:
    """Return the build of two frames (or intervals, genomes) that are to be joined, and refuse to join different ones.

    Args:
        a, b: frames with ``attrs["build"]``, or anything with a ``build``.
        build: name of the build, stated by the caller for what declares none. It contradicts nothing that is declared.

    Raises:
        DataError: different builds; or one that is not declared, where ``build`` is not given.

    >>> import pandas as pd
    >>> a, b = pd.DataFrame(), pd.DataFrame()
    >>> a.attrs["build"], b.attrs["build"] = "hg38", "GRCh38"
    >>> require_same_build(a, b)
    'hg38'
    """
    found = [build_of(a), build_of(b)]
    if None in found and build is None:
        got = ", ".join("not declared" if x is None else x for x in found)
        fix = 'declare it when reading, read_bed(path, build="hg38"), or pass build= where the two are joined'
        raise DataError(explain("the genome build is not declared", got, "both of one declared build", fix))
    names: dict[str, str] = {}
    for name in (*found, build):
        if name is not None:
            names.setdefault(canonical_build(name), name)
    if len(names) > 1:
        got = f"{found[0]} and {found[1]}" + ("" if build is None else f", build={build!r}")
        fix = "lift one of them over to the other's build (UCSC liftOver), or read the right file"
        raise DataError(explain("coordinates of different genome builds cannot be joined", got, "one build", fix))
    return next(iter(names.values()))


def require_shared_chromosomes(a: Any, b: Any, names: tuple[str, str] = ("the first", "the second")) -> None:
    """Refuse two frames that have no chromosome in common, which is nearly always ``chr1`` against ``1``; empty frames pass.

    Args:
        a, b: frames with a column chrom; names: what the error calls them.

    Raises: DataError with the names of both.

    >>> import pandas as pd
    >>> require_shared_chromosomes(pd.DataFrame({"chrom": ["chr1"]}), pd.DataFrame({"chrom": ["chr1", "chr2"]}))
    """
    left, right = ({str(c) for c in frame["chrom"].unique()} for frame in (a, b))
    if left and right and not left & right:
        told = [f"{len(one)} of {name} ({', '.join(sorted(one)[:3])})" for one, name in zip((left, right), names, strict=True)]
        bare = [{name.removeprefix("chr") for name in one} for one in (left, right)]
        fix = "check that both are of one organism"
        if bare[0] & bare[1]:
            plain = names[0] if any(not c.startswith("chr") for c in left) else names[1]
            fix = f"write the names of {plain} with chr: sed 's/^/chr/' of the rows of a file, frame['chrom'] = 'chr' + frame['chrom']"
        what = f"{names[0]} and {names[1]} have no chromosome in common"
        raise DataError(explain(what, " and ".join(told), "at least one name in both", fix))


def build_of_table(frame: Any, build: str | None, source: str) -> str | None:
    """Return the one build that the columns `BUILD_COLUMNS` of a table and its reader state, or None where neither does.

    Args:
        frame: a table, with such columns or without; build: what the reader of the table states; source: what the error calls it.

    Raises: DataError where rows name different builds, or another one than ``build``; synonyms are one.

    >>> import pandas as pd
    >>> build_of_table(pd.DataFrame({"build": ["hg38", "GRCh38"]}), None, "a table")
    'GRCh38'
    """
    told = {str(v).strip() for c in BUILD_COLUMNS if c in frame for v in frame[c].dropna().unique()} - {""}
    said = sorted(told | ({build} if build else set()))
    if len({canonical_build(b) for b in said}) > 1:
        got = ", ".join(said) + (f" (data.build {build})" if build else "")
        fix = "lift the rows of one build over to the other (UCSC liftOver), or correct --data.build"
        raise DataError(explain(f"{source}: coordinates of different genome builds", got, "one build", fix))
    return said[0] if said else None


def refuse_mixed_names(chromosomes: Iterable[Any], source: str) -> None:
    """Refuse chromosomes of which one stands under two names, ``chr11`` and ``11``: a fold by name would have it on both sides.

    Raises: DataError with the names.

    >>> refuse_mixed_names(["chr1", "chr2", "chrX"], "a table")
    """
    by_bare: dict[str, set[str]] = {}
    for name in {str(c) for c in chromosomes}:
        by_bare.setdefault(re.sub(r"^chr", "", name, flags=re.IGNORECASE), set()).add(name)
    if twice := sorted(", ".join(sorted(names, reverse=True)) for names in by_bare.values() if len(names) > 1):
        got = f"{'; '.join(twice[:3])} ({len(twice)} chromosomes)"
        fix = "write all names in one way, such as chr11, and merge the rows that then stand twice"
        raise DataError(explain(f"{source}: a chromosome stands under two names", got, "one name for each", fix))
