"""`seqsci predict genomics/enhancer`: candidates, tracks and genes to a table of links; nothing half-written, every fault explained."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.cli import main
from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.domains.genomics.enhancer.pairs import check_pairs, read_pairs
from seqsci.domains.genomics.enhancer.predict import Signal, predict_links, write_links
from seqsci.domains.genomics.enhancer.reference import K562, to_reference
from seqsci.domains.genomics.enhancer.shares import COLUMNS
from seqsci.domains.genomics.reading.writers import write_bigwig
from seqsci.errors import DataError

SIZES = {"chr1": 2_000_000, "chr2": 2_000_000}
DATA = os.environ.get("SEQSCI_DATA")
FILE = "genomics/enhancer_crispr/EPCrisprBenchmark_combined_data.training_K562.GRCh38.tsv.gz"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Forty elements and three genes on two chromosomes, tracks of H3K27ac and DHS."""
    rng = np.random.default_rng(0)
    start = np.sort(rng.choice(3900, 40, replace=False)) * 500
    elements = pd.DataFrame({"chrom": np.repeat(["chr1", "chr2"], 20), "start": start, "end": start + 500})
    elements = elements.sort_values(["chrom", "start"], ignore_index=True)
    elements["name"], elements["score"] = [f"e{i}" for i in range(40)], rng.integers(1, 900, 40)
    elements.to_csv(tmp_path / "x.bed", sep="\t", header=False, index=False)
    gtf = [
        f'{c}\tt\tgene\t{a}\t{b}\t.\t{s}\t.\tgene_id "{n}"; gene_name "{n}";'
        for c, a, b, s, n in (("chr1", 600_001, 640_000, "+", "A"), ("chr1", 900_001, 990_000, "-", "B"), ("chr2", 5_001, 9_000, "+", "C"))
    ]
    (tmp_path / "genes.gtf").write_text("\n".join(gtf) + "\n")
    found = {"elements": tmp_path / "x.bed", "tss": tmp_path / "genes.gtf", "out": tmp_path / "links.tsv"}
    for name in ("h3k27ac", "dhs"):
        track = elements[["chrom", "start", "end"]].assign(value=rng.gamma(0.8, 5.0, 40))
        found[name] = write_bigwig(tmp_path / f"{name}.bw", track, SIZES)
    return found


def arguments(files: dict[str, Path], **changed: object) -> list[str]:
    given = {"elements": files["elements"], "activity": files["h3k27ac"], "tss": files["tss"], "out": files["out"], **changed}
    return ["predict", "genomics/enhancer", *(w for k, v in given.items() if v is not None for w in (f"--{k}", str(v)))]


def refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code in (1, 2)
    return capsys.readouterr().err


def test_the_command_writes_links_in_the_format_of_the_benchmark(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(files))
    out, said = capsys.readouterr()
    assert "60 links of 40 elements and 3 start sites" in out and "on the scale of K562 (H3K27ac)" in said and "--build" in said
    links = read_pairs(files["out"], labelled=False)
    assert list(links.columns[: len(COLUMNS)]) == list(COLUMNS)
    genes = links.groupby("measuredGeneSymbol")
    assert set(genes.groups) == {"A", "B", "C"} and genes["startTSS"].first().to_dict() == {"A": 600_000, "B": 989_999, "C": 5_000}
    assert ((links["share"] >= 0) & (links["share"] <= 1)).all() and (genes["share"].sum() <= 1 + 1e-5).all()
    d = ((links["chromStart"] + links["chromEnd"]) // 2 - links["startTSS"]).abs()
    assert (links["distanceToTSS"] == d).all()
    assert links["contact"].to_numpy() == pytest.approx(DecayBank.log_spaced().kernel(d), rel=1e-5)


def test_two_tracks_are_averaged_and_a_column_serves_as_well(files: dict[str, Path]) -> None:
    tables = []
    for activity in (files["h3k27ac"], f"{files['h3k27ac']},{files['dhs']}", "score"):
        main(arguments(files, activity=activity, build="hg38"))
        tables.append(read_pairs(files["out"], labelled=False))
    elements = tables[0].drop_duplicates("name").index
    logs = [np.log(t.loc[elements, "activity"] + 0.05) for t in tables]
    for one in (0, 2):
        assert float(logs[one].mean()) == pytest.approx(K562["H3K27ac"].mean, abs=1e-3)
        assert float(logs[one].std(ddof=0)) == pytest.approx(K562["H3K27ac"].deviation, abs=1e-3)
    assert len({round(float(x.std()), 3) for x in (logs[0], logs[1])}) == 2 and not np.allclose(logs[0], logs[2], atol=0.1)
    score = pd.read_csv(files["elements"], sep="\t", header=None)[4].to_numpy(float)
    named = tables[2].drop_duplicates("name").set_index("name")["activity"]
    assert named[[f"e{i}" for i in range(40)]].to_numpy() == pytest.approx(to_reference(score, K562["H3K27ac"]), rel=1e-5)


def test_the_links_of_a_gene_do_not_depend_on_the_other_genes(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    row = 'chr{}\tt\tgene\t{}\t{}\t.\t+\t.\tgene_id "{}"; gene_name "{}";\n'
    more = "".join(row.format(c, a, a + 500, f"g{c}_{a}", f"g{c}_{a}") for c in (1, 2, 9) for a in range(10_001, 1_900_000, 60_000))
    few = files["tss"].read_text()
    for text in (few, few + more):
        files["tss"].write_text(text)
        main(arguments(files, activity=f"{files['h3k27ac']},{files['dhs']}", build="hg38"))
        assert capsys.readouterr().err.count("come from 40 elements, fewer than 1,000") == 2
        links = read_pairs(files["out"], labelled=False)
        tables.append(links[links["measuredGeneSymbol"].isin(["A", "B", "C"])].reset_index(drop=True))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_genes_whose_promoter_has_no_activity_are_counted(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    def told(**changed: object) -> str:
        main(arguments(files, build="hg38", **changed))
        return capsys.readouterr().err

    table = pd.read_csv(files["elements"], sep="\t", header=None)
    bare = sum(
        not ((table[0] == c) & (table[1] <= t) & (t < table[2])).any() for c, t in (("chr1", 600_000), ("chr1", 989_999), ("chr2", 5_000))
    )
    assert bare and f"{bare} of 3 start sites have no promoter term" in told(activity="score")
    assert "no promoter term" not in told()
    text = files["elements"].read_text() + "chr1\t0\t700000\tlong\t5\nchr1\t989500\t989999\tends\t5\nchr2\t5000\t5001\tat\t5\n"
    files["elements"].write_text(text)
    assert "1 of 3 start sites have no promoter term" in told(activity="score")
    links = read_pairs(files["out"], labelled=False)
    assert set(links[links["isSelfPromoter"]]["measuredGeneSymbol"]) == {"A", "C"}


def test_a_build_that_one_file_declares_is_said_to_be_that_of_the_others(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bed, gtf = files["elements"].read_text(), files["tss"].read_text()

    def told(**changed: object) -> str:
        main(arguments(files, **changed))
        return capsys.readouterr().err

    files["elements"].write_text("track db=hg19\n" + bed)
    assert "declared by tss: taken to be hg19" in told(activity="score")
    assert f"declared by tss, {files['h3k27ac']}: taken to be hg19" in told()
    assert "genome build" not in told(build="hg19")
    files["tss"].write_text("#!genome-build GRCh37\n" + gtf)
    assert "genome build" not in told(activity="score") and f"declared by {files['h3k27ac']}: taken to be" in told()
    files["elements"].write_text(bed)
    assert "declared by elements: taken to be GRCh37" in told(activity="score")
    files["elements"].write_text("track db=hg38\n" + bed)
    assert "different genome builds" in refused(capsys, arguments(files))


def test_elements_listed_twice_are_counted(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(files))
    assert "listed before" not in capsys.readouterr().err
    lines = files["elements"].read_text().splitlines(keepends=True)
    files["elements"].write_text("".join([*lines, *lines[:2], lines[0]]))
    main(arguments(files))
    assert "3 of 43 elements are listed before" in capsys.readouterr().err


def test_elements_that_the_track_lacks_do_not_move_the_scale(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(files, build="hg38"))
    capsys.readouterr()
    before = read_pairs(files["out"], labelled=False)
    files["elements"].write_text(files["elements"].read_text() + "".join(f"chr9\t{i}000\t{i}500\tz{i}\t1\n" for i in range(1, 30)))
    main(arguments(files, build="hg38"))
    assert "29 of 69 elements" in capsys.readouterr().err
    pd.testing.assert_frame_equal(read_pairs(files["out"], labelled=False), before, check_exact=True)


def test_links_below_a_share_or_beyond_the_window_are_left_out(files: dict[str, Path]) -> None:
    main(arguments(files))
    whole = read_pairs(files["out"], labelled=False)
    main(arguments(files, **{"least-share": 0.05}))
    few = read_pairs(files["out"], labelled=False)
    assert len(few) == (whole["share"] >= 0.05).sum()
    main(arguments(files, window=200_000))
    near = read_pairs(files["out"], labelled=False)
    assert near["distanceToTSS"].max() <= 200_000 and len(near) == (whole["distanceToTSS"] <= 200_000).sum()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"elements": None}, "--elements is missing"),
        ({"out": None}, "--out is missing"),
        ({"activity": "none.bw"}, "no activity none.bw"),
        ({"activity": "a.bw,b.bw,c.bw"}, "names 3 tracks"),
        ({"window": "far"}, "--window far"),
        ({"least-share": 2}, "--least-share 2"),
        ({"normalise": "hepg2"}, "--normalise hepg2"),
        ({"tss-at": "start", "tss": "a.bed"}, "--tss-at start, not five-prime or middle"),
        ({"tss-at": "middle"}, "is of BED files"),
        ({"elements": "none.bed"}, "cannot be read"),
        ({"horizon": 3}, "has no --horizon"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str], changed: dict[str, object], text: str
) -> None:
    said = refused(capsys, arguments(files, **changed))
    assert text in said and "fix:" in said and not files["out"].exists()


def test_files_that_do_not_go_together_leave_no_table(files: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare = tmp_path / "bare.bed"
    bare.write_text(files["elements"].read_text().replace("chr", ""))
    assert "no chromosome in common" in refused(capsys, arguments(files, elements=bare))
    beyond = tmp_path / "beyond.bed"
    beyond.write_text(files["elements"].read_text() + "chr2\t1999900\t2000400\tz\t1\n")
    assert "chr2:1999900-2000400 reaches beyond" in refused(capsys, arguments(files, elements=beyond))
    loose = tmp_path / "loose.gtf"
    loose.write_text(files["tss"].read_text().replace("\t+\t", "\t.\t").replace("\t-\t", "\t.\t"))
    assert "no gene has a start site" in refused(capsys, arguments(files, tss=loose))
    swapped = tmp_path / "swapped.bed"
    swapped.write_text("chr1\t500\t100\n")
    assert "swapped.bed, line 1" in refused(capsys, arguments(files, elements=swapped))
    declared = tmp_path / "hg19.gtf"
    declared.write_text("#!genome-build GRCh37\n" + files["tss"].read_text())
    assert "build" in refused(capsys, arguments(files, tss=declared, build="hg38"))
    cut = tmp_path / "cut.bw"
    cut.write_bytes(files["h3k27ac"].read_bytes()[:40])
    assert "damaged" in refused(capsys, arguments(files, activity=cut))
    assert not files["out"].exists() and not list(tmp_path.glob(".*tmp*"))
    for out in (tmp_path / "no" / "links.tsv", tmp_path, "/"):
        assert "cannot write" in refused(capsys, arguments(files, out=out))


def test_a_table_that_was_there_survives_a_failure(files: dict[str, Path]) -> None:
    files["out"].write_text("precious")

    def broken():  # type: ignore[no-untyped-def]
        yield pd.DataFrame({"share": [1.0], "measuredGeneSymbol": ["A"], "startTSS": [5]})
        raise DataError("half way")

    with pytest.raises(DataError, match="half way"):
        write_links(files["out"], broken())
    assert files["out"].read_text() == "precious"


def test_options_of_links_mean_nothing_to_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, ["predict", "genomics/enhancr", "--elements", "x.bed", "--horizon", "3"])
    assert "did you mean 'genomics/enhancer'" in said
    assert "no --horizon" in refused(capsys, ["predict", "runs/none"])


def test_links_of_one_chromosome_are_made_at_a_time(files: dict[str, Path]) -> None:
    from seqsci.domains.genomics.reading.bed import read_bed
    from seqsci.domains.genomics.reading.gff import read_genes

    elements, genes = read_bed(files["elements"], "hg38"), read_genes(files["tss"], "hg38")
    pieces = list(predict_links(elements, (Signal("score", None),), genes))
    assert [p["chrom"].unique().tolist() for p in pieces] == [["chr1"], ["chr2"]]
    check_pairs(pd.concat(pieces), labelled=False)
    with pytest.raises(DataError, match="no activity of the elements"):
        predict_links(elements, (), genes)
    with pytest.raises(DataError, match="numbers >= 0"):
        predict_links(elements.assign(score=-1.0), (Signal("score"),), genes)


@pytest.mark.skipif(not DATA or not (Path(DATA) / FILE).is_file(), reason="needs SEQSCI_DATA")
def test_the_reference_of_k562_is_that_of_the_training_table() -> None:
    frame = read_pairs(Path(str(DATA)) / FILE, "hg38").drop_duplicates(["chrom", "chromStart", "chromEnd"])
    for name, column in (("H3K27ac", "H3K27ac.RPM.expandedRegion"), ("DHS", "DHS.RPM")):
        logs = np.log(frame[column] + 0.05)
        assert (K562[name].mean, K562[name].deviation) == pytest.approx((logs.mean(), logs.std(ddof=0)), abs=1e-3)
