"""From candidates, tracks and genes to a table of element-gene links with knock-out shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.domains.genomics.enhancer.reference import K562, LogMoments, log_moments, to_reference
from seqsci.domains.genomics.enhancer.shares import WINDOW_BP, knock_out_shares
from seqsci.domains.genomics.genome.atomic import replacing
from seqsci.domains.genomics.genome.builds import build_of, require_same_build, require_shared_chromosomes
from seqsci.errors import ArtefactError, DataError, explain

Array = npt.NDArray[np.float64]
PROMOTER_BP = 250
"""The promoter's own activity is read within so many bp of the TSS."""
FEWEST_ELEMENTS = 1000
"""Elements below which the mean and the spread that bring a signal to its reference are said to be uncertain."""


@dataclass(frozen=True)
class Signal:
    """A track of activity and the cell type whose scale it is brought to.

    Attributes:
        source: path of a bigWig (mean over the element), or the name of a column of the elements.
        reference: distribution to match; None leaves the signal as it is.
    """

    source: str
    reference: LogMoments | None = K562["H3K27ac"]


def predict_links(
    elements: pd.DataFrame,
    signals: Sequence[Signal],
    genes: pd.DataFrame,
    bank: DecayBank | None = None,
    window_bp: int = WINDOW_BP,
    build: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the links of one chromosome after the other, in the CRISPR benchmark's format with activity, contact and share.

    Activity is the geometric mean of the signals, each brought to its reference by the mean and the spread of the elements alone: the
    share of a gene does not depend on which other genes are given. See `seqsci.domains.genomics.enhancer.shares`.

    Args:
        elements: chrom, start, end, perhaps name (`read_bed`). genes: chrom, tss, name (`read_genes`).
        signals: one or more tracks or columns. bank: kernel; window_bp: reach. build: where a frame declares none.
        say: called with each thing that a reader of the shares should know of the input, a sentence each.

    Raises: DataError for builds or chromosomes that do not go together, intervals beyond a track, signals that cannot be used.
    """
    if not signals:
        raise DataError(explain("no activity of the elements", "no signals", "a bigWig or a column", "Signal('h3k27ac.bw')"))
    if len(elements) == 0 or len(genes) == 0:
        raise DataError(
            explain("nothing to link", f"{len(elements)} elements, {len(genes)} genes", "at least one of each", "check the files")
        )
    require_same_build(elements, genes, build)
    require_shared_chromosomes(elements, genes, ("the elements", "the genes"))
    used = genes[(genes["tss"] >= 0).to_numpy()]
    if not len(used):
        got = f"{len(genes)} genes, none with a strand"
        raise DataError(explain("no gene has a start site", got, "+ or - in the strand column", "take an annotation with strands"))
    near = pd.DataFrame({"chrom": used["chrom"], "start": (used["tss"] - PROMOTER_BP).clip(lower=0), "end": used["tss"] + PROMOTER_BP})
    near.attrs["build"] = build_of(genes)
    candidates, promoters = elements.copy(), used[["chrom", "tss", "name"]].copy()
    candidates.attrs, promoters.attrs = dict(elements.attrs), dict(genes.attrs)
    told = say or (lambda _: None)
    measured = [_measured(s, elements, near, build, told) for s in signals]
    candidates["activity"] = np.exp(np.mean([np.log(np.maximum(own, 1e-300)) for own, _ in measured], axis=0))
    promoters["activity"] = np.exp(np.mean([np.log(np.maximum(at, 1e-300)) for _, at in measured], axis=0))
    if any(s.source in elements for s in signals):
        bare = int((~_covered(elements, used) & used["chrom"].isin(elements["chrom"]).to_numpy()).sum())
        if bare:
            got = f"{bare:,} of {len(used):,} start sites have no promoter term in the denominator of their shares"
            why = "a column gives no activity to a promoter that no element covers, so their shares are too large"
            told(f"{got}: {why}; add promoters to the elements, or give a bigWig")
    return knock_out_shares(candidates, promoters, bank, window_bp, build=build)


def _covered(elements: pd.DataFrame, genes: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(genes,) True where an element holds the start site."""
    found = np.zeros(len(genes), bool)
    for chrom, rows in genes.groupby(np.asarray(genes["chrom"]), sort=False).indices.items():
        of = elements[(elements["chrom"] == chrom).to_numpy()].sort_values("start")
        if len(of):
            tss = genes["tss"].to_numpy(np.int64)[rows]
            before = np.searchsorted(of["start"].to_numpy(np.int64), tss, "right")
            reach = np.r_[-1, np.maximum.accumulate(of["end"].to_numpy(np.int64))]
            found[rows] = reach[before] > tss
    return found


def _measured(
    signal: Signal, elements: pd.DataFrame, near: pd.DataFrame, build: str | None, say: Callable[[str], None]
) -> tuple[Array, Array]:
    """A signal of the elements and of the promoters; of a column, promoters have none but through the elements that cover them."""
    if signal.source in elements:
        own = pd.to_numeric(elements[signal.source], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        bad = ~(np.isfinite(own) & (own >= 0))
        if bad.any():
            got = f"{elements[signal.source].iloc[int(np.argmax(bad))]!r} in row {int(np.argmax(bad))} ({int(bad.sum())} rows)"
            raise DataError(explain(f"activities in column {signal.source}", got, "numbers >= 0", "correct the column"))
        return _scaled(signal, own, own, say), np.zeros(len(near))
    from seqsci.domains.genomics.reading.bigwig import BigWig

    if not Path(signal.source).expanduser().is_file():
        columns = [str(c) for c in elements.columns if c not in ("chrom", "start", "end")]
        need = f"the path of a bigWig, or a column of the elements ({', '.join(columns) or 'none'})"
        raise DataError(explain(f"no activity {signal.source}", "no such file or column", need, "check the path"))
    track = BigWig(signal.source, 0.0, build)
    require_shared_chromosomes(elements, pd.DataFrame({"chrom": list(track.sizes)}), ("the elements", signal.source))
    own, at = _means(track, elements, build, False), _means(track, near, build, True)
    if min(own.min(), at.min()) < 0:
        got = f"down to {min(own.min(), at.min()):.4g}"
        fix = "take the track of reads or fold change, not of its logarithm or of p values with a sign"
        raise DataError(explain(f"{signal.source} has negative values", got, "a signal >= 0", fix))
    have = elements["chrom"].isin(list(track.sizes)).to_numpy()
    if not have.all():
        say(f"{signal.source} has no chromosome of {int((~have).sum()):,} of {len(have):,} elements; they count as 0")
    return _scaled(signal, own, own[have], say), _scaled(signal, at, own[have], lambda _: None)


def _scaled(signal: Signal, values: Array, elements: Array, say: Callable[[str], None]) -> Array:
    """Values on the scale of the signal's reference, by the moments of the elements that the signal measures."""
    if signal.reference is None:
        return values
    own = log_moments(elements)
    if len(elements) < FEWEST_ELEMENTS:
        got = f"the mean and the spread that bring {signal.source} to {signal.reference.cell_type} come from {len(elements):,} elements"
        say(f"{got}, fewer than {FEWEST_ELEMENTS:,}: give all candidates of the cell type, or --normalise none")
    return to_reference(values, signal.reference, own)


def _means(track: object, frame: pd.DataFrame, build: str | None, cut: bool) -> Array:
    """Mean signal of each interval; a chromosome that the track lacks has none. ``cut``: at the ends of chromosomes."""
    from seqsci.domains.genomics.reading.bigwig import BigWig

    if not isinstance(track, BigWig):
        raise TypeError(type(track).__name__)
    sizes, found = track.sizes, np.zeros(len(frame))
    length = frame["chrom"].map(sizes).to_numpy(np.float64, na_value=np.nan)
    have = ~np.isnan(length)
    rows = frame[have][["chrom", "start", "end"]].copy()
    if cut:
        rows["end"] = np.minimum(rows["end"].to_numpy(), length[have].astype(np.int64))
        rows["start"] = np.minimum(rows["start"].to_numpy(), rows["end"].to_numpy())
    rows.attrs["build"] = build_of(frame)
    found[have] = np.nan_to_num(track.means(rows, build), nan=0.0)
    return found


def write_links(path: str | os.PathLike[str], links: Iterator[pd.DataFrame], least_share: float = 0.0) -> tuple[int, int]:
    """Write links as a tab-separated table, whole or not at all, a chromosome at a time; returns links written and start sites in reach.

    ``least_share`` leaves out smaller ones. A name that ends in .gz is compressed. Raises: ArtefactError where it cannot be written.
    """
    import gzip

    target, rows, sites, header = Path(path).expanduser(), 0, 0, True
    if target.is_dir():
        raise ArtefactError(explain(f"cannot write {target}", "a folder", "the name of a file", "add a name, such as links.tsv"))
    with replacing(target) as temporary, temporary.open("wb") as raw:
        stream = gzip.GzipFile("", "wb", 6, raw, 0) if target.suffix == ".gz" else raw
        for piece in links:
            kept = piece[(piece["share"] >= least_share).to_numpy()]
            text = kept.to_csv(sep="\t", index=False, header=header, lineterminator="\n", float_format="%.6g")
            stream.write(text.encode())
            rows, header = rows + len(kept), False
            sites += len(piece[["measuredGeneSymbol", "startTSS"]].drop_duplicates())
        if stream is not raw:
            stream.close()
        if not rows:
            got = f"{sites} start sites with candidates in reach"
            raise DataError(explain(f"nothing to write to {target}", got, "one link at least", "check the files, or lower the least share"))
    return rows, sites
