"""Rivals of the tied gate: constants, last values, regressions and boosting on the same features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.genomics.methylation.binomial_regression import fit_regression
from seqsci.domains.genomics.methylation.features import shrunk
from seqsci.domains.genomics.methylation.forecasting import ForecastTask, FractionForecaster, inside
from seqsci.domains.genomics.methylation.scoring import folds, read_losses
from seqsci.errors import DataError, MissingExtraError, explain

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SHARED = 50_000
"""Rows from which trees are grown by several threads."""


@dataclass(frozen=True)
class GlobalMean(FractionForecaster):
    """The share of methylated reads of the training sites, for every site."""

    name: str = "global mean"

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return inside(np.full(len(task.series), task.methylated[train].sum() / task.coverage[train].sum()))


@dataclass(frozen=True)
class LastValue(FractionForecaster):
    """The fraction at the last time seen, pulled to the overall one by one read."""

    name: str = "last value"

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return inside(shrunk(task.past.methylated[:, -1], task.past.coverage[:, -1], task.overall[-1]))


@dataclass(frozen=True)
class PooledCounts(FractionForecaster):
    """The fraction of all reads seen, pulled to the overall one by one read."""

    name: str = "pooled counts"

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        totals = task.past.totals("coverage")
        overall = float((task.overall * totals).sum() / totals.sum())
        return inside(shrunk(task.past.methylated.sum(1), task.past.coverage.sum(1), overall))


@dataclass(frozen=True)
class Logistic(FractionForecaster):
    """Binomial regression on fractions and coverages; with the neighbours' features, and with products of own and neighbours' logits.

    Args:
        neighbours: whether the neighbours' features enter.
        products: whether squares and products with the pooled logit of the site enter as well.
    """

    neighbours: bool = True
    products: bool = False
    ridge: float = 1.0

    @property
    def name(self) -> str:  # type: ignore[override]
        return "logistic" + (" + neighbours + coverage" if self.neighbours else " on own reads") + (" + products" if self.products else "")

    def features(self, task: ForecastTask) -> Array:
        """(sites, columns) what the regression reads."""
        x = np.column_stack([task.own, task.neighbours]) if self.neighbours else task.own
        return np.column_stack([x, task.own[:, -1:] * x]) if self.products else x

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        x = self.features(task)
        return inside(fit_regression(x[train], task.methylated[train], task.coverage[train], self.ridge).probability(x))


@dataclass(frozen=True)
class Boosting(FractionForecaster):
    """Gradient boosting of trees on the same features; binomial counts as weights of a methylated and an unmethylated row a site.

    Args:
        iterations, learning_rate, leaves, smallest_leaf: of scikit-learn's HistGradientBoostingClassifier.

    Raises: MissingExtraError without scikit-learn; DataError for sites that it cannot be grown on.
    Source: Friedman (2001), DOI 10.1214/aos/1013203451.
    """

    iterations: int = 150
    learning_rate: float = 0.1
    leaves: int = 15
    smallest_leaf: int = 200
    name: str = "gradient boosting"

    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        return self.fit_predict(np.column_stack([task.own, task.neighbours]), task.methylated, task.coverage, train)

    def fit_predict(self, features: Array, methylated: Array, coverage: Array, train: Mask) -> Array:
        """(sites,) fractions of all rows by trees that were grown on the training rows."""
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise MissingExtraError("scikit-learn", "genomics", "Gradient boosting") from error
        on, off = np.flatnonzero(train & (methylated > 0)), np.flatnonzero(train & (coverage > methylated))
        rows = np.r_[on, off]
        trees = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.smallest_leaf,
            early_stopping=False,
            random_state=0,
        )
        weight = np.r_[methylated[on], (coverage - methylated)[off]]
        with threadpool_limits(1 if len(rows) < SHARED else None, "openmp"):  # threads that wait for each other cost more than they bring
            try:
                trees.fit(features[rows].astype(np.float32), np.repeat([1, 0], [len(on), len(off)]), sample_weight=weight)
            except ValueError as error:  # such as features that are all constant
                need, fix = "features that vary, reads in both states", "leave boosting out, or take more sites"
                raise DataError(explain("gradient boosting cannot be fitted", error, need, fix)) from error
            return inside(np.asarray(trees.predict_proba(features.astype(np.float32))[:, 1], float))


BOOSTING_CHOICES = (Boosting(), Boosting(iterations=250), Boosting(leaves=31))


def chosen(candidates: tuple[FractionForecaster, ...], task: ForecastTask, train: Mask, parts: int = 4) -> FractionForecaster:
    """The candidate with the lowest loss on a quarter of the training blocks, trained on the others; no other sites are read."""
    part = folds(task.series.block, parts)
    inner, held = train & (part != 0), train & (part == 0)

    def loss(candidate: FractionForecaster) -> float:
        p = candidate.forecast(task, inner)
        return float(read_losses(task.methylated[held], task.coverage[held], p[held]).sum())

    return min(candidates, key=loss)
