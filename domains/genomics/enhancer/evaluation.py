"""Precision and recall of scored pairs: by distance and by study before any pooled number, with intervals that respect genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.pairs import distances, labels, studies
from seqsci.errors import DataError, explain
from seqsci.evaluate.joint_bootstrap import Estimate

Array = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]
STRATA = (("<10 kb", 0.0, 1e4), ("10-100 kb", 1e4, 1e5), (">100 kb", 1e5, np.inf))
PRECISION = 0.7


def average_precision(regulated: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Area under the precision-recall curve by steps; tied scores share one threshold; equal to scikit-learn's by test.

    Formula: ``sum_k (R_k - R_{k-1}) P_k`` over thresholds from the largest score down. NaN without a regulated pair.

    >>> round(average_precision([1, 0, 1], [0.9, 0.8, 0.7]), 4)
    0.8333
    """
    return float(_Ranked.of(np.asarray(regulated, bool), np.asarray(score, float)).precision(_weights(regulated, weight))[0])


def recall_at_precision(regulated: npt.ArrayLike, score: npt.ArrayLike, precision: float = PRECISION) -> float:
    """Largest recall of a threshold whose precision is at least ``precision``; 0 where there is none, NaN without a regulated pair.

    >>> recall_at_precision([1, 1, 0, 1], [4, 3, 2, 1], 0.75)
    1.0
    """
    return float(_Ranked.of(np.asarray(regulated, bool), np.asarray(score, float)).recall(_weights(regulated, None), precision)[0])


def between(value: float, drawn: Array, level: float = 0.95) -> Estimate:
    """A value with the quantiles of its resampled ones (draws,)."""
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def _weights(regulated: npt.ArrayLike, weight: npt.ArrayLike | None) -> Array:
    return np.ones((1, len(np.asarray(regulated)))) if weight is None else np.atleast_2d(np.asarray(weight, float))


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Rows from the largest score down, with the last row of every tied group."""

    order: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    regulated: Truth

    @classmethod
    def of(cls, regulated: Truth, score: Array) -> _Ranked:
        if score.shape != regulated.shape or not np.isfinite(score).all():
            got = f"{score.shape} scores of {regulated.shape} labels, {int((~np.isfinite(score)).sum())} not finite"
            raise DataError(explain("scores cannot be ranked", got, "a finite score a pair", "check the model that made them"))
        order = np.argsort(-score, kind="stable")
        last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True]) if len(order) else np.zeros(0, np.int64)
        return cls(order, last, regulated[order])

    def _curve(self, weight: Array) -> tuple[Array, Array]:
        """Precision and recall at every threshold, for weights (draws, rows): (draws, thresholds)."""
        w = weight[:, self.order]
        hits, found = np.cumsum(w * self.regulated, 1)[:, self.last], np.cumsum(w, 1)[:, self.last]
        with np.errstate(all="ignore"):
            return np.where(found > 0, hits / found, 0.0), hits / hits[:, -1:]

    def precision(self, weight: Array) -> Array:
        precision, recall = self._curve(weight)
        return np.asarray((np.diff(recall, axis=1, prepend=0.0) * precision).sum(1))

    def recall(self, weight: Array, least: float) -> Array:
        precision, recall = self._curve(weight)
        return np.asarray(np.where(np.isnan(recall[:, -1]), np.nan, np.where(precision >= least, recall, 0.0).max(1)))


@dataclass(frozen=True)
class Stratum:
    """Part of a table of pairs; ``scores`` by model: average precision, recall at 70 % precision."""

    name: str
    pairs: int
    regulated: int
    precision: dict[str, float]
    recall: dict[str, float]

    @property
    def prevalence(self) -> float:
        """Share of regulated pairs: what a random order scores."""
        return self.regulated / self.pairs if self.pairs else float("nan")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of several models on the same pairs.

    Attributes: frame: labelled pairs; scores: by model (rows,); draws: bootstrap resamples; seed.
    """

    frame: pd.DataFrame
    scores: Mapping[str, Array]
    draws: int = 1000
    seed: int = 0

    def strata(self) -> tuple[Stratum, ...]:
        """By distance of element and TSS."""
        d = distances(self.frame)
        return tuple(self._part(name, (d >= low) & (d < high)) for name, low, high in STRATA)

    def by_study(self) -> tuple[Stratum, ...]:
        """By study."""
        names = np.array(studies(self.frame))
        return tuple(self._part(str(n), names == n) for n in np.unique(names))

    def pooled(self) -> Stratum:
        """All pairs; read the strata and studies first."""
        return self._part("all", np.ones(len(self.frame), bool))

    def _part(self, name: str, rows: Truth) -> Stratum:
        y = self.frame["Regulated"].to_numpy(bool)[rows]
        precision = {k: average_precision(y, s[rows]) if y.any() else float("nan") for k, s in self.scores.items()}
        recall = {k: recall_at_precision(y, s[rows]) if y.any() else float("nan") for k, s in self.scores.items()}
        return Stratum(name, int(rows.sum()), int(y.sum()), precision, recall)

    def interval(self, key: str, other: str | None = None, cluster: str = "measuredGeneSymbol", level: float = 0.95) -> Estimate:
        """Average precision of a model, or its paired difference to another, by a bootstrap that draws whole genes (or chromosomes).

        Args:
            key, other: models; cluster: column whose values are drawn, "measuredGeneSymbol" or "chrom"; level: of the interval.

        Source: cluster bootstrap, DOI 10.1017/CBO9780511802843.
        """
        keys = (key,) if other is None else (key, other)
        drawn, y = self.resampled(keys, cluster), labels(self.frame)
        value = average_precision(y, self.scores[key]) - (0.0 if other is None else average_precision(y, self.scores[other]))
        return between(value, drawn[key] if other is None else drawn[key] - drawn[other], level)

    def resampled(self, keys: Sequence[str], cluster: str = "measuredGeneSymbol") -> dict[str, Array]:
        """Average precision of models when whole clusters are drawn anew (draws,), the same draws for all; NaN without a regulated pair."""
        y, codes = labels(self.frame), pd.factorize(self.frame[cluster])[0]
        count = int(codes.max()) + 1
        if count < 2:
            raise DataError(explain(f"one {cluster} has no spread", "1 cluster", "2 or more", "cluster by something finer"))
        rng, ranked = np.random.default_rng(self.seed), {k: _Ranked.of(y, self.scores[k]) for k in keys}
        found: dict[str, list[Array]] = {k: [] for k in keys}
        for first in range(0, self.draws, 100):
            many = min(100, self.draws - first)
            weight = rng.multinomial(count, np.full(count, 1.0 / count), size=many)[:, codes].astype(float)
            for k, r in ranked.items():
                found[k].append(r.precision(weight))
        return {k: np.concatenate(v) for k, v in found.items()}

    def text(self, names: Mapping[str, str] | None = None) -> str:
        """Tables: distance strata, studies, then pooled with intervals by gene and by chromosome."""
        label = {k: (names or {}).get(k, k) for k in self.scores}
        width = max(len(v) for v in label.values())
        blocks = []
        for title, parts in (("by distance", self.strata()), ("by study", self.by_study())):
            head = "  ".join(f"{p.name:>16}" for p in parts)
            sizes = "  ".join(f"{f'{p.regulated} of {p.pairs:,}':>16}" for p in parts)
            chance = "  ".join(f"{p.prevalence:>16.3f}" for p in parts)
            lines = [f"{title}: AUPRC (recall at {PRECISION:.0%} precision)", f"{'':<{width}}  {head}"]
            lines += [f"{'regulated':<{width}}  {sizes}", f"{'prevalence':<{width}}  {chance}"]
            for k in self.scores:
                cells = "  ".join(f"{f'{p.precision[k]:.3f} ({p.recall[k]:.2f})':>16}" for p in parts)
                lines.append(f"{label[k]:<{width}}  {cells}")
            blocks.append("\n".join(lines))
        whole = self.pooled()
        lines = [f"pooled: AUPRC, 95 % interval by gene, by chromosome; prevalence {whole.prevalence:.3f}"]
        for k in self.scores:
            gene, chrom = self.interval(k), self.interval(k, cluster="chrom")
            spans = f"[{gene.low:.3f}, {gene.high:.3f}]  [{chrom.low:.3f}, {chrom.high:.3f}]"
            lines.append(f"{label[k]:<{width}}  {whole.precision[k]:.4f}  {spans}")
        return "\n\n".join([*blocks, "\n".join(lines)])
