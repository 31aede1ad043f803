"""GFF3 and GTF: features, genes, and where transcription starts. Both count from 1, both ends included."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.frames import sort_intervals
from seqsci.domains.genomics.genome.interval import OPPOSITE
from seqsci.domains.genomics.reading.declared_build import with_build
from seqsci.domains.genomics.reading.table import SCORE, SKIP, TEXT, WHOLE, Format, Table, first, ordered, read_table, refuse
from seqsci.errors import DataError, explain

COLUMNS = (
    ("chrom", TEXT),
    ("source", SKIP),
    ("type", TEXT),
    ("first", WHOLE),
    ("last", WHOLE),
    ("score", SCORE),
    ("strand", TEXT),
    ("phase", TEXT),
    ("attributes", TEXT),
)
GFF = Format("GFF3 or GTF", COLUMNS, 9, (9,), ("#",), stop="##FASTA")
GENES = ("gene", "ncRNA_gene", "pseudogene", "transposable_element_gene")
NAMES = ("gene_name", "Name", "gene", "gene_id", "ID", "Parent", "transcript_id")
"""Attributes that may name a feature, the first that is there."""
KINDS = ("gene_type", "gene_biotype", "biotype")


def read_features(
    path: str | os.PathLike[str],
    types: tuple[str, ...],
    build: str | None = None,
    sizes: Mapping[str, int] | None = None,
    attributes: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Read the features of some types (``exon``, ``CDS``, ``gene``) as a frame: chrom, start, end, name, score, strand, type, attributes.

    Args:
        path: GFF3 or GTF, plain or gzip; a ``##FASTA`` part is left out.
        types: names of the third column.
        build: genome build; a build in the header (``#!genome-build GRCh38``) must agree.
        sizes: bp by chromosome; None leaves the ends unchecked.
        attributes: names in the ninth column that become columns; ``""`` where a feature lacks one.

    The rows are sorted: these files group features by gene, and their order says nothing.

    Shapes: (features of these types,).
    Raises: DataError with file and line for malformed lines, start > end, ends beyond the sequence, unknown strands, mixed builds; for a
        file without a feature of these types (names those it has), one that is empty or cut short.
    Source: https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md, https://mblab.wustl.edu/GTF22.html
    """
    seen: dict[str, int] = {}
    table = _table(path, types, seen)
    if not len(table.frame):
        listed = ", ".join(f"{n} ({c:,})" for n, c in sorted(seen.items(), key=lambda x: -x[1])[:12])
        raise DataError(explain(f"{path} holds no {' or '.join(types)}", listed, "features of these types", "choose among those it has"))
    frame = table.frame
    texts = frame.pop("attributes")
    for name in attributes:
        frame[name] = attribute(texts, name)
    frame["name"] = _first_of(texts, NAMES)
    frame["start"], frame["end"] = frame.pop("first") - 1, frame.pop("last")
    strand = frame["strand"] = frame["strand"].replace("?", ".")
    faults = first(~strand.isin(list(OPPOSITE)).to_numpy(), lambda i: f"strand {strand.iloc[i]!r} is none of + - . ?")
    refuse(table, faults, "a strand", "correct these lines")
    frame = frame[["chrom", "start", "end", "name", "score", "strand", "type", *attributes]]
    frame = ordered(table, frame, None if sizes is None else dict(sizes), sort=True)
    return with_build(frame, table.path, table.comments, build)


def read_genes(path: str | os.PathLike[str], build: str | None = None, sizes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Read genes: chrom, start, end, name, score, strand, gene_id, gene_type, and tss, the base where transcription starts (bp from 0).

    ``tss = start`` on +, ``end - 1`` on -, and -1 where the strand is not known. A file without genes (many GTF files hold transcripts and
    exons alone) gives the spans of the features that share a ``gene_id``, chromosome and strand.

    Args and errors as in `read_features`.

    Shapes: (genes,).
    """
    seen: dict[str, int] = {}
    _table(path, (), seen)
    if any(t in seen for t in GENES):
        frame = read_features(path, GENES, build, sizes, ("gene_id", "ID", *KINDS))
        identity = frame["gene_id"].where(frame["gene_id"] != "", frame.pop("ID").str.removeprefix("gene:").str.removeprefix("Gene:"))
    else:
        wanted = tuple(t for t in ("transcript", "mRNA", "exon", "CDS") if t in seen) or ("gene",)
        parts = read_features(path, wanted, build, sizes, ("gene_id", "gene_name", *KINDS))
        if (parts["gene_id"] == "").all():
            got = f"features {', '.join(wanted)} without gene_id"
            raise DataError(explain(f"{path} holds no genes", got, "genes, or a gene_id on each feature", "read_features(path, types)"))
        keys = ["chrom", "gene_id", "strand"]
        spans = parts.groupby(keys, sort=False, as_index=False)
        columns = {"start": "min", "end": "max", "score": "first", "gene_name": "first", "type": "first"} | dict.fromkeys(KINDS, "first")
        frame = sort_intervals(spans.agg(columns))
        frame["name"] = frame["gene_name"].where(frame["gene_name"] != "", frame["gene_id"])
        frame.attrs = dict(parts.attrs)
        identity = frame["gene_id"]
    kind = frame[KINDS[0]]
    for other in KINDS[1:]:
        kind = kind.where(kind != "", frame[other])
    strand = frame["strand"].to_numpy(object)
    tss = np.where(strand == "+", frame["start"], np.where(strand == "-", frame["end"] - 1, -1)).astype(np.int64)
    attrs = dict(frame.attrs)
    frame = frame[["chrom", "start", "end", "name", "score", "strand"]].assign(gene_id=identity, gene_type=kind, tss=tss)
    frame.attrs = attrs
    return frame


def tss_frame(genes: pd.DataFrame, flank_bp: int = 0, sizes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return a sorted frame of start sites, ``[tss - flank, tss + flank + 1)``, cut at the ends of the chromosome; other columns are kept.

    Raises: DataError for genes without a strand, whose start is not known.

    >>> genes = pd.DataFrame({"chrom": "chr1", "start": [10], "end": [20], "strand": ["-"], "tss": [19]})
    >>> tss_frame(genes, 5)[["start", "end"]].values.tolist()
    [[14, 25]]
    """
    tss = genes["tss"].to_numpy()
    if (lacking := tss < 0).any():
        row = int(np.argmax(lacking))
        got = f"{int(lacking.sum())} genes, such as {genes['name'].iloc[row] if 'name' in genes else row}"
        raise DataError(explain("genes without a strand have no start site", got, "+ or -", "drop them: genes[genes.strand != '.']"))
    end = tss + flank_bp + 1
    if sizes is not None:
        end = np.minimum(end, genes["chrom"].map(dict(sizes)).to_numpy())
    result = sort_intervals(genes.assign(start=np.maximum(tss - flank_bp, 0), end=end))
    result.attrs = dict(genes.attrs)
    return result


def attribute(texts: pd.Series, name: str) -> pd.Series:
    """Return the value of an attribute of the ninth column, GFF3 (``name=value``) or GTF (``name "value"``); ``""`` where it is not there.

    >>> attribute(pd.Series(['gene_id "g1"; gene_name "A b";', "ID=g2;gene_name=x%3By"]), "gene_name").tolist()
    ['A b', 'x;y']
    """
    pattern = re.compile(rf'(?:^|;)\s*{re.escape(name)}(?:=([^;]*)|\s+(?:"([^"]*)"|([^;\s]+)))')

    def value(text: str) -> str:
        match = pattern.search(text)
        if match is None:
            return ""
        return unquote(match[1].strip()) if match[1] is not None else match[2] if match[2] is not None else match[3]

    return pd.Series([value(t) for t in texts.tolist()], texts.index, dtype="str")


def _first_of(texts: pd.Series, names: tuple[str, ...]) -> pd.Series:
    found = pd.Series("", texts.index, dtype="str")
    for name in names:
        lacking = (found == "").to_numpy()
        if not lacking.any():
            break
        found[lacking] = attribute(texts[lacking], name)
    return found


def _table(path: str | os.PathLike[str], types: tuple[str, ...], seen: dict[str, int]) -> Table:
    def keep(frame: pd.DataFrame) -> NDArray[np.bool_]:
        for name, count in frame["type"].value_counts().items():
            seen[str(name)] = seen.get(str(name), 0) + int(count)
        return frame["type"].isin(list(types)).to_numpy()

    chosen: Callable[[pd.DataFrame], NDArray[np.bool_]] = keep
    return read_table(path, GFF, chosen)
