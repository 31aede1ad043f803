"""Element-gene pairs in the format of the CRISPR benchmark: reading, checks, and what models ask of them."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.bank import boundaries_between
from seqsci.domains.genomics.enhancer.pair_distances import SAME_TSS_BP, UNKNOWN, WIDEST_TSS_BP, refuse_wrong_distances
from seqsci.domains.genomics.genome.builds import refuse_mixed_names
from seqsci.errors import DataError, did_you_mean, explain

Array = npt.NDArray[np.float64]
COORDINATES = ("chrom", "chromStart", "chromEnd", "measuredGeneSymbol", "distanceToTSS")
LABEL = "Regulated"
NUMBERS = ("chromStart", "chromEnd", "distanceToTSS", "startTSS", "endTSS")
TRUTH = {"TRUE": True, "FALSE": False, "True": True, "False": False, "1": True, "0": False, "true": True, "false": False}
SOURCE = "the CRISPR benchmark (EngreitzLab/CRISPR_comparison)"
PAIR = ("chrom", "chromStart", "chromEnd", "measuredGeneSymbol", "CellType")
"""What makes two rows the same pair; without a column CellType, the first four."""
TSS_CHROMOSOME = ("chrTSS", "chromTSS")


def read_pairs(path: str | Path, build: str | None = None, labelled: bool = True) -> pd.DataFrame:
    """Read a tab-separated table of pairs (.tsv, .tsv.gz); rows keep their order, ``attrs["build"]`` is the declared genome build.

    Args:
        path: of the table; build: of its coordinates, such as "hg38"; labelled: whether `Regulated` must be there.

    Raises: DataError with file and line for a file that is missing, empty, cut short or malformed, and as `check_pairs`.
    """
    try:
        raw = Path(path).read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        fix = "check the path; fetch the file again where it was cut short"
        raise DataError(explain(f"{path} cannot be read", error, "a tab-separated table, plain or gzip", fix)) from error
    lines = text.split("\n")
    columns = lines[0].rstrip("\r").split("\t")
    if len(columns) < 2:
        raise DataError(explain(f"{path} is no table of pairs", repr(lines[0][:60]) if text else "an empty file", "tabs, a header", SOURCE))
    _refuse_twice(columns, str(path))
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip("\r") and line.count("\t") != len(columns) - 1:
            got = f"{line.count(chr(9)) + 1} fields"
            raise DataError(explain(f"{path}, line {number}: malformed", got, f"{len(columns)} fields", "correct or remove the line"))
    frame = pd.read_csv(io.StringIO(text), sep="\t", low_memory=False, keep_default_na=True, dtype={"chrom": str, LABEL: str})
    frame.attrs["build"] = build
    numbers = [number for number, line in enumerate(lines[1:], 2) if line.rstrip("\r")]
    if len(frame) != len(numbers):
        what, got = f"{path}: quotes that are not closed join lines", f"{len(frame)} rows of {len(numbers)} lines"
        raise DataError(explain(what, got, "a row a line", "remove the double quotes from the table"))
    return check_pairs(frame, labelled, str(path), numbers)


def check_pairs(frame: pd.DataFrame, labelled: bool = True, source: str = "the frame", lines: Sequence[int] | None = None) -> pd.DataFrame:
    """The frame with numbers and truth values in place of texts.

    Args:
        frame: rows of pairs; labelled: whether `Regulated` must be there; source: what the errors call it; lines: line of each row in its
            file, (rows,); None counts from 2, below a header.

    Raises: DataError with all faults for what is no table of pairs; for a column that stands twice, a chromosome under two names
        (chr11, 11), a TSS on another chromosome than the element, distances that are not those of the coordinates
        (`refuse_wrong_distances`), and a pair (`PAIR`) that is regulated in one row and not in another, with lines.
    """
    names = [str(c) for c in frame.columns]
    _refuse_twice(names, source)
    lacking = [c for c in (*COORDINATES, *([LABEL] if labelled else [])) if c not in names]
    if lacking:
        hints = ", ".join(f"{c}{did_you_mean(c, names)}" for c in lacking)
        fix = f"the columns of {SOURCE}"
        if LABEL in lacking:
            fix = "Regulated = Significant and EffectSize < 0 (Significant alone also marks pairs whose expression rose)"
        raise DataError(explain(f"{source} lacks columns of pairs: {hints}", f"columns {names[:12]}", f"columns {[*COORDINATES]}", fix))
    if not len(frame):
        raise DataError(explain(f"{source} has no pairs", "0 rows", "at least 1", f"take {SOURCE}"))
    found, faults = frame.copy(), []
    found.attrs = dict(frame.attrs)
    for name in (n for n in NUMBERS if n in names):
        values = pd.to_numeric(found[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        bad = ~np.isfinite(values) | (values != np.round(values)) | (values < 0)
        unknown = f" ({UNKNOWN} where no TSS is known)" if name in ("startTSS", "endTSS") else ""
        faults += _fault(frame, lines, bad, name, f"a whole number >= 0{unknown}")
        found[name] = np.where(bad, 0, values).astype(np.int64)
    if "startTSS" in names and "endTSS" in names:
        site = [found[n].to_numpy(np.int64) for n in ("startTSS", "endTSS")]
        wide = (np.minimum(*site) != UNKNOWN) & (np.abs(site[1] - site[0]) > WIDEST_TSS_BP)
        faults += _fault(frame, lines, wide, "endTSS", f"within {WIDEST_TSS_BP:,} bp of startTSS")
    swapped = (found["chromStart"] >= found["chromEnd"]).to_numpy()
    faults += _fault(frame, lines, swapped, "chromEnd", "above chromStart")
    faults += _fault(frame, lines, found["chrom"].isna().to_numpy(), "chrom", "a chromosome")
    faults += _fault(frame, lines, found["measuredGeneSymbol"].isna().to_numpy(), "measuredGeneSymbol", "a gene")
    for name in (n for n in TSS_CHROMOSOME if n in names):
        plain = [found[c].astype(str).str.removeprefix("chr") for c in (name, "chrom")]
        apart = (found[name].notna() & found["chrom"].notna() & (plain[0] != plain[1])).to_numpy(bool)
        faults += _fault(frame, lines, apart, name, "the chromosome of the element")
    if labelled:
        truth = found[LABEL].astype(str).map(TRUTH)
        faults += _fault(frame, lines, truth.isna().to_numpy(), LABEL, "TRUE or FALSE")
        found[LABEL] = (truth == True).to_numpy(bool)  # noqa: E712  # missing ones are faults already
    if faults:
        fix = "correct or drop these rows"
        if any(": distanceToTSS is " in f for f in faults):
            fix = "distances are whole bp without a sign: take the absolute value, and of kb 1,000 times as many"
        raise DataError(explain(f"{source} is no table of pairs", "; ".join(faults[:6]), "the format of " + SOURCE, fix))
    refuse_mixed_names(found["chrom"].unique(), source)
    refuse_wrong_distances(found, studies(found), source, lines)
    if labelled:
        _refuse_contradictions(found, source, lines)
    return found


def _refuse_twice(names: Sequence[str], source: str) -> None:
    if twice := sorted({n for n in names if n and names.count(n) > 1}):
        what, got = f"{source}: a column stands twice", ", ".join(twice[:6])
        raise DataError(explain(what, got, "each name once", "remove or rename the one that is not meant"))


def _refuse_contradictions(found: pd.DataFrame, source: str, lines: Sequence[int] | None) -> None:
    keys = [c for c in PAIR if c in found]
    low, high = (found.groupby(keys, dropna=False, sort=False)[LABEL].transform(how) for how in ("min", "max"))
    both = np.flatnonzero((low != high).to_numpy(bool))
    if not len(both):
        return
    number = {i: i + 2 if lines is None else lines[i] for i in map(int, both)}
    codes = found.iloc[both].groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    told = []
    for k in range(min(3, int(codes.max()) + 1)):
        rows, y = both[codes == k], found[LABEL].to_numpy(bool)
        sides = [", ".join(str(number[int(i)]) for i in rows[y[rows] == side][:3]) for side in (True, False)]
        pair = found.iloc[int(rows[0])]
        place = f"{pair['chrom']}:{pair['chromStart']}-{pair['chromEnd']}, {pair['measuredGeneSymbol']}"
        told.append(f"{place}: TRUE in line {sides[0]}, FALSE in line {sides[1]}")
    got = "; ".join(told) + f" ({int(codes.max()) + 1} pairs)"
    fix = "decide which row holds, or tell cell types apart in a column CellType"
    raise DataError(explain(f"{source}: the same pair is regulated and not regulated", got, "one answer to each pair", fix))


def _fault(frame: pd.DataFrame, lines: Sequence[int] | None, bad: npt.NDArray[np.bool_], name: str, need: str) -> list[str]:
    if not bad.any():
        return []
    row = int(np.argmax(bad))
    value = frame[name].iloc[row]
    shown = repr(value) if isinstance(value, str) else f"{value}"
    line = row + 2 if lines is None else lines[row]
    return [f"line {line}: {name} is {shown}, not {need} ({int(bad.sum())} rows)"]


def signal(frame: pd.DataFrame, column: str) -> Array:
    """A signal of the elements (rows,), e.g. reads per million; raises `DataError` where it is absent, negative or missing."""
    names = [str(c) for c in frame.columns]
    if column not in names:
        what = f"no signal {column}{did_you_mean(column, names)}"
        raise DataError(explain(what, f"columns {names[:12]}", f"a column {column}", "add it, or choose signals that the table has"))
    if frame[column].dtype == bool:
        return frame[column].to_numpy(np.float64)
    values = pd.to_numeric(frame[column].replace(TRUTH), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    faults = _fault(frame, None, ~(np.isfinite(values) & (values >= 0)), column, "a finite number >= 0")
    if faults:
        fix = "0 where a signal was measured and absent; drop pairs where it was not measured"
        raise DataError(explain(f"signal {column}", faults[0], "no gaps", fix))
    return values


def labels(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether each pair is regulated (rows,); raises `DataError` unless both answers occur."""
    y = frame[LABEL].to_numpy(bool)
    if y.all() or not y.any():
        got = f"{int(y.sum())} of {len(y)} pairs regulated"
        raise DataError(explain("nothing to learn from these pairs", got, "some regulated and some not", "take more pairs"))
    return y


def middles(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Middle of each element [bp] (rows,)."""
    return np.asarray((frame["chromStart"].to_numpy(np.int64) + frame["chromEnd"].to_numpy(np.int64)) // 2, np.int64)


def distances(frame: pd.DataFrame) -> Array:
    """Distance of element and TSS [bp] (rows,)."""
    return frame["distanceToTSS"].to_numpy(np.float64)


def boundaries_of(frame: pd.DataFrame, column: str = "boundaries") -> Array:
    """Boundaries between element and TSS (rows,): the column where the table has it, else CTCF peaks at tested elements.

    The second is a crude stand-in: only elements of the table that carry a CTCF peak are known. Where the distance was measured to another
    TSS than the table names, the promoter is placed at that distance on the side of the named TSS; without a named TSS (0), the
    mean of both sides is taken.
    """
    if column in frame:
        return signal(frame, column)
    needed = ("startTSS", "CTCF_peak_overlap")
    if any(c not in frame for c in needed):
        got = f"none of {column}, {', '.join(needed)}"
        raise DataError(explain("boundaries between pairs", got, f"a column {column}", "count CTCF sites between, or leave the gate out"))
    middle, tss, d = middles(frame), frame["startTSS"].to_numpy(np.int64), frame["distanceToTSS"].to_numpy(np.int64)
    side = np.where(tss >= middle, 1, -1)
    elsewhere = np.abs(np.abs(middle - tss) - d) > SAME_TSS_BP
    promoter = np.where(elsewhere, middle + side * d, tss)
    peaks = (signal(frame, "CTCF_peak_overlap") > 0) & ~frame.duplicated(["chrom", "chromStart", "chromEnd"]).to_numpy()
    found = np.zeros(len(frame))
    chrom = frame["chrom"].to_numpy(str)
    for name in np.unique(chrom):
        here = chrom == name
        sites = middle[here & peaks]
        found[here] = boundaries_between(sites, middle[here], promoter[here])
        nowhere = here & (tss == 0)
        if nowhere.any():
            both = [boundaries_between(sites, middle[nowhere], middle[nowhere] + s * d[nowhere]) for s in (-1, 1)]
            found[nowhere] = np.mean(both, axis=0)
    return found


def studies(frame: pd.DataFrame) -> Sequence[str]:
    """Study of each pair: the column Dataset, else Reference, else one name for all."""
    for name in ("Dataset", "Reference"):
        if name in frame:
            return [str(v) for v in frame[name]]
    return ["all"] * len(frame)
