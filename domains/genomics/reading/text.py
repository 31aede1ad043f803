"""Lines of text files, plain or gzip, block by block: every line keeps its number, and a file that was cut short is noticed."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from seqsci.errors import DataError, explain

BLOCK = 1 << 25
"""Bytes of text that are parsed at once."""
GZIP, ZIP, BOM = b"\x1f\x8b", b"PK\x03\x04", b"\xef\xbb\xbf"
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every complete file of bgzip."""
AGAIN = "copy or download it again"


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of data that follow one another, each ended by ``\\n``.

    Attributes:
        data: the lines; comments, empty lines, carriage returns and a byte-order mark are gone.
        numbers: line of the file (from 1) of each, (lines,).
        comments: the comment lines that stood among or before them.
        last: whether no lines follow.
    """

    data: bytes
    numbers: NDArray[np.int64]
    comments: tuple[str, ...]
    last: bool


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file, plain or gzip (told by its content, not its name), and explain whatever goes wrong while it is read.

    Raises: DataError for a file that is missing, empty, a zip archive, damaged, or cut short (bgzip's files end with an empty block).
    """
    source = Path(path).expanduser()
    try:
        with source.open("rb") as file:
            head = file.read(18)
            if not head:
                raise DataError(explain(f"{source} is empty", "0 bytes", "at least one line", AGAIN))
            if head.startswith(ZIP):
                raise DataError(explain(f"{source} is a zip archive", "PK", "text, plain or gzip", "unpack it first"))
            compressed = head.startswith(GZIP)
            if compressed and head[3:4] == b"\x04" and head[12:14] == b"BC":
                _check_bgzf_end(file, source)
            file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked  # type: ignore[misc]  # a GzipFile reads as any binary file
            else:
                yield file
    except EOFError as error:
        raise DataError(explain(f"{source} is cut short", "the gzip stream ends in its middle", "a complete file", AGAIN)) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(explain(f"{source} is damaged", error, "a complete gzip stream", AGAIN)) from error
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError(explain(f"{source} cannot be read", got, "a file that can be read", "check the path")) from error


def _check_bgzf_end(file: IO[bytes], source: Path) -> None:
    file.seek(max(0, source.stat().st_size - len(BGZF_END)))
    if file.read() != BGZF_END:
        got = "no empty block at its end"
        raise DataError(explain(f"{source} is cut short", got, "a complete file of bgzip, which ends with one", AGAIN))


def lines_of(
    path: str | os.PathLike[str], comments: tuple[str, ...] = ("#",), block: int = BLOCK, stop: str | None = None
) -> Iterator[Lines]:
    """Yield the lines of data of a file in blocks of whole lines; at least one, with no lines where the file has none.

    Args:
        path: plain or gzip.
        comments: how lines that are no data begin.
        block: bytes that are read at once.
        stop: how the line begins after which there are no more data, such as ``##FASTA`` in GFF3.
    """
    prefixes = tuple(c.encode() for c in comments)
    number, rest, start = 1, b"", True
    with opened(path) as file:
        while True:
            fresh = file.read(block)
            text = rest + fresh
            if start:
                if fresh and len(text) < len(BOM):
                    rest = text
                    continue
                text, start = text.removeprefix(BOM), False
            cut = text.rfind(b"\n") + 1 if fresh else len(text)
            whole, rest = text[:cut], text[cut:]
            if stop is not None and (ended := _place(whole, stop.encode())) >= 0:
                whole, fresh = whole[:ended], b""
            if whole or not fresh:
                found, count = _kept(whole, number, prefixes, not fresh)
                number += count
                yield found
            if not fresh:
                return


def _place(text: bytes, beginning: bytes) -> int:
    """Where the first line that begins so stands, or -1."""
    place = text.find(b"\n" + beginning)
    return 0 if text.startswith(beginning) else place + 1 if place >= 0 else -1


def _kept(text: bytes, first: int, prefixes: tuple[bytes, ...], last: bool) -> tuple[Lines, int]:
    """The lines of data among whole lines, and how many lines there were."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if text and not text.endswith(b"\n"):
        text += b"\n"
    comments: list[str] = []
    lead = at = 0
    while at < len(text) and text.startswith((b"\n", *prefixes), at):  # the usual place of a header
        stop = text.index(b"\n", at)
        if line := text[at:stop].strip():
            comments.append(line.decode("utf-8", "replace"))
        lead, at = lead + 1, stop + 1
    text = text[at:]
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10)
    count, starts = len(ends), ends[:-1] + 1
    beginnings = np.frombuffer(text, np.uint8)[starts]
    doubtful = starts[np.isin(beginnings, [10, *(p[0] for p in prefixes)])]  # lines that begin with a letter of a comment, or are empty
    if not any(text.startswith((b"\n", *prefixes), int(s)) for s in doubtful):
        return Lines(text, np.arange(first + lead, first + lead + count), tuple(comments), last), lead + count
    numbers, kept = [], []
    for i, line in enumerate(text.split(b"\n")[:-1], first + lead):
        if line.startswith(prefixes):
            comments.append(line.decode("utf-8", "replace"))
        elif line.strip():
            numbers.append(i)
            kept.append(line)
    data = b"\n".join(kept) + b"\n" if kept else b""
    return Lines(data, np.array(numbers, np.int64), tuple(comments), last), lead + count
