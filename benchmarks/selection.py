"""Which rule decides whether forecasts use a free shift? The volatility cell against TARCH-t on 20 US stocks. Last line: JSON.

    python -m benchmarks.selection          needs SEQSCI_DATA (finance/us_stocks20_1990_2022.csv.gz)

Rows 40 % to 100 % of each stock, expanding window, refit every 250 rows. At each refit both models are fitted; a rule uses the
free cell where 2 (log L_free - log L_TARCH) exceeds its threshold on the training rows.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from seqsci.domains.finance import models
from seqsci.errors import ConvergenceError
from seqsci.evaluate.scores import diebold_mariano, qlike
from seqsci.predictor import FittedModel, ModelPredictor
from seqsci.sequences import Sequences

RULES = {"always free": -np.inf, "LR 5 %": 3.841, "LR 1 %": 6.635, "BIC": None}


def stock(returns: np.ndarray, refit: int = 250) -> dict[str, tuple[float, float, float, float]]:
    """By rule: QLIKE difference to TARCH-t and its p, NLL difference and its p."""
    sequences = Sequences({"log_return": returns}, measure={"log_return": "percent"})
    rows, first = len(returns), int(0.4 * len(returns))
    small, large = ModelPredictor(models.tarch_t()), ModelPredictor(models.default())
    a: FittedModel | None = None
    blocks: list[np.ndarray] = []
    for origin in range(first, rows, refit):
        train, test = sequences.rows(0, origin), sequences.rows(origin, min(origin + refit, rows))
        a = small.fit(train, a)
        b = large.fit(train, a)
        gain = 2 * (b.fit.log_likelihood - a.fit.log_likelihood)
        y = test.outcome["log_return"]
        pair = [f.predict_rows(test) for f in (a, b)]
        columns = (
            [d.variance for d in pair] + [-d.log_density(y) for d in pair] + [np.full(len(y), gain), np.full(len(y), np.log(origin)), y]
        )
        blocks.append(np.column_stack(columns))
    v0, v1, l0, l1, gain_, bic, y_ = np.concatenate(blocks).T
    squared = (y_ - returns[:first].mean()) ** 2
    found = {}
    for rule, threshold in RULES.items():
        free = gain_ > (bic if threshold is None else threshold)
        q = diebold_mariano(qlike(np.where(free, v1, v0), squared), qlike(v0, squared))
        n = diebold_mariano(np.where(free, l1, l0), l0)
        found[rule] = (q.mean_difference, q.p_value, n.mean_difference, n.p_value)
    return found


def main() -> None:
    """Print one line a stock and the counts; end with JSON."""
    path = Path(os.environ.get("SEQSCI_DATA", "")) / "finance" / "us_stocks20_1990_2022.csv.gz"
    if not path.is_file():
        sys.exit(f"benchmarks.selection needs SEQSCI_DATA: {path} is not there")
    import pandas as pd

    frame = pd.read_csv(path, index_col=0)
    tables = {}
    for name in frame.columns:
        returns = 100 * np.log(frame[name]).diff().dropna().to_numpy()
        try:
            tables[name] = stock(returns)
        except ConvergenceError as error:
            print(f"{name:<5} left out: {str(error).splitlines()[1].strip()}", flush=True)
            continue
        print(
            f"{name:<5} " + "   ".join(f"{r}: {t[0]:+.4f} (p {t[1]:.2f}) {t[2]:+.5f} (p {t[3]:.2f})" for r, t in tables[name].items()),
            flush=True,
        )
    figures: dict[str, float] = {"stocks": len(tables)}
    for rule in RULES:
        short = rule.replace(" %", "").replace(" ", "_").lower()
        for at, score in ((0, "qlike"), (2, "nll")):
            d = [(t[rule][at], t[rule][at + 1]) for t in tables.values()]
            figures[f"{short}_{score}_better"] = sum(m < 0 and p < 0.05 for m, p in d)
            figures[f"{short}_{score}_worse"] = sum(m > 0 and p < 0.05 for m, p in d)
            figures[f"{short}_{score}_median"] = round(float(np.median([m for m, _ in d])), 5)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
