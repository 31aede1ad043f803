"""The picture of calibration: rank histograms of a recovery study."""

from __future__ import annotations

import numpy as np

from seqsci.estimation.recovery import BINS, DRAWS, Recovery
from seqsci.plots import ACCENT, INK, SOFT, Captioned, figure

BAND = 0.99


def rank_histogram(found: Recovery) -> Captioned:
    """How often the truth had each rank among draws of the confidence distribution, a panel a parameter, with the band of a uniform one.

    A bin of a uniform histogram is binomial(replicates, 1 / bins); dashed: its central 99 %. Source: Talts et al. 2018, arXiv 1804.06788.
    """
    from scipy.stats import binom

    shown = [p for p in found.parameters if p.ranks]
    drawn, axes = figure(len(shown), 1.25, 5.0)
    outside = 0
    for axis, p in zip(axes, shown, strict=True):
        counts = np.bincount(np.array(p.ranks) * BINS // (DRAWS + 1), minlength=BINS)
        low, high = (float(binom.ppf(q, len(p.ranks), 1 / BINS)) for q in ((1 - BAND) / 2, (1 + BAND) / 2))
        outside += int(np.sum((counts < low) | (counts > high)))
        axis.bar((np.arange(BINS) + 0.5) / BINS, counts, width=0.92 / BINS, color=SOFT)
        axis.axhline(len(p.ranks) / BINS, color=ACCENT, linewidth=1.0)
        for edge in (low, high):
            axis.axhline(edge, color=ACCENT, linewidth=0.8, linestyle=(0, (4, 3)))
        note = f", {p.excluded} without a rank" if p.excluded else ""
        title = f"{p.name.replace('_', ' ')}: Holm-adjusted p {p.rank_adjusted:.2g}{note}"
        axis.set_title(title, loc="left", fontsize=9, color=INK)
        axis.set_xlim(0, 1)
    axes[-1].set_xlabel(f"rank of the truth among {DRAWS} draws, over {DRAWS}", color=INK, fontsize=9)
    text = (
        f"{found.model}, {found.rows:,} steps: ranks of the truth. Right intervals of every level give flat bars at the red line; dashed: "
        f"the range of {BAND:.0%} of the bars then. {outside} of {BINS * len(shown)} bars lie outside. See the shape: an arch means "
        "intervals too wide, a valley too narrow, a slope a bias."
    )
    return Captioned("Rank histograms", drawn, text)
