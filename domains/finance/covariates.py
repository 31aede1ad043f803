"""Covariates that are known before the return of a day: summaries of earlier returns, and columns of yesterday."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import ConfigError, MissingExtraError, explain

Array = np.ndarray
SUMMARY = re.compile(r"(size|return)_(\d+)")


def add_covariates(frame: pd.DataFrame, names: Sequence[str], place: str) -> pd.DataFrame:
    """Return the frame with the named covariates, each lagged so that row t holds what was known after row t - 1.

    ``size_N``    log of the root mean square of the last N returns
    ``return_N``  mean of the last N returns, in units of their root mean square
    ``vix``       log of the last VIX [index points]; the frame's own column where it has one, else the embedded one (2014-2018)
    other names   columns of the frame, as they were one row earlier

    Gaps are filled with the last value that was known. Rows before the first value of a covariate are dropped. Raises `ConfigError`
    for a name that is neither. The frame holds one series.
    """
    result = frame.copy()
    first = 1
    for name in names:
        values = _covariate(frame, name, place)
        known = pd.Series(values).shift(1).ffill().to_numpy()
        seen = np.flatnonzero(~np.isnan(known))
        if not len(seen):
            raise ConfigError(explain(f"{place}: covariate {name!r} has no value", "only NaN", "numbers", "check the column and its dates"))
        first = max(first, int(seen[0]))
        result[name] = known
    kept = result.iloc[first:].reset_index(drop=True) if names else result
    kept.attrs.update(frame.attrs)
    return kept


def _covariate(frame: pd.DataFrame, name: str, place: str) -> Array:
    """Values at the end of each row, not yet lagged."""
    if found := SUMMARY.fullmatch(name):
        y = frame["y"]
        window = y.rolling(int(found[2]), min_periods=1)
        size = np.sqrt((y**2).rolling(int(found[2]), min_periods=1).mean())
        floor = 1e-2 * float(np.sqrt((y**2).mean()))
        return _array(np.log(size + floor) if found[1] == "size" else window.mean() / (size + floor))
    if name in frame.columns and name not in ("unique_id", "ds", "y"):
        values = _array(frame[name])
    elif name == "vix":
        values = _vix(frame)
    else:
        have = [c for c in frame.columns if c not in ("unique_id", "ds", "y")]
        raise ConfigError(
            explain(f"{place}: no covariate {name!r}", f"columns {have}", "size_N, return_N, vix, or a column of the data", "correct it")
        )
    logs: Array = np.log(values)
    return logs if name == "vix" else values


def _vix(frame: pd.DataFrame) -> Array:
    try:
        table = importlib.import_module("arch.data.vix").load()
    except ImportError as error:
        raise MissingExtraError("arch", "finance", "the embedded VIX") from error
    return _array(table["vix"].reindex(pd.DatetimeIndex(frame["ds"])))


def _array(values: Any) -> Array:
    found: Array = np.asarray(values, float)
    return found
