"""Comparisons over many series: joint intervals that keep common shocks, a test a series, and the Model Confidence Set of all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seqsci.errors import ParameterError, did_you_mean, explain
from seqsci.evaluate.compare import losses
from seqsci.evaluate.comparison import EQUAL
from seqsci.evaluate.confidence_set import model_confidence_set
from seqsci.evaluate.joint_bootstrap import Grid, joint_estimate
from seqsci.evaluate.many_tests import diebold_mariano_many, holm
from seqsci.evaluate.panel_backtest import PanelBacktest
from seqsci.evaluate.panel_verdict import PanelComparison, PanelDifference, PanelScores

Array = np.ndarray


def compare_panel(
    test: PanelBacktest, ours: str | None = None, tried: int | None = None, seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> PanelComparison:
    """Compare one predictor of a panel's backtest with all others.

    Per score and baseline: the mean paired difference over all rows and the median over the series' means, with intervals from a
    stationary bootstrap that draws dates (`seqsci.evaluate.joint_bootstrap.joint_estimate`), and how many series are won, or are
    significantly better or worse. Per score: the Model Confidence Set of all predictors on their mean losses by date.

    Args:
        test: the backtest.
        ours: name of the predictor that the claim is about; default the first one.
        tried: how many models were tried on these rows in all, baselines included; default those of the backtest.
        seed, resamples: of the bootstrap; level: of its intervals.

    Raises: ParameterError for an unknown ``ours``, fewer ``tried`` than there are, a ``level`` that is no probability; DataError for fewer
    than 2 dates; MissingExtraError without arch.
    """
    names = list(test.paths)
    ours = names[0] if ours is None else ours
    if ours not in names:
        got = f"{ours!r}{did_you_mean(ours, names)}"
        raise ParameterError(explain("no such predictor in the backtest", got, ", ".join(names), "pass one of these names"))
    count = len(names) + len(test.skipped)
    if tried is not None and tried < count:
        raise ParameterError(explain("fewer models tried than there are", tried, f">= {count}", "count all that were looked at"))
    if not 0.0 < level < 1.0:
        raise ParameterError(explain("level is not a probability", level, "0 < level < 1", "pass the coverage, as 0.95"))
    grid = Grid.of(test.code, test.index)
    table = {name: losses(test, name) for name in names}
    scores = tuple(_scores(test, grid, name, table[name]) for name in names)
    differences, sets = [], []
    for score in table[ours]:
        for name in names:
            if name != ours:
                differences.append(_difference(grid, score, name, table[ours][score] - table[name][score], resamples, seed, level))
        by_date = np.column_stack([grid.by_date(table[name][score]) for name in names])
        sets.append(model_confidence_set(by_date, names, score, seed=seed))
    return PanelComparison(ours, tried or count, test, scores, tuple(differences), tuple(sets), level, len(grid.dates))


def _difference(grid: Grid, score: str, baseline: str, d: Array, resamples: int, seed: int, level: float) -> PanelDifference:
    found = joint_estimate(grid, d, resamples, seed, level)
    each = grid.by_series(d)
    error, p_values = diebold_mariano_many(d, grid.offsets)
    real = holm(p_values) & (np.abs(each) + 2.0 * error >= EQUAL)
    better, worse = int((real & (each < 0)).sum()), int((real & (each > 0)).sum())
    return PanelDifference(score, baseline, found.mean, found.median, found.block, len(each), float((each <= -EQUAL).mean()), better, worse)


def _scores(test: PanelBacktest, grid: Grid, name: str, table: Mapping[str, Array]) -> PanelScores:
    path = test.paths[name]
    medians = {score: float(np.median(grid.by_series(values))) for score, values in table.items()}
    below = {level: float(flags.mean()) for level, flags in path.below.items()}
    failed = int((test.failures["predictor"] == name).sum())
    return PanelScores(name, {s: float(v.mean()) for s, v in table.items()}, medians, below, path.seconds, failed)
