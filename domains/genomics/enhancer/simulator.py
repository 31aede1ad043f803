"""A simulated regulatory landscape: elements, activities, genes and a perturbation screen, with known decay lengths."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.bank import DecayBank, boundaries_between
from seqsci.domains.genomics.enhancer.contact import BankContact, Contact
from seqsci.domains.genomics.enhancer.shares import knock_out_shares
from seqsci.errors import ParameterError, explain

Array = npt.NDArray[np.float64]
BUILD = "simulated"
WIDTH_BP = 500
LEVEL = 3.0
"""Mean log activity [log reads per million]: high enough that the .05 that is added to signals does not matter."""
DEPTH = 8.0
"""Spread of the two signals around the activity: their logs differ from it by up to log 8 / 2, in opposite directions."""


@dataclass(frozen=True)
class Landscape:
    """What a simulated genome looks like, and how its screen answers.

    Formula: ``log odds that silencing e lowers gene g = intercept + slope (log K(d) + log a_e - insulation n) + shielded u_g``.

    | attribute | unit | reading |
    |---|---|---|
    | bank | | kernel K: the known decay lengths |
    | chromosomes, size_bp | 1, bp | number and length |
    | elements, genes, boundaries | 1 | of each chromosome |
    | reach_bp | bp | pairs further apart are not tested |
    | intercept, slope | log odds | of the screen |
    | shielded | log odds | of genes that are expressed everywhere, a third of them |
    """

    bank: DecayBank = field(default_factory=lambda: DecayBank.log_spaced().insulated(0.15))
    chromosomes: int = 6
    size_bp: int = 20_000_000
    elements: int = 600
    genes: int = 60
    boundaries: int = 150
    reach_bp: int = 1_000_000
    answer: tuple[float, float, float] = (-1.4, 1.1, -1.0)

    def __post_init__(self) -> None:
        counts = (self.chromosomes, self.size_bp, self.elements, self.genes, self.reach_bp)
        if min(counts) < 1 or self.boundaries < 0 or self.elements + self.boundaries > self.size_bp // (2 * WIDTH_BP):
            got = f"chromosomes, size, elements, genes, reach = {counts}, boundaries {self.boundaries}"
            need = f"positive numbers, and room for {WIDTH_BP} bp each"
            raise ParameterError(explain("no such landscape", got, need, "correct them"))


@dataclass(frozen=True, eq=False)
class Screen:
    """A drawn landscape: elements and genes as frames of intervals, boundaries, and pairs in the CRISPR benchmark's format."""

    landscape: Landscape
    elements: pd.DataFrame
    genes: pd.DataFrame
    boundaries: pd.DataFrame
    pairs: pd.DataFrame


def simulate_screen(landscape: Landscape | None = None, seed: int = 0) -> Screen:
    """Draw a landscape and its screen; the same seed gives the same bits.

    Pairs carry H3K27ac and DHS whose geometric mean is the activity, other signals that are noise, boundaries between, effect sizes
    (minus the knock-out share, with noise) and Regulated.

    >>> screen = simulate_screen(Landscape(chromosomes=2, elements=100, genes=10), seed=1)
    >>> len(screen.elements), len(screen.genes), bool(screen.pairs["Regulated"].any())
    (200, 20, True)
    """
    given, rng = landscape or Landscape(), np.random.default_rng(seed)
    elements, genes, walls = [], [], []
    for c in range(1, given.chromosomes + 1):
        start = np.sort(rng.choice(given.size_bp // WIDTH_BP - 1, given.elements, replace=False)) * WIDTH_BP
        e = pd.DataFrame({"chrom": f"chr{c}", "start": start, "end": start + WIDTH_BP})
        e["name"] = [f"e{c}_{i}" for i in range(len(e))]
        e["activity"] = np.exp(rng.normal(LEVEL, 1.2, len(e)))
        tilt = rng.uniform(-0.5, 0.5, len(e)) * np.log(DEPTH)
        e["H3K27ac.RPM.expandedRegion"], e["DHS.RPM"] = e["activity"] * np.exp(tilt), e["activity"] * np.exp(-tilt)
        for name, level in (("H3K4me1.RPM", 2.0), ("H3K27me3.RPM", 0.3), ("CTCF.RPM", 1.0)):
            e[name] = rng.gamma(1.5, level / 1.5, len(e))
        tss = np.sort(rng.choice(given.size_bp, given.genes, replace=False))
        g = pd.DataFrame({"chrom": f"chr{c}", "start": tss, "end": tss + 1, "name": [f"g{c}_{i}" for i in range(len(tss))]})
        g["strand"] = rng.choice(["+", "-"], len(g))
        g["tss"], g["activity"] = tss, np.exp(rng.normal(LEVEL + 1.0, 0.8, len(g)))
        g["measuredGeneUbiquitousExpressed"] = rng.uniform(size=len(g)) < 1 / 3
        place = np.sort(rng.choice(given.size_bp, given.boundaries, replace=False))
        elements.append(e)
        genes.append(g)
        walls.append(pd.DataFrame({"chrom": f"chr{c}", "start": place, "end": place + 1}))
    all_elements, all_genes, all_walls = (pd.concat(parts, ignore_index=True) for parts in (elements, genes, walls))
    for frame in (all_elements, all_genes, all_walls):
        frame.attrs["build"] = BUILD
    screened = _screened(given, all_elements, all_genes, all_walls, rng)
    return Screen(given, all_elements, all_genes, all_walls, screened)


def _screened(given: Landscape, e: pd.DataFrame, g: pd.DataFrame, b: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every pair within reach, tested."""
    shares = pd.concat(list(knock_out_shares(e, g, given.bank, given.reach_bp, b)), ignore_index=True)
    signals = e.set_index("name").drop(columns=["chrom", "start", "end", "activity"])
    promoters = g.set_index("name")[["measuredGeneUbiquitousExpressed"]]
    pairs = shares.join(signals, on="name").join(promoters, on="measuredGeneSymbol")
    pairs["boundaries"] = 0
    for chrom in pairs["chrom"].unique():
        here, sites = (pairs["chrom"] == chrom).to_numpy(), b.loc[(b["chrom"] == chrom).to_numpy(), "start"].to_numpy()
        middle = (pairs["chromStart"].to_numpy()[here] + pairs["chromEnd"].to_numpy()[here]) // 2
        pairs.loc[here, "boundaries"] = boundaries_between(sites, middle, pairs["startTSS"].to_numpy()[here])
    intercept, slope, shielded = given.answer
    arriving = np.log(np.maximum((pairs["activity"] * pairs["contact"]).to_numpy(np.float64), 1e-300))
    odds = intercept + slope * arriving + shielded * pairs["measuredGeneUbiquitousExpressed"].to_numpy(float)
    pairs["Regulated"] = rng.uniform(size=len(pairs)) < 1 / (1 + np.exp(-odds))
    pairs["EffectSize"] = -pairs["share"] + rng.normal(0, 0.03, len(pairs))
    pairs["Dataset"] = np.where(rng.uniform(size=len(pairs)) < 0.6, "first study", "second study")
    found = pairs[~pairs["isSelfPromoter"].to_numpy()].reset_index(drop=True)
    found.attrs["build"] = BUILD
    return found


def simulate_pairs(
    contact: Contact | None = None, pairs: int = 20_000, seed: int = 0, intercept: float = -1.0, slope: float = 1.0
) -> pd.DataFrame:
    """Pairs alone, at log-uniform distances from 1 kb to 2 Mb, whose contact law is known: what a fit should find again.

    Contact is scaled to 1 at 5 kb, activities are log-normal; `log odds = intercept + slope (log contact + log activity)`.

    >>> frame = simulate_pairs(pairs=100)
    >>> len(frame), frame.attrs["build"]
    (100, 'simulated')
    """
    law, rng = contact or BankContact(), np.random.default_rng(seed)
    distance = np.round(np.exp(rng.uniform(np.log(1e3), np.log(2e6), pairs))).astype(np.float64)
    activity = np.exp(rng.normal(LEVEL, 1.2, pairs))
    level = law.log_contact(distance, law.start) - law.log_contact(np.array([5e3]), law.start)
    regulated = rng.uniform(size=pairs) < 1 / (1 + np.exp(-(intercept + slope * (level + np.log(activity)))))
    tss = 10_000_000
    frame = pd.DataFrame(
        {
            "chrom": [f"chr{i % 10 + 1}" for i in range(pairs)],
            "chromStart": (tss - distance).astype(np.int64) - WIDTH_BP // 2,
            "chromEnd": (tss - distance).astype(np.int64) + WIDTH_BP // 2,
            "name": [f"e{i}" for i in range(pairs)],
            "measuredGeneSymbol": [f"g{i // 5}" for i in range(pairs)],
            "startTSS": tss,
            "endTSS": tss + 1,
            "distanceToTSS": distance.astype(np.int64),
            "H3K27ac.RPM.expandedRegion": activity,
            "DHS.RPM": activity,
            "Regulated": regulated,
        }
    )
    frame.attrs["build"] = BUILD
    return frame
