"""The artefacts of a run, read and checked against each other before a word is reported."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqsci.errors import ArtefactError, MissingExtraError, explain
from seqsci.estimation.artefact import load_fit
from seqsci.estimation.result import Fit
from seqsci.estimation.summary import Estimate
from seqsci.evaluate.comparison import BETTER, EQUIVALENT, UNDECIDED, WORSE, Difference

Row = Mapping[str, str]
AGAIN = "run `seqsci fit` again, or take a backup"


@dataclass(frozen=True)
class HeldOut:
    """The held-out comparison of a run: its heading, score columns and rows, and paired differences."""

    heading: tuple[str, ...]
    columns: tuple[str, ...]
    scores: tuple[Row, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that a run left on disk.

    ``made_by`` holds command line, seed and versions; ``training`` epoch, train_loss and validation_loss (epochs, 3).
    """

    folder: Path
    fit: Fit
    config: Mapping[str, Any]
    config_text: str
    made_by: Mapping[str, Any]
    estimates: tuple[Estimate, ...]
    held_out: HeldOut | None
    training: np.ndarray | None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ArtefactError(explain(f"{path.name} is missing", f"no file {path}", "a run directory of `seqsci fit`", AGAIN)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(explain(f"{path} cannot be read", str(error), "a text file in UTF-8", AGAIN)) from error


def _corrupt(path: Path, got: object, expected: object) -> ArtefactError:
    return ArtefactError(explain(f"{path} is corrupt", got, expected, AGAIN))


def _table(path: Path, needed: Sequence[str], least: int = 1) -> list[Row]:
    """The rows of a CSV file that has the needed columns and no ragged row."""
    reader = csv.DictReader(_text(path).splitlines())
    try:
        rows: list[Row] = list(reader)
    except csv.Error as error:
        raise _corrupt(path, error, "a CSV file") from error
    columns = reader.fieldnames or []
    if missing := [c for c in needed if c not in columns]:
        raise _corrupt(path, f"columns {', '.join(columns) or 'none'}", f"also {', '.join(missing)}")
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise _corrupt(path, f"line {line} with another number of fields", f"{len(columns)} fields")
    if len(rows) < least:
        raise _corrupt(path, "no rows below the header", "one or more")
    return rows


def _number(path: Path, row: Row, column: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise _corrupt(path, f"{column} = {row[column]!r}", "a number") from error


def _mapping(path: Path, value: object, kind: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _corrupt(path, type(value).__name__, kind)
    return value


def _config(path: Path, text: str) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("pyyaml", "fit", "Reading a run") from error
    try:
        config = _mapping(path, yaml.safe_load(text), "a mapping with a key 'domain'")
    except yaml.YAMLError as error:
        raise _corrupt(path, str(error).replace("\n", " "), "valid YAML") from error
    if "domain" not in config:
        raise _corrupt(path, f"keys {', '.join(map(str, config))}", "a key 'domain'")
    return config


def _made_by(folder: Path) -> dict[str, Any]:
    """What command.json says of the making, completed by model.json, which alone knows a seed that was drawn."""
    path = folder / "command.json"
    try:
        command = _mapping(path, json.loads(_text(path)), "an object with a key 'command'")
    except json.JSONDecodeError as error:
        raise _corrupt(path, error, "valid JSON") from error
    if not isinstance(command.get("command"), list):
        raise _corrupt(path, f"command = {command.get('command')!r}", "a list of words")
    noted = json.loads(json.loads(_text(folder / "model.json"))["fit"]).get("run") or {}
    return {**noted, **{k: v for k, v in command.items() if v is not None}}


def _estimates(path: Path, fit: Fit) -> tuple[Estimate, ...]:
    """The rows of parameters.csv; names and values must be those of the fit."""
    rows = _table(path, [f.name for f in dataclasses.fields(Estimate)])
    found = {}
    for r in rows:
        value, error, low, high = (_number(path, r, c) for c in ("value", "standard_error", "low", "high"))
        found[r["name"]] = Estimate(r["name"], r["symbol"], value, error, low, high, r["unit"], r["reading"], r["flag"])
    names = [*(p.name for p in fit.model.parameters), *(d.name for d in fit.model.derived)]
    if [*found] != names:
        raise _corrupt(path, f"rows {', '.join(found)}", f"those of model.json: {', '.join(names)}")
    for name, value in fit.value.items():
        if not math.isclose(found[name].value, value, rel_tol=1e-9, abs_tol=1e-300):
            raise _corrupt(path, f"{name} = {found[name].value:g}", f"{value:g}, as in model.json: both files from one run")
    return tuple(found.values())


def _check_states(path: Path, fit: Fit) -> None:
    """Refuse a states.csv that is not the path of the fit: its rows, its outcome, its log densities."""
    rows = _table(path, ("ds", fit.outcome, "log_density"))
    if len(rows) != len(fit.sequences):
        raise _corrupt(path, f"{len(rows)} rows", f"{len(fit.sequences)}, as in model.json")
    for column, values in ((fit.outcome, fit.sequences.outcome[fit.outcome]), ("log_density", fit.path.density)):
        written = np.array([_number(path, r, column) for r in rows])
        wrong = np.flatnonzero(~np.isclose(written, values, rtol=1e-6, atol=1e-9, equal_nan=True))
        if len(wrong):
            i = int(wrong[0])
            raise _corrupt(
                path, f"{column} = {written[i]:g} in line {i + 2}", f"{values[i]:g}, as model.json gives: both files from one run"
            )


def _held_out(folder: Path) -> HeldOut | None:
    """The comparison, where the run has one: all three files or none."""
    names = ("scores.csv", "differences.csv", "comparison.txt")
    if not any((folder / n).exists() for n in names):
        return None
    paired = folder / "differences.csv"
    scores = _table(folder / "scores.csv", ("model",))
    for row in scores:
        for column in row:
            if column != "model":
                _number(folder / "scores.csv", row, column)
    differences = []
    for row in _table(paired, ("score", "baseline", "mean", "low", "high", "p_value", "verdict"), least=0):
        if row["baseline"] not in {r["model"] for r in scores}:
            raise _corrupt(paired, f"baseline {row['baseline']!r}", "a model of scores.csv")
        mean, low, high, p = (_number(paired, row, c) for c in ("mean", "low", "high", "p_value"))
        found = Difference(row["score"], row["baseline"], mean, low, high, p, _decided(row["verdict"], low, high))
        if row["verdict"] != found.verdict:
            raise _corrupt(paired, f"verdict {row['verdict']!r}", f"{found.verdict!r}, as the row's numbers give")
        differences.append(found)
    text = _text(folder / "comparison.txt")
    heading = text.split("\n\n", 1)[0].strip()
    if not heading:
        raise _corrupt(folder / "comparison.txt", "an empty heading", "the rows, the window's label and the number of models tried")
    return HeldOut(tuple(heading.splitlines()), tuple(scores[0]), tuple(scores), tuple(differences))


def _decided(verdict: str, low: float, high: float) -> str | None:
    """A verdict that another rule than the test reached, where the interval does not gainsay it; else None."""
    there = (verdict == UNDECIDED and low <= 0 <= high) or (verdict == BETTER and high < 0) or (verdict == WORSE and low > 0)
    return verdict if there or verdict.startswith(EQUIVALENT) else None


def _training(path: Path) -> np.ndarray | None:
    if not path.exists():
        return None
    names = ("epoch", "train_loss", "validation_loss")
    rows = _table(path, names[:2])  # a training without validation has no third column, an epoch without one an empty cell
    return np.array([[_number(path, row, name) if row.get(name, "").strip() else math.nan for name in names] for row in rows])


def read_run(folder: Path) -> Run:
    """Read a run directory.

    Raises: ArtefactError for a folder, file, column or value that is missing, corrupt, or from another run than model.json.
    """
    if not folder.is_dir():
        raise ArtefactError(explain("no such run", folder, "a run directory of `seqsci fit`", "check the path; runs lie in runs/"))
    fit = load_fit(folder / "model.json")
    config_text = _text(folder / "config.yaml")
    config = _config(folder / "config.yaml", config_text)
    made_by = _made_by(folder)
    estimates = _estimates(folder / "parameters.csv", fit)
    _check_states(folder / "states.csv", fit)
    return Run(folder, fit, config, config_text, made_by, estimates, _held_out(folder), _training(folder / "metrics.csv"))
