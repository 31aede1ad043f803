"""A fitted bank on disk: one JSON file with its grid, weights, likelihoods and memory; written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seqsci.errors import ArtefactError, explain
from seqsci.estimation import json_file
from seqsci.estimation.artefact import _build, _describe
from seqsci.estimation.bank import Bank
from seqsci.estimation.fitted_bank import FittedBank, Memory
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.sequences import Sequences

Array = np.ndarray
FORMAT = "seqsci bank, version 1"


def _plain(table: Array) -> list[Any]:
    """Numbers as nested lists; what JSON cannot write (NaN, infinities) as text."""
    return [_plain(v) if np.ndim(v) else (float(v) if np.isfinite(v) else repr(float(v))) for v in table]


def _numbers(table: Any, *shape: int) -> Array:
    return np.array([float(v) for v in np.ravel(np.array(table, object))]).reshape(shape)


def save_bank(fitted: FittedBank, path: str | Path) -> Path:
    """Write a fitted bank. The rows of its units are not kept, only the last one and the states after it: enough to forecast and update.

    Raises `ArtefactError` where the folder cannot be written.
    """
    target, bank, row = Path(path), fitted.bank, fitted.memory.row
    content = {
        "format": FORMAT,
        "mechanism": _describe(bank.model.mechanism),
        "observation": _describe(bank.model.observation),
        "model": [bank.model.name, bank.model.value, sorted(bank.model.fixed)],
        "name": bank.name,
        "names": list(bank.names),
        "points": bank.values.tolist(),
        "weights": fitted.weights.tolist(),
        "log_likelihoods": _plain(fitted.log_likelihoods),
        "labels": fitted.labels.tolist(),
        "states": _plain(fitted.memory.states),
        "unit": fitted.memory.unit,
        "rows": fitted.rows,
        "gap": None if np.isnan(fitted.gap) else fitted.gap,
        "row": {
            "outcome": {n: _plain(v) for n, v in row.outcome.items()},
            "known": {n: _plain(v) for n, v in row.known.items()},
            "flags": [bool(row.observed[0]), float(row.weight[0]), int(row.unit[0]), int(row.group[0])],
            "index": None if row.index is None else [str(row.index[0]), str(row.index.dtype)],
            "measure": dict(row.measure),
        },
    }
    return json_file.write(target, "bank", content)


def load_bank(path: str | Path) -> FittedBank:
    """Read a fitted bank; raises `ArtefactError` for a missing, truncated, changed or foreign file."""
    source = Path(path)
    table = json_file.read(source, "bank", FORMAT, "save_bank")
    mechanism, observation = _build(table["mechanism"], source), _build(table["observation"], source)
    if not isinstance(mechanism, Mechanism) or not isinstance(observation, Observation):
        need = "a Mechanism and an Observation"
        raise ArtefactError(explain(f"{source} does not hold a model", type(mechanism).__name__, need, "do not use this file"))
    name, values, fixed = table["model"]
    model = Model(mechanism, observation, tuple(values.items()), frozenset(fixed), name)
    bank = Bank(model, [dict(zip(table["names"], p, strict=True)) for p in table["points"]], table["name"])
    r = table["row"]
    seen, weight, unit, group = r["flags"]
    index = None if r["index"] is None else np.array(r["index"][:1]).astype(r["index"][1])
    row = Sequences(
        {n: _numbers(v, 1) for n, v in r["outcome"].items()},
        {n: _numbers(v, 1) for n, v in r["known"].items()},
        np.array([seen]),
        np.array([weight]),
        None,  # type: ignore[arg-type]
        np.array([unit]),
        np.array([group]),
        index,
        r["measure"],
    )
    k, labels = len(bank), np.array(table["labels"])
    likelihoods = _numbers(table["log_likelihoods"], len(labels), k)
    memory = Memory(_numbers(table["states"], k, len(mechanism.states)), row, table["unit"])
    gap = float("nan") if table["gap"] is None else table["gap"]
    return FittedBank(bank, np.array(table["weights"]), likelihoods, labels, memory, table["rows"], gap)
