"""`seqsci predict genomics/enhancer`: its options, and what it does; imports nothing heavy until it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from seqsci.errors import ConfigError, DataError, explain

HELP = "element-gene links with knock-out shares, from candidates, tracks of activity and genes"
OPTIONS = {
    "elements": "BED of candidate elements, plain or gzip",
    "activity": "bigWig of H3K27ac, or two of H3K27ac and DHS separated by a comma; or a column of the BED (score)",
    "tss": "GTF or GFF3 of genes, or BED of genes or start sites, with names and strands",
    "tss-at": "of BED rows: five-prime (default), the 5' end by strand, which rows of more than 10 bp need; middle: of windows",
    "build": "genome build of all files, such as hg38, where they do not declare it",
    "window": "reach on each side of a TSS in bp (default: 5000000)",
    "least-share": "leave out links below this share (default: 0)",
    "normalise": "k562 (default): each signal is brought to the scale of K562, the training cell type; none: as it is",
}
NEEDED = ("elements", "activity", "tss", "out")
SIGNALS = ("H3K27ac", "DHS")
SITES = ("five-prime", "middle")
"""Where in its BED row a start site lies."""


def run(values: Mapping[str, str | None]) -> None:
    """Read the files, write the table of ``out``, and say on stderr what was assumed."""
    faults = [f"--{name} is missing" for name in NEEDED if values.get(name) is None]
    window = _number(values, "window", 5e6, 1.0, 1e9, faults)
    least = _number(values, "least-share", 0.0, 0.0, 1.0, faults)
    tracks = [t for t in (values.get("activity") or "").split(",") if t]
    if len(tracks) > len(SIGNALS):
        faults.append(f"--activity names {len(tracks)} tracks, of {' and '.join(SIGNALS)} at most")
    how = (values.get("normalise") or "k562").lower()
    if how not in ("k562", "none"):
        faults.append(f"--normalise {how}, not k562 or none")
    at = values.get("tss-at")
    if at is not None and at not in SITES:
        faults.append(f"--tss-at {at}, not {' or '.join(SITES)}")
    elif at is not None and not _is_bed(values.get("tss") or ""):
        faults.append(f"--tss-at {at} is of BED files; a GTF or GFF3 says where its genes start")
    if faults:
        what = "the links cannot be predicted as asked"
        fix = "seqsci predict genomics/enhancer --elements x.bed --activity h3k27ac.bw --tss genes.gtf --out links.tsv"
        lacking = any(values.get(n) is None for n in NEEDED)
        expected = ", ".join("--" + n for n in NEEDED) if lacking else "values that these options take"
        raise ConfigError(explain(what, "; ".join(faults), expected, fix))
    from seqsci.domains.genomics.enhancer.predict import Signal, predict_links, write_links
    from seqsci.domains.genomics.enhancer.reference import K562
    from seqsci.domains.genomics.genome.builds import build_of
    from seqsci.domains.genomics.reading.bed import read_bed

    elements = read_bed(str(values["elements"]), values.get("build"), sort=True)
    genes = _genes(str(values["tss"]), values.get("build"), at or SITES[0])
    declared = {"elements": build_of(elements), "tss": build_of(genes)}
    declared |= {t: None for t in tracks if t not in elements}
    build = values.get("build") or declared["elements"] or declared["tss"]
    silent = [name for name, one in declared.items() if one is None]
    if build is None:
        _say("no file declares a genome build; they are taken to be of one (state it: --build hg38)")
    elif values.get("build") is None and silent:
        _say(
            f"no genome build is declared by {', '.join(silent)}: taken to be {build}, as another file declares (state it: --build {build})"
        )
    lost = int((genes["tss"] < 0).sum())
    if 0 < lost < len(genes):
        print(f"seqsci: {lost:,} of {len(genes):,} genes have no strand, hence no start site, and are left out", file=sys.stderr)
    twice = int(elements.duplicated(["chrom", "start", "end"]).sum())
    if twice:
        what = f"{twice:,} of {len(elements):,} elements are listed before, and each counts again: the shares of a repeated one are split"
        _say(f"{what}; list each once (sort -u -k1,1 -k2,2n -k3,3n)")
    signals = [Signal(t, None if how == "none" else K562[n]) for t, n in zip(tracks, SIGNALS, strict=False)]
    links = predict_links(elements, signals, genes, None, int(window), build or "undeclared", _say)
    placed = genes[(genes["tss"] >= 0).to_numpy()].drop_duplicates(["chrom", "tss", "name"])
    several = int((placed.groupby("name")["tss"].size() > 1).sum())
    if several:
        what = f"{_count(several, 'gene')} of {placed['name'].nunique():,} have several start sites, and each site gives its own links"
        _say(f"{what}: a pair of element and gene stands there more than once (for one link a pair keep one site a gene)")
    rows, found = write_links(str(values["out"]), links, least)
    scale = "as they are" if how == "none" else f"on the scale of K562 ({', '.join(SIGNALS[: len(tracks)])})"
    print(f"seqsci: activities {scale}; bank of four decay lengths, 5 kb to 5 Mb, weights 1/tau", file=sys.stderr)
    unplaced = len(placed) - found
    if unplaced > 0:
        _say(f"{unplaced:,} of {_count(len(placed), 'start site')} have no candidate on their chromosome or within reach")
    text = f"{_count(rows, 'link')} of {_count(len(elements), 'element')} and {_count(found, 'start site')}"
    print(f"{text} written to {values['out']}")


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"


def _say(sentence: str) -> None:
    print(f"seqsci: {sentence}", file=sys.stderr)


def _is_bed(path: str) -> bool:
    return Path(path).name.removesuffix(".gz").lower().endswith(".bed")


def _genes(path: str, build: str | None, at: str):  # type: ignore[no-untyped-def]  # a pandas frame: the import is left to `run`
    """Genes with their start site: from GTF or GFF3, or from BED rows by a rule, see `start_sites`."""
    from seqsci.domains.genomics.enhancer.start_sites import RULES
    from seqsci.domains.genomics.reading.bed import read_bed
    from seqsci.domains.genomics.reading.gff import read_genes

    if not _is_bed(path):
        try:
            return read_genes(path, build)
        except DataError as error:
            if Path(path).name.removesuffix(".gz").lower().endswith((".gtf", ".gff", ".gff3")):
                raise
            note = "the ending decides: .bed is read as BED, all else as GTF or GFF3; rename a BED file"
            raise DataError(f"{error}\n  note:     {note}") from error
    frame = read_bed(path, build, sort=True)
    if "name" not in frame:
        raise ConfigError(explain(f"{path} names no genes", "three columns", "BED4 or more: a name in the fourth column", "add it"))
    frame["tss"] = RULES[at].sites(frame, path, _say)
    return frame


def _number(values: Mapping[str, str | None], name: str, default: float, low: float, high: float, faults: list[str]) -> float:
    text = values.get(name)
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        faults.append(f"--{name} {text}, not from {low:g} to {high:g}")
        return default
    return number
