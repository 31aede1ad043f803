"""The collection inside an Anki package: found by its exact name, streamed with limits, never extracted by a name of the archive."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from seqsci.errors import DataError, MissingExtraError, explain

MEMBERS = ("collection.anki21b", "collection.anki21", "collection.anki2")
"""Newest first: beside a newer one, collection.anki2 is a decoy that asks for an update of Anki."""
CHUNK = 1 << 20
ZSTD_CHUNK = 1 << 10
"""Compressed bytes that zstd is given at once: a block of 4 bytes may stand for 128 KiB, so 1 KiB for 32 MiB."""
ZSTD_WINDOW = 1 << 27
"""Largest window (bytes) that a zstd frame may ask memory for."""
FRAMES = 1 << 16
"""Most zstd frames in a row; a frame costs a decoder, however little it holds."""
SQLITE, ZIP, ZSTD = b"SQLite format 3\0", b"PK", b"\x28\xb5\x2f\xfd"
NEW_EXPORT = "export it from Anki again (File, Export, 'Include scheduling information')"


@dataclass(frozen=True)
class Limits:
    """How far a compressed collection may unfold; counted while it does, whatever its headers say.

    Attributes:
        size: bytes.
        ratio: times the size of its archive, once it has passed ``free`` bytes.
        free: bytes below which the ratio does not matter.
    """

    size: int = 4 << 30
    ratio: float = 200.0
    free: int = 64 << 20


class Bounded:
    """A file that takes bytes and raises DataError beyond the limits."""

    def __init__(self, file: IO[bytes], path: Path, limits: Limits) -> None:
        self.file, self.path, self.limits, self.written = file, path, limits, 0
        self.archive = path.stat().st_size

    def write(self, data: bytes) -> None:
        self.written += len(data)
        size, ratio = self.limits.size, self.limits.ratio
        if self.written > size or (self.written > self.limits.free and self.written > ratio * self.archive):
            got = f"more than {self.written:,} bytes from {self.archive:,}"
            fix = "if you trust the file, unpack it yourself or in Python pass limits=Limits(...)"
            raise DataError(explain(f"{self.path} unfolds too far", got, f"at most {size:,} bytes and {ratio:g} times its size", fix))
        self.file.write(data)


@contextlib.contextmanager
def unpacked(path: Path, magic: bytes, limits: Limits) -> Iterator[Path]:
    """Yield the SQLite file inside a package (.apkg, .colpkg) or a lone collection.anki21b; it lies in a private folder that is removed.

    Raises DataError for an archive that is no package, is damaged, encrypted or unfolds beyond the limits; MissingExtraError without
    zstandard.
    """
    folder = Path(tempfile.mkdtemp(prefix="seqsci-"))
    try:
        target = folder / "collection.sqlite"
        with target.open("xb") as file:
            bounded = Bounded(file, path, limits)
            if magic.startswith(ZIP):
                _from_zip(path, bounded)
            else:
                with path.open("rb") as source:
                    _unzstd(source, bounded)
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _from_zip(path: Path, target: Bounded) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(archive, path)
            with archive.open(member) as source:
                if member.filename == MEMBERS[0]:
                    _unzstd(source, target)
                else:
                    while data := source.read(CHUNK):
                        target.write(data)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, RuntimeError, OSError, UnicodeDecodeError) as error:
        raise DataError(explain(f"{path} is a damaged archive", error, "a complete .apkg or .colpkg", NEW_EXPORT)) from error


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The collection to read; DataError where there is none, two of a name, an encrypted one, or only the decoy."""
    entries = archive.infolist()
    named = {name: [e for e in entries if e.filename == name] for name in MEMBERS}
    found = [name for name in MEMBERS if named[name]]
    if not found:
        got = ", ".join(repr(e.filename)[:60] for e in entries[:5]) or "an empty archive"
        raise DataError(explain(f"{path} is no Anki package", got, "one of " + ", ".join(MEMBERS), "choose an .apkg or .colpkg"))
    version = _package_version(archive, path)
    if version > 3:
        raise DataError(
            explain(f"{path} is of a newer kind of package", f"version {version}", "1, 2 or 3", "export with 'Support older Anki'")
        )
    if version == 3 and found[0] != MEMBERS[0]:
        got = f"{found[0]}, which is only a notice in such a package"
        raise DataError(explain(f"{path} lacks its collection", got, MEMBERS[0], NEW_EXPORT))
    if len(named[found[0]]) > 1:
        raise DataError(explain(f"{path} holds {found[0]} twice", len(named[found[0]]), "one", NEW_EXPORT))
    member = named[found[0]][0]
    if member.flag_bits & 0x1:
        raise DataError(explain(f"{path} is encrypted", member.filename, "a package without a password", "decrypt it first"))
    _check_compression(member, path)
    return member


def _check_compression(entry: zipfile.ZipInfo, path: Path) -> None:
    """Refuse what Anki does not write: the decoders of other methods raise errors of their own on damaged data."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        got = f"{entry.filename}: method {entry.compress_type}"
        raise DataError(explain(f"{path} uses a compression that Anki does not", got, "stored or deflated", NEW_EXPORT))


def _package_version(archive: zipfile.ZipFile, path: Path) -> int:
    """Version in the entry ``meta`` (a protobuf message, field 1); 0 where there is none."""
    entries = [e for e in archive.infolist() if e.filename == "meta" and not e.flag_bits & 0x1]
    if len(entries) != 1:
        return 0
    _check_compression(entries[0], path)
    with archive.open(entries[0]) as source:
        head = source.read(2)
    return head[1] if len(head) == 2 and head[0] == 0x08 else 0


def _unzstd(source: IO[bytes], target: Bounded) -> None:
    try:
        zstandard: Any = importlib.import_module("zstandard")
    except ImportError as error:
        raise MissingExtraError("zstandard", "memory", f"Reading {target.path.name}") from error
    decoder, frames = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj(), 1
    try:
        while data := source.read(ZSTD_CHUNK):
            while data:
                if decoder.eof:  # a stream may be several frames, one after the other
                    decoder, frames = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj(), frames + 1
                if frames > FRAMES:
                    got = f"more than {FRAMES:,} zstd frames"
                    raise DataError(explain(f"{target.path} unfolds too far", got, f"at most {FRAMES:,}", NEW_EXPORT))
                target.write(decoder.decompress(data))
                data = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise DataError(explain(f"{target.path} is damaged", error, "a zstd stream", NEW_EXPORT)) from error
    if not decoder.eof:
        raise DataError(explain(f"{target.path} is truncated", f"{target.written:,} bytes unfolded", "a complete zstd stream", NEW_EXPORT))
