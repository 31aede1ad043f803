"""Grouped splits: whole chromosomes, loci or genes on one side, and a checker that refuses a split that leaks.

Rows that share a gene or lie in one locus are not independent: a random split lets a model see its test rows' neighbours.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.builds import refuse_mixed_names
from seqsci.domains.genomics.genome.frames import interval_columns
from seqsci.errors import DataError, ParameterError, did_you_mean, explain

Rows = NDArray[np.int64]


class Grouping(ABC):
    """What must stay on one side of a split."""

    @abstractmethod
    def labels(self, frame: pd.DataFrame) -> NDArray[np.object_]:
        """Return the group of each row (rows,)."""


@dataclass(frozen=True)
class ByChromosome(Grouping):
    """Whole chromosomes."""

    def labels(self, frame: pd.DataFrame) -> NDArray[np.object_]:
        """The chromosome of each row (rows,)."""
        return frame[interval_columns(frame)[0]].to_numpy(object)


@dataclass(frozen=True)
class ByLocus(Grouping):
    """Blocks of a chromosome, told by the start of an interval; an interval across a border is the overlap checker's business.

    Attributes:
        size_bp: length of a block (bp).
    """

    size_bp: int = 1_000_000

    def __post_init__(self) -> None:
        if self.size_bp < 1:
            raise ParameterError(explain("size_bp of a locus", self.size_bp, ">= 1 bp", "pass for example 1_000_000"))

    def labels(self, frame: pd.DataFrame) -> NDArray[np.object_]:
        """``chrom:block`` of each row (rows,)."""
        chrom, start, _ = interval_columns(frame)
        keys = pd.MultiIndex.from_arrays([frame[chrom], frame[start].to_numpy() // self.size_bp])
        codes, unique = pd.factorize(keys)
        return np.array([f"{c}:{b}" for c, b in unique], object)[codes]


@dataclass(frozen=True)
class ByGene(Grouping):
    """Genes, or whatever else a column names: donors, records, clusters of homologous proteins.

    Attributes:
        column: column that holds the names.
    """

    column: str = "measuredGeneSymbol"

    def labels(self, frame: pd.DataFrame) -> NDArray[np.object_]:
        """The gene of each row (rows,)."""
        if self.column not in frame:
            names = [str(c) for c in frame.columns]
            what = f"missing column {self.column}{did_you_mean(self.column, names)}"
            raise DataError(explain(what, f"columns {names[:12]}", "the column that names the groups", "ByGene(column=...)"))
        if (lacking := frame[self.column].isna().to_numpy()).any():
            got = f"{int(lacking.sum())} rows without one, the first row {int(np.argmax(lacking))}"
            raise DataError(explain(f"{self.column} is missing", got, "a group for every row", "fill or drop these rows"))
        return frame[self.column].to_numpy(object)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to fit on and rows to test on.

    Attributes:
        train, test: positions in the frame, ascending.
        test_groups: names of the groups in test.
        purged: rows in neither, because they overlap a test interval or lie too close to one.
    """

    train: Rows
    test: Rows
    test_groups: tuple[str, ...]
    purged: Rows


def grouped_folds(frame: pd.DataFrame, by: Grouping, count: int = 5, seed: int = 0, purge_bp: int | None = None) -> tuple[Split, ...]:
    """Return ``count`` splits that test every row once, with whole groups on one side.

    Groups go, largest first, to the fold with the fewest rows; ties are broken by a hash of seed and name. The folds depend on the groups
    and their sizes, not on the order of the rows.

    Args:
        frame: rows with chrom, start, end (or chromStart, chromEnd).
        by: ByChromosome(), ByLocus(1_000_000), ByGene("measuredGeneSymbol").
        count: folds, 2 to the number of groups.
        seed: another number, other ties.
        purge_bp: None refuses overlapping intervals across a split; a number drops training rows within so many bp of a test interval.

    Raises: DataError for fewer groups than folds, for a chromosome under two names (chr11, 11), and as `check_split`.

    >>> frame = pd.DataFrame({"chrom": ["chr1", "chr2", "chr1"], "start": [0, 0, 9], "end": [5, 5, 12]})
    >>> [s.test.tolist() for s in grouped_folds(frame, ByChromosome(), 2)]
    [[0, 2], [1]]
    """
    refuse_mixed_names(frame[interval_columns(frame)[0]].unique(), "the frame")
    names, sizes = np.unique(_names(by, frame), return_counts=True)
    if not 2 <= count <= len(names):
        fix = "lower count=, or group by something finer: ByLocus(1_000_000)"
        raise DataError(explain(f"no {count} folds of these groups", f"{len(names)} groups", "2 <= folds <= groups", fix))
    order = sorted(range(len(names)), key=lambda i: (-sizes[i], _hash(seed, str(names[i]))))
    load, folds = np.zeros(count, np.int64), [list[str]() for _ in range(count)]
    for i in order:
        fold = int(np.argmin(load))
        load[fold] += sizes[i]
        folds[fold].append(str(names[i]))
    return tuple(hold_out(frame, by, fold, purge_bp) for fold in folds)


def chosen_folds(frame: pd.DataFrame, by: Grouping, folds: Sequence[Collection[str]], purge_bp: int | None = None) -> tuple[Split, ...]:
    """Return a split for each of the folds that a protocol names; every group is tested once, and groups outside them are an error."""
    named = [name for fold in folds for name in fold]
    twice, lacking = sorted({n for n in named if named.count(n) > 1}), sorted({str(g) for g in np.unique(_names(by, frame))} - set(named))
    if twice or lacking:
        got = "; ".join(
            t for t in (f"twice: {', '.join(twice[:5])}" * bool(twice), f"in none: {', '.join(lacking[:5])}" * bool(lacking)) if t
        )
        raise DataError(explain("the folds do not hold every group once", got, "each group in one fold", "correct folds="))
    return tuple(hold_out(frame, by, fold, purge_bp) for fold in folds)


def hold_out(frame: pd.DataFrame, by: Grouping, test_groups: Collection[str], purge_bp: int | None = None) -> Split:
    """Return the split that tests the named groups and fits on all others, checked for leaks.

    Raises: DataError where a name is no group, a side is empty, and as `check_split`.
    """
    labels = _names(by, frame)
    known = {str(n) for n in np.unique(labels)}
    if unknown := sorted(set(test_groups) - known):
        hints = ", ".join(f"{n!r}{did_you_mean(n, known)}" for n in unknown[:5])
        raise DataError(explain("no such group", hints, f"one of {', '.join(sorted(known)[:10])} ...", "correct the name"))
    inside = np.isin(labels, list(test_groups))
    train, test = np.flatnonzero(~inside), np.flatnonzero(inside)
    if not len(train) or not len(test):
        got = f"{len(train)} rows to fit on, {len(test)} to test on"
        raise DataError(explain("a side of the split is empty", got, "rows on both", "hold out some of the groups"))
    purged = np.empty(0, np.int64)
    if purge_bp is not None:
        near = _near(frame, train, test, purge_bp)
        train, purged = train[~near], train[near]
    split = Split(train, test, tuple(sorted(test_groups)), purged)
    check_split(frame, split, by)
    return split


def hold_out_share(frame: pd.DataFrame, by: Grouping, share: float, seed: int = 0, purge_bp: int | None = None) -> Split:
    """Return a split that tests about ``share`` of the groups, each by a hash of seed and its name: added groups move no other one.

    Raises: ParameterError for a share outside (0, 1); DataError as `hold_out`.
    """
    if not 0 < share < 1:
        raise ParameterError(explain("share of the groups to test", share, "0 < share < 1", "pass for example 0.2"))
    names = [str(n) for n in np.unique(_names(by, frame))]
    return hold_out(frame, by, [n for n in names if _hash(seed, n) < share * 2.0**64], purge_bp)


def check_split(frame: pd.DataFrame, split: Split, by: Grouping | None = None) -> None:
    """Refuse a split whose train and test share a row, a group, or overlapping intervals; strands do not matter.

    Args:
        frame: the rows that the split is of.
        split: any split, also one made elsewhere.
        by: the grouping; None checks rows and intervals alone.

    Raises: DataError with how many, an example and a fix; for a chromosome under two names (chr11, 11), whose overlaps cannot be seen.
    """
    refuse_mixed_names(frame[interval_columns(frame)[0]].unique(), "the frame")
    faults = []
    if shared := np.intersect1d(split.train, split.test).tolist():
        faults.append(f"{len(shared)} rows on both sides, such as row {shared[0]}")
    if by is not None:
        labels = _names(by, frame)
        if groups := sorted(set(labels[split.train]) & set(labels[split.test])):
            faults.append(f"{len(groups)} groups on both sides, such as {str(groups[0])!r}")
    overlapping = _near(frame, split.train, split.test, 0)
    if overlapping.any():
        chrom, start, end = interval_columns(frame)
        row = frame.iloc[int(split.train[np.argmax(overlapping)])]
        text = f"{int(overlapping.sum())} training intervals overlap a test interval, such as {row[chrom]}:{row[start]}-{row[end]}"
        faults.append(text)
    if faults:
        fix = "split by whole groups, and drop what overlaps: purge_bp=0 (or the reach of the model in bp)"
        raise DataError(explain("the split leaks", "; ".join(faults), "nothing in common", fix))


def _near(frame: pd.DataFrame, train: Rows, test: Rows, gap: int) -> NDArray[np.bool_]:
    """Whether each training row has a base in common with a test interval widened by ``gap`` bp; no bases count as one."""
    chrom, first, last = interval_columns(frame)
    start = frame[first].to_numpy(np.int64)
    end = np.maximum(frame[last].to_numpy(np.int64), start + 1)
    codes = pd.factorize(frame[chrom])[0]
    near = np.zeros(len(train), np.bool_)
    for code in np.unique(codes[test]):
        here, mine = test[codes[test] == code], codes[train] == code
        order = here[np.argsort(start[here], kind="stable")]
        reach = np.maximum.accumulate(end[order] + gap)  # the farthest end of the intervals that begin up to here
        before = np.searchsorted(start[order] - gap, end[train[mine]], side="left") - 1  # the last one that begins before mine ends
        near[mine] = (before >= 0) & (reach[np.maximum(before, 0)] > start[train[mine]])
    return near


def _names(by: Grouping, frame: pd.DataFrame) -> NDArray[np.str_]:
    return by.labels(frame).astype(np.str_)


def _hash(seed: int, name: str) -> int:
    """A number in [0, 2^64) that depends on seed and name alone, on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")
