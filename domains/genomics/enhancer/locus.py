"""A locus as a figure: activity along DNA, and below it, gene by gene, what each element's knock-out takes away."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.domains.genomics.enhancer.shares import WINDOW_BP, knock_out_shares
from seqsci.errors import DataError, explain
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure

MOST_GENES = 5
LABELLED = 0.01
"""Shares from here on are written beside their bar."""


def locus_figure(
    elements: pd.DataFrame,
    promoters: pd.DataFrame,
    region: tuple[str, int, int],
    bank: DecayBank | None = None,
    boundaries: pd.DataFrame | None = None,
    build: str | None = None,
) -> Captioned:
    """Draw the knock-out tracks of the genes whose start lies in a region; shares count all elements given, in the region or not.

    Args:
        elements: chrom, start, end, activity. promoters: chrom, tss, name, perhaps activity.
        region: chromosome, start and end of what is drawn [bp].
        bank: kernel; boundaries: insulators; build: where a frame declares none.

    Raises: DataError for a region without genes or elements, or with more than five genes.
    """
    chrom, low, high = region
    inside = ((promoters["chrom"] == chrom) & (promoters["tss"] >= low) & (promoters["tss"] < high)).to_numpy()
    middle = (elements["start"] + elements["end"]) // 2
    shown = ((elements["chrom"] == chrom) & (middle >= low) & (middle < high)).to_numpy()
    if not 0 < inside.sum() <= MOST_GENES or not shown.any():
        got = f"{int(inside.sum())} genes and {int(shown.sum())} elements in {chrom}:{low:,}-{high:,}"
        raise DataError(explain("a locus figure", got, f"1 to {MOST_GENES} genes, at least one element", "move or narrow the region"))
    genes = promoters[inside].sort_values("tss")
    genes.attrs = dict(promoters.attrs)
    links = pd.concat(list(knock_out_shares(elements, genes, bank, WINDOW_BP, boundaries, build=build)), ignore_index=True)
    at = ((links["chromStart"] + links["chromEnd"]) / 2).to_numpy()
    drawn, axes = figure(1 + len(genes), 1.5)
    scale = 1e-6
    axes[0].vlines(middle[shown] * scale, 0, elements["activity"][shown], color=INK, linewidth=1.4)
    axes[0].set_ylabel("activity", color=INK, fontsize=10)
    if boundaries is not None:
        here = boundaries[(boundaries["chrom"] == chrom).to_numpy()]
        place = ((here["start"] + here["end"]) // 2).to_numpy()
        place = place[(place >= low) & (place < high)]
        axes[0].plot(place * scale, np.zeros(len(place)), color=ACCENT, linestyle="none", marker="|", markersize=9)
    for axis, (_, gene) in zip(axes[1:], genes.iterrows(), strict=True):
        mine = ((links["measuredGeneSymbol"] == gene["name"]) & (links["startTSS"] == gene["tss"])).to_numpy()
        mine = mine & (at >= low) & (at < high)
        x, share = at[mine] * scale, links["share"].to_numpy()[mine]
        top = max(float(share.max(initial=0.0)), 1e-3)
        axis.set_ylim(0, 1.35 * top)
        text = f"drawn elements {share.sum():.0%}"
        axis.text(0.995, 0.9, text, transform=axis.transAxes, ha="right", fontsize=8, color=INK)
        axis.axvline(gene["tss"] * scale, color=ACCENT, linewidth=1.0)
        axis.vlines(x, 0, share, color=INK, linewidth=1.6)
        for i in np.argsort(-share)[:3]:
            if share[i] >= LABELLED:
                axis.annotate(f"{share[i]:.1%}", (x[i], share[i]), (0, 2), textcoords="offset points", ha="center", fontsize=8, color=INK)
        axis.set_ylabel(f"{gene['name']}\nshare", color=INK, fontsize=10)
    for axis in axes:
        axis.set_xlim(low * scale, high * scale)
    for axis in axes[1:]:
        axis.axhline(0, color=SOFT, linewidth=0.8)
    for axis in axes[:-1]:
        axis.tick_params(labelbottom=False)
    axes[-1].set_xlabel(f"{chrom} [Mb]", color=INK, fontsize=11)
    ticks = ", boundaries as red ticks" if boundaries is not None else ""
    text = (
        f"Top: activity of each candidate{ticks}. Below, for each gene (red: its start), the share of what arrives at the promoter that is "
        "lost when one element is knocked out, on a scale of its own; the sum over the drawn elements stands at the right, what is missing "
        "to 100 % is the promoter's own activity and elements elsewhere. See that activity alone does not say what an element is worth."
    )
    return Captioned(f"Knock-out tracks, {chrom}:{low:,}-{high:,}", drawn, text)


def kernel_figure(banks: dict[str, DecayBank], exponent: float = 1.024, nearest_bp: float = 5e3) -> Captioned:
    """Draw kernels beside a power law of contact, both scaled to 1 at ``nearest_bp``."""
    drawn, axes = figure(1, 3.2, 5.0)
    d = np.geomspace(1e3, 5e6, 300)
    axes[0].plot(d, np.maximum(d / nearest_bp, 1.0) ** -exponent, color=SOFT, linewidth=3.0, label=f"power law, {exponent:g}")
    for (name, bank), color in zip(banks.items(), (ACCENT, INK, "#3d7a5c", "#6a5acd"), strict=False):
        axes[0].plot(d, bank.kernel(d) / bank.kernel(nearest_bp), color=color, linewidth=1.4, label=name)
    axes[0].set_xscale("log")
    axes[0].set_yscale("log")
    axes[0].set_ylim(1e-4, 5)
    axes[0].set_xlabel("distance [bp]", color=INK, fontsize=11)
    axes[0].set_ylabel("what is left, relative to 5 kb", color=INK, fontsize=11)
    axes[0].legend(frameon=False, fontsize=9)
    text = "Decay of an influence with distance. See that a sum of exponentials follows the power law, and that one exponential cannot."
    return Captioned("Decay kernels", drawn, text)
