"""Readers of intervals, signals, counts, features and records: coordinates from 0, and round trips through the writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqsci.domains.genomics.genome.frames import is_sorted
from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.genome.sequence import decode
from seqsci.domains.genomics.reading.bed import read_bed
from seqsci.domains.genomics.reading.bedgraph import read_bedgraph
from seqsci.domains.genomics.reading.bedmethyl import read_bedmethyl
from seqsci.domains.genomics.reading.bigwig import BigWig
from seqsci.domains.genomics.reading.bismark import read_bismark
from seqsci.domains.genomics.reading.counts import merge_strands
from seqsci.domains.genomics.reading.fasta import fasta_pieces, read_fasta
from seqsci.domains.genomics.reading.genbank import read_genbank
from seqsci.domains.genomics.reading.gff import read_features, read_genes, tss_frame
from seqsci.domains.genomics.reading.methylkit import read_methylkit
from seqsci.domains.genomics.reading.table import Table, pieces_of
from seqsci.domains.genomics.reading.text import lines_of
from seqsci.domains.genomics.reading.writers import write_bedgraph, write_bigwig
from tests.genomics_files import GENBANK, modkit_line, write, write_bgzip

SIZES = {"chr1": 1_000, "chr10": 500, "chr2": 800}
several = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def signals(draw: st.DrawFn, wide: bool = True) -> pd.DataFrame:
    rows = []
    for chrom in sorted(draw(st.sets(st.sampled_from(sorted(SIZES)), min_size=1))):
        cuts = sorted(draw(st.sets(st.integers(0, SIZES[chrom]), min_size=2, max_size=20)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False):
            rows.append((chrom, start, end, draw(st.floats(-(2.0**90), 2.0**90, allow_subnormal=False, width=64 if wide else 32))))
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "value"])


@several
@given(signals())
def test_a_bedgraph_comes_back_bit_by_bit(tmp_path: Path, frame: pd.DataFrame) -> None:
    for name in ("x.bedgraph", "ü x.bedgraph.gz"):
        back = read_bedgraph(write_bedgraph(tmp_path / name, frame, SIZES), "hg38", SIZES)
        pd.testing.assert_frame_equal(back, frame)
        assert back.attrs["build"] == "hg38"


@several
@given(signals(wide=False))
def test_a_bigwig_comes_back_in_its_float32(tmp_path: Path, frame: pd.DataFrame) -> None:
    signal = BigWig(str(write_bigwig(tmp_path / "x.bw", frame, SIZES)), np.nan, "hg38")
    back = pd.concat([signal.intervals(c) for c in sorted(signal.sizes)], ignore_index=True)
    pd.testing.assert_frame_equal(back, frame)
    row = frame.iloc[-1]
    values = signal.values(row["chrom"], 0, SIZES[row["chrom"]])
    assert (values[row["start"] : row["end"]] == row["value"]).all() and np.isnan(values[row["end"] :]).all()


@several
@given(signals(), st.integers(1, 7))
def test_pieces_are_written_as_the_whole(tmp_path: Path, frame: pd.DataFrame, length: int) -> None:
    pieces = (frame[i : i + length] for i in range(0, len(frame), length))
    assert write_bedgraph(tmp_path / "a", pieces).read_bytes() == write_bedgraph(tmp_path / "b", frame).read_bytes()


BED_LINES = ["chr2\t5\t9\tb\t.\t-", "chr10\t0\t4\tgene#1\t3.5\t+", "chr10\t3\t4\tÜ\t0\t."]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["x.bed", "x ü.bed.gz"])
def test_bed_is_read_whatever_stands_around_it(tmp_path: Path, ending: str, name: str) -> None:
    text = ending.join(["\ufeff# a comment", "track name=x db=hg38", "", *BED_LINES[:2], "#later", "", BED_LINES[2]])
    frame = read_bed(write(tmp_path / name, text), sizes={"chr2": 9, "chr10": 4})
    assert frame[["chrom", "start", "end", "name", "strand"]].values.tolist() == [
        ["chr10", 0, 4, "gene#1", "+"],
        ["chr10", 3, 4, "Ü", "."],
        ["chr2", 5, 9, "b", "-"],
    ]
    assert frame["score"].tolist()[:2] == [3.5, 0] and np.isnan(frame["score"][2]) and frame.attrs["build"] == "hg38" and is_sorted(frame)


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_bed_of_three_to_six_columns_and_further_ones(tmp_path: Path, count: int) -> None:
    cut = ["\t".join(line.split("\t")[:count]) for line in BED_LINES]
    assert list(read_bed(write(tmp_path / "x.bed", "\n".join(cut))).columns) == ["chrom", "start", "end", "name", "score", "strand"][:count]
    more = [f"{line}\t1\t2\tx" for line in BED_LINES]
    assert read_bed(write(tmp_path / "y.bed", "\n".join(more)), columns=count).shape == (3, count)
    blank = [line.replace("\t", "  ") for line in cut]
    pd.testing.assert_frame_equal(read_bed(write(tmp_path / "z.bed", "\n".join(blank))), read_bed(tmp_path / "x.bed"))


def test_rows_out_of_order_are_sorted_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "x.bed", "chr1\t9\t12\nchr2\t1\t2\nchr1\t3\t4\n")
    assert read_bed(path, sort=True)["start"].tolist() == [3, 9, 1]


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_blocks_do_not_change_what_is_read(tmp_path: Path, block: int) -> None:
    path = write(tmp_path / "x.bed", "\ufeff#c\nchr1\t1\t2\r\n\n#d\nchr1\t3\t4\ntrack x\nchr1\t5\t6")
    lines = list(lines_of(path, ("#", "track "), block))
    assert b"".join(part.data for part in lines) == b"chr1\t1\t2\nchr1\t3\t4\nchr1\t5\t6\n"
    assert np.concatenate([part.numbers for part in lines]).tolist() == [2, 5, 7]
    assert [c for part in lines for c in part.comments] == ["#c", "#d", "track x"]
    from seqsci.domains.genomics.reading.bed import BED

    tables: list[Table] = list(pieces_of(path, BED, block))
    assert np.concatenate([t.frame["start"].to_numpy() for t in tables]).tolist() == [1, 3, 5]


SITES = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30
)


@several
@given(SITES)
def test_every_format_of_counts_gives_the_same_frame(tmp_path: Path, sites: list[tuple[str, int, int, int]]) -> None:
    unique = sorted({(c, p): (m, m + u) for c, p, m, u in sites}.items())
    rows = [(c, p, m, n) for (c, p), (m, n) in unique]
    modkit = write(tmp_path / "x.bedmethyl", "".join(modkit_line(c, p, "m", "+", n, m) + "\n" for c, p, m, n in rows))
    kit = [f"{c}.{p + 1}\t{c}\t{p + 1}\tF\t{n}\t{100 * m / max(n, 1):.2f}\t{100 - 100 * m / max(n, 1):.2f}" for c, p, m, n in rows]
    cov = [f"{c}\t{p + 1}\t{p + 1}\t{100 * m / max(n, 1)}\t{m}\t{n - m}" for c, p, m, n in rows]
    encode = [f"{c}\t{p}\t{p + 1}\tx\t{n}\t+\t{p}\t{p + 1}\t0,0,0\t{n}\t{100 * m / max(n, 1):.0f}" for c, p, m, n in rows]
    frames = [
        read_bedmethyl(modkit),
        read_methylkit(write(tmp_path / "x.txt", "chrBase\tchr\tbase\tstrand\tcoverage\tfreqC\tfreqT\n" + "\n".join(kit))),
        read_bismark(write(tmp_path / "x.cov.gz", "\n".join(cov))).assign(strand="+"),
        read_bedmethyl(write(tmp_path / "e.bed.gz", "\n".join(encode))),
    ]
    assert frames[0][["chrom", "start", "methylated", "coverage"]].values.tolist() == [list(r) for r in rows]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(other.astype({"strand": "str"}), frames[0])


def test_a_modification_is_chosen_and_mixed_separators_are_read(tmp_path: Path) -> None:
    lines = [modkit_line("chr1", 5, c, "+", 10, m, k) for c, m, k in (("h", 2, 5), ("m", 3, 5))]
    path = write(tmp_path / "x.bed", "\n".join(lines))
    frame = read_bedmethyl(path, code="h")
    assert frame["methylated"].tolist() == [2] and frame["coverage"].tolist() == [10] and frame.attrs["code"] == "h"
    head, tail = lines[1].split("\t")[:10], lines[1].split("\t")[10:]
    mixed = write(tmp_path / "y.bed", "\t".join(head) + " " + " ".join(tail).replace("x", "x"))
    assert read_bedmethyl(mixed)["methylated"].tolist() == [3]
    motif = write(tmp_path / "z.bed", "\n".join(lines).replace("\tm\t", "\tm,CG,0\t").replace("\th\t", "\th,CG,0\t"))
    assert read_bedmethyl(motif, code="m").attrs["code"] == "m"


def test_strands_are_kept_apart_until_they_are_merged(tmp_path: Path) -> None:
    lines = [modkit_line("chr1", p, "m", s, n, m) for p, s, n, m in ((5, "+", 4, 1), (6, "-", 6, 5), (20, "-", 3, 3), (30, "+", 2, 0))]
    apart = read_bedmethyl(write(tmp_path / "x.bed", "\n".join(lines)), build="hg38")
    assert apart["strand"].tolist() == ["+", "-", "-", "+"]
    merged = merge_strands(apart)
    assert merged.values.tolist() == [["chr1", 5, 6, ".", 6, 10], ["chr1", 19, 20, ".", 3, 3], ["chr1", 30, 31, ".", 0, 2]]
    assert merged.attrs == apart.attrs


@pytest.mark.parametrize("per_block", [40, 300, 5_000])
def test_a_region_of_a_tabix_file_is_that_part_of_the_whole(tmp_path: Path, per_block: int) -> None:
    rng = np.random.default_rng(per_block)
    lines = ["#chrom"]
    for chrom in ("chr1", "chr2"):
        for p in np.sort(rng.choice(300_000, 200, replace=False)).tolist():
            lines.append(modkit_line(chrom, p, "m", "+", 10, p % 11))
    path = write_bgzip(tmp_path / "x.bed.gz", lines, per_block)
    whole = read_bedmethyl(path)
    for start, end in [(0, 300_000), (16_384, 16_385), (50_000, 51_000), (131_072, 262_144), *rng.integers(0, 3e5, (15, 2)).tolist()]:
        region = Interval("chr2", min(start, end), max(start, end) + 1)
        inside = whole[(whole["chrom"] == "chr2") & (whole["start"] < region.end) & (whole["end"] > region.start)]
        if len(inside):
            pd.testing.assert_frame_equal(read_bedmethyl(path, region=region), inside.reset_index(drop=True))


GTF = """#!genome-build GRCh38.p14
chr2\tx\tgene\t11\t20\t.\t-\t.\tgene_id "g2"; gene_name "B b"; gene_type "lncRNA";
chr1\tx\tgene\t1\t5\t.\t+\t.\tgene_id "g1"; gene_name "A"; gene_type "protein_coding";
chr1\tx\texon\t1\t3\t.\t+\t.\tgene_id "g1"; gene_name "A"; transcript_id "t1";
chr1\tx\texon\t5\t5\t.\t+\t.\tgene_id "g1"; gene_name "A"; transcript_id "t1";
"""


def test_genes_of_gtf_and_gff3_start_where_transcription_does(tmp_path: Path) -> None:
    genes = read_genes(write(tmp_path / "x.gtf.gz", GTF), sizes={"chr1": 5, "chr2": 20})
    assert genes[["chrom", "start", "end", "name", "gene_id", "gene_type", "tss"]].values.tolist() == [
        ["chr1", 0, 5, "A", "g1", "protein_coding", 0],
        ["chr2", 10, 20, "B b", "g2", "lncRNA", 19],
    ]
    assert genes.attrs["build"] == "GRCh38.p14"
    exons = "".join(f"{line}\n" for line in GTF.splitlines() if "\texon\t" in line)
    assert read_genes(write(tmp_path / "exons.gtf", exons))[["start", "end", "name"]].values.tolist() == [[0, 5, "A"]]
    gff = "##gff-version 3\nchr1\tx\tgene\t1\t5\t.\t-\t.\tID=gene:g1;Name=a%3Bb;biotype=snoRNA\nchr1\tx\tCDS\t2\t4\t.\t-\t0\tParent=t1\n"
    path = write(tmp_path / "x.gff3", gff + "##FASTA\n>chr1\nACGTA\n")
    assert read_genes(path)[["name", "gene_id", "gene_type", "tss"]].values.tolist() == [["a;b", "g1", "snoRNA", 4]]
    cds = read_features(path, ("CDS",), attributes=("Parent",))
    assert cds[["start", "end", "Parent"]].values.tolist() == [[1, 4, "t1"]]
    assert tss_frame(genes, 2, {"chr1": 5, "chr2": 20})[["start", "end"]].values.tolist() == [[0, 3], [17, 20]]


@pytest.mark.parametrize("block", [1, 5, 17, 1 << 20])
def test_fasta_pieces_join_to_the_records(tmp_path: Path, block: int) -> None:
    path = write(tmp_path / "x.fa.gz", ">a b c\r\nACGT\r\nnry\r\n\r\n>d\r\nTT")
    records = read_fasta(path, "hg38")
    assert {n: (r.description, decode(r.codes), r.build) for n, r in records.items()} == {
        "a": ("b c", "ACGTNRY", "hg38"),
        "d": ("", "TT", "hg38"),
    }
    joined: dict[str, str] = {}
    for name, _, codes in fasta_pieces(path, block):
        joined[name] = joined.get(name, "") + decode(codes)
    assert joined == {"a": "ACGTNRY", "d": "TT"}


def test_genbank_counts_from_0_and_keeps_odd_locus_lines_as_notes(tmp_path: Path) -> None:
    found = read_genbank(write(tmp_path / "x.gb.gz", GENBANK), "dm6")["chr2L_1-40"]
    assert decode(found.record.codes) == "ACGT" * 9 + "ACGN"
    cds = found.features[found.features["type"] == "CDS"]
    assert cds[["start", "end", "strand", "name", "part"]].values.tolist() == [[20, 26, "-", "g1", 0], [2, 8, "-", "g1", 1]]
    assert "LOCUS" in found.notes[0] and found.features.attrs["build"] == "dm6"
