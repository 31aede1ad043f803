"""Results in the format of open-spaced-repetition/srs-benchmark: JSON lines, one a user, readable by its evaluate.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from seqsci.domains.memory.evaluation import user_scores
from seqsci.domains.memory.protocol import RecallBacktest
from seqsci.errors import ArtefactError, DataError, explain
from seqsci.evaluate.binary_scores import brier
from seqsci.rundir import write_text

FORMAT = "result/*.jsonl of open-spaced-repetition/srs-benchmark, as its evaluate.py reads them (commit 00e6eea)"
"""Which version of the format is written. Its tables use LogLoss, RMSE(bins) and AUC; ICI, smECE, MBE and precision are not written."""


def result_lines(test: RecallBacktest, name: str) -> tuple[dict[str, object], ...]:
    """Return a benchmark result a user, in the order of the benchmark (by user).

    Keys: metrics {RMSE, LogLoss, RMSE(bins), AUC}, user, size and, where the predictor names its numbers, parameters {"0": [...]} of the
    last fold (partition 0 is the whole collection). Numbers have six decimals; AUC is null where a user recalled all or nothing. The
    benchmark numbers its users; a user whose name is no whole number keeps it as text.

    Raises: DataError for a predictor that was not run.
    """
    if name not in test.ran:
        raise DataError(explain("the backtest has no such predictor", name, f"one of {', '.join(test.ran)}", "correct the name"))
    lines: list[dict[str, object]] = []
    for user, scores in user_scores(test, name).iterrows():
        rows = test.predictions[test.predictions["user"] == user]
        squared = float(brier(rows["y"].to_numpy(float), rows[name].to_numpy(float)).mean())
        metrics = {"RMSE": squared**0.5, "LogLoss": scores["log_loss"], "RMSE(bins)": scores["rmse_bins"], "AUC": scores["auc"]}
        shown = {k: None if np.isnan(v) else round(float(v), 6) for k, v in metrics.items()}
        line: dict[str, object] = {"metrics": shown, "user": _number(user), "size": int(scores["rows"])}
        values: Mapping[str, float] = test.ran[name].values.get(user, {})
        if values:
            line["parameters"] = {"0": [round(float(v), 6) for v in values.values()]}
        lines.append(line)
    return tuple(sorted(lines, key=_place))


def write_results(test: RecallBacktest, name: str, folder: str | Path) -> Path:
    """Write ``folder/<name>.jsonl`` whole or not at all, and return its path.

    Raises: DataError for a predictor that was not run; ArtefactError if the folder cannot be written.
    """
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in result_lines(test, name))
    path = Path(folder, f"{name.replace('/', '-')}.jsonl")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "choose another folder"
        raise ArtefactError(explain(f"cannot create {folder}", error.strerror, "a folder that can be written", fix)) from error
    write_text(path, text)
    return path


def _place(line: Mapping[str, object]) -> tuple[bool, int, str]:
    user = line["user"]
    return (False, user, "") if isinstance(user, int) else (True, 0, str(user))


def _number(user: object) -> int | str:
    text = str(user)
    return int(text) if text.isdecimal() else text
