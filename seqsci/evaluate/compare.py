"""Honest comparisons: paired differences with intervals on the same rows, and a verdict that says when we tie or lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqsci.evaluate.backtest import Backtest
from seqsci.evaluate.comparison import Comparison, Difference, ScoreRow
from seqsci.evaluate.resampling import block_bootstrap_interval
from seqsci.evaluate.scores import diebold_mariano, kupiec, normalised_qlike, qlike, squared_error

if TYPE_CHECKING:
    from seqsci.evaluate.panel_backtest import PanelBacktest

Array = np.ndarray


def losses(test: Backtest | PanelBacktest, name: str, realized: Array | None = None) -> dict[str, Array]:
    """Per-row losses of one predictor: MSE and NLL; of returns in percent units, with QLIKE, and RV-QLIKE where realized variance is given.

    Of returns the variance is what is forecast, so their MSE and QLIKE are those of the variance; else MSE is that of the mean.
    """
    path = test.paths[name]
    if not test.returns:
        return {"MSE": (test.y - path.mean) ** 2, "NLL": -path.log_density}
    variance = path.variance * test.factor**2
    squared = ((test.y - test.center) * test.factor) ** 2
    table = {"QLIKE": qlike(variance, squared), "MSE": squared_error(variance, squared), "NLL": -path.log_density + np.log(test.factor)}
    if realized is not None:
        table["RV-QLIKE"] = normalised_qlike(variance, realized)
    return table


def compare(test: Backtest, ours: str, tried: int, realized: Array | None = None, seed: int = 0, note: str = "") -> Comparison:
    """Compare one predictor of a backtest with all others.

    Args:
        test: the backtest.
        ours: name of the predictor that the claim is about.
        tried: how many models were tried on this window in all, baselines included.
        realized: (rows,) realized variance in percent^2, on the level of squared close-to-close returns, or None.
        seed: of the block bootstrap.
        note: what else a reader must know, printed above the tables.
    """
    per_model = {name: losses(test, name, realized) for name in test.paths}
    rows = tuple(_score_row(test, name, per_model[name]) for name in test.paths)
    differences = []
    for score in per_model[ours]:
        for name in test.paths:
            if name == ours:
                continue
            d = per_model[ours][score] - per_model[name][score]
            interval = block_bootstrap_interval(d, seed=seed)
            p = diebold_mariano(per_model[ours][score], per_model[name][score]).p_value
            differences.append(Difference(score, name, float(d.mean()), interval.low, interval.high, p))
    return Comparison(ours, tried, test, rows, tuple(differences), note)


def _score_row(test: Backtest, name: str, table: dict[str, Array]) -> ScoreRow:
    path = test.paths[name]
    one, five = kupiec(path.below[0.01], 0.01), kupiec(path.below[0.05], 0.05)
    realized = float(table["RV-QLIKE"].mean()) if "RV-QLIKE" in table else float("nan")
    loss, squared, nll = (float(table[k].mean()) if k in table else float("nan") for k in ("QLIKE", "MSE", "NLL"))
    return ScoreRow(name, loss, squared, nll, realized, one.rate, one.p_value, five.rate, five.p_value, path.seconds)
