"""Regions of a file of bgzip through its tabix index, without reading the rest."""

from __future__ import annotations

import functools
import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.reading.text import AGAIN, Lines
from seqsci.errors import DataError, did_you_mean, explain

SHIFT, LEVELS = 14, 5
"""Smallest bins of 2^14 bp, five levels of eight each above them: positions up to 2^29."""
ZERO_BASED = 0x10000


@dataclass(frozen=True, eq=False)
class TabixIndex:
    """What ``path.tbi`` says.

    Attributes:
        columns: of the name, the start and the end (from 1; 0 where there is none).
        zero_based: whether starts count from 0.
        chunks: by chromosome and bin, the (begin, end) of its rows as virtual offsets.
        least: by chromosome, the virtual offset before which nothing reaches each window of 16 kb.
    """

    columns: tuple[int, int, int]
    zero_based: bool
    chunks: dict[str, dict[int, list[tuple[int, int]]]]
    least: dict[str, tuple[int, ...]]


def read_index(path: str | os.PathLike[str]) -> TabixIndex:
    """Read a ``.tbi`` file; DataError where it is missing, damaged, or something else. The last few are kept, until their files change."""
    try:
        about = Path(path).stat()
    except OSError as error:
        fix = "make it: tabix -p bed file.bed.gz (of a file compressed by bgzip), or read the whole file"
        raise DataError(explain(f"{path} is missing", error.strerror, "the index of the file, beside it", fix)) from error
    return _index(os.fspath(path), about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=8)
def _index(path: str, modified: int, size_bytes: int) -> TabixIndex:
    try:
        data = gzip.decompress(Path(path).read_bytes())
        if data[:4] != b"TBI\x01":
            raise DataError(explain(f"{path} is no tabix index", repr(data[:4]), "TBI", "make it: tabix -p bed file.bed.gz"))
        count, flags, *columns, _, _, size = struct.unpack_from("<8i", data, 4)
        names = data[36 : 36 + size].split(b"\0")[:count]
        at, chunks, least = 36 + size, dict[str, dict[int, list[tuple[int, int]]]](), dict[str, tuple[int, ...]]()
        for name in (n.decode() for n in names):
            bins, (number,) = dict[int, list[tuple[int, int]]](), struct.unpack_from("<i", data, at)
            at += 4
            for _ in range(number):
                key, parts = struct.unpack_from("<Ii", data, at)
                flat = struct.unpack_from(f"<{2 * parts}Q", data, at + 8)
                bins[key] = list(zip(flat[::2], flat[1::2], strict=True))
                at += 8 + 16 * parts
            (windows,) = struct.unpack_from("<i", data, at)
            chunks[name], least[name] = bins, struct.unpack_from(f"<{windows}Q", data, at + 4)
            at += 4 + 8 * windows
    except (OSError, EOFError, zlib.error, struct.error, UnicodeDecodeError) as error:
        raise DataError(explain(f"{path} is damaged", error, "a tabix index", "make it again: tabix -p bed file.bed.gz")) from error
    return TabixIndex((columns[0], columns[1], columns[2]), bool(flags & ZERO_BASED), chunks, least)


def region_lines(path: str | os.PathLike[str], region: Interval, comments: tuple[str, ...] = ("#",)) -> Iterator[Lines]:
    """Yield the lines that overlap a region, as one block; its line numbers count from the first line of the region.

    Raises: DataError for a missing or damaged index, a chromosome that it lacks, and a file that is not of bgzip.
    """
    index = read_index(f"{os.fspath(path)}.tbi")
    if region.chrom not in index.chunks:
        what = f"{path} has no {region.chrom}{did_you_mean(region.chrom, index.chunks)}"
        raise DataError(explain(what, ", ".join(list(index.chunks)[:8]), "a chromosome of the index", "correct the name"))
    bins, windows = index.chunks[region.chrom], index.least[region.chrom]
    window = region.start >> SHIFT
    floor = windows[min(window, len(windows) - 1)] if windows else 0
    wanted = _merged([(max(a, floor), b) for key in _bins(region.start, region.end) for a, b in bins.get(key, []) if b > floor])
    name, first, last = index.columns
    kept, marks = list[bytes](), tuple(c.encode() for c in comments)
    with Path(path).expanduser().open("rb") as file:
        for begin, end in wanted:
            for line in _read(file, begin, end, path).split(b"\n"):
                if not line or line.startswith(marks):
                    continue
                fields = line.split(b"\t")
                try:
                    start = int(fields[first - 1]) - (not index.zero_based)
                    stop = int(fields[last - 1]) if last else start + 1
                except (ValueError, IndexError) as error:
                    fix = "make the index again: tabix -p bed file.bed.gz"
                    raise DataError(explain(f"{path} is not what its index says", repr(line[:80]), "rows of the index", fix)) from error
                if start < region.end and max(stop, start + 1) > region.start and fields[name - 1].decode() == region.chrom:
                    kept.append(line)
    data = b"".join(line.removesuffix(b"\r") + b"\n" for line in kept)
    yield Lines(data, np.arange(1, len(kept) + 1), (), True)


def _bins(start: int, end: int) -> list[int]:
    """Numbers of the bins that may hold what overlaps [start, end)."""
    found, offset = [0], 0
    for level in range(1, LEVELS + 1):
        offset = 8 * offset + 1
        shift = SHIFT + 3 * (LEVELS - level)
        found += range(offset + (start >> shift), offset + (max(end - 1, start) >> shift) + 1)
    return found


def _merged(chunks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Chunks in order, those that share a compressed block as one: a block is unpacked once."""
    found = list[tuple[int, int]]()
    for begin, end in sorted(chunks):
        if found and begin >> 16 <= found[-1][1] >> 16:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _read(file: IO[bytes], begin: int, end: int, path: str | os.PathLike[str]) -> bytes:
    """Text between two virtual offsets: (place of a compressed block) * 2^16 + place in the block."""
    block, parts = begin >> 16, list[bytes]()
    while block < end >> 16 or (block == end >> 16 and end & 0xFFFF):
        file.seek(block)
        head = file.read(18)
        if len(head) < 18 or head[:4] != b"\x1f\x8b\x08\x04" or head[12:14] != b"BC":
            raise DataError(explain(f"{path} is not of bgzip, or is cut short", f"byte {block:,}", "a block of bgzip", AGAIN))
        size = int.from_bytes(head[16:18], "little") + 1
        try:
            text = zlib.decompress(file.read(size - 18)[:-8], -15)
        except zlib.error as error:
            raise DataError(explain(f"{path} is damaged", error, "a block of bgzip", AGAIN)) from error
        low = begin & 0xFFFF if block == begin >> 16 else 0
        parts.append(text[low : end & 0xFFFF] if block == end >> 16 else text[low:])
        block += size
    return b"".join(parts)
