"""The held-out comparison of a run: our model beside the baselines, every pair scored by fits on other chromosomes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.evaluation import STRATA, Evaluation, Stratum, between
from seqsci.domains.genomics.enhancer.folds import chromosome_folds, out_of_fold
from seqsci.domains.genomics.enhancer.held_out_text import text
from seqsci.domains.genomics.enhancer.pairs import distances, labels, studies
from seqsci.domains.genomics.enhancer.protocol import PairPredictor
from seqsci.errors import DataError, SeqsciError, explain
from seqsci.evaluate.comparison import BETTER, UNDECIDED, WORSE, Difference
from seqsci.evaluate.joint_bootstrap import Estimate

Array = npt.NDArray[np.float64]
Z95 = 1.959964
CHANCE = "random order"
"""Name of the row that holds prevalences."""
FEWEST_REGULATED = 10
"""A stratum or study with fewer regulated pairs, or fewer others, gets no interval."""
OURS = "ours"
POOLED = "pooled"


@dataclass(frozen=True)
class PairScoreRow:
    """Out-of-fold scores of one model: AUPRC by distance of element and TSS, of all pairs; recall at 70 % precision; wall time [s]."""

    model: str
    auprc_below_10_kb: float
    auprc_10_to_100_kb: float
    auprc_beyond_100_kb: float
    auprc_pooled: float
    recall70_below_10_kb: float
    recall70_10_to_100_kb: float
    recall70_beyond_100_kb: float
    recall70_pooled: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Part:
    """A stratum or a study: its scores, and by model an interval of a bootstrap by gene, of AUPRC and of ours minus the model's."""

    stratum: Stratum
    interval: Mapping[str, Estimate]
    ahead: Mapping[str, Estimate]


@dataclass(frozen=True, eq=False)
class Scored:
    """Out-of-fold scores of all models on all pairs.

    Attributes:
        frame: the pairs; scores: by key (rows,), ours first under `OURS`; labels: names by key; seconds: by key.
        skipped: reasons by name of what could not be scored; folds: number of them; draws: resamples of an interval.
    """

    frame: pd.DataFrame
    scores: Mapping[str, Array]
    names: Mapping[str, str]
    seconds: Mapping[str, float]
    skipped: Mapping[str, str]
    folds: int
    draws: int = 1000

    def strata(self) -> list[Part]:
        """By distance."""
        d = distances(self.frame)
        return [self._part(name, (d >= low) & (d < high)) for name, low, high in STRATA]

    def studies(self) -> list[Part]:
        """By study, that with the most regulated pairs first."""
        names, y = np.array(studies(self.frame)), labels(self.frame)
        order = sorted(np.unique(names), key=lambda n: -int(y[names == n].sum()))
        return [self._part(str(n), names == n) for n in order]

    def pooled(self) -> Part:
        """All pairs."""
        return self._part(POOLED, np.ones(len(self.frame), bool))

    def _part(self, name: str, rows: npt.NDArray[np.bool_]) -> Part:
        inner = Evaluation(self.frame[rows], {k: s[rows] for k, s in self.scores.items()}, self.draws)
        stratum = replace(inner.pooled(), name=name)
        if min(stratum.regulated, stratum.pairs - stratum.regulated) < FEWEST_REGULATED or inner.frame["measuredGeneSymbol"].nunique() < 2:
            return Part(stratum, {}, {})
        drawn, p = inner.resampled(tuple(self.scores)), stratum.precision
        ahead = {k: between(p[OURS] - p[k], drawn[OURS] - drawn[k]) for k in self.scores if k != OURS}
        return Part(stratum, {k: between(p[k], drawn[k]) for k in self.scores}, ahead)


@dataclass(eq=False)
class OutOfFold:
    """Scores pairs once, when first asked: the tables of a run and its comparison share them.

    Attributes: frame; ours: our model; name: of it in tables; baselines: by key; draws: resamples of an interval.
    """

    frame: pd.DataFrame
    ours: PairPredictor
    name: str
    baselines: Mapping[str, PairPredictor]
    draws: int = 1000
    _found: tuple[Scored, list[Part], list[Part], Part] | None = field(default=None, repr=False)

    def __call__(self, progress: Callable[[str], None] | None = None) -> tuple[Scored, list[Part], list[Part], Part]:
        """Scores, distance strata, studies and the pooled part; raises `DataError` where the chromosomes make no folds."""
        if self._found is None:
            scored = self._score(progress)
            if progress is not None:
                progress("intervals by gene")
            self._found = (scored, scored.strata(), scored.studies(), scored.pooled())
        return self._found

    def _score(self, progress: Callable[[str], None] | None) -> Scored:
        splits = chromosome_folds(self.frame)
        scores, seconds, skipped = dict[str, Array](), dict[str, float](), dict[str, str]()
        names = {OURS: self.name, **{k: m.label for k, m in self.baselines.items()}}
        for key, model in ((OURS, self.ours), *self.baselines.items()):
            if progress is not None:
                progress(names[key])
            clock = time.perf_counter()
            try:
                scores |= out_of_fold({key: model}, self.frame, splits)
            except SeqsciError as error:
                if key == OURS:
                    raise
                skipped[names[key]] = str(error).splitlines()[0]
            seconds[key] = time.perf_counter() - clock
        return Scored(self.frame, scores, names, seconds, skipped, len(splits), self.draws)


def why_not(frame: pd.DataFrame) -> str:
    """Why these pairs cannot be compared out of fold, or an empty text."""
    if frame["chrom"].nunique() < 2:
        return "all pairs lie on one chromosome, and folds hold whole chromosomes"
    y = labels(frame)
    for split in chromosome_folds(frame):
        if y[split.train].all() or not y[split.train].any():
            kind = "regulated" if not y[split.train].any() else "other than regulated"
            return f"no pair {kind} is left to fit on without {', '.join(split.test_groups)}"
    return ""


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """A comparison of scores of pairs as a run keeps it.

    Attributes:
        scores: a row a model, ours first, the prevalence last.
        differences: ours minus each baseline in 1 - AUPRC, so that negative = ours is better: by stratum, then pooled.
        report: heading, tables and verdict.
    """

    scores: tuple[PairScoreRow, ...]
    differences: tuple[Difference, ...]
    report: str

    def __str__(self) -> str:
        return self.report


def held_out(
    scorer: OutOfFold, label: str = "development", tried_before: int = 0, progress: Callable[[str], None] | None = None
) -> HeldOutPairs:
    """Compare our model with the baselines; raises `DataError` where nothing can be compared."""
    if reason := why_not(scorer.frame):
        raise DataError(explain("no held-out comparison of pairs", reason, "regulated pairs on two chromosomes", "take more chromosomes"))
    scored, strata, by_study, pooled = scorer(progress)
    parts = (*strata, pooled)
    rows = [_row(scored.names[k], _found(parts, k), scored.seconds[k]) for k in scored.scores]
    rows.append(_row(CHANCE, ([p.stratum.prevalence for p in parts], [math.nan] * len(parts)), math.nan))
    differences = tuple(_difference(p, k, scored.names[k]) for p in parts for k in scored.scores if k in p.ahead)
    tried = 1 + len(scorer.baselines) + tried_before
    return HeldOutPairs(tuple(rows), differences, text(scored, (strata, by_study, pooled), differences, label, tried))


def _found(parts: Sequence[Part], key: str) -> tuple[list[float], list[float]]:
    return [p.stratum.precision[key] for p in parts], [p.stratum.recall[key] for p in parts]


def _row(model: str, found: tuple[list[float], list[float]], seconds: float) -> PairScoreRow:
    return PairScoreRow(model, *(*found[0], *found[1], seconds))


def _difference(part: Part, key: str, name: str) -> Difference:
    """Ours minus the other in 1 - AUPRC, decided by the interval, with the p-value that belongs to its width."""
    e = part.ahead[key]
    error = (e.high - e.low) / (2 * Z95)
    p = math.erfc(abs(e.value) / error / math.sqrt(2)) if error > 0 else float(e.value == 0)
    decided = BETTER if e.low > 0 else WORSE if e.high < 0 else UNDECIDED
    return Difference(f"1 - AUPRC, {part.stratum.name}", name, -e.value, -e.high, -e.low, p, decided)
