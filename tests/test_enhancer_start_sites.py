"""Where genes start: taken from BED rows by a stated rule, counted as sites, and asked for where the files leave it open."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqsci.domains.genomics.enhancer.pairs import read_pairs
from tests.test_enhancer_predict import arguments, files, main, refused

__all__ = ["files"]


def sites_of(files: dict[str, Path], text: str, capsys: pytest.CaptureFixture[str], **changed: object) -> tuple[dict[str, int], str]:
    """Start sites by gene that a BED of genes gives, and what was said."""
    bed = files["elements"].parent / "tss.bed"
    bed.write_text(text)
    main(arguments(files, tss=bed, **changed))
    said = capsys.readouterr().err
    return read_pairs(files["out"], labelled=False).groupby("measuredGeneSymbol")["startTSS"].first().to_dict(), said


def test_a_bed_row_gives_its_five_prime_end_and_says_so(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    rows = "chr1\t599750\t600251\tA\t0\t+\nchr1\t600400\t601300\tM\t0\t-\nchr1\t900000\t990000\tB\t0\t-\nchr2\t5000\t5001\tC\t0\t.\n"
    found, said = sites_of(files, rows, capsys)
    assert found == {"A": 599_750, "M": 601_299, "B": 989_999, "C": 5_000}
    assert "the row itself in 1 of 4 (at most 10 bp wide), the 5' end by strand in 3 of 4" in said
    assert "windows about a start site" not in said


def test_bed_rows_without_a_strand_are_no_start_sites_unless_windows_are_asked_for(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bed = files["elements"].parent / "bare.bed"
    for rows in ("chr1\t599750\t600251\tA\nchr1\t5\t6\tZ\n", "chr1\t900000\t990000\tB\t0\t.\n"):
        bed.write_text(rows)
        said = refused(capsys, arguments(files, tss=bed))
        assert "have no strand: chr1:" in said and "1 of" in said and "--tss-at middle" in said and not files["out"].exists()
    found, said = sites_of(files, "chr1\t599750\t600251\tA\n", capsys, **{"tss-at": "middle"})
    assert found == {"A": 600_000} and "the middle of all 1 rows, 501 bp wide at most, as asked" in said


def test_windows_with_a_strand_are_called_what_they_look_like(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    rows = "chr1\t599750\t600250\tA\t0\t+\nchr1\t989750\t990250\tB\t0\t-\n"
    found, said = sites_of(files, rows, capsys)
    assert found == {"A": 599_750, "B": 990_249}
    assert "2 of these rows are 500 bp wide, as windows about a start site are" in said and "250 bp downstream" in said
    found, said = sites_of(files, rows, capsys, **{"tss-at": "middle"})
    assert found == {"A": 600_000, "B": 990_000} and "windows about" not in said


def test_start_sites_are_counted_and_several_of_one_gene_are_said(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    rows = "chr1\t600000\t600001\tA\t0\t+\nchr1\t700000\t700001\tA\t0\t+\nchr1\t900000\t900001\tB\t0\t-\n"
    bed = files["elements"].parent / "tss.bed"
    bed.write_text(rows)
    main(arguments(files, tss=bed))
    out, said = capsys.readouterr()
    assert "and 3 start sites written" in out and "have no candidate" not in said
    assert "1 gene of 2 have several start sites" in said and "more than once" in said
    bed.write_text(rows + "chr3\t5\t6\tZ\t0\t+\n")
    main(arguments(files, tss=bed))
    assert "1 of 4 start sites have no candidate" in capsys.readouterr().err


def test_what_was_meant_by_the_genes_file_is_asked(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    text = files["elements"].parent / "genes.txt"
    text.write_text("chr1\t600000\t600001\tA\t0\t+\n")
    assert "the ending decides: .bed is read as BED" in refused(capsys, arguments(files, tss=text))
    bed = text.with_suffix(".bed")
    bed.write_text("chr1\t500000\t650000\tA\t0\t+\n")
    assert "WARNING: 1 of these rows" in sites_of(files, bed.read_text(), capsys, **{"tss-at": "middle"})[1]
    said = refused(capsys, arguments(files, tss=bed, **{"tss-at": "center"}))
    assert "--tss-at center, not five-prime or middle" in said and "expected: --elements" not in said
    bed.write_text("1\t600000\t600001\tA\t0\t+\n2\t600000\t600001\tB\t0\t+\n")
    said = refused(capsys, arguments(files, tss=bed))
    assert "the elements and the genes have no chromosome in common" in said and "2 of the genes (1, 2)" in said
    assert "write the names of the genes with chr" in said
