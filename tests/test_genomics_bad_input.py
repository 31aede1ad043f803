"""Bad files: every message names the file, the line, what stands there, and how to put it right; nothing is half-written."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.reading.bed import read_bed
from seqsci.domains.genomics.reading.bedgraph import read_bedgraph
from seqsci.domains.genomics.reading.bedmethyl import read_bedmethyl
from seqsci.domains.genomics.reading.bigwig import BigWig
from seqsci.domains.genomics.reading.bismark import read_bismark
from seqsci.domains.genomics.reading.counts import merge_strands
from seqsci.domains.genomics.reading.fasta import read_fasta
from seqsci.domains.genomics.reading.genbank import read_genbank
from seqsci.domains.genomics.reading.gff import read_features, read_genes, tss_frame
from seqsci.domains.genomics.reading.indexed_fasta import IndexedFasta
from seqsci.domains.genomics.reading.methylkit import read_methylkit
from seqsci.domains.genomics.reading.writers import write_bedgraph, write_bigwig
from seqsci.errors import ArtefactError, DataError, MissingExtraError
from tests.genomics_files import GENBANK, modkit_line, write, write_bgzip

Reader = Callable[..., Any]
GOOD_BED = "chr1\t0\t5\n"
GOOD_GRAPH = "chr1\t0\t5\t1.5\n"
KIT = "chrBase\tchr\tbase\tstrand\tcoverage\tfreqC\tfreqT\nc\tchr1\t5\tF\t4\t50\t50\n"
GFF = "chr1\tx\tgene\t1\t5\t.\t+\t.\tID=g\n"
SIZES = {"chr1": 100}

TABLE: list[tuple[Reader, str, dict[str, Any], int, str, str]] = [
    (read_bed, GOOD_BED + "chr1\tfive\t9\n", {}, 2, "start is 'five'", "correct or remove line 2"),
    (read_bed, "# c\n\n" + GOOD_BED + "chr1\t7\n", {}, 4, "2 columns", "expected: 3, as in the first line"),
    (read_bed, GOOD_BED + "chr1\t7\t9\tname\n", {}, 2, "4 columns", "correct or remove"),
    (read_bed, "chr1\t7\t9\ta\nchr1\t8\nchr1\t9\t10\tb\tc\td\n", {}, 2, "2 columns", "as in the first line"),
    (read_bed, "chr1\t7\n", {}, 1, "2 columns", "at least 3 columns with a tab between"),
    (read_bed, GOOD_BED + "\t7\t9\n", {}, 2, "chrom is ''", "some text"),
    (read_bed, GOOD_BED + "chr1\t7.5\t9\n", {}, 2, "start is '7.5'|start", "whole number"),
    (read_bed, GOOD_BED + "chr1\t9\t7\n", {}, 2, "start 9 > end 7", "check the build"),
    (read_bed, GOOD_BED + "chr1\t-3\t7\n", {}, 2, "start -3 < 0", "check the build"),
    (read_bed, GOOD_BED + "chr1\t9\t101\n", {"sizes": SIZES}, 2, "end 101 beyond the end of chr1, 100 bp", "check the build"),
    (read_bed, GOOD_BED + "chrX\t9\t10\n", {"sizes": SIZES}, 2, "chromosome 'chrX' is not among", "check the build"),
    (read_bed, "chr1\t5\t9\n" + GOOD_BED, {}, 2, "start 0 after start 5", "sort=True"),
    (read_bed, "chr1\t5\t9\nchr2\t0\t1\nchr1\t6\t7\n", {}, 3, "chr1 comes again after chr2", "sort=True"),
    (read_bed, "chr1\t0\t5\ta\t1\t+\nchr1\t2\t5\ta\t1\tx\n", {}, 2, "strand 'x' is none of", "correct these"),
    (read_bed, "chr1\t0\t5\ta\tbig\t+\n", {}, 1, "score is 'big'", "a number, or a dot"),
    (read_bed, "chr1\t0\t99999999999999999999\n", {}, 1, "end is '9999", "whole number"),
    (read_bed, "chr1\t0\t5\0\n", {}, 1, "end is '5", "whole number"),
    (read_bedgraph, GOOD_GRAPH + "chr1\t5\t6\tnan\n", {}, 2, "value is 'nan'", "a finite number"),
    (read_bedgraph, GOOD_GRAPH + "chr1\t5\t6\tinf\n", {}, 2, "value is 'inf'", "a finite number"),
    (read_bedgraph, GOOD_GRAPH + "chr1\t5\t6\t1,5\n", {}, 2, "value is '1,5'", "a finite number"),
    (read_bedgraph, GOOD_GRAPH + "chr1\t4\t6\t1\n", {}, 2, "begins at 4, before the end 5 of line 1", "bedtools merge"),
    (read_bedgraph, GOOD_BED, {}, 1, "3 columns", "4 columns with a tab between"),
    (read_bismark, "chr1\t5\t5\t50\t1\t1\nchr1\t7\t7\t50\t-1\t3\n", {}, 2, "-1 methylated", "counts >= 0"),
    (read_bismark, "chr1\t5\t5\t50\t1\t1\nchr1\t7\t7\t50\t1\t3\n", {}, 2, "50 percent, but 1 of 4 reads", "order of the columns"),
    (read_bismark, "chr1\t5\t6\t50\t1\t1\n", {}, 1, "start 5, end 6", "zero_based=True"),
    (read_bismark, "chr1\t5\t5\t50\t1\t1\n", {"zero_based": True}, 1, "start 5, end 5", "zero_based=False"),
    (read_bismark, "chr1\t0\t0\t50\t1\t1\n", {}, 1, "start 0", "positions from 1"),
    (read_bismark, "chr1\t5\t5\t50\t1\t1\nchr1\t5\t5\t50\t1\t1\n", {}, 2, "chr1:4 stands twice", "sum the rows"),
    (read_methylkit, KIT + "c\tchr1\t7\tF\t-4\t50\t50\n", {}, 3, "coverage -4 < 0", "correct these"),
    (read_methylkit, KIT + "c\tchr1\t7\tF\t4\t150\t0\n", {}, 3, "150 percent C", "order of the columns"),
    (read_methylkit, KIT + "c\tchr1\t7\tX\t4\t50\t50\n", {}, 3, "strand 'X'", "order of the columns"),
    (read_methylkit, KIT + "c\tchr1\t0\tF\t4\t50\t50\n", {}, 3, "base 0", "positions from 1"),
    (read_bedmethyl, modkit_line("chr1", 5, "m", "+", 4, 5) + "\n", {}, 1, "methylated 5 > coverage 4", "which column holds what"),
    (read_bedmethyl, modkit_line("chr1", 5, "m", "+", -4, -5) + "\n", {}, 1, "coverage -4 < 0", "which column holds what"),
    (read_bedmethyl, modkit_line("chr1", 5, "m", "+", 4, 3, 3) + "\n", {}, 1, "6 modified and canonical calls of 4", "check the columns"),
    (read_bedmethyl, "chr1\t5\t6\tm\t1\t+\t5\t6\t0\t4\t101\n", {}, 1, "101 percent methylated", "check the columns"),
    (read_bedmethyl, GOOD_BED, {}, 1, "3 columns", "18 columns with a tab between"),
    (read_genes, GFF + "chr1\tx\tgene\t9\t5\t.\t+\t.\tID=h\n", {}, 2, "start 8 > end 5", "correct these"),
    (read_genes, GFF + "chr1\tx\tgene\t9\t10\t.\tx\t.\tID=h\n", {}, 2, "strand 'x'", "correct these"),
    (read_genes, GFF + "chr1\tx\tgene\t9\t101\t.\t+\t.\tID=h\n", {"sizes": SIZES}, 2, "end 101 beyond", "check the build"),
    (read_genes, GFF + "chr1\tx\tgene\t9\t10\n", {}, 2, "5 columns", "correct or remove"),
    (read_genes, GFF + "chr1\tx\tgene\tnine\t10\t.\t+\t.\tID=h\n", {}, 2, "first is 'nine'", "a whole number"),
    (read_fasta, ">a\nAC\nAXC\n", {}, 3, "no nucleotide in a", "'X' in column 2"),
    (read_fasta, "ACGT\n", {}, 1, "no FASTA", "check that the file is FASTA"),
    (read_fasta, ">a\nAC\n>b\n>c\nA\n", {}, 3, "b has no bases", "cut short"),
    (read_fasta, ">a\nAC\n>b\n", {}, 3, "b has no bases", "cut short"),
    (read_fasta, ">a\nAC\n>a x\nGG\n", {}, 3, "the name a comes twice", "name them apart"),
    (read_fasta, ">\nAC\n", {}, 1, "without a name", "name it"),
    (read_genbank, GENBANK.replace("//\n", ""), {}, 8, "is cut short", "download it again"),
    (read_genbank, GENBANK.replace("gtacgtacgn", "gtac1tacgn"), {}, 9, "no nucleotide in chr2L_1-40", "'1' at base 35"),
    (read_genbank, GENBANK.replace("gtacgtacgn", "gtac"), {}, 9, "not as long as its LOCUS line says", "download it again"),
]


@pytest.mark.parametrize("ending", [".txt", " ü.gz"])
@pytest.mark.parametrize(("reader", "text", "arguments", "line", "what", "fix"), TABLE, ids=lambda v: None)
def test_a_bad_line_is_named_with_file_and_fix(
    tmp_path: Path, reader: Reader, text: str, arguments: dict[str, Any], line: int, what: str, fix: str, ending: str
) -> None:
    path = write(tmp_path / f"bad{ending}", text)
    with pytest.raises(DataError) as caught:
        reader(path, **arguments)
    message = str(caught.value)
    head = message.splitlines()[0]
    assert f"{path}, line {line}" in head and any(w in message for w in what.split("|")), message
    assert any(f in message for f in fix.split("|")) and "  fix:      " in message and "  got:      " in message, message


@pytest.mark.parametrize("text", ["chr1\t0\t5\nchr1\t9\t7\n", "chr1\t0\t5\r\nchr1\tx\t7\r\n"])
def test_line_numbers_survive_windows_endings_comments_and_blocks(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.bed", "#a\n\ntrack x\n" + text.replace("\nchr1", "\n#b\n\nchr1", 1))
    with pytest.raises(DataError, match="line 7:"):
        read_bed(path)


READERS: list[Reader] = [read_bed, read_bedgraph, read_bismark, read_methylkit, read_bedmethyl, read_genes, read_fasta, read_genbank]
GOOD = [GOOD_BED, GOOD_GRAPH, "chr1\t5\t5\t50\t1\t1\n", KIT, modkit_line("chr1", 5, "m", "+", 4, 3), GFF, ">a\nACGT\n", GENBANK]


@pytest.mark.parametrize(("reader", "text"), list(zip(READERS, GOOD, strict=True)), ids=[r.__name__ for r in READERS])
def test_every_reader_notices_files_that_are_empty_missing_or_cut_short(tmp_path: Path, reader: Reader, text: str) -> None:
    reader(write(tmp_path / "good.gz", text))
    whole = gzip.compress(text.encode())
    for name, data, expected in [
        ("empty", b"", "is empty"),
        ("packed.gz", gzip.compress(b""), "holds no"),
        ("cut.gz", whole[:-9], "is cut short"),
        ("cut2.gz", whole[:12], "is cut short"),
        ("broken.gz", whole[:-8] + bytes(8), "is damaged"),
        ("x.zip", b"PK\x03\x04" + bytes(20), "zip archive"),
        ("latin.txt", b"\xe9\xff\xfe\0\t\xe9", "latin.txt"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match=expected) as caught:
            reader(path)
        assert str(path) in str(caught.value) and "fix:" in str(caught.value)
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            reader(path)


def test_builds_that_a_file_names_must_agree(tmp_path: Path) -> None:
    track = write(tmp_path / "x.bed", "track name=a db=hg19\n" + GOOD_BED)
    assert read_bed(track, "GRCh37").attrs["build"] == "GRCh37"
    with pytest.raises(DataError, match="mixes genome builds"):
        read_bed(track, "hg38")
    both = write(tmp_path / "y.bed", "track db=hg19\n" + GOOD_BED + "track db=hg38\nchr2\t0\t5\n")
    with pytest.raises(DataError, match="hg19, hg38"):
        read_bed(both)
    gff = write(tmp_path / "x.gff", "##genome-build WormBase WBcel235\n" + GFF)
    assert read_genes(gff).attrs["build"] == "WBcel235"


def test_a_choice_among_modifications_must_be_made(tmp_path: Path) -> None:
    path = write(tmp_path / "x.bed", "\n".join(modkit_line("chr1", 5, c, "+", 10, 2, 5) for c in "hm"))
    with pytest.raises(DataError, match=r"(?s)several modifications.*h \(1 rows\), m \(1 rows\).*--data.code m of a fit or --code m "):
        read_bedmethyl(path)
    with pytest.raises(DataError, match="no rows of the modification 'a'"):
        read_bedmethyl(path, code="a")
    with pytest.raises(DataError, match="no exon"):
        read_features(write(tmp_path / "x.gff", GFF), ("exon",))
    with pytest.raises(DataError, match="rows without a strand"):
        merge_strands(pd.DataFrame({"chrom": "chr1", "start": [1], "end": [2], "strand": ["."], "methylated": [1], "coverage": [1]}))
    same = pd.DataFrame({"chrom": "chr1", "start": [1, 1], "end": [2, 2], "strand": ["+", "-"], "methylated": [1, 1], "coverage": [1, 1]})
    with pytest.raises(DataError, match="does not stand at its own cytosine"):
        merge_strands(same)
    with pytest.raises(DataError, match="1 genes, such as g"):
        tss_frame(read_genes(write(tmp_path / "y.gff", GFF.replace("+", "."))))


def test_bgzip_that_ends_between_two_blocks_is_cut_short(tmp_path: Path) -> None:
    lines = [modkit_line("chr1", p, "m", "+", 4, 3) for p in range(0, 60_000, 600)]
    path = write_bgzip(tmp_path / "x.bed.gz", lines)
    index = tmp_path / "x.bed.gz.tbi"
    assert len(read_bedmethyl(path)) == 100
    with pytest.raises(DataError, match="did you mean 'chr1'"):
        read_bedmethyl(path, region=Interval("chr11", 0, 5))
    whole = path.read_bytes()
    path.write_bytes(whole[:-28])
    with pytest.raises(DataError, match="is cut short"):
        read_bedmethyl(path)
    path.write_bytes(whole)
    index.write_bytes(index.read_bytes()[:40])
    with pytest.raises(DataError, match=r"tbi is damaged"):
        read_bedmethyl(path, region=Interval("chr1", 0, 5))
    index.unlink()
    with pytest.raises(DataError, match=r"(?s)tbi is missing.*tabix -p bed"):
        read_bedmethyl(path, region=Interval("chr1", 0, 5))


SIGNAL = pd.DataFrame({"chrom": ["chr1", "chr1", "chr2"], "start": [0, 5, 1], "end": [5, 9, 4], "value": [1.0, 2.0, np.nan]})
BAD = {
    "no rows": SIGNAL.assign(value=np.nan),
    "before the end": SIGNAL.assign(start=[0, 4, 1]),
    "comes again": SIGNAL.assign(chrom=["chr1", "chr2", "chr1"], value=1.0),
    "infinite": SIGNAL.assign(value=np.inf),
    "beyond the end": SIGNAL.assign(end=[5, 101, 4]),
    "without bases": SIGNAL.assign(end=[0, 9, 4]),
    "not among": SIGNAL.assign(chrom="chrX"),
}


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize(("write_signal", "name"), [(write_bedgraph, "x.bedgraph.gz"), (write_bigwig, "x.bw")])
def test_nothing_is_half_written(tmp_path: Path, write_signal: Reader, name: str, text: str) -> None:
    sizes, path = {"chr1": 100, "chr2": 50}, tmp_path / name
    with pytest.raises(DataError, match=text):
        write_signal(path, BAD[text], sizes)
    assert list(tmp_path.iterdir()) == []
    before = write_signal(path, SIGNAL, sizes).read_bytes()

    def stops() -> Any:
        yield SIGNAL
        raise RuntimeError("the source stopped")

    with pytest.raises(RuntimeError, match="the source stopped"):
        write_signal(path, stops(), sizes)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ArtefactError, match="cannot write"):
        write_signal(tmp_path / "none" / name, SIGNAL, sizes)


def test_a_bigwig_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write_bigwig(tmp_path / "x.bw", SIGNAL, {"chr1": 100, "chr2": 50})
    signal = BigWig(str(path), 0)
    with pytest.raises(DataError, match="beyond the sequence"):
        signal.values("chr1", 90, 101)
    with pytest.raises(DataError, match="did you mean 'chr1'"):
        signal.values("chr11", 0, 1)
    with pytest.raises(DataError, match="not declared"):
        signal.means(SIGNAL)
    cut = tmp_path / "cut.bw"
    cut.write_bytes(path.read_bytes()[:200])
    for bad, text in ((cut, "damaged"), (tmp_path / "none.bw", "no such file"), (write(tmp_path / "x.bed", GOOD_BED), "no bigWig")):
        with pytest.raises(DataError, match=text):
            BigWig(str(bad), 0).values("chr1", 0, 5)
    with pytest.raises(ArtefactError, match="rename it"):
        write_bigwig(tmp_path / "x.bigwiggle", SIGNAL, {"chr1": 100, "chr2": 50})


def test_an_index_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    for name, text, expected in (
        ("x.fa", ">a\nAC\nACGT\nA\n", "cannot be indexed"),
        ("x.fa.gz", ">a\nACGT\n", "cannot be indexed|no index"),
    ):
        with pytest.raises(DataError, match=expected):
            IndexedFasta(str(write(tmp_path / name, text)))
    with pytest.raises(DataError, match="no such file"):
        IndexedFasta(str(tmp_path / "none.fa"))


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("Bio", lambda p: read_genbank(write(p / "x.gb", GENBANK))),
        ("pyfaidx", lambda p: IndexedFasta(str(write(p / "x.fa", ">a\nACGT\n")))),
        ("pybigtools", lambda p: BigWig(str(p / "x.bw"), 0)),
        ("pybigtools", lambda p: write_bigwig(p / "x.bw", SIGNAL, {"chr1": 100, "chr2": 50})),
    ],
)
def test_a_missing_extra_gives_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, call: Reader) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seqsci\[genomics\]'"):
        call(tmp_path)
