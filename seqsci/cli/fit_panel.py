"""seqsci fit-panel: fit a model to every series of a file, a row a series."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

HELP = "fit a model to every series of a file; writes a row a series"
POOLING = {"none": "PerGroup", "partial": "Partial", "shared": "Shared"}


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--config", metavar="NAME", required=True, help="a shipped name (seqsci list) or the path of a YAML file")
    parser.add_argument("--data", metavar="FILE", help="your data; columns as the CSV contract says (docs/csv.md)")
    parser.add_argument(
        "--pooling", choices=list(POOLING), default="none", help="none: each by itself; partial: a population; shared: one fit"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: one a core)")
    parser.add_argument("--device", metavar="NAME", help="cuda, or cuda:1: fit on that card (default: the CPU)")
    parser.add_argument("--out", default="runs", metavar="DIR", help="folder of the runs (default: runs)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted, without fitting again what is done")
    for key, text in _options().items():
        parser.add_argument(f"--{key}", metavar=key.split(".")[-1].upper(), help=text)


def run(arguments: argparse.Namespace) -> None:
    """Fit every series, print what came out, write the run; exits 130 where it was interrupted."""
    from dataclasses import replace

    from seqsci import registry, rundir
    from seqsci.errors import ParameterError, explain
    from seqsci.lanes.device import device_of
    from seqsci.panel.artefact import save_panel
    from seqsci.panel.fitting import PANEL, fit_panel
    from seqsci.panel.pooling import EmpiricalBayes, Partial, PerGroup, Shared

    clock = time.perf_counter()
    config = registry.read_config(arguments.config)
    for key, value in _overrides(arguments).items():
        section, _, name = key.rpartition(".")
        place = config.setdefault(section, {}) if section else config
        place[name] = value
    if arguments.device is not None:  # what is wrong with it is said before data are read and a folder is made
        if arguments.pooling != "none":
            got = f"--device {arguments.device} --pooling {arguments.pooling}"
            raise ParameterError(explain("pooling runs on the CPU", got, "one of them", "leave out --device"))
        device_of(arguments.device)
    task: registry.PanelTask = registry.panel_builder(config["domain"])(config)
    estimator = _estimator(config, PANEL if task.fewest is None else replace(PANEL, min_rows=task.fewest))
    pooling = {"none": PerGroup, "partial": Partial, "shared": Shared}[arguments.pooling]()
    alone = isinstance(pooling, PerGroup)
    folder = Path(arguments.resume) if arguments.resume else rundir.fresh(arguments.out, f"{config['name']}-panel")
    if not arguments.resume:
        rundir.write_config(folder, config)
    store = folder / "finished.parquet" if alone else None
    panel = fit_panel(
        task.model,
        task.frame,
        by=task.by,
        within=task.within,
        unit=task.unit,
        estimator=estimator if alone else EmpiricalBayes(pooling, estimator),
        threads=arguments.threads,
        store=store,
        device=arguments.device,
    )
    print(panel)
    failed = panel.failures
    kinds = failed["reason"].str.replace(r"\d[\d.,]*", "", regex=True)
    for _, some in list(failed.groupby(kinds, sort=False))[:8]:
        more = f" and {len(some) - 1:,} more for the like" if len(some) > 1 else ""
        print(f"  not fitted: {some[panel.by].iloc[0]!r}: {some['reason'].iloc[0]}{more}")
    _write(panel, folder)
    unfinished = int((panel.table["status"] == "not run").sum())
    if unfinished:
        again = f"seqsci fit-panel --config {folder / 'config.yaml'} --resume {folder}"
        print(f"interrupted; {unfinished:,} series are not done. Go on: {again}")
        raise SystemExit(130)
    path = save_panel(panel, folder / "panel.parquet")
    if store is not None and store.exists():
        store.unlink()
    print(f"run written to {folder} ({time.perf_counter() - clock:.0f} s): parameters.csv, {path.name}")
    if (panel.table["status"] != "ok").all():
        print("seqsci: no series could be fitted", file=sys.stderr)
        raise SystemExit(1)
    print(f"next: in Python: panel = load_panel('{path}'); update_panel(panel, today)    (seqsci.panel.artefact, seqsci.update_panel)")


def _options() -> dict[str, str]:
    """Keys of configurations that are options: those of `seqsci fit` but the comparison's, and the number of starts."""
    from seqsci.cli.fit import overrides

    one = ("data.unique_id", "data.column", "data.realized", "data.series", "data.user")  # they choose a single series
    found = {k: v for k, v in overrides().items() if not k.startswith("comparison.") and k not in one}
    return found | {"estimator.starts": "starting points that are climbed (default: the configuration's)"}


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    found = {k: v for k in _options() if (v := getattr(arguments, k)) is not None}
    if arguments.data is not None:
        found["data.path"] = arguments.data
    return found


def _estimator(config: dict[str, Any], default: Any) -> Any:
    """The default climb with the number of starts that the command line names."""
    from dataclasses import replace

    from seqsci.registry import Section, refuse

    section = Section(f"{config['name']}: estimator", config.get("estimator") or {})
    starts = section.integer("starts", default.starts, least=1)
    refuse(section.faults)
    return replace(default, starts=starts)


def _write(panel: Any, folder: Path) -> None:
    from seqsci import rundir

    rundir.write_text(folder / "parameters.csv", panel.table.to_csv(index=False, na_rep="nan"))
    if panel.population is not None:
        rundir.write_text(
            folder / "population.csv", panel.population.table.assign(converged=panel.population.converged).to_csv(na_rep="nan")
        )
