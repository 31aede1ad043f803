"""A genome as one memory-mapped array of uint8 codes with an index: random reads at the speed of memory, in any number of workers."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.atomic import replacing
from seqsci.domains.genomics.genome.builds import canonical_build, require_same_build
from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.genome.sequence import Codes, N, reverse_complement, runs_of
from seqsci.domains.genomics.reading.fasta import fasta_pieces
from seqsci.errors import ArtefactError, DataError, did_you_mean, explain

INDEX, HEADER, FORMAT = "genome.json", 128, "seqsci genome 1"
AGAIN = "build it again: build_cache(fasta, folder)"
STRIDE = 1 << 24


@dataclass(frozen=True, eq=False)
class GenomeCache:
    """Codes of a genome by chromosome and position, read-only.

    It pickles as its folder and maps the file on first use. The map has no place in the file and is never written, so forks and threads
    share it safely. Made by `build_cache`, opened by `open_cache`.

    Attributes:
        folder: holds genome.json and the array.
        build: genome build, None where it is not declared.
        sizes: bases (bp) by chromosome, in the order of the source.
        fingerprint: SHA-256 of the source file.
    """

    folder: str
    build: str | None
    sizes: dict[str, int]
    fingerprint: str
    file: str
    offsets: dict[str, int]
    _map: dict[str, Codes] = field(default_factory=dict, repr=False)

    def codes(self, chrom: str, start: int, end: int) -> Codes:
        """Codes of [start, end) on the forward strand (end - start,): a view that cannot be written.

        Raises: DataError for an unknown chromosome, start > end, and bases beyond the sequence.
        """
        codes = self._map.get(chrom)
        if codes is None:
            codes = self._chromosome(chrom)
        if not 0 <= start <= end <= len(codes):
            Interval(chrom, start, end, build=self.build).within(len(codes))
        return codes[start:end]

    def read(self, interval: Interval) -> Codes:
        """Codes of an interval along its own strand (bp,): the reverse complement on ``-``. Builds must agree where both are declared."""
        if self.build and interval.build:
            require_same_build(self, interval)
        codes = self.codes(interval.chrom, interval.start, interval.end)
        return reverse_complement(codes) if interval.strand == "-" else codes

    def windows(self, chrom: str, starts: NDArray[np.integer[Any]], length: int) -> Codes:
        """Codes of windows of one length (windows, length), copied; DataError as `codes`."""
        starts = np.asarray(starts, np.int64)
        if not len(starts):
            return np.empty((0, length), np.uint8)
        self.codes(chrom, int(starts.min()), int(starts.max()) + length)
        windows = np.lib.stride_tricks.sliding_window_view(self.codes(chrom, 0, self._size(chrom)), length)
        return np.asarray(windows[starts], np.uint8)

    def gaps(self, chrom: str) -> NDArray[np.int64]:
        """Runs of N (runs, 2), 0-based half-open: assembly gaps; what a model must not take for sequence."""
        size, found, open_at = self._size(chrom), list[NDArray[np.int64]](), -1
        for lo in range(0, size, STRIDE):
            runs = runs_of(self.codes(chrom, lo, min(size, lo + STRIDE)) == N, lo)
            if len(runs) and open_at == runs[0, 0]:
                runs[0, 0] = found[-1][-1, 0]
                found[-1] = found[-1][:-1]
            found += [runs] if len(runs) else []
            open_at = int(runs[-1, 1]) if len(runs) else -1
        return np.concatenate(found) if found else np.empty((0, 2), np.int64)

    def _size(self, chrom: str) -> int:
        if chrom not in self.sizes:
            what, listed = f"the cache has no {chrom}{did_you_mean(chrom, self.sizes)}", ", ".join(list(self.sizes)[:8])
            raise DataError(explain(what, listed, "a chromosome of it", "correct the name"))
        return self.sizes[chrom]

    def _chromosome(self, chrom: str) -> Codes:
        size, at = self._size(chrom), self.offsets[chrom]
        path = Path(self.folder) / self.file
        try:
            whole = np.load(path, mmap_mode="r").view(np.ndarray)
        except (OSError, ValueError) as error:
            raise ArtefactError(explain(f"{path} cannot be read", error, "the array of the cache", AGAIN)) from error
        codes: Codes = whole[at : at + size]
        self._map[chrom] = codes
        return codes

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the map."""
        return {name: value for name, value in self.__dict__.items() if name != "_map"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["_map"] = {}


def build_cache(fasta: str | os.PathLike[str], folder: str | os.PathLike[str], build: str | None = None) -> GenomeCache:
    """Write the cache of a FASTA file (plain or gzip) into a folder, and return it; memory holds one block of the file at a time.

    The array is written first, under a name of its own, and the index last: a reader sees the old cache or the new one, never a part.
    A cache of the same source and build is left as it is; soft masks (lower case) are not kept.

    Raises: DataError as `read_fasta`; ArtefactError where the folder cannot be written.
    """
    source, target = Path(fasta).expanduser(), Path(folder).expanduser()
    fingerprint = _fingerprint(source)
    if (target / INDEX).exists():
        old = open_cache(target)
        if old.fingerprint == fingerprint and (build is None or (old.build and canonical_build(old.build) == canonical_build(build))):
            return old
    name = f"codes-{fingerprint[:16]}.npy"
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(explain(f"cannot make {target}", error.strerror, "a folder that can be written", "choose another")) from error
    sizes: dict[str, int] = {}
    with replacing(target / name) as temporary, temporary.open("wb") as file:
        _header(file, 0)
        for chrom, _, codes in fasta_pieces(source):
            file.write(codes.data)
            sizes[chrom] = sizes.get(chrom, 0) + len(codes)
        _header(file, sum(sizes.values()))
        file.flush()
        os.fsync(file.fileno())
    about = {"format": FORMAT, "build": build, "file": name, "source": source.name, "sha256": fingerprint, "sizes": sizes}
    with replacing(target / INDEX) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
    for path in target.glob("codes-*.npy"):
        if path.name != name:
            path.unlink(missing_ok=True)
    return open_cache(target)


def open_cache(folder: str | os.PathLike[str]) -> GenomeCache:
    """Open what `build_cache` wrote; ArtefactError for a folder without a cache, a damaged index, or an array that was cut short."""
    path = Path(folder).expanduser() / INDEX
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about.get("format") != FORMAT:
            raise ArtefactError(explain(f"{path} is no index of a genome", about.get("format"), FORMAT, AGAIN))
        sizes = {str(name): int(size) for name, size in about["sizes"].items()}
        found = (path.parent / about["file"]).stat().st_size
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"[:200]
        raise ArtefactError(explain(f"{path} cannot be read", got, "a cache of a genome", AGAIN)) from error
    if found != HEADER + sum(sizes.values()):
        got = f"{found:,} bytes"
        raise ArtefactError(explain(f"{about['file']} is not what its index says", got, f"{HEADER + sum(sizes.values()):,}", AGAIN))
    ends = np.cumsum(list(sizes.values())).tolist()
    offsets = {name: end - size for (name, size), end in zip(sizes.items(), ends, strict=True)}
    return GenomeCache(str(path.parent), about["build"], sizes, str(about["sha256"]), str(about["file"]), offsets)


def _fingerprint(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(explain(f"{path} cannot be read", error.strerror, "a FASTA file", "check the path")) from error


def _header(file: IO[bytes], count: int) -> None:
    """Write the header of a .npy file of ``count`` bytes, always of one length, at its beginning; the place in the file is kept."""
    place = file.tell()
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count},), }}".ljust(HEADER - 11) + "\n"
    file.seek(0)
    file.write(b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + text.encode("ascii"))
    file.seek(max(place, HEADER))
