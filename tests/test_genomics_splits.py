"""Grouped splits: whole groups on one side, the same on every machine, and no leak goes unnoticed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsci.domains.genomics.genome.splits import (
    ByChromosome,
    ByGene,
    ByLocus,
    Grouping,
    Split,
    check_split,
    chosen_folds,
    grouped_folds,
    hold_out,
    hold_out_share,
)
from seqsci.errors import DataError, ParameterError

EMPTY = np.empty(0, np.int64)


def pairs(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 20_000_000, rows)
    gene = np.array([f"GENE{i}" for i in rng.integers(0, 40, rows)])
    chrom = np.array([f"chr{i}" for i in rng.choice([1, 2, 3, 4, 5, 6, 7], rows, p=[0.3, 0.25, 0.15, 0.1, 0.1, 0.05, 0.05])])
    return pd.DataFrame({"chrom": chrom, "start": start, "end": start + rng.integers(1, 3_000, rows), "measuredGeneSymbol": gene})


def leaks(frame: pd.DataFrame, split: Split, gap: int = 0) -> bool:
    """The definition of an overlap, pair by pair."""
    a, b = frame.iloc[split.train], frame.iloc[split.test]
    return any(
        x.chrom == y.chrom and x.start < y.end + gap and y.start - gap < x.end
        for x in a.itertuples(index=False)
        for y in b.itertuples(index=False)
    )


@pytest.mark.parametrize("by", [ByChromosome(), ByLocus(), ByLocus(5_000_000), ByGene()], ids=repr)
def test_folds_test_every_row_once_and_keep_groups_whole(by: Grouping) -> None:
    frame = pairs()
    labels = by.labels(frame)
    folds = grouped_folds(frame, by, 5, purge_bp=0)
    assert np.array_equal(np.sort(np.concatenate([f.test for f in folds])), np.arange(len(frame)))
    for f in folds:
        assert not set(labels[f.train]) & set(labels[f.test]) and set(labels[f.test]) == set(f.test_groups)
        assert np.array_equal(np.sort(np.concatenate([f.train, f.test, f.purged])), np.arange(len(frame)))
        assert not leaks(frame, f)


def test_folds_depend_on_the_groups_and_not_on_the_order_of_the_rows() -> None:
    frame = pairs()
    mixed = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    for seed in (0, 1):
        one, other = (grouped_folds(f, ByGene(), 4, seed, purge_bp=0) for f in (frame, mixed))
        assert [f.test_groups for f in one] == [f.test_groups for f in other]
    assert [f.test_groups for f in grouped_folds(frame, ByGene(), 4, 0, 0)] != [
        f.test_groups for f in grouped_folds(frame, ByGene(), 4, 1, 0)
    ]


def test_folds_are_of_nearly_one_size() -> None:
    sizes = [len(f.test) for f in grouped_folds(pairs(2_000), ByLocus(), 5, purge_bp=0)]
    assert max(sizes) - min(sizes) <= 50


def test_the_folds_of_today_are_the_folds_of_tomorrow() -> None:
    frame = pd.DataFrame({"chrom": [f"chr{i}" for i in range(1, 9)], "start": 0, "end": 5})
    assert [f.test_groups for f in grouped_folds(frame, ByChromosome(), 3, seed=7)] == [
        ("chr2", "chr3", "chr8"),
        ("chr5", "chr6", "chr7"),
        ("chr1", "chr4"),
    ]


def test_a_group_that_is_added_moves_no_other_one() -> None:
    frame = pairs()
    some = frame[frame["measuredGeneSymbol"] != "GENE3"]
    before, after = hold_out_share(some, ByGene(), 0.3, 1, 0), hold_out_share(frame, ByGene(), 0.3, 1, 0)
    assert set(after.test_groups) - {"GENE3"} == set(before.test_groups) and 0 < len(before.test_groups) < 40
    with pytest.raises(ParameterError, match="0 < share < 1"):
        hold_out_share(frame, ByGene(), 1.0)


def test_an_overlap_is_refused_with_an_example_and_can_be_purged() -> None:
    frame = pd.DataFrame(
        {"chrom": "chr1", "start": [0, 100, 150, 900], "end": [50, 200, 160, 950], "measuredGeneSymbol": ["a", "a", "b", "c"]}
    )
    with pytest.raises(DataError, match=r"(?s)1 training intervals overlap a test interval, such as chr1:100-200.*purge_bp=0"):
        hold_out(frame, ByGene(), ["b"])
    split = hold_out(frame, ByGene(), ["b"], purge_bp=0)
    assert split.train.tolist() == [0, 3] and split.purged.tolist() == [1]
    assert hold_out(frame, ByGene(), ["b"], purge_bp=101).purged.tolist() == [0, 1]
    assert hold_out(frame, ByGene(), ["b"], purge_bp=100).purged.tolist() == [1]


def test_the_checker_finds_shared_rows_groups_and_intervals_of_any_split() -> None:
    frame = pd.DataFrame({"chrom": ["chr1", "chr1", "chr2"], "chromStart": [0, 5, 0], "chromEnd": [10, 6, 9], "gene": ["a", "b", "a"]})
    with pytest.raises(DataError, match=r"1 rows on both sides, such as row 1; 1 groups on both sides, such as 'b'; 1 training intervals"):
        check_split(frame, Split(np.array([1]), np.array([1, 2]), (), EMPTY), ByGene("gene"))
    with pytest.raises(DataError, match="1 groups on both sides, such as 'a'"):
        check_split(frame, Split(np.array([0]), np.array([2]), (), EMPTY), ByGene("gene"))
    check_split(frame, Split(np.array([0]), np.array([2]), (), EMPTY), ByChromosome())
    with pytest.raises(DataError, match="did you mean 'gene'"):
        check_split(frame, Split(np.array([0]), np.array([2]), (), EMPTY), ByGene("genes"))


ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 25), st.booleans()), min_size=2, max_size=25)


@given(ROWS, st.integers(0, 12))
def test_the_checker_agrees_with_the_definition_of_an_overlap(rows: list[tuple[str, int, int, bool]], gap: int) -> None:
    frame = pd.DataFrame([(c, s, s + n, "t" if t else "r") for c, s, n, t in rows], columns=["chrom", "start", "end", "side"])
    inside = (frame["side"] == "t").to_numpy()
    split = Split(np.flatnonzero(~inside), np.flatnonzero(inside), (), EMPTY)
    try:
        check_split(frame, split)
        assert not leaks(frame, split)
    except DataError:
        assert leaks(frame, split)
    if inside.any() and not inside.all():
        try:
            purged = hold_out(frame, ByGene("side"), ["t"], purge_bp=gap)
        except DataError as error:  # every row to fit on was too close
            assert "empty" in str(error)
        else:
            assert not leaks(frame, purged, gap)
            kept = {int(i) for i in purged.train}
            for i in purged.purged:
                assert int(i) not in kept and leaks(frame, Split(np.array([i]), purged.test, (), EMPTY), gap)


def test_folds_of_a_protocol_are_taken_as_they_are_or_refused() -> None:
    frame = pairs()
    folds = chosen_folds(frame, ByChromosome(), [["chr1"], ["chr2", "chr3"], ["chr4", "chr5", "chr6", "chr7"]])
    assert [f.test_groups for f in folds] == [("chr1",), ("chr2", "chr3"), ("chr4", "chr5", "chr6", "chr7")]
    with pytest.raises(DataError, match="twice: chr1; in none: chr7"):
        chosen_folds(frame, ByChromosome(), [["chr1"], ["chr1", "chr2", "chr3"], ["chr4", "chr5", "chr6"]])
    with pytest.raises(DataError, match="'chr01' \\(did you mean 'chr1'"):
        hold_out(frame, ByChromosome(), ["chr01"])
    with pytest.raises(DataError, match="7 groups"):
        grouped_folds(frame, ByChromosome(), 8)
    with pytest.raises(DataError, match="a side of the split is empty"):
        hold_out(frame, ByChromosome(), [f"chr{i}" for i in range(1, 8)])
    with pytest.raises(DataError, match="is missing"):
        grouped_folds(frame.assign(measuredGeneSymbol=None), ByGene())
    with pytest.raises(ParameterError, match="size_bp"):
        ByLocus(0)


@pytest.mark.parametrize("other", ["1", "Chr1"])
def test_a_chromosome_under_two_names_is_refused_and_does_not_leak(other: str) -> None:
    frame = pairs()
    frame.loc[frame.index[frame["chrom"] == "chr1"][::2], "chrom"] = other
    named = frame["chrom"].to_numpy()
    by_name = Split(np.flatnonzero(named != other), np.flatnonzero(named == other), (other,), EMPTY)
    calls = (
        lambda: grouped_folds(frame, ByChromosome(), 5, purge_bp=0),
        lambda: hold_out(frame, ByChromosome(), [other], purge_bp=0),
        lambda: check_split(frame, by_name),
        lambda: check_split(frame, by_name, ByChromosome()),
    )
    for call in calls:
        with pytest.raises(DataError, match="a chromosome stands under two names") as error:
            call()
        assert "chr1" in str(error.value) and other in str(error.value)


def test_chromosomes_that_share_a_part_of_their_names_are_not_mixed() -> None:
    frame = pairs()
    frame["chrom"] = frame["chrom"].replace({"chr1": "chr11", "chr3": "chrUn_1", "chr4": "2L"})
    assert len(grouped_folds(frame, ByChromosome(), 5, purge_bp=0)) == 5
