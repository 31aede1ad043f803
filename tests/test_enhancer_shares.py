"""The knock-out share is the ABC score: by formula, by the walk with an element knocked out, and on the published chr22 table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.domains.genomics.enhancer.locus import kernel_figure, locus_figure
from seqsci.domains.genomics.enhancer.shares import COLUMNS, knock_out_shares, share
from seqsci.domains.genomics.enhancer.simulator import Landscape, simulate_screen
from seqsci.errors import DataError

SCREEN = simulate_screen(Landscape(chromosomes=2, elements=150, genes=12), seed=3)
DATA = os.environ.get("SEQSCI_DATA")
ABC = Path(DATA or "") / "genomics/enhancer_chr22_K562"
real = pytest.mark.skipif(not DATA or not ABC.is_dir(), reason="needs SEQSCI_DATA")


def linked(**options: object) -> pd.DataFrame:
    return pd.concat(list(knock_out_shares(SCREEN.elements, SCREEN.genes, **options)), ignore_index=True)  # type: ignore[arg-type]


def test_a_share_is_what_the_walk_loses_without_the_element() -> None:
    """[h - h(without e)] / h, h by the walk along the chromosome with the promoter as an element of its own."""
    bank, links = DecayBank.log_spaced(), linked()
    row = links[~links["isSelfPromoter"]].iloc[200]
    gene = SCREEN.genes[SCREEN.genes["name"] == row["measuredGeneSymbol"]].iloc[0]
    near = SCREEN.elements[SCREEN.elements["chrom"] == row["chrom"]]
    middle = ((near["start"] + near["end"]) // 2).to_numpy()
    place, activity = np.r_[middle, gene["tss"]], np.r_[near["activity"].to_numpy(), gene["activity"]]
    out = np.r_[(near["start"] == row["chromStart"]).to_numpy(), False]
    whole, without = (bank.scan(place, a, [gene["tss"]], window_bp=5e6)[0] for a in (activity, np.where(out, 0, activity)))
    covered = links[(links["measuredGeneSymbol"] == gene["name"]) & links["isSelfPromoter"]]
    assert covered.empty
    assert row["share"] == pytest.approx((whole - without) / whole, rel=1e-9)


def test_shares_are_activity_times_contact_over_the_sum_with_the_promoter() -> None:
    """The ABC formula; shares of a gene and of its promoter sum to one."""
    links = linked()
    assert list(links.columns[: len(COLUMNS)]) == list(COLUMNS)
    sent = links["activity"] * links["contact"]
    promoter = SCREEN.genes.set_index("name")["activity"]
    covered = links.groupby("measuredGeneSymbol")["isSelfPromoter"].any()
    for name, rows in links.groupby("measuredGeneSymbol"):
        own = 0.0 if covered[name] else promoter[name]
        total = sent[rows.index].sum() + own
        assert rows["share"].to_numpy() == pytest.approx((sent[rows.index] / total).to_numpy(), rel=1e-9)
        assert rows["share"].sum() + own / total == pytest.approx(1.0)


def test_shares_do_not_depend_on_the_scale_of_activity() -> None:
    plain = linked()["share"].to_numpy()
    tenfold = [f.assign(activity=10 * f["activity"]) for f in (SCREEN.elements, SCREEN.genes)]
    for frame in tenfold:
        frame.attrs["build"] = "simulated"
    assert pd.concat(list(knock_out_shares(*tenfold)))["share"].to_numpy() == pytest.approx(plain, rel=1e-12)


def test_contact_that_is_given_takes_the_place_of_the_kernel() -> None:
    """Given the kernel's own values it changes nothing (but for the promoter, whose contact is the largest that is given)."""
    links = linked(window_bp=300_000)
    bare = SCREEN.genes.assign(activity=0.0)
    bare.attrs["build"] = "simulated"
    contact = links[["chrom", "chromStart", "chromEnd", "measuredGeneSymbol", "contact"]].copy()
    contact.attrs["build"] = "simulated"
    a, b = (pd.concat(list(knock_out_shares(SCREEN.elements, bare, window_bp=300_000, contact=c))) for c in (None, contact))
    assert b["share"].to_numpy() == pytest.approx(a["share"].to_numpy(), rel=1e-9)
    cut = contact.iloc[1:]
    cut.attrs["build"] = "simulated"
    with pytest.raises(DataError, match="1 of .* pairs without one"):
        list(knock_out_shares(SCREEN.elements, bare, window_bp=300_000, contact=cut))


def test_boundaries_lower_the_share_of_what_lies_behind_them() -> None:
    bank = DecayBank.log_spaced()
    open_, shut = linked(bank=bank), linked(bank=bank.insulated(np.inf), boundaries=SCREEN.boundaries)
    walled = shut["contact"] == 0
    assert walled.any() and (shut["share"][walled] == 0).all() and (shut["contact"][~walled] == open_["contact"][~walled]).all()


def test_nothing_that_arrives_has_no_share() -> None:
    assert share([0.0, 2.0], [0.0, 0.0]).tolist() == [0.0, 1.0]


def test_frames_that_do_not_go_together_are_refused() -> None:
    other = SCREEN.genes.copy()
    other.attrs["build"] = "hg19"
    with pytest.raises(DataError, match="different genome builds"):
        list(knock_out_shares(SCREEN.elements, other))
    undeclared = SCREEN.genes.copy()
    undeclared.attrs = {}
    with pytest.raises(DataError, match="not declared"):
        list(knock_out_shares(SCREEN.elements, undeclared))
    bare = SCREEN.genes.assign(chrom=SCREEN.genes["chrom"].str.removeprefix("chr"))
    bare.attrs["build"] = "simulated"
    with pytest.raises(DataError, match="no chromosome in common"):
        list(knock_out_shares(SCREEN.elements, bare))
    with pytest.raises(DataError, match="lack activity"):
        list(knock_out_shares(SCREEN.elements.drop(columns="activity"), SCREEN.genes))


def test_a_locus_is_drawn_with_a_track_for_each_gene() -> None:
    genes = SCREEN.genes[SCREEN.genes["chrom"] == "chr1"]
    region = ("chr1", int(genes["tss"].iloc[2]) - 50_000, int(genes["tss"].iloc[4]) + 50_000)
    drawn = locus_figure(SCREEN.elements, SCREEN.genes, region, boundaries=SCREEN.boundaries)
    inside = ((genes["tss"] >= region[1]) & (genes["tss"] < region[2])).sum()
    assert len(drawn.figure.axes) == 1 + inside and "knocked out" in drawn.caption
    assert all(genes["name"].iloc[i] in "".join(a.get_ylabel() for a in drawn.figure.axes) for i in (2, 3, 4))
    with pytest.raises(DataError, match="0 genes"):
        locus_figure(SCREEN.elements, SCREEN.genes, ("chr9", 0, 10))
    assert len(kernel_figure({"bank": DecayBank.log_spaced()}).figure.axes[0].lines) == 2


@real
def test_the_published_abc_scores_are_knock_out_shares_of_their_own_numerators() -> None:
    """Every gene's published scores have one denominator; with it, `share` gives the score to its six digits."""
    table = pd.read_csv(ABC / "EnhancerPredictionsFull_threshold0.027.tsv.gz", sep="\t")
    table = table[~table["isSelfPromoter"]]  # published as 1 by convention
    for score, contact in (("ABC.Score", "hic_contact_pl_scaled_adj"), ("powerlaw.Score", "powerlaw_contact")):
        sent = (table["activity_base"] * table[contact]).to_numpy()
        assert sent == pytest.approx(table[f"{score}.Numerator"].to_numpy(), rel=3e-3)
        total = table[f"{score}.Numerator"] / table[score]
        one = total.groupby(table["TargetGene"]).transform("median").to_numpy()
        assert np.abs(total / one - 1).max() < 2e-3
        assert share(sent, one - sent) == pytest.approx(table[score].to_numpy(), rel=4e-3)


@real
def test_shares_from_raw_counts_rank_links_nearly_as_the_published_scores_do() -> None:
    """All 17,732 candidates, sqrt(DHS H3K27ac) of raw counts, no Hi-C, no quantile normalisation: Spearman with both published scores."""
    names = ["chrom", "start", "end", "count"]
    dhs, mark = (
        pd.read_csv(ABC / f"Enhancers.{s}.CountReads.bedgraph.gz", sep="\t", header=None, names=names)
        for s in ("DHS.ENCFF860XAE", "H3K27ac.ENCFF790GFL")
    )
    elements = dhs.assign(activity=np.sqrt(dhs["count"] * mark["count"]))
    genes = pd.read_csv(ABC / "GeneList.txt.gz", sep="\t")
    promoters = pd.DataFrame({"chrom": "chr22", "tss": genes["tss"], "name": genes["symbol"]}).drop_duplicates("name")
    links = pd.concat(list(knock_out_shares(elements, promoters, build="hg38")))
    table = pd.read_csv(ABC / "EnhancerPredictionsFull_threshold0.027.tsv.gz", sep="\t")
    keys = {"start": "chromStart", "end": "chromEnd", "TargetGene": "measuredGeneSymbol"}
    both = table[~table["isSelfPromoter"]].rename(columns=keys).merge(links, on=list(keys.values()))
    assert len(both) > 600
    assert spearmanr(both["share"], both["powerlaw.Score"])[0] > 0.75
    assert spearmanr(both["share"], both["ABC.Score"])[0] > 0.6
    assert (both["share"] - both["powerlaw.Score"]).abs().median() < 0.03
