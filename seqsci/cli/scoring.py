"""What `seqsci validate` and `seqsci test` print: scores of an artefact on rows, without any refit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqsci.errors import DataError, explain

if TYPE_CHECKING:
    from seqsci.estimation.result import Fit
    from seqsci.forecast import Predictive

LEVEL = 0.95
Row = tuple[str, str]


def table(fit: Fit, start: int, stop: int, kind: str) -> str:
    """Scores of one-step forecasts of the rows from start up to stop that are observed and count (weight above 0)."""
    from seqsci.forecast import one_step
    from seqsci.observations.bernoulli import Bernoulli

    observed = np.asarray(fit.sequences.observed[start:stop], bool)
    scored = observed & (np.asarray(fit.sequences.weight[start:stop]) > 0)
    if not scored.any():
        got = f"{stop - start} rows, {int(observed.sum())} observed, none of these with a weight"
        raise DataError(explain(f"no {kind} rows", got, "observed rows that count", "give other data"))
    y = fit.sequences.outcome[fit.outcome][start:stop][scored]
    forecasts = one_step(fit.model, fit.path.reads[start:stop][scored], fit.model.kernel().program.read_names)
    if isinstance(fit.model.observation, Bernoulli):
        rows = yes_or_no(y, forecasts)
    else:
        density = float(fit.path.density[start:stop][scored].mean())
        rows = measured(y, forecasts, density, fit.unit)
    silent = int(observed.sum() - scored.sum())
    head = f"{fit.model.name} on {int(scored.sum())} {kind} rows{_span(fit, start, stop)}; parameters and drive as fitted"
    lines = [head, *(f"  {name:<42} {value}" for name, value in rows)]
    if silent:
        lines.append(f"  {silent} rows of weight 0 move the state and are not scored")
    return "\n".join(lines)


def _span(fit: Fit, start: int, stop: int) -> str:
    """First and last date of one series; of several units their number."""
    units, index = len(fit.sequences.starts), fit.sequences.index
    if units > 1:
        return f" of {units:,} units"
    return "" if index is None else f", {str(index[start])[:10]} to {str(index[stop - 1])[:10]}"


def measured(y: np.ndarray, forecasts: Predictive, density: float, unit: str) -> list[Row]:
    """Scores of an outcome that is a number."""
    low, high = (forecasts.quantile(p) for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    proper = np.broadcast_to(np.isfinite(low) & np.isfinite(high), y.shape)  # before a diffuse start there is no forecast
    y, mean, low, high = (np.broadcast_to(v, y.shape)[proper] for v in (y, forecasts.mean, low, high))
    return [
        ("mean log density (higher is better)", f"{density:.6f}"),
        ("root mean square error", f"{np.sqrt(np.mean((y - mean) ** 2)):.6g} {unit}"),
        (f"outcomes inside the {LEVEL:.0%} interval", f"{np.mean((y >= low) & (y <= high)):.1%}"),
    ]


def yes_or_no(y: np.ndarray, forecasts: Predictive) -> list[Row]:
    """Scores of probabilities of a yes: an interval of 0 and 1 says nothing."""
    from seqsci.evaluate.binary_scores import auc, log_loss
    from seqsci.evaluate.calibration import expected_calibration_error, reliability

    p = np.broadcast_to(forecasts.mean, y.shape)
    area, groups = auc(y, p), reliability(y, p)
    return [
        ("log loss (lower is better)", f"{log_loss(y, p).mean():.6f}"),
        ("area under the ROC curve (AUC)", "- (all outcomes are the same)" if np.isnan(area) else f"{area:.4f}"),
        (f"expected calibration error, {len(groups)} groups", f"{expected_calibration_error(groups):.4f}"),
        ("share of 1 among outcomes, forecast", f"{y.mean():.4f}, {p.mean():.4f}"),
    ]
