"""The rows that fsrs-optimizer itself scores, and its RMSE(bins) of given forecasts: run in a process and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.memory_laws import DAY

VERSION = "6.5.0"
SHIFT = 10 * 365 * DAY
"""fsrs-optimizer drops reviews before 2006; whole days move shifted logs out of its way."""

SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from importlib.metadata import version
from fsrs_optimizer.fsrs_optimizer import Optimizer, rmse_matrix
Optimizer().create_time_series(sys.argv[1], "2006-01-02", int(sys.argv[2]), analysis=False)
rows = pd.read_csv("revlog_history.tsv", sep="\\t", dtype={"r_history": str, "t_history": str}, keep_default_na=False)
rows = rows[(rows["i"] > 1) & (rows["delta_t"] > 0)].sort_values(["card_id", "review_time"])
rows["p"] = np.random.default_rng(0).uniform(0.5, 1.0, len(rows))
rows.to_csv("rows.csv", index=False)
open("rmse", "w").write(f"{version('fsrs_optimizer')} {rmse_matrix(rows)!r}".replace("np.float64(", "").replace(")", ""))
"""


def optimizer_rows(reviews: pd.DataFrame, day_start: int = 4, timezone: str = "UTC") -> tuple[pd.DataFrame, float]:
    """Rows of one user that fsrs-optimizer scores, with forecasts drawn for them in the column p, and its RMSE(bins) of these.

    The column lapses is counted here, from its histories: failed reviews with a day or more before them.
    """
    names = {"grade": "review_rating", "state": "review_state", "duration_ms": "review_duration"}
    log = reviews[["card_id", "review_time", *names]].rename(columns=names)
    with tempfile.TemporaryDirectory() as folder:
        log.assign(review_time=log["review_time"] + SHIFT).to_csv(Path(folder, "revlog.csv"), index=False)
        words = [sys.executable, "-c", SCRIPT, timezone, str(day_start)]
        done = subprocess.run(words, cwd=folder, env={**os.environ, "MPLBACKEND": "agg"}, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        rows = pd.read_csv(Path(folder, "rows.csv"), dtype={"r_history": str, "t_history": str})
        version, rmse = Path(folder, "rmse").read_text().split()
    if version != VERSION:
        raise RuntimeError(f"fsrs-optimizer {version} is installed; compared with {VERSION}")
    pairs = [zip(r.split(","), t.split(","), strict=True) for r, t in zip(rows["r_history"], rows["t_history"], strict=True)]
    rows["lapses"] = [sum(grade == "1" and days != "0" for grade, days in pair) for pair in pairs]
    rows["review_time"] -= SHIFT
    return rows, float(np.float64(rmse))
