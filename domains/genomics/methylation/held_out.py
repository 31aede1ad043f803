"""The held-out comparison of a run: the last time of sites that were not fitted, from the times before it, fold by fold of 1 Mb blocks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seqsci.domains.genomics.methylation.baselines import Boosting, GlobalMean, LastValue, Logistic, PooledCounts, chosen
from seqsci.domains.genomics.methylation.forecasting import ForecastTask, FractionForecaster, cross_forecast
from seqsci.domains.genomics.methylation.hybrid import Hybrid, NeighbourPrior, TiedGate
from seqsci.domains.genomics.methylation.scoring import Paired, folds, paired_interval, read_losses
from seqsci.domains.genomics.methylation.series import BLOCK_BP, SiteSeries
from seqsci.errors import SeqsciError
from seqsci.evaluate.comparison import BETTER, UNDECIDED, WORSE, Difference

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
FOLDS = 3
FEWEST_BLOCKS = 10
"""Blocks that a comparison needs: with fewer, an interval over blocks says nothing."""
SMALL_TABLE = 20_000
"""Sites below which ridge penalties and the size of trees are chosen on the training blocks; above, what suits many sites is taken."""
RIDGES = (1.0, 30.0, 1000.0)
Z95 = 1.959964


@dataclass(frozen=True)
class Chosen(FractionForecaster):
    """Several settings of one forecaster; the one with the lowest loss on a quarter of the training blocks is trained on all of them."""

    candidates: tuple[FractionForecaster, ...]
    name: str = ""

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return chosen(self.candidates, task, train).forecast(task, train)


def forecasters(sites: int) -> tuple[FractionForecaster, ...]:
    """Ours first, then the mechanism alone and every rival, the regressions with all their features, settings as the table's size asks."""
    plain: tuple[FractionForecaster, ...] = (TiedGate(), NeighbourPrior(), GlobalMean(), LastValue(), PooledCounts())
    if sites >= SMALL_TABLE:
        return (Hybrid(), *plain, Logistic(neighbours=False), Logistic(), Logistic(products=True), Boosting())
    trees = tuple(Boosting(iterations, smallest_leaf=leaf) for iterations in (25, 75) for leaf in (20, 100))

    def ridged(one: Hybrid | Logistic) -> Chosen:
        return Chosen(tuple(replace(one, ridge=r) for r in RIDGES), one.name)

    regressions = (Logistic(neighbours=False), Logistic(), Logistic(products=True))
    return (ridged(Hybrid()), *plain, *(ridged(r) for r in regressions), Chosen(trees, Boosting().name))


@dataclass(frozen=True)
class ForecastScoreRow:
    """Score of one forecaster: context, not a claim. nll: loss a read [nats]; seconds: wall time of all folds."""

    model: str
    nll: float
    seconds: float


@dataclass(frozen=True, eq=False)
class HeldOutReads:
    """A comparison of forecasts of reads as a run keeps it: scores, ours first, and differences, ours minus each other one."""

    scores: tuple[ForecastScoreRow, ...]
    differences: tuple[Difference, ...]
    heading: tuple[str, ...]
    mechanism: str
    ours: str

    def __str__(self) -> str:
        width = max(len(r.model) for r in self.scores) + 2
        lines = [*self.heading, "", "Scores (context)", f"{'model':<{width}}{'NLL [nats a read]':>18}{'seconds':>9}"]
        lines += [f"{r.model:<{width}}{r.nll:>18.5f}{r.seconds:>9.1f}" for r in self.scores]
        lines += [
            "",
            f"Paired differences: {self.ours} minus the other",
            "(negative = ours is better; 95 % interval by bootstrap of blocks)",
        ]
        lines += [f"{d.baseline:<{width}}{d.mean:>+10.5f}   {d.low:+.5f} .. {d.high:+.5f}   {d.verdict}" for d in self.differences]
        groups = {kind: ", ".join(d.baseline for d in self.differences if d.outcome == kind) or "none" for kind in ("win", "tie", "loss")}
        lines += ["", f"better than: {groups['win']}", f"no difference shown to: {groups['tie']}", f"WORSE than: {groups['loss']}"]
        return "\n".join([*lines, self.mechanism])


def why_not_compared(series: SiteSeries) -> str:
    """Why the last time of a series cannot be held out; empty where it can."""
    if len(series.times) < 2:
        return "there is one time, and nothing before it to forecast from"
    last = series.coverage[:, -1] > 0
    if not (series.coverage[last, :-1] > 0).any():
        return "no site that is read at the last time was read before, so there is nothing of its own to forecast it from"
    blocks = len(np.unique(series.block[last]))
    if blocks < FEWEST_BLOCKS:
        have = f"the sites read at the last time lie in {blocks} block{'s' * (blocks != 1)} of 1 Mb"
        return f"{have}, and {FEWEST_BLOCKS} are needed: folds must not cut a neighbourhood, and an interval over fewer blocks says nothing"
    return ""


def stretch(series: SiteSeries, share: float) -> SiteSeries:
    """Sites read at the last time, of them those in the first share of each block: whole neighbourhoods, and all blocks stay."""
    kept = (series.coverage[:, -1] > 0) & (series.position % BLOCK_BP < share * BLOCK_BP)
    return series.rows(np.asarray(kept, bool))


@dataclass(frozen=True)
class Terms:
    """What a comparison states beside its numbers: label of the data, models looked at before, share of each block that is scored."""

    label: str = "development"
    tried_before: int = 0
    share: float = 1.0


def held_out(series: SiteSeries, terms: Terms, progress: Callable[[str], None] | None = None) -> HeldOutReads:
    """Forecast the last time with every forecaster on the same folds; ours is the gray box of tied gate and neighbours.

    Raises: DataError where nothing can be forecast.
    """
    part = stretch(series, terms.share)
    task, fold = ForecastTask(part), folds(part.block, FOLDS)
    m, n = task.methylated, task.coverage
    listed = forecasters(len(part))
    losses, scores, skipped = dict[str, Array](), [], []
    for one in listed:
        if progress is not None:
            progress(one.name)
        clock = time.perf_counter()
        try:
            losses[one.name] = read_losses(m, n, cross_forecast(one, task, fold))
        except SeqsciError as error:
            skipped.append(f"not compared: {one.name}: {str(error).splitlines()[0]}")
            continue
        scores.append(ForecastScoreRow(one.name, float(losses[one.name].sum() / n.sum()), time.perf_counter() - clock))
    ours = listed[0].name
    rivals = [name for name in losses if name != ours] if ours in losses else []
    made = tuple(_difference(name, paired_interval(losses[ours], losses[name], n, part.block)) for name in rivals)
    heading = _heading(part, terms, len(listed), skipped)
    return HeldOutReads(tuple(scores), made, heading, _mechanism(losses, n, part.block), ours)


def _heading(part: SiteSeries, terms: Terms, tried: int, skipped: Sequence[str]) -> tuple[str, ...]:
    past = ", ".join(f"{t:g}" for t in part.times[:-1])
    blocks = len(np.unique(part.block))
    where = f"{len(part):,} sites in {blocks} blocks of 1 Mb"
    scope = [f"scored: the first {terms.share:.0%} of each block, as the configuration says (comparison.share)"] if terms.share < 1 else []
    settings = "; settings were chosen on the training blocks" if len(part) < SMALL_TABLE else ""
    return (
        f"Held-out comparison ({terms.label} data): reads at {part.times[-1]:g} {part.time_unit} from those at {past}, of {where}",
        f"{FOLDS} folds of whole blocks: a site's last reads are forecast by what other blocks taught{settings}",
        *scope,
        f"{int(part.coverage[:, -1].sum()):,} reads; {tried + terms.tried_before} models were tried on these data",
        *skipped,
    )


def _difference(name: str, found: Paired) -> Difference:
    error = (found.high - found.low) / (2 * Z95)
    p = math.erfc(abs(found.difference) / error / math.sqrt(2)) if error > 0 else float(found.difference == 0)
    decided = (BETTER if found.high < 0 else WORSE) if found.excludes_zero else UNDECIDED
    return Difference("NLL", name, found.difference, found.low, found.high, p, decided)


def _mechanism(losses: dict[str, Array], reads: Array, block: npt.NDArray[np.int64]) -> str:
    """How the mechanism alone stands against a regression on the same reads: a sentence."""
    gate, own = TiedGate().name, Logistic(neighbours=False).name
    if not {gate, own} <= set(losses):
        return ""
    found = paired_interval(losses[gate], losses[own], reads, block)
    told = ("better" if found.high < 0 else "WORSE") if found.excludes_zero else "no difference shown"
    return f"the mechanism alone, {gate} - {own}: {found.difference:+.5f} [{found.low:+.5f}, {found.high:+.5f}] ({told})"
