"""The model of a configuration and the artefact of a run, as several commands read them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqsci.errors import ArtefactError, ConfigError, did_you_mean, explain

if TYPE_CHECKING:
    from seqsci.cell import NetworkDrive
    from seqsci.estimation.result import Fit
    from seqsci.model import Model

ARTEFACT, CONFIG = "model.json", "config.yaml"


def configured(name: str) -> tuple[dict[str, Any], Model]:
    """The configuration of a shipped name or of a YAML file, and its model; no data are read."""
    from seqsci.registry import manifests, read_config

    config, known = read_config(name), manifests()
    domain = str(config["domain"])
    if domain not in known:
        raise ConfigError(
            explain(f"{name}: no domain {domain!r}{did_you_mean(domain, known)}", domain, ", ".join(known), "correct domain:")
        )
    module, attribute = known[domain].MODELS.split(":")
    models = getattr(importlib.import_module(module), attribute)
    chosen = str(config.get("model", "default"))
    if chosen not in models:
        raise ConfigError(
            explain(f"{name}: no model {chosen!r}{did_you_mean(chosen, models)}", chosen, ", ".join(models), "correct model:")
        )
    model: Model = models[chosen]()
    return config, model


def named(name: str) -> str:
    """The name of a configuration: as it is, or the path of config.yaml where a run is named (its folder or its model.json)."""
    from seqsci.registry import names

    path = Path(name)
    return config_of(folder_of(name)) if name not in names() and (path.is_dir() or path.name == ARTEFACT) else name


def folder_of(run: str) -> Path:
    """The folder of a run that was named by its folder or by its model.json; raises `ArtefactError` where there is no artefact."""
    path = Path(run)
    folder = path.parent if path.name == ARTEFACT else path
    if not (folder / ARTEFACT).is_file():
        near = [p.parent.name for p in folder.parent.glob(f"*/{ARTEFACT}")] if folder.parent.is_dir() else []
        inside = sorted(p.parent.name for p in folder.glob(f"*/{ARTEFACT}")) if folder.is_dir() else []
        hint = f"name one run of that folder: {', '.join(inside[-5:])}" if inside else "make one: seqsci fit --config NAME"
        what = f"no run at {run}{did_you_mean(folder.name, near)}"
        raise ArtefactError(explain(what, "no " + ARTEFACT if folder.is_dir() else "no such folder", f"a folder with {ARTEFACT}", hint))
    return folder


def fit_of(run: str) -> tuple[Path, Fit]:
    """Folder and fit of a run."""
    from seqsci.estimation.artefact import load_fit

    folder = folder_of(run)
    return folder, load_fit(folder / ARTEFACT)


def config_of(folder: Path) -> str:
    """Path of the configuration that a run was made from; raises `ArtefactError` where it is gone."""
    path = folder / CONFIG
    if not path.is_file():
        what = f"the run {folder} does not say how it was made"
        raise ArtefactError(explain(what, f"no {CONFIG}", f"the {CONFIG} that `seqsci fit` writes", "restore it, or fit again"))
    return str(path)


def drive_of(folder: Path, fit: Fit) -> NetworkDrive | None:
    """The network that drives a run's model, or None."""
    if not fit.driven_by:
        return None
    from seqsci.registry import read_config, refuse
    from seqsci.rundir import read_tensors
    from seqsci.training.configuration import read_estimator
    from seqsci.training.gradient import GradientDescent, restore

    faults: list[str] = []
    estimator = read_estimator(read_config(config_of(folder)).get("estimator"), "config.yaml: estimator", faults)
    refuse(faults)
    if not isinstance(estimator, GradientDescent) or estimator.drive is None:
        got, expected = type(estimator).__name__, "GradientDescent with a drive"
        raise ArtefactError(explain(f"{folder} does not say what drives its model", got, expected, "restore config.yaml"))
    return restore(estimator.drive, read_tensors(folder / "model.safetensors"))
