"""Synthetic files of genomics: text, gzip, and bgzip with a tabix index, written from the formats' specifications."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

GENBANK = """LOCUS       chr2L_1-40   40 bp  DNA
FEATURES             Location/Qualifiers
     source          1..40
     CDS             complement(join(3..8,21..26))
                     /gene="g1"
BASE COUNT     3004 a   1849 c  1764 g   2508 t
ORIGIN
        1 acgtacgtac gtacgtacgt acgtacgtac gtacgtacgn
//
"""
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def write(path: Path, text: str | bytes) -> Path:
    """Text as it is; gzip where the name ends in .gz."""
    raw = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    return path


def bgzip_block(data: bytes) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(body) + 25)
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def write_bgzip(path: Path, lines: list[str], per_block: int = 300) -> Path:
    """A file of bgzip and its .tbi index (preset bed); blocks end in the middle of lines on purpose."""
    text = "".join(f"{line}\n" for line in lines).encode()
    places, out = [0], b""
    for at in range(0, len(text), per_block):
        out += bgzip_block(text[at : at + per_block])
        places.append(len(out))
    path.write_bytes(out + END)

    def virtual(at: int) -> int:
        return places[at // per_block] << 16 | at % per_block

    names = list(dict.fromkeys(line.split("\t")[0] for line in lines if not line.startswith("#")))
    bins: dict[str, dict[int, list[tuple[int, int]]]] = {n: {} for n in names}
    linear: dict[str, dict[int, int]] = {n: {} for n in names}
    at = 0
    for line in lines:
        begin, at = at, at + len(line.encode()) + 1
        if line.startswith("#"):
            continue
        name, start, end = line.split("\t")[0], int(line.split("\t")[1]), int(line.split("\t")[2])
        bins[name].setdefault(bin_of(start, end), []).append((virtual(begin), virtual(at)))
        for window in range(start >> 14, ((end - 1) >> 14) + 1):
            linear[name].setdefault(window, virtual(begin))
    joined = b"".join(n.encode() + b"\0" for n in names)
    index = b"TBI\1" + struct.pack("<8i", len(names), 0x10000, 1, 2, 3, ord("#"), 0, len(joined)) + joined
    for n in names:
        index += struct.pack("<i", len(bins[n]))
        for key, chunks in bins[n].items():
            index += struct.pack("<Ii", key, len(chunks)) + b"".join(struct.pack("<QQ", *c) for c in chunks)
        windows, last = [], 0
        for window in range(max(linear[n]) + 1):
            last = linear[n].get(window, last)
            windows.append(last)
        index += struct.pack(f"<i{len(windows)}Q", len(windows), *windows)
    path.with_name(path.name + ".tbi").write_bytes(b"".join(bgzip_block(index[i : i + 60_000]) for i in range(0, len(index), 60_000)) + END)
    return path


def bin_of(start: int, end: int) -> int:
    """reg2bin of the SAM specification."""
    end -= 1
    for shift, offset in ((14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)):
        if start >> shift == end >> shift:
            return offset + (start >> shift)
    return 0


def modkit_line(chrom: str, start: int, code: str, strand: str, coverage: int, methylated: int, canonical: int | None = None) -> str:
    rest = coverage - methylated if canonical is None else canonical
    percent = 100 * methylated / coverage if coverage else 0
    head = f"{chrom}\t{start}\t{start + 1}\t{code}\t{coverage}\t{strand}\t{start}\t{start + 1}\t255,0,0"
    return f"{head}\t{coverage}\t{percent:.2f}\t{methylated}\t{rest}\t{coverage - methylated - rest}\t0\t0\t0\t0"
