"""Knock-out shares: how much of what arrives at a promoter is lost with one element; with the field's contact, the ABC score."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.bank import DecayBank, boundaries_between
from seqsci.domains.genomics.genome.builds import require_same_build, require_shared_chromosomes
from seqsci.errors import DataError, did_you_mean, explain

Array = npt.NDArray[np.float64]
WINDOW_BP = 5_000_000
"""Candidates within so many bp of a TSS count, as in the activity-by-contact model."""
COLUMNS = ("chrom", "chromStart", "chromEnd", "name", "measuredGeneSymbol", "chrTSS", "startTSS", "endTSS", "distanceToTSS")
"""Of the CRISPR benchmark's format; after them activity, contact, share and isSelfPromoter."""


def share(sent: npt.ArrayLike, others: npt.ArrayLike) -> Array:
    """``sent / (sent + others)``: the relative knock-out, 0 where nothing arrives at all.

    With sent = activity times contact of an element and others = the sum over all other candidates and the promoter it is the ABC score.

    >>> share([1.0, 0.0], [3.0, 0.0])
    array([0.25, 0.  ])
    """
    a, total = np.asarray(sent, float), np.asarray(sent, float) + np.asarray(others, float)
    return np.asarray(np.divide(a, total, out=np.zeros(np.broadcast(a, total).shape), where=total > 0))


def knock_out_shares(
    elements: pd.DataFrame,
    promoters: pd.DataFrame,
    bank: DecayBank | None = None,
    window_bp: int = WINDOW_BP,
    boundaries: pd.DataFrame | None = None,
    contact: pd.DataFrame | None = None,
    build: str | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield every element and gene within the window with its share, a chromosome at a time, so that memory holds one.

    Formula: ``share = [h - h(without e)] / h``, h what arrives at the TSS: ``sum_e a_e K(|e - TSS|) + a_promoter K(0)``; all candidates
    count, and the promoter as an element of its own unless a candidate covers the TSS: then it is that candidate.

    Args:
        elements: chrom, start, end, activity (>= 0), perhaps name.
        promoters: chrom, tss, name, perhaps activity (of the promoter; 0 where absent).
        bank: the kernel K; default `DecayBank.log_spaced()`. window_bp: reach on each side of a TSS.
        boundaries: chrom, start, end of insulators; they count with ``bank.insulated(nu)``.
        contact: in place of the kernel, of every pair in the window: chrom, chromStart, chromEnd, measuredGeneSymbol, contact (>= 0).
        build: genome build, where a frame declares none.

    Raises: DataError for missing columns, bad activities, different builds, no chromosome in common, a pair without contact.
    """
    _need(elements, ("chrom", "start", "end", "activity"), "elements")
    _need(promoters, ("chrom", "tss", "name"), "promoters")
    for frame in (promoters, boundaries, contact):
        if frame is not None:
            require_same_build(elements, frame, build)
    require_shared_chromosomes(elements, promoters)
    used = bank or DecayBank.log_spaced()
    for chrom in sorted(set(elements["chrom"]) & set(promoters["chrom"])):
        e, p = (f[(f["chrom"] == chrom).to_numpy()] for f in (elements, promoters))
        walls = np.zeros(0, np.int64)
        if boundaries is not None:
            b = boundaries[(boundaries["chrom"] == chrom).to_numpy()]
            walls = (b["start"].to_numpy(np.int64) + b["end"].to_numpy(np.int64)) // 2
        yield _chromosome(chrom, e, p, used, window_bp, walls, contact)


def _chromosome(
    chrom: str, e: pd.DataFrame, p: pd.DataFrame, bank: DecayBank, window: int, walls: npt.NDArray[np.int64], contact: pd.DataFrame | None
) -> pd.DataFrame:
    start, end, activity = e["start"].to_numpy(np.int64), e["end"].to_numpy(np.int64), e["activity"].to_numpy(np.float64)
    order = np.argsort((start + end) // 2, kind="stable")
    start, end, activity = start[order], end[order], activity[order]
    middle, tss = (start + end) // 2, p["tss"].to_numpy(np.int64)
    first, last = np.searchsorted(middle, tss - window, "left"), np.searchsorted(middle, tss + window, "right")
    count = last - first
    gene = np.repeat(np.arange(len(p)), count)
    element = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    distance = np.abs(middle[element] - tss[gene])
    covers = (start[element] <= tss[gene]) & (tss[gene] < end[element])
    own = p["activity"].to_numpy(np.float64) if "activity" in p else np.zeros(len(p))
    if not (np.isfinite(own).all() and (own >= 0).all()):
        raise DataError(explain(f"activities of promoters on {chrom}", "negative or missing ones", "finite numbers >= 0", "set them to 0"))
    covered = np.bincount(gene, covers, len(p)) > 0
    names = (
        e["name"].to_numpy(object)[order]
        if "name" in e
        else np.array([f"{chrom}:{a}-{b}" for a, b in zip(start, end, strict=True)], object)
    )
    pairs = pd.DataFrame(
        {
            "chrom": chrom,
            "chromStart": start[element],
            "chromEnd": end[element],
            "name": names[element],
            "measuredGeneSymbol": p["name"].to_numpy(object)[gene],
            "chrTSS": chrom,
            "startTSS": tss[gene],
            "endTSS": tss[gene] + 1,
            "distanceToTSS": distance,
            "activity": activity[element],
        }
    )
    if contact is None:
        total = bank.scan(middle, activity, tss, walls, float(window))
        passed = boundaries_between(walls, middle[element], tss[gene])
        pairs["contact"] = bank.kernel(distance, passed)
        nearest = np.ones(len(p))
    else:
        pairs["contact"] = _given(pairs, contact)
        total = np.bincount(gene, activity[element] * pairs["contact"].to_numpy(), len(p)).astype(np.float64)
        nearest = np.zeros(len(p))
        np.maximum.at(nearest, gene, pairs["contact"].to_numpy())
    total = total + np.where(covered, 0.0, own * nearest)
    sent = activity[element] * pairs["contact"].to_numpy()
    pairs["share"] = np.minimum(share(sent, np.maximum(total[gene] - sent, 0.0)), 1.0)
    pairs["isSelfPromoter"] = covers
    return pairs


def _given(pairs: pd.DataFrame, contact: pd.DataFrame) -> Array:
    keys = ["chrom", "chromStart", "chromEnd", "measuredGeneSymbol"]
    _need(contact, (*keys, "contact"), "contact")
    if contact.duplicated(keys).any():
        raise DataError(
            explain("contact of a pair twice", f"{int(contact.duplicated(keys).sum())} rows", "one row a pair", "drop duplicates")
        )
    values = pairs[keys].merge(contact[[*keys, "contact"]], on=keys, how="left")["contact"].to_numpy(np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row = pairs.iloc[int(np.argmax(bad))]
        got = f"{int(bad.sum()):,} of {len(pairs):,} pairs without one, such as {row['name']} and {row['measuredGeneSymbol']}"
        raise DataError(explain("contact is missing", got, "a number >= 0 for each pair in the window", "fill it, or narrow window_bp"))
    return values


def _need(frame: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    have = [str(c) for c in frame.columns]
    lacking = [f"{c}{did_you_mean(c, have)}" for c in columns if c not in have]
    if lacking or not len(frame):
        got = f"columns {have[:12]}, {len(frame)} rows"
        raise DataError(explain(f"{what} of shares lack {', '.join(lacking) or 'rows'}", got, f"columns {list(columns)}", "add them"))
