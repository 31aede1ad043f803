"""Real files of the field, where SEQSCI_DATA points at a folder with genomics/: known sizes, and facts that hold only if read right."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from seqsci.domains.genomics.genome.cache import build_cache
from seqsci.domains.genomics.genome.frames import is_sorted
from seqsci.domains.genomics.genome.sequence import decode, reverse_complement
from seqsci.domains.genomics.reading.bed import read_bed
from seqsci.domains.genomics.reading.bedgraph import read_bedgraph
from seqsci.domains.genomics.reading.bigwig import BigWig
from seqsci.domains.genomics.reading.counts import merge_strands
from seqsci.domains.genomics.reading.fasta import read_fasta
from seqsci.domains.genomics.reading.genbank import read_genbank
from seqsci.domains.genomics.reading.gff import read_features, read_genes
from seqsci.domains.genomics.reading.methylkit import read_methylkit
from seqsci.domains.genomics.reading.writers import write_bigwig
from seqsci.errors import DataError

FOLDER = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "genomics")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="SEQSCI_DATA does not point at a folder with genomics/")


def test_the_coding_sequences_of_drosophila_loci_are_open_in_frame() -> None:
    from Bio.Seq import Seq

    records = read_genbank(FOLDER / "genes_dmel_chr2L/genes.gb.train.gz", "dm6")
    assert len(records) == 392
    for found in records.values():
        coding = found.features[found.features["type"] == "CDS"]
        for _, parts in coding.groupby("feature"):
            pieces = [found.record.codes[p.start : p.end] for p in parts.itertuples()]
            text = "".join(decode(reverse_complement(c) if s == "-" else c) for c, s in zip(pieces, parts["strand"], strict=True))
            protein = str(Seq(text).translate())
            assert len(text) % 3 == 0 and protein[0] == "M" and "*" not in protein[:-1]


def test_the_worm_and_its_genes_fit_and_introns_begin_with_gt(tmp_path: Path) -> None:
    fasta, gff = FOLDER / "celegans_1pct/1pct.fa.gz", FOLDER / "celegans_1pct/1pct.genes.gff3.gz"
    cache = build_cache(fasta, tmp_path, "ce11")
    records = read_fasta(fasta)
    assert {n: len(r) for n, r in records.items()} == cache.sizes and len(cache.sizes) == 7
    genes = read_genes(gff, "ce11", {n: s + 1 for n, s in cache.sizes.items()})
    assert len(genes) == 257 and is_sorted(genes) and (genes["tss"] >= 0).all()
    exons = read_features(gff, ("exon",), attributes=("Parent",))
    donors = []
    for _, rows in exons.groupby("Parent"):
        for a, b in zip(rows["end"].tolist()[:-1], rows["start"].tolist()[1:], strict=True):
            chrom, strand = rows["chrom"].iloc[0], rows["strand"].iloc[0]
            if b - a > 10 and b < cache.sizes[chrom]:
                intron = cache.codes(chrom, a, b)
                donors.append(decode(reverse_complement(intron) if strand == "-" else intron)[:2])
    assert len(donors) > 500 and np.mean([d == "GT" for d in donors]) > 0.97


def test_lambda_is_what_biopython_reads() -> None:
    from Bio import SeqIO

    path = FOLDER / "small_genomes/lambda_virus.fa.gz"
    with gzip.open(path, "rt") as file:
        theirs = {r.id: str(r.seq) for r in SeqIO.parse(file, "fasta")}
    assert {n: decode(r.codes) for n, r in read_fasta(path).items()} == theirs


def test_k562_counts_go_through_a_bigwig_and_back(tmp_path: Path) -> None:
    frame = read_bedgraph(FOLDER / "enhancer_chr22_K562/Enhancers.DHS.ENCFF860XAE.CountReads.bedgraph.gz", "hg38", {"chr22": 50_818_468})
    signal = BigWig(str(write_bigwig(tmp_path / "dhs.bw", frame, {"chr22": 50_818_468})), 0, "hg38")
    assert np.array_equal(signal.means(frame), frame["value"])
    back = signal.intervals("chr22")
    assert back[["start", "end"]].equals(frame[["start", "end"]])


def test_start_sites_out_of_order_are_named_and_sorted() -> None:
    path = FOLDER / "enhancer_crispr/CollapsedGeneBounds.hg38.TSS500bp.bed.gz"
    with pytest.raises(DataError, match="line 51: start 1692554 after start 1724170"):
        read_bed(path)
    frame = read_bed(path, "hg38", sort=True)
    assert is_sorted(frame) and (frame["end"] - frame["start"]).eq(500).mean() > 0.99


def test_methylkit_counts_are_whole_and_strands_pair_up() -> None:
    frame = read_methylkit(FOLDER / "methyl_formats/methylKit.control1.myCpG.txt.gz", "hg18", sort=True)
    assert len(frame) == 2_377 and (frame["methylated"] <= frame["coverage"]).all()
    merged = merge_strands(frame)
    assert len(merged) < len(frame) and merged["coverage"].sum() == frame["coverage"].sum()
