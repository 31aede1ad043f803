"""Estimators as configuration objects: a class path and its arguments, read with errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqsci.data.splits import Windows
from seqsci.errors import did_you_mean
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.registry import Section
from seqsci.training.gradient import DriveSpec, GradientDescent

Estimator = MaximumLikelihood | GradientDescent
ESTIMATORS = ("MaximumLikelihood", "GradientDescent")


def read_estimator(value: Any, place: str, faults: list[str]) -> Estimator:
    """The estimator of a configuration section; ``{starts: 3}`` alone is maximum likelihood. Faults are added to the list."""
    table = dict(value) if isinstance(value, Mapping) else {}
    if value is not None and not isinstance(value, Mapping):
        faults.append(f"{place} is {value!r}, not a mapping")
    kind = str(table.pop("class_path", "MaximumLikelihood")).rsplit(".", 1)[-1]
    init = table.pop("init_args", None)
    if kind not in ESTIMATORS:
        faults.append(f"{place}.class_path is {kind!r}{did_you_mean(kind, ESTIMATORS)}, not one of {', '.join(ESTIMATORS)}")
        return MaximumLikelihood()
    section = Section(place, {**table, **(init if isinstance(init, Mapping) else {})}, faults)
    return _likelihood(section) if kind == "MaximumLikelihood" else _gradient(section, faults)


def _unknown(section: Section, known: tuple[str, ...]) -> None:
    section.faults.extend(f"{section.place}.{k}: unknown key{did_you_mean(k, known)}" for k in section.values if k not in known)


def _likelihood(section: Section) -> MaximumLikelihood:
    _unknown(section, ("starts", "evaluations"))
    return MaximumLikelihood(starts=section.integer("starts", 4, least=1), evaluations=section.integer("evaluations", 1000, least=1))


def _gradient(section: Section, faults: list[str]) -> GradientDescent:
    names = "drive epochs learning_rate drive_learning_rate weight_decay validation_share windows seed".split()
    _unknown(section, tuple(names))
    spec, cut = None, Windows()
    if (drive := section.inner("drive")) is not None:
        _unknown(drive, ("inputs", "hidden", "name"))
        inputs = tuple(drive.names("inputs", []))
        if not inputs:
            faults.append(f"{drive.place}.inputs is empty: name known columns")
        spec = DriveSpec(inputs, drive.integer("hidden", 16, least=1), drive.text("name") or "gate_drive")
    if (windows := section.inner("windows")) is not None:
        _unknown(windows, ("rows", "warmup", "batch"))
        rows = None if windows.values.get("rows") is None else windows.integer("rows", 1, least=1)
        cut = Windows(rows, windows.integer("warmup", 250, least=0), windows.integer("batch", 16, least=1))
    return GradientDescent(
        spec,
        section.integer("epochs", 200, least=1),
        section.number("learning_rate", 0.01, least=0.0),
        section.number("drive_learning_rate", 0.003, least=0.0),
        section.number("weight_decay", 0.01, least=0.0),
        section.share("validation_share", 0.15, zero=True),
        cut,
        section.integer("seed", 0, least=0),
    )
