"""GenBank records, by Biopython: sequence and features, with coordinates counted from 0."""

from __future__ import annotations

import io
import os
import re
import warnings
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pandas as pd

from seqsci.domains.genomics.genome.sequence import CODE, UNKNOWN
from seqsci.domains.genomics.reading.fasta import Record
from seqsci.domains.genomics.reading.text import opened
from seqsci.errors import DataError, MissingExtraError, explain

NAMES = ("gene", "locus_tag", "protein_id", "product")
"""Qualifiers that may name a feature, the first that is there."""
STRANDS = {1: "+", -1: "-", 0: ".", None: "."}


@dataclass(frozen=True, eq=False)
class Annotated:
    """A record with its features.

    Attributes:
        record: name and codes of the sequence.
        features: chrom (name of the record), start, end, name, strand, type, feature (number in the record), part and parts; a row a part
            of a location such as ``join(1..5,9..12)``, part 0 the 5' one. In the order of the record.
        notes: what the parser found odd: the LOCUS lines of many programs are not in the columns that GenBank prescribes.
    """

    record: Record
    features: pd.DataFrame
    notes: tuple[str, ...]


def read_genbank(path: str | os.PathLike[str], build: str | None = None) -> dict[str, Annotated]:
    """Return the records of a GenBank file by name.

    The warnings of Biopython's parser, such as those about malformed LOCUS lines, become notes of the record: it reads these lines all the
    same. A sequence of another length than the LOCUS line says is an error.

    Args:
        path: plain or gzip.
        build: genome build to declare.

    Raises: DataError for a file that is missing, empty, cut short, damaged or no GenBank, with the line that was reached; for records of
        one name, without a sequence, or of another length than their LOCUS line says. MissingExtraError without Biopython.
    Source: https://www.ncbi.nlm.nih.gov/genbank/release/current/
    """
    try:
        from Bio import BiopythonParserWarning, SeqIO
    except ImportError as error:
        raise MissingExtraError("biopython", "genomics", "Reading GenBank") from error
    parse: Any = SeqIO.parse
    found: dict[str, Annotated] = {}
    others: list[warnings.WarningMessage] = []
    with opened(path) as raw:
        source = _Lines(raw)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                records = iter(parse(source, "genbank"))
                while (record := next(records, None)) is not None:
                    of_parser = [str(w.message) for w in caught if issubclass(w.category, BiopythonParserWarning)]
                    others += [w for w in caught if not issubclass(w.category, BiopythonParserWarning)]
                    caught.clear()
                    _add(found, path, source, record, tuple(dict.fromkeys(of_parser)), build)
        except (ValueError, LookupError, AttributeError, TypeError, AssertionError) as error:  # whatever Biopython's parser meets
            if isinstance(error, DataError):
                raise
            what = f"{path}, line {source.number}: no GenBank record"
            raise DataError(explain(what, error, "LOCUS, FEATURES, ORIGIN, //", "is the file cut short?")) from error
        if found and source.last.strip() != "//":
            what = f"{path}, line {source.number}: the file is cut short"
            raise DataError(explain(what, repr(source.last.strip()[:60]), "// at the end", "copy or download it again"))
    if not found:
        got = repr(source.first[:60].strip())
        raise DataError(explain(f"{path} holds no GenBank records", got, "LOCUS ... //", "FASTA is read by read_fasta"))
    for w in others:
        warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return found


def _add(
    found: dict[str, Annotated], path: str | os.PathLike[str], source: _Lines, record: Any, notes: tuple[str, ...], build: str | None
) -> None:
    name, where = str(record.name), f"{path}, line {source.number}"
    stated = source.lengths[len(found)] if len(found) < len(source.lengths) else None
    if stated is not None and stated != len(record.seq):
        what = f"{where}: {name} is not as long as its LOCUS line says"
        raise DataError(explain(what, f"{len(record.seq):,} bases", f"{stated:,} bp", "copy or download it again"))
    if name in found:
        raise DataError(explain(f"{where}: the record {name} comes twice", name, "each name once", "name them apart"))
    try:
        raw = bytes(record.seq)
    except ValueError:  # Biopython's UndefinedSequenceError
        raw = b""
    if not raw:
        raise DataError(explain(f"{where}: {name} has no sequence", "no ORIGIN", "bases", "download it with its sequence"))
    codes = CODE[np.frombuffer(raw, np.uint8)]
    if (bad := codes == UNKNOWN).any():
        place = int(np.argmax(bad))
        got = f"{raw[place : place + 1].decode('latin-1')!r} at base {place + 1}"
        raise DataError(
            explain(f"{where}: no nucleotide in {name}", got, "IUPAC letters", "correct it; a protein is no nucleotide sequence")
        )
    rows = []
    for number, feature in enumerate(record.features):
        parts = feature.location.parts
        label = next((feature.qualifiers[q][0] for q in NAMES if q in feature.qualifiers), "")
        for k, part in enumerate(parts):
            rows.append((name, int(part.start), int(part.end), label, STRANDS[part.strand], feature.type, number, k, len(parts)))
            if not 0 <= int(part.start) <= int(part.end) <= len(codes):
                what = f"{where}: {feature.type} {part} of {name}"
                raise DataError(explain(what, str(feature.location), f"within {len(codes)} bp", "correct the record"))
    columns = ["chrom", "start", "end", "name", "strand", "type", "feature", "part", "parts"]
    frame = pd.DataFrame(rows, columns=columns).astype({"start": np.int64, "end": np.int64})
    frame.attrs["build"] = build
    found[name] = Annotated(Record(name, str(record.description), codes, build), frame, notes)


class _Lines:
    """Lines of text that are counted as they are read; lengths (bp) that LOCUS lines state, None where they state none."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.text, self.number, self.last, self.first = io.TextIOWrapper(raw, "utf-8", "replace"), 0, "", ""
        self.lengths: list[int | None] = []

    def readline(self) -> str:
        line = self.text.readline()
        if line:
            self.number += 1
            self.first = self.first or line
            self.last = line if line.strip() else self.last
            if line.startswith("LOCUS"):
                length = re.search(r"\s(\d+)\s+bp\b", line)
                self.lengths.append(int(length[1]) if length else None)
        return line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if line := self.readline():
            return line
        raise StopIteration

    def read(self, size: int = -1) -> str:
        return self.text.read(size)
