"""What `seqsci validate` and `seqsci test` print: scores of an artefact on rows, without any refit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqsci.errors import DataError, explain

if TYPE_CHECKING:
    from seqsci.estimation.result import Fit

LEVEL = 0.95


def table(fit: Fit, start: int, stop: int, kind: str) -> str:
    """Scores of one-step forecasts of the rows from start up to stop; the fit's path has filtered them."""
    from seqsci.forecast import one_step

    seen = np.asarray(fit.sequences.observed[start:stop], bool)
    if not seen.any():
        raise DataError(explain(f"no {kind} rows", f"{stop - start} rows, none observed", "observed rows", "give other data"))
    y = fit.sequences.outcome[fit.outcome][start:stop][seen]
    forecasts = one_step(fit.model, fit.path.reads[start:stop][seen], fit.model.kernel().program.read_names)
    low, high = (forecasts.quantile(p) for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    inside = float(np.mean((y >= low) & (y <= high)))
    index = fit.sequences.index
    span = "" if index is None else f", {str(index[start])[:10]} to {str(index[stop - 1])[:10]}"
    lines = (
        f"{fit.model.name} on {int(seen.sum())} {kind} rows{span}; parameters and drive as fitted",
        f"  mean log density (higher is better)        {fit.path.density[start:stop][seen].mean():.6f}",
        f"  root mean square error                     {np.sqrt(np.mean((y - forecasts.mean) ** 2)):.6g} {fit.unit}",
        f"  outcomes inside the {LEVEL:.0%} interval           {inside:.1%}",
    )
    return "\n".join(lines)
