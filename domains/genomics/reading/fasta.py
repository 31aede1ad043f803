"""FASTA, plain or gzip: whole records, or piece by piece for genomes larger than memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqsci.domains.genomics.genome.sequence import CODE, UNKNOWN, Codes
from seqsci.domains.genomics.reading.text import BOM, opened
from seqsci.errors import DataError, explain

BLOCK = 1 << 24
"""Bytes that are read at once."""


@dataclass(frozen=True, eq=False)
class Record:
    """A sequence.

    Attributes:
        name: first word of its header line.
        description: the rest of that line.
        codes: (positions,) uint8, see `seqsci.domains.genomics.genome.sequence`.
        build: genome build, None where it is not declared.
    """

    name: str
    description: str
    codes: Codes
    build: str | None = None

    def __len__(self) -> int:
        """Bases (bp)."""
        return len(self.codes)


def read_fasta(path: str | os.PathLike[str], build: str | None = None) -> dict[str, Record]:
    """Return the records of a FASTA file by name, in the order of the file.

    Args:
        path: plain or gzip.
        build: genome build to declare.

    Raises: DataError with file and line for text before the first header, a header without a name, a letter that is no IUPAC nucleotide, a
        name that comes twice, a record without bases; for a file that is empty or cut short.
    """
    parts: dict[str, list[Codes]] = {}
    headers: dict[str, str] = {}
    for name, description, codes in fasta_pieces(path):
        if description is not None:
            headers[name] = description
        parts.setdefault(name, []).append(codes)
    return {name: Record(name, headers[name], np.concatenate(codes), build) for name, codes in parts.items()}


def fasta_pieces(path: str | os.PathLike[str], block: int = BLOCK) -> Iterator[tuple[str, str | None, Codes]]:
    """Yield a file as (name, description, codes): the description comes with the first piece of a record, None with the others.

    Memory holds one block of the file. Raises as `read_fasta`.
    """
    name, header_line, line, bases, seen = "", 0, 1, 0, set[str]()
    rest, start = b"", True
    with opened(path) as file:
        while True:
            fresh = file.read(block)
            text = rest + fresh
            if start:
                if fresh and len(text) < len(BOM):
                    rest = text
                    continue
                text, start = text.removeprefix(BOM), False
            if not fresh and not text:
                break
            cut = len(text) if not fresh else text.rfind(b"\n") + 1 or (0 if b">" in text else len(text))
            text, rest = text[:cut], text[cut:]
            at = 0
            while at < len(text):
                if text[at : at + 1] == b">":
                    if name and not bases:
                        raise _no_bases(path, header_line, name)
                    stop = text.find(b"\n", at)
                    stop = len(text) if stop < 0 else stop
                    name, description = _header(path, line, text[at + 1 : stop], seen)
                    header_line, bases, at = line, 0, stop + 1
                    line += 1
                    yield name, description, np.empty(0, np.uint8)
                    continue
                stop = text.find(b"\n>", at)
                stop = len(text) if stop < 0 else stop + 1
                codes = _codes(path, line, text[at:stop], name)
                line += text.count(b"\n", at, stop)
                bases, at = bases + len(codes), stop
                if len(codes):
                    yield name, None, codes
            if not fresh:
                break
    if not name:
        raise DataError(explain(f"{path} holds no records", "empty lines alone", "a line >name, and bases", "fetch it again"))
    if not bases:
        raise _no_bases(path, header_line, name)


def _header(path: str | os.PathLike[str], line: int, text: bytes, seen: set[str]) -> tuple[str, str]:
    try:
        words = text.decode().strip().split(None, 1)
    except UnicodeDecodeError as error:
        raise DataError(explain(f"{path}, line {line}: the header is not UTF-8", error, "UTF-8 text", "save it as UTF-8")) from error
    if not words:
        raise DataError(explain(f"{path}, line {line}: a record without a name", ">", ">name", "name it"))
    if words[0] in seen:
        fix = "keep one of the two, or name them apart"
        raise DataError(explain(f"{path}, line {line}: the name {words[0]} comes twice", f">{words[0]}", "each name once", fix))
    seen.add(words[0])
    return words[0], words[1] if len(words) > 1 else ""


def _codes(path: str | os.PathLike[str], line: int, text: bytes, name: str) -> Codes:
    """Codes of lines of bases, without their ends."""
    if not name and text.strip():
        expected, fix = "a line >name first", "check that the file is FASTA"
        raise DataError(explain(f"{path}, line {line}: no FASTA", repr(text[:40].decode("utf-8", "replace")), expected, fix))
    codes = np.frombuffer(text.translate(CODE.tobytes(), b"\r\n"), np.uint8)
    if codes.size and codes.max() == UNKNOWN:
        for number, row in enumerate(text.split(b"\n"), line):
            bad = CODE[np.frombuffer(row.rstrip(b"\r"), np.uint8)] == UNKNOWN
            if bad.any():
                column = int(np.argmax(bad))
                got = f"{row[column : column + 1].decode('latin-1')!r} in column {column + 1}"
                fix = "remove it; a gap is N, a protein is no nucleotide sequence"
                raise DataError(explain(f"{path}, line {number}: no nucleotide in {name}", got, "IUPAC letters", fix))
    return codes


def _no_bases(path: str | os.PathLike[str], line: int, name: str) -> DataError:
    return DataError(explain(f"{path}, line {line}: {name} has no bases", "a header alone", "lines of bases", "is the file cut short?"))
