"""Reading of element-gene pairs: what is wrong with a file is said with its line and a fix."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.genomics.enhancer.pairs import boundaries_of, check_pairs, distances, labels, read_pairs, signal, studies
from seqsci.errors import DataError

HEADER = "chrom\tchromStart\tchromEnd\tname\tmeasuredGeneSymbol\tstartTSS\tdistanceToTSS\tEffectSize\tRegulated\tDHS.RPM\tCTCF_peak_overlap"
ROWS = (
    "chr1\t1000\t1500\ta\tG1\t9000\t7750\t-0.3\tTRUE\t4.5\t0",
    "chr1\t3000\t3500\tb\tG1\t9000\t5750\t0.1\tFALSE\t0\t1",
    "chr1\t12000\t12500\tc\tG1\t9000\t3250\t0.0\tFALSE\t2\t1",
    "chr2\t5000\t5500\td\tG2\t1000\t4250\t0.0\tFALSE\t1\t0",
)


def written(folder: Path, *rows: str, header: str = HEADER, name: str = "pairs.tsv") -> Path:
    path = folder / name
    data = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(data.encode()) if name.endswith(".gz") else data.encode())
    return path


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.gz"])
def test_a_table_of_pairs_is_read_with_its_build(tmp_path: Path, name: str) -> None:
    frame = read_pairs(written(tmp_path, *ROWS, name=name), "hg38")
    assert frame.attrs["build"] == "hg38" and labels(frame).tolist() == [True, False, False, False]
    assert distances(frame).tolist() == [7750, 5750, 3250, 4250] and signal(frame, "DHS.RPM").tolist() == [4.5, 0, 2, 1]
    assert studies(frame) == ["all"] * 4


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("chr1\t1000\t1500\ta\tG1", r"line 3: malformed\n  got:      5 fields"),
        ("chr1\t1500\t1000\ta\tG1\t9000\t7750\t-0.3\tTRUE\t4.5\t0", "line 3: chromEnd is 1000, not above chromStart"),
        ("chr1\tx\t1500\ta\tG1\t9000\t7750\t-0.3\tTRUE\t4.5\t0", "line 3: chromStart is 'x', not a whole number"),
        ("chr1\t1000\t1500\ta\tG1\t9000\t-5\t-0.3\tTRUE\t4.5\t0", "line 3: distanceToTSS is -5"),
        ("chr1\t1000\t1500\ta\tG1\t9000\t7750\t-0.3\tmaybe\t4.5\t0", "line 3: Regulated is 'maybe', not TRUE or FALSE"),
        ("chr1\t1000\t1500\ta\t\t9000\t7750\t-0.3\tTRUE\t4.5\t0", "line 3: measuredGeneSymbol is nan"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, row: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        read_pairs(written(tmp_path, ROWS[0], row))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_pairs(written(tmp_path, "chr1\t1500\t1000\ta\tG1\t9000\t-1\t-0.3\tno\t4.5\t0"))
    assert all(word in str(error.value) for word in ("chromEnd", "distanceToTSS", "Regulated"))


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    cut = written(tmp_path, *ROWS * 200, name="cut.tsv.gz")
    cut.write_bytes(cut.read_bytes()[:-30])
    empty = tmp_path / "empty.tsv"
    empty.write_text("")
    for path, text in ((cut, "cannot be read"), (empty, "an empty file"), (tmp_path / "none.tsv", "No such file")):
        with pytest.raises(DataError, match=text):
            read_pairs(path)
    with pytest.raises(DataError, match="has no pairs"):
        read_pairs(written(tmp_path))


def test_significant_does_not_stand_for_regulated(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Significant and EffectSize < 0"):
        read_pairs(written(tmp_path, *ROWS, header=HEADER.replace("Regulated", "Significant")))
    assert len(read_pairs(written(tmp_path, *ROWS, header=HEADER.replace("Regulated", "Significant")), labelled=False)) == 4


def test_signals_without_a_measurement_are_refused_and_zeros_are_not() -> None:
    frame = pd.DataFrame({"a": [0.0, np.nan], "b": [1.0, -2.0], "c": [True, False], "d": [0, 1]})
    with pytest.raises(DataError, match="line 3: a is nan"):
        signal(frame, "a")
    with pytest.raises(DataError, match="line 3: b is -2.0"):
        signal(frame, "b")
    assert signal(frame, "c").tolist() == [1.0, 0.0] and signal(frame, "d").tolist() == [0.0, 1.0]


def test_boundaries_are_peaks_strictly_between_element_and_promoter(tmp_path: Path) -> None:
    frame = read_pairs(written(tmp_path, *ROWS))
    assert boundaries_of(frame).tolist() == [1, 0, 0, 0]
    assert boundaries_of(frame.assign(boundaries=[3, 1, 0, 0])).tolist() == [3, 1, 0, 0]
    with pytest.raises(DataError, match="boundaries between pairs"):
        boundaries_of(frame.drop(columns="CTCF_peak_overlap"))


def test_the_promoter_lies_where_the_distance_says(tmp_path: Path) -> None:
    """A distance to another TSS of the gene places it on the side of the named one; without a named one, both sides count half."""
    frame = read_pairs(written(tmp_path, *ROWS))
    near = check_pairs(frame.assign(distanceToTSS=[1500, 5750, 3250, 4250]))
    assert boundaries_of(near)[0] == 0  # 1250 + 1500 lies before the peak at 3250; by the named TSS it would be 1
    unnamed = check_pairs(frame.assign(startTSS=[0, 9000, 9000, 1000], distanceToTSS=[7750, 5750, 3250, 4250]))
    assert boundaries_of(unnamed)[0] == 0.5


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((ROWS[0], ROWS[1], ROWS[0].replace("TRUE", "FALSE")), "chr1:1000-1500, G1: TRUE in line 2, FALSE in line 4 \\(1 pairs\\)"),
        ((ROWS[0], "", ROWS[1], ROWS[1].replace("FALSE", "1")), "chr1:3000-3500, G1: TRUE in line 5, FALSE in line 4"),
        ((*ROWS[:3], ROWS[3].replace("chr2", "1")), "a chromosome stands under two names\n  got:      chr1, 1"),
        ((ROWS[0], "", "", ROWS[1].replace("FALSE", "maybe")), "line 5: Regulated is 'maybe'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_with_its_lines(tmp_path: Path, rows: tuple[str, ...], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_pairs(written(tmp_path, *rows))


def test_a_second_column_of_labels_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, *(row + "\tFALSE" for row in ROWS), header=HEADER + "\tRegulated")
    with pytest.raises(DataError, match="a column stands twice\n  got:      Regulated"):
        read_pairs(path)
    frame = read_pairs(written(tmp_path, *ROWS))
    with pytest.raises(DataError, match="a column stands twice"):
        check_pairs(pd.concat([frame, frame[["Regulated"]]], axis=1))


def test_repeats_that_agree_and_answers_of_two_cell_types_are_read(tmp_path: Path) -> None:
    again = [row + "\tK562" for row in (*ROWS, ROWS[0])] + [ROWS[0].replace("TRUE", "FALSE") + "\tHCT116"]
    frame = read_pairs(written(tmp_path, *again, header="\ufeff" + HEADER + "\tCellType"))
    assert labels(frame).tolist() == [True, False, False, False, True, False]
    with pytest.raises(DataError, match="regulated and not regulated"):
        check_pairs(frame.drop(columns="CellType"))


def test_quotes_that_join_lines_lose_no_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 rows of 4 lines"):
        read_pairs(written(tmp_path, ROWS[0], ROWS[1].replace("\tb\t", '\t"b\t'), ROWS[2].replace("\tc\t", '\tc"\t'), ROWS[3]))


def placed(pairs: int = 40, elsewhere: int = 0) -> pd.DataFrame:
    """Pairs with the benchmark's coordinates, the distance from the middle; some are measured to another TSS, 30 kb off."""
    rng = np.random.default_rng(0)
    start = np.sort(rng.integers(1_000_000, 9_000_000, pairs))
    tss = start + rng.integers(-400_000, 400_000, pairs)
    table = {"chrom": "chr1", "chromStart": start, "chromEnd": start + 500, "measuredGeneSymbol": [f"G{i}" for i in range(pairs)]}
    table |= {"chrTSS": "chr1", "startTSS": tss, "endTSS": tss + 1, "Regulated": [i % 2 == 0 for i in range(pairs)]}
    far = np.where(np.arange(pairs) < elsewhere, 30_000, 0)
    return pd.DataFrame(table | {"distanceToTSS": np.abs(start + 250 - tss) + far})


@pytest.mark.parametrize(
    "moved",
    [
        {"chromStart": 100_000, "chromEnd": 100_000},  # elements of another build
        {"startTSS": -5_000, "endTSS": -5_000},
        {"distanceToTSS": 60_000},
    ],
)
def test_distances_that_are_not_those_of_the_coordinates_are_refused(moved: dict[str, int]) -> None:
    frame = placed()
    for name, by in moved.items():
        frame[name] += by
    with pytest.raises(DataError) as error:
        check_pairs(frame)
    text = str(error.value)
    assert "distanceToTSS is not the distance of element and TSS" in text and "line 2: chr1:" in text
    assert "of 40 pairs" in text and "genome build" in text and "at most 25%" in text


def test_a_column_that_is_shifted_by_a_row_is_refused() -> None:
    frame = placed()
    frame["distanceToTSS"] = np.roll(frame["distanceToTSS"], 1)
    with pytest.raises(DataError, match="shifted columns"):
        check_pairs(frame)


def test_a_tenth_of_distances_to_another_tss_of_the_gene_is_as_in_the_benchmark() -> None:
    assert len(check_pairs(placed(elsewhere=4))) == 40
    assert len(check_pairs(placed(elsewhere=10))) == 40
    with pytest.raises(DataError, match="11 of 40 pairs are off"):
        check_pairs(placed(elsewhere=11))


def test_a_study_of_another_build_does_not_hide_behind_a_larger_one() -> None:
    frame = placed(200, elsewhere=25)
    frame["Dataset"] = np.where(np.arange(200) < 25, "other", "first")
    with pytest.raises(DataError, match="25 of 25 pairs of the study other"):
        check_pairs(frame)


@pytest.mark.parametrize("measured", ["edge", "far edge", "wide TSS"])
def test_every_definition_of_a_distance_passes(measured: str) -> None:
    frame = placed()
    near = np.where(frame["startTSS"] > frame["chromStart"], frame["chromEnd"], frame["chromStart"])
    far = np.where(frame["startTSS"] > frame["chromStart"], frame["chromStart"], frame["chromEnd"])
    if measured == "wide TSS":
        frame["startTSS"], frame["endTSS"] = frame["startTSS"] - 4_000, frame["endTSS"] + 4_000  # a region that holds it
    else:
        frame["distanceToTSS"] = np.abs(frame["startTSS"] - (near if measured == "edge" else far))
    assert len(check_pairs(frame)) == 40


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"startTSS": 1_000_000}, "line 2: endTSS is .* not within 10,000 bp of startTSS \\(40 rows\\)"),
        ({"startTSS": 5_000_000, "endTSS": None}, "40 of 40 pairs are off"),
        ({"endTSS": 100_000}, "not within 10,000 bp"),
    ],
)
def test_a_wide_start_site_does_not_switch_the_check_off(changed: dict[str, int | None], told: str) -> None:
    frame = placed()
    for name, by in changed.items():
        frame[name] = 0 if by is None else frame[name] + by
    with pytest.raises(DataError, match=told):
        check_pairs(frame)
    assert len(check_pairs(placed().assign(endTSS=0))) == 40


def test_distances_with_a_sign_in_kb_or_of_blank_start_sites_say_what_to_do() -> None:
    frame = placed()
    signed = frame.assign(distanceToTSS=frame["chromStart"] + 250 - frame["startTSS"])
    with pytest.raises(DataError, match="take the absolute value"):
        check_pairs(signed)
    for kb in (frame["distanceToTSS"] // 1000, (frame["distanceToTSS"] / 1000).round(2)):
        with pytest.raises(DataError, match="multiply distanceToTSS by 1,000|of kb 1,000 times"):
            check_pairs(frame.assign(distanceToTSS=kb))
    with pytest.raises(DataError, match="0 where no TSS is known"):
        check_pairs(frame.assign(startTSS=frame["startTSS"].astype(float).where(frame.index > 2)))


def test_a_tiny_table_may_hold_a_distance_to_another_tss() -> None:
    assert len(check_pairs(placed(3, elsewhere=1))) == 3
    with pytest.raises(DataError, match="2 of 3 pairs are off"):
        check_pairs(placed(3, elsewhere=2))


def test_pairs_without_a_named_tss_are_not_judged_and_a_tss_elsewhere_is_refused() -> None:
    frame = placed()
    assert len(check_pairs(frame.assign(startTSS=0, endTSS=0))) == 40
    assert len(check_pairs(frame.drop(columns=["startTSS", "endTSS"]).assign(distanceToTSS=7))) == 40
    assert len(check_pairs(frame.assign(chrTSS="1"))) == 40
    frame.loc[3, "chrTSS"] = "chr2"
    with pytest.raises(DataError, match="line 5: chrTSS is 'chr2', not the chromosome of the element"):
        check_pairs(frame)
