"""Coordinates: conversions, strands, builds, and the checks of a frame of intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsci.domains.genomics.genome.builds import canonical_build, require_same_build, require_shared_chromosomes
from seqsci.domains.genomics.genome.frames import (
    checked_intervals,
    declared,
    first_faults,
    frame_of,
    intervals_of,
    is_sorted,
    read_sizes,
    sort_intervals,
)
from seqsci.domains.genomics.genome.interval import Interval
from seqsci.errors import DataError

SIZE = 1_000
strands = st.sampled_from("+-.")


@st.composite
def intervals(draw: st.DrawFn, least: int = 0) -> Interval:
    start = draw(st.integers(0, SIZE - least))
    return Interval(draw(st.sampled_from(["chr1", "chr10", "chr2"])), start, draw(st.integers(start + least, SIZE)), draw(strands), "hg38")


def frame(rows: list[tuple[str, int, int]], build: str | None = None) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    table.attrs["build"] = build
    return table


@given(intervals())
def test_one_based_closed_coordinates_come_back(i: Interval) -> None:
    first, last = i.one_based
    assert last - first + 1 == len(i) and Interval.from_one_based(i.chrom, first, last, i.strand, i.build) == i


@given(intervals(least=1), st.data())
def test_an_offset_along_the_strand_is_inverted_by_its_position(i: Interval, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(i) - 1))
    assert i.contains(i.position(offset)) and i.offset(i.position(offset)) == offset
    assert i.flipped().offset(i.position(offset)) == (offset if i.strand == "." else len(i) - 1 - offset)


@given(intervals())
def test_the_map_to_the_reverse_strand_is_its_own_inverse_and_selects_the_same_bases(i: Interval) -> None:
    there = i.reversed_in(SIZE)
    assert there.reversed_in(SIZE) == i and len(there) == len(i)
    bases = np.arange(SIZE)
    assert np.array_equal(bases[::-1][there.start : there.end], bases[i.start : i.end][::-1])


@given(intervals(), intervals())
def test_overlap_counts_the_bases_in_common(a: Interval, b: Interval) -> None:
    common = set(range(a.start, a.end)) & set(range(b.start, b.end)) if a.chrom == b.chrom else set()
    assert a.overlap(b) == b.overlap(a) == len(common)
    assert (a.distance(b) is None) == (a.chrom != b.chrom)
    if common:
        assert a.distance(b) == 0


@given(intervals(), st.integers(0, 500))
def test_a_shift_and_its_opposite_cancel(i: Interval, bases: int) -> None:
    assert i.shift(bases).shift(-bases) == i and len(i.shift(bases)) == len(i)


def test_impossible_intervals_name_every_fault() -> None:
    with pytest.raises(DataError, match=r"(?s)start -3 < 0; start -3 > end -5; strand 'x'.*from_one_based"):
        Interval("chr1", -3, -5, "x")
    with pytest.raises(DataError, match="beyond the sequence"):
        Interval("chr1", 0, 11).within(10)
    with pytest.raises(DataError, match="start -1 < 0"):
        Interval("chr1", 0, 11).shift(-1)
    with pytest.raises(DataError, match="different genome builds"):
        Interval("chr1", 0, 1, build="hg19").overlap(Interval("chr1", 0, 1, build="hg38"))


@given(st.lists(intervals(), max_size=30))
def test_a_frame_of_intervals_is_sorted_and_gives_them_back(rows: list[Interval]) -> None:
    table = frame_of(rows)
    assert is_sorted(table) and list(table[["start", "end"]].dtypes) == [np.int64, np.int64]
    assert sorted(intervals_of(table)) == sorted(rows)
    keys = list(zip(table["chrom"], table["start"], table["end"], strict=True))
    assert keys == sorted(keys)


@given(st.permutations([("chr1", 0, 5), ("chr1", 0, 7), ("chr10", 3, 4), ("chr2", 0, 1), ("chr2", 5, 5)]))
def test_sorted_means_the_order_of_chromosome_start_and_end(rows: list[tuple[str, int, int]]) -> None:
    table = frame(rows)
    assert is_sorted(table) == (rows == sorted(rows))
    assert list(sort_intervals(table).itertuples(index=False, name=None)) == sorted(rows)


@pytest.mark.parametrize(
    ("a", "b", "build", "result"),
    [
        ("hg38", "hg38", None, "hg38"),
        ("hg38", "GRCh38.p14", None, "hg38"),
        (None, "hg38", "hg38", "hg38"),
        (None, None, "mm10", "mm10"),
        ("mm10", "mm10", "GRCm38", "mm10"),
    ],
)
def test_one_build_joins(a: str | None, b: str | None, build: str | None, result: str) -> None:
    assert require_same_build(frame([], a), frame([], b), build) == result


@pytest.mark.parametrize(
    ("a", "b", "build", "text"),
    [
        ("hg19", "hg38", None, "hg19 and hg38"),
        (None, "hg38", None, "not declared, hg38"),
        (None, None, None, "build= where the two are joined"),
        (None, "hg38", "hg19", "build='hg19'"),
        ("hg38", "hg38", "hg19", "liftOver"),
    ],
)
def test_builds_that_differ_or_are_not_declared_do_not_join(a: str | None, b: str | None, build: str | None, text: str) -> None:
    with pytest.raises(DataError, match=text.replace("(", r"\(")):
        require_same_build(frame([], a), frame([], b), build)
    with pytest.raises(DataError):
        require_same_build(Interval("chr1", 0, 1, build=a), Interval("chr1", 0, 1, build=b), build)


def test_a_build_is_declared_once() -> None:
    table = frame([("chr1", 0, 1)])
    assert declared(table, "hg38").attrs["build"] == "hg38" and table.attrs["build"] is None
    assert declared(declared(table, "hg38"), "GRCh38").attrs["build"] == "GRCh38"
    with pytest.raises(DataError, match="declares another genome build"):
        declared(declared(table, "hg38"), "hg19")
    assert canonical_build("GRCh37.p13") == canonical_build("HG19") != canonical_build("hg38")


def test_chromosomes_named_in_two_ways_are_noticed() -> None:
    with pytest.raises(DataError, match="'chr' \\+ frame"):
        require_shared_chromosomes(frame([("chr1", 0, 1)]), frame([("1", 0, 1)]))
    with pytest.raises(DataError, match="one organism"):
        require_shared_chromosomes(frame([("chr1", 0, 1)]), frame([("chr2", 0, 1)]))
    require_shared_chromosomes(frame([("chr1", 0, 1)]), frame([]))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([("chr1", -1, 5)], "start -1 < 0 in row 0"),
        ([("chr1", 0, 5), ("chr1", 9, 5)], "start 9 > end 5 in row 1"),
        ([("chr1", 0, 101)], "end 101 beyond the end of chr1, 100 bp in row 0"),
        ([("chrM", 0, 5)], "chromosome 'chrM' is not among the 2 sequences"),
        ([("chr2", 0, 5), ("chr1", 0, 5)], "row 1 lies before row 0"),
        ([("chr1", 5, 9), ("chr1", 0, 5)], "sort_intervals"),
    ],
)
def test_a_bad_frame_of_intervals_is_refused_with_its_row(rows: list[tuple[str, int, int]], text: str) -> None:
    with pytest.raises(DataError, match=text):
        checked_intervals(frame(rows), {"chr1": 100, "chr2": 100})


def test_all_faults_of_a_frame_are_named_at_once() -> None:
    bad = frame([("chr1", -1, 5), ("chr1", 9, 200)]).assign(strand=["+", "plus"])
    assert [row for row, _ in first_faults(bad, {"chr1": 100})] == [0, 1, 1]
    with pytest.raises(DataError, match="no whole number"):
        checked_intervals(pd.DataFrame({"chrom": ["chr1"], "start": [0.5], "end": [2]}))
    with pytest.raises(DataError, match="did you mean 'stop_'|missing column end"):
        checked_intervals(pd.DataFrame({"chrom": ["chr1"], "start": [0], "stop_": [2]}))
    pairs = pd.DataFrame({"chrom": ["chr1"], "chromStart": [0.0], "chromEnd": [2.0]})
    assert checked_intervals(pairs, build="hg38")["chromEnd"].dtype == np.int64


def test_sizes_are_read_and_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hg38.sizes"
    path.write_text("# bp\nchr1\t100\nchr2\t50\t6\t60\t61\n")
    assert read_sizes(path) == {"chr1": 100, "chr2": 50}
    for text, expected in (("chr1\t100\nchr2\tlong\n", "line 2: no size"), ("\n", "is empty"), ("chr1\t0\n", "line 1")):
        path.write_text(text)
        with pytest.raises(DataError, match=expected):
            read_sizes(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_sizes(tmp_path / "none")
