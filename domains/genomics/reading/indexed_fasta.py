"""Random access to a FASTA file through its index, by pyfaidx, opened in each worker."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqsci.domains.genomics.genome.builds import require_same_build
from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.genome.per_worker import PerWorker
from seqsci.domains.genomics.genome.sequence import Codes, encode, reverse_complement
from seqsci.errors import DataError, MissingExtraError, did_you_mean, explain


@dataclass(frozen=True, eq=False)
class IndexedFasta:
    """Bases of a FASTA file (plain, or bgzip) on demand. It pickles as its path; each process and thread opens the file for itself.

    Attributes:
        path: the file.
        build: genome build, None where it is not declared.
        index: the ``.fai`` file; None is ``path.fai``, which is written where it is missing or older than the file.

    Raises: DataError for a file that is missing, no FASTA, or whose index cannot be written; MissingExtraError without pyfaidx.
    `seqsci.domains.genomics.genome.cache.GenomeCache` is faster.
    """

    path: str
    build: str | None = None
    index: str | None = None
    _open: PerWorker[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        index = f"{self.path}.fai" if self.index is None else os.fspath(self.index)
        _faidx(self.path, index, True)  # the index is made once, here; workers only read it
        object.__setattr__(self, "_open", PerWorker(functools.partial(_faidx, self.path, index, False)))

    @property
    def sizes(self) -> dict[str, int]:
        """Bases (bp) by name."""
        return {str(name): int(entry.rlen) for name, entry in self._open.get().index.items()}

    def codes(self, chrom: str, start: int, end: int) -> Codes:
        """Codes of [start, end) on the forward strand (end - start,); DataError for an unknown name or bases beyond the sequence."""
        faidx = self._open.get()
        if chrom not in faidx.index:
            raise DataError(
                explain(f"{self.path} has no {chrom}{did_you_mean(chrom, self.sizes)}", chrom, "a name of it", "correct the name")
            )
        interval = Interval(chrom, start, end, build=self.build).within(int(faidx.index[chrom].rlen))
        return encode(str(faidx.fetch(chrom, start + 1, end).seq)) if len(interval) else encode("")

    def read(self, interval: Interval) -> Codes:
        """Codes of an interval along its own strand (bp,): the reverse complement on ``-``. Builds must agree where both are declared."""
        if self.build and interval.build:
            require_same_build(self, interval)
        codes = self.codes(interval.chrom, interval.start, interval.end)
        return reverse_complement(codes) if interval.strand == "-" else codes


def _faidx(path: str, index: str, build: bool) -> Any:
    try:
        import pyfaidx
    except ImportError as error:
        raise MissingExtraError("pyfaidx", "genomics", "Reading an indexed FASTA file") from error
    if not Path(path).is_file():
        raise DataError(explain(f"{path} cannot be read", "no such file", "a FASTA file", "check the path"))
    try:
        return pyfaidx.Faidx(path, indexname=index, rebuild=build, build_index=build)
    except (pyfaidx.FastaIndexingError, pyfaidx.IndexNotFoundError, pyfaidx.UnsupportedCompressionFormat, ImportError) as error:
        fix = "check that it is FASTA with lines of one length; compress with bgzip, not gzip; or use read_fasta"
        raise DataError(explain(f"{path} cannot be indexed", error, "FASTA, plain or bgzip", fix)) from error
    except (OSError, ValueError) as error:
        fix = "pass index= in a folder that can be written, or use GenomeCache"
        raise DataError(explain(f"{path}: no index", error, f"{index}, or a folder where it can be written", fix)) from error
