"""The one interval type: 0-based, half-open, with a strand and a genome build."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seqsci.domains.genomics.genome.builds import canonical_build
from seqsci.errors import DataError, explain

OPPOSITE = {"+": "-", "-": "+", ".": "."}
"""Strand to opposite strand; a dot is a feature without one."""


@dataclass(frozen=True, order=True)
class Interval:
    """Bases ``start, ..., end - 1`` of a chromosome, counted from 0.

    Attributes:
        chrom: name of the chromosome or record.
        start: first base (bp from 0).
        end: one past the last base (bp); ``end == start`` is a place between two bases.
        strand: ``+``, ``-`` or ``.`` (none).
        build: genome build such as ``hg38``; None where it is not declared.

    Raises: DataError for a start below 0 or beyond the end, an unknown strand, an empty name.

    >>> gene = Interval.from_one_based("chr1", 11, 20, "-", "hg38")
    >>> gene.start, gene.end, len(gene), gene.one_based
    (10, 20, 10, (11, 20))
    """

    chrom: str
    start: int
    end: int
    strand: str = "."
    build: str | None = None

    def __post_init__(self) -> None:
        faults = []
        if not self.chrom:
            faults.append("an empty name of the chromosome")
        if self.start < 0:
            faults.append(f"start {self.start} < 0")
        if self.start > self.end:
            faults.append(f"start {self.start} > end {self.end}")
        if self.strand not in OPPOSITE:
            faults.append(f"strand {self.strand!r}")
        if faults:
            fix = "1-based closed coordinates (GFF, GenBank, SAM) are read by Interval.from_one_based"
            raise DataError(explain("no interval", "; ".join(faults), "0 <= start <= end (bp, half-open), strand + - or .", fix))

    @classmethod
    def from_one_based(cls, chrom: str, first: int, last: int, strand: str = ".", build: str | None = None) -> Interval:
        """The bases ``first, ..., last`` counted from 1, both included (GFF, GTF, GenBank, Bismark); last = first - 1 holds none."""
        return cls(chrom, first - 1, last, strand, build)

    @property
    def one_based(self) -> tuple[int, int]:
        """First and last base counted from 1, both included."""
        return self.start + 1, self.end

    def __len__(self) -> int:
        """Bases (bp)."""
        return self.end - self.start

    def __bool__(self) -> bool:
        """Always true, an interval without bases as well."""
        return True

    def shift(self, bases: int) -> Interval:
        """The interval moved by so many bp towards the end of the forward strand; DataError where it would begin before 0."""
        return replace(self, start=self.start + bases, end=self.end + bases)

    def within(self, size: int) -> Interval:
        """Itself, if it lies on a sequence of ``size`` bp; DataError otherwise."""
        if self.end > size:
            fix = "check the build and the chromosome's name"
            raise DataError(explain(f"{self} reaches beyond the sequence", f"end {self.end:,}", f"at most {size:,} bp", fix))
        return self

    def overlap(self, other: Interval) -> int:
        """Bases in common (bp), whatever the strands; DataError for different declared builds."""
        self._same_build(other)
        return max(0, min(self.end, other.end) - max(self.start, other.start)) if self.chrom == other.chrom else 0

    def distance(self, other: Interval) -> int | None:
        """Bases between the two (bp); 0 where they touch or overlap, None on different chromosomes."""
        self._same_build(other)
        return max(0, max(self.start, other.start) - min(self.end, other.end)) if self.chrom == other.chrom else None

    def contains(self, position: int) -> bool:
        """Whether the base at ``position`` (bp from 0) is one of its bases."""
        return self.start <= position < self.end

    def offset(self, position: int) -> int:
        """Where along its own strand a base lies: 0 is the 5' base, so on ``-`` the base ``end - 1`` has offset 0."""
        if not self.contains(position):
            raise DataError(explain(f"{self} does not hold the base", position, f"{self.start} to {self.end - 1}", "pass a base of it"))
        return self.end - 1 - position if self.strand == "-" else position - self.start

    def position(self, offset: int) -> int:
        """The base (bp from 0) at an offset along its own strand: the inverse of `offset`."""
        if not 0 <= offset < len(self):
            raise DataError(explain(f"{self} has no such offset", offset, f"0 to {len(self) - 1}", "pass an offset inside it"))
        return self.end - 1 - offset if self.strand == "-" else self.start + offset

    def flipped(self) -> Interval:
        """The same bases on the opposite strand."""
        return replace(self, strand=OPPOSITE[self.strand])

    def reversed_in(self, size: int) -> Interval:
        """The same bases counted along the reverse complement of a sequence of ``size`` bp: ``[size - end, size - start)``, strand flipped.

        It is its own inverse. A donor at the 3' side of an exon stays at the 3' side.
        """
        self.within(size)
        return replace(self, start=size - self.end, end=size - self.start, strand=OPPOSITE[self.strand])

    def _same_build(self, other: Interval) -> None:
        if self.build and other.build and canonical_build(self.build) != canonical_build(other.build):
            got, fix = f"{self.build} and {other.build}", "lift one of them over (UCSC liftOver)"
            raise DataError(explain("intervals of different genome builds", got, "one build", fix))

    def __str__(self) -> str:
        strand = "" if self.strand == "." else f"({self.strand})"
        return f"{self.chrom}:{self.start}-{self.end}{strand}"
