"""Tables of methylation counts: no column is shifted, and whatever is wrong is told with its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from seqsci.domains.genomics.methylation.count_table import LONG, ONE_TIME, read_count_table
from seqsci.domains.genomics.methylation.counts_over_time import CountFiles
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError

HEAD = "chrom,start,methylated,coverage"


def written(folder: Path, text: str, name: str = "counts.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def rows(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(frame[["chrom", "start", "methylated", "coverage"]].itertuples(index=False, name=None))


SAME = [("chr1", 5, 1, 2), ("chr1", 60, 3, 4)]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}\nchr1,5,1,2\nchr1,60,3,4\n",
        f"{HEAD}\nchr1,5,1,2\nchr1,60,3,4",
        f"\ufeff{HEAD}\nchr1,60,3,4\nchr1,5,1,2\n",
        '"chrom","start","methylated","coverage"\n"chr1","5","1","2"\nchr1,60,"3",4\n',
        f"\n{HEAD}\r\n\r\nchr1,5,1,2\r\n   \r\nchr1,60,3,4\r\n\r\n",
        "#chrom\tstart\tmethylated\tcoverage\tnote\nchr1\t5\t1\t2\ta,b\nchr1\t60\t3\t4\t\n",
        'coverage,note,methylated,start,chrom\n2,"a,b",1,5,chr1\n4,,3,60,chr1\n',
        "chrom,start,end,methylated,coverage\nchr1,5,6,1,2\nchr1,60,62,3,4\n",
    ],
)
@pytest.mark.parametrize("name", ["counts.csv", "counts.csv.gz"])
def test_one_table_is_read_the_same_however_it_is_written(tmp_path: Path, text: str, name: str) -> None:
    frame = read_count_table(written(tmp_path, text, name), ONE_TIME, "hg38")
    assert rows(frame) == SAME and frame["end"].tolist() == [6, 61] and set(frame["strand"]) == {"."}
    assert frame.attrs == {"build": "hg38", "code": "m"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{HEAD}\nchr1,5,1,2,9\nchr1,60,1,2,9\n", r"counts.csv, line 2: malformed\n  got:      5 fields\n  expected: 4 fields"),
        (f"{HEAD}\nchr1,5,1,2\nchr1,60,1,2,\n", "line 3: malformed"),
        (f"{HEAD}\nchr1,5,1,2\n\n\nchr1,60,1\n", r"line 5: malformed\n  got:      3 fields"),
        (f"{HEAD},coverage\nchr1,5,1,2,9\n", r"a column stands twice in the header\n  got:      coverage"),
        (f'{HEAD}\nchr1,5,1,2\nchr1,"60,1,2\nchr1,70,1,2\n', "line 3: malformed"),
        (f"{HEAD}\n\nchr1,5,1,2\n\nchr1,60,x,2\n", "line 5: no methylated"),
        (f"\n{HEAD}\n\nchr1,5,3,2\n", "line 4: methylated 3 > coverage 2"),
        (f"{HEAD},end\nchr1,5,1,2,6\nchr1,60,1,2,50\n", "line 3: end 50 < start 60"),
        (f"{HEAD},end\nchr1,5,1,2,5\n", "line 2: end 5 = start 5"),
        (f"{HEAD},strand\nchr1,5,1,2,+\nchr1,60,1,2,plus\n", "line 3: strand 'plus'"),
        (f"{HEAD}\n,5,1,2\n", "line 2: no chromosome"),
        (f"{HEAD}\nchr1,5,1,2\n1,60,1,2\n", "a chromosome stands under two names"),
        (f"{HEAD},genome_build\nchr1,5,1,2,hg38\nchr1,60,1,2,hg19\n", "coordinates of different genome builds"),
        (f"{HEAD},build\nchr1,5,1,2,hg19\n", r"got:      hg19, hg38 \(data.build hg38\)"),
        ("\n\n", "no column chrom"),
        (f"{HEAD}\n\n", "holds no rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_count_table(written(tmp_path, text), ONE_TIME, "hg38")


def test_a_declared_build_and_strands_are_kept(tmp_path: Path) -> None:
    text = f"{HEAD},time,strand,genome_build\nchr1,5,1,2,0,+,GRCh38\nchr1,6,1,2,0,-,hg38\n"
    for stated in (None, "hg38"):
        frame = read_count_table(written(tmp_path, text), LONG, stated)
        assert frame["strand"].tolist() == ["+", "-"] and frame.attrs["build"] in ("GRCh38", "hg38")


def test_files_that_name_chromosomes_differently_are_not_joined(tmp_path: Path) -> None:
    paths = [str(written(tmp_path, f"{HEAD}\n{c},5,1,2\n", f"{c}.csv")) for c in ("chr1", "1")]
    with pytest.raises(DataError, match="a chromosome stands under two names"):
        CountFiles(paths, [0, 4], build="hg38").frame()
    frame = pd.concat([read_count_table(p, ONE_TIME).assign(time=0.0) for p in paths], ignore_index=True)
    with pytest.raises(DataError, match="a chromosome stands under two names"):
        SiteSeries.from_frame(frame)
