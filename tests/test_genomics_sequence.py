"""Codes of sequences: reverse complements with their labels, distributions, and the cache of a genome."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsci.domains.genomics.genome.cache import GenomeCache, build_cache, open_cache
from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.genome.sequence import (
    BASES,
    COMPLEMENT,
    LETTERS,
    N,
    ambiguous,
    decode,
    distributions,
    encode,
    one_hot,
    reverse_complement,
    reverse_labels,
    runs_of,
)
from seqsci.domains.genomics.reading.fasta import read_fasta
from seqsci.domains.genomics.reading.indexed_fasta import IndexedFasta
from seqsci.errors import ArtefactError, DataError
from tests.genomics_files import write

sequences = st.text(alphabet=LETTERS, max_size=80)
LABELS = ("exon", "donor", "acceptor", "intron")


@given(sequences)
def test_reverse_complement_is_its_own_inverse(text: str) -> None:
    codes = encode(text)
    assert decode(codes) == text and decode(reverse_complement(reverse_complement(codes))) == text


@given(sequences)
def test_reverse_complement_agrees_with_biopython(text: str) -> None:
    from Bio.Seq import Seq

    assert decode(reverse_complement(encode(text))) == str(Seq(text).reverse_complement())


@given(sequences)
def test_the_distribution_of_the_opposite_strand_is_flipped_in_both_axes(text: str) -> None:
    codes = encode(text)
    assert np.array_equal(distributions(reverse_complement(codes)), distributions(codes)[::-1, ::-1])
    assert np.allclose(distributions(codes).sum(1), 1)


def test_every_iupac_letter_is_the_even_distribution_over_its_bases() -> None:
    from Bio.Data.IUPACData import ambiguous_dna_values

    for letter, bases in zip(LETTERS, BASES, strict=True):
        assert bases == "".join(sorted(ambiguous_dna_values[letter]))
        row = distributions(encode(letter))[0]
        assert {b for b, p in zip("ACGT", row, strict=True) if p > 0} == set(bases) and row[row > 0] == pytest.approx(1 / len(bases))
    assert np.array_equal(COMPLEMENT[COMPLEMENT], np.arange(15))
    assert np.array_equal(encode("acgun"), encode("ACGTN"))


@given(st.lists(st.sampled_from(LABELS), max_size=30))
def test_labels_flip_and_declared_pairs_change_places(labels: list[str]) -> None:
    array = np.array(labels, object)
    there = reverse_labels(array, {"donor": "acceptor"})
    swap = {"donor": "acceptor", "acceptor": "donor"}
    assert there.tolist() == [swap.get(x, x) for x in labels[::-1]]
    assert reverse_labels(there, {"donor": "acceptor"}).tolist() == labels
    assert reverse_labels(array, {"donor": "acceptor", "acceptor": "donor"}).tolist() == there.tolist()


def test_signals_of_several_channels_flip_along_the_sequence_alone() -> None:
    signal = np.arange(6.0).reshape(3, 2)
    assert reverse_labels(signal).tolist() == [[4.0, 5.0], [2.0, 3.0], [0.0, 1.0]]
    with pytest.raises(DataError, match="two others"):
        reverse_labels(np.array([0, 1, 2]), {0: 1, 1: 2})


def test_what_is_no_nucleotide_is_refused_with_its_place() -> None:
    with pytest.raises(DataError, match="'E' at position 2"):
        encode("ACET")
    with pytest.raises(DataError, match=r"2 positions, the first N at 1"):
        one_hot(encode("ANGR"))
    assert np.array_equal(one_hot(encode("AT")), np.eye(4, dtype=np.float32)[[0, 3]])
    with pytest.raises(DataError, match="no codes"):
        decode(np.array([99], np.uint8))


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 9))
def test_runs_are_the_maximal_stretches(mask: list[bool], offset: int) -> None:
    runs = runs_of(np.array(mask, np.bool_), offset)
    back = np.zeros(len(mask) + offset + 1, np.bool_)
    for start, end in runs:
        back[start:end] = True
        assert not back[end]
    assert back[offset:-1].tolist() == mask


TEXT = ">chr1 first\nACGTNNNN\nNNacgtR\n>chr2\n" + "ACGT" * 30 + "\n>chrÜ\nNNNA\n"


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return write(tmp_path / "genome ü.fa", TEXT)


def test_the_cache_holds_the_sequence_of_the_file(fasta: Path, tmp_path: Path) -> None:
    cache = build_cache(fasta, tmp_path / "cache", "hg38")
    records = read_fasta(fasta)
    assert cache.sizes == {"chr1": 15, "chr2": 120, "chrÜ": 4} and cache.build == "hg38"
    for name, record in records.items():
        assert np.array_equal(cache.codes(name, 0, len(record)), record.codes)
    assert decode(cache.read(Interval("chr1", 8, 15, "-", "hg38"))) == "YACGTNN"
    assert cache.gaps("chr1").tolist() == [[4, 10]] and cache.gaps("chr2").tolist() == []
    assert cache.gaps("chrÜ").tolist() == [[0, 3]] and ambiguous(cache.codes("chr1", 0, 15)).sum() == 7
    starts = np.array([3, 0, 100])
    assert [decode(w) for w in cache.windows("chr2", starts, 5)] == [("ACGT" * 30)[s : s + 5] for s in starts]
    with pytest.raises(ValueError, match="read-only"):
        cache.codes("chr1", 0, 3)[0] = 1


def test_the_cache_refuses_what_is_not_there(fasta: Path, tmp_path: Path) -> None:
    cache = build_cache(fasta, tmp_path / "cache", "hg38")
    with pytest.raises(DataError, match="beyond the sequence"):
        cache.codes("chr1", 10, 16)
    with pytest.raises(DataError, match="start 9 > end 3"):
        cache.codes("chr1", 9, 3)
    with pytest.raises(DataError, match="did you mean 'chr1'"):
        cache.codes("chr11", 0, 3)
    with pytest.raises(DataError, match="different genome builds"):
        cache.read(Interval("chr1", 0, 1, build="hg19"))
    with pytest.raises(DataError, match="beyond"):
        cache.windows("chr2", np.array([118]), 5)


def test_gaps_do_not_depend_on_how_the_chromosome_is_cut(fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = build_cache(fasta, tmp_path / "cache")
    for stride in (1, 2, 3, 5, 7):
        monkeypatch.setattr("seqsci.domains.genomics.genome.cache.STRIDE", stride)
        assert cache.gaps("chr1").tolist() == [[4, 10]]


def test_the_cache_is_built_once_and_again_where_the_source_changes(fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first = build_cache(fasta, folder)
    stamp = (folder / first.file).stat().st_mtime_ns
    assert build_cache(fasta, folder).fingerprint == first.fingerprint and (folder / first.file).stat().st_mtime_ns == stamp
    write(fasta, TEXT.replace("NNNA", "NNNT"))
    again = build_cache(fasta, folder)
    assert again.fingerprint != first.fingerprint and decode(again.codes("chrÜ", 3, 4)) == "T"
    assert sorted(p.name for p in folder.iterdir()) == sorted([again.file, "genome.json"])


def test_a_build_that_fails_leaves_the_old_cache(fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first = build_cache(fasta, folder)
    write(fasta, TEXT + "AC!T\n")
    with pytest.raises(DataError, match="line 8: no nucleotide in chrÜ"):
        build_cache(fasta, folder)
    assert open_cache(folder).fingerprint == first.fingerprint and len(list(folder.iterdir())) == 2


def test_damage_of_the_cache_is_noticed(fasta: Path, tmp_path: Path) -> None:
    cache = build_cache(fasta, tmp_path / "cache")
    array, index = Path(cache.folder) / cache.file, Path(cache.folder) / "genome.json"
    array.write_bytes(array.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="build_cache"):
        open_cache(cache.folder)
    index.write_text(json.dumps({"format": "other"}))
    with pytest.raises(ArtefactError, match="no index of a genome"):
        open_cache(cache.folder)
    index.write_text("{")
    with pytest.raises(ArtefactError, match="cannot be read"):
        open_cache(cache.folder)
    with pytest.raises(ArtefactError, match="cannot be read"):
        open_cache(tmp_path / "none")


def _read(source: GenomeCache | IndexedFasta, seed: int) -> bool:
    rng = np.random.default_rng(seed)
    truth = encode("ACGT" * 30)
    return all(np.array_equal(source.codes("chr2", s, s + 20), truth[s : s + 20]) for s in rng.integers(0, 100, 200).tolist())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_what_the_parent_reads(fasta: Path, tmp_path: Path, method: str) -> None:
    cache = build_cache(fasta, tmp_path / "cache")
    indexed = IndexedFasta(str(fasta), index=str(tmp_path / "genome.fai"))
    for source in (cache, indexed):
        assert _read(source, 0) and _read(pickle.loads(pickle.dumps(source)), 1)
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert all(pool.starmap(_read, [(source, k) for k in range(4)]))


def test_n_is_never_a_base() -> None:
    assert encode("N")[0] == N and distributions(encode("N")).tolist() == [[0.25] * 4]
