"""seqsci fit: fit a model, compare it with its baselines, write a run and its report."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqsci.errors import ConfigError, DataError, did_you_mean, explain

if TYPE_CHECKING:
    from seqsci.estimation.result import Fit
    from seqsci.study import Study

HELP = "fit a model, compare it with its baselines, write a run"
GENERAL = {
    "data.path": "file of your data (--data FILE is short for it)",
    "model": "model by name (seqsci show NAME)",
    "comparison.label": "development or confirmation",
}
"""Keys of every domain's configuration that are options; a domain adds its own (OPTIONS of its manifest)."""
TRAINING = ("estimator.", "trainer.")


def overrides() -> dict[str, str]:
    """Keys of configurations that are options of the command, with their help."""
    from seqsci.registry import manifests

    found = dict(GENERAL)
    for domain, manifest in manifests().items():
        for key, text in getattr(manifest, "OPTIONS", {}).items():
            if key not in GENERAL:
                found[key] = "; ".join(t for t in (found.get(key, ""), text and f"{text} ({domain})") if t)
    return found


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.usage = "seqsci fit --config NAME [--data FILE] [options]"
    parser.add_argument("--config", metavar="NAME", help="a shipped name (seqsci list) or the path of a YAML file")
    parser.add_argument("--out", default="runs", metavar="DIR", help="folder of the runs (default: runs)")
    parser.add_argument("--no-compare", action="store_true", help="fit only, without the held-out comparison")
    parser.add_argument("--no-report", action="store_true", help="do not write report.html")
    parser.add_argument("--resume", metavar="RUN", help="go on with a training that was interrupted; bit-equal to one that was not")
    parser.add_argument("--data", metavar="FILE", help="your data; columns as the CSV contract says (docs/csv.md)")
    parser.add_argument(
        "--help-all", action="store_true", help="also the options of the domains and of training: --estimator.* and --trainer.*"
    )
    known = overrides()
    for key in GENERAL:
        parser.add_argument(f"--{key}", metavar=key.split(".")[-1].upper(), help=known[key])
    group = parser.add_argument_group("options of the domains")
    for key, text in known.items():
        if key not in GENERAL:
            group.add_argument(f"--{key}", metavar=key.split(".")[-1].upper(), help=text or argparse.SUPPRESS)
    parser.format_help = lambda: _without(parser, group)  # type: ignore[method-assign]
    parser.epilog = "options of the domains (columns, sources, horizons ...) and of training: seqsci fit --help-all"
    parser.set_defaults(accepts=TRAINING)


def _without(parser: argparse.ArgumentParser, group: Any) -> str:
    """The help without a group of options."""
    kept = parser._action_groups
    parser._action_groups = [g for g in kept if g is not group]
    try:
        return argparse.ArgumentParser.format_help(parser)
    finally:
        parser._action_groups = kept


def _domain_options() -> None:
    """Print the options that belong to domains."""
    print("options of the domains:")
    for key, text in overrides().items():
        if text and key not in GENERAL:
            print(f"  --{key:<34} {text}")
    print()


def run(arguments: argparse.Namespace) -> None:
    """Fit, test special cases, compare, write the run."""
    training: list[str] = getattr(arguments, "rest", [])
    if arguments.help_all:
        from seqsci.cli.training import print_help

        _domain_options()
        print_help()
        return
    if arguments.resume:
        _resume(arguments, training)
        return
    clock = time.perf_counter()
    from seqsci import rundir
    from seqsci.study import load
    from seqsci.training.gradient import GradientDescent

    study = load(_config(arguments), _overrides(arguments, training))
    study = _with_trainer(study, training)
    if study.not_fitted:
        raise DataError(study.not_fitted)
    sequences = study.sequences()
    folder = rundir.fresh(arguments.out, study.name)
    kept = False
    try:
        seed = study.estimator.seed if isinstance(study.estimator, GradientDescent) else None
        rundir.write_config(folder, study.config, seed, sequences.fingerprint)
        if isinstance(study.estimator, GradientDescent):
            from seqsci.cli.training import train

            fitted = train(study, folder)
        else:
            fitted = study.estimator.fit(study.model, sequences)
            rundir.write_fit(folder, fitted, units=study.units)
            rundir.write_tables(folder, study.tables(fitted) if study.tables is not None else {})
        kept = True
    finally:
        if not kept:
            _remove_if_bare(folder)
    finish(study, fitted, folder, arguments, clock)


def finish(study: Study, fitted: Fit, folder: Path, arguments: argparse.Namespace, clock: float) -> None:
    """Print the table, test special cases, compare, report, and say what to do next."""
    from seqsci import rundir
    from seqsci.study import compare_fit, restriction_tests

    print(fitted.summary(), flush=True)
    if not fitted.driven_by:
        _print_tests(restriction_tests(fitted, study.hypotheses, study.estimator))
    if study.not_compared and not arguments.no_compare:
        print(f"\nno held-out comparison: {study.not_compared}")
    elif not arguments.no_compare:

        def tell(name: str) -> None:
            print(f"seqsci: backtest of {name}", file=sys.stderr, flush=True)

        try:
            comparison = compare_fit(fitted, study, progress=tell)
        except KeyboardInterrupt:
            print(f"\nseqsci: the fit is kept in {folder}; compare it later: seqsci compare {folder}", file=sys.stderr)
            raise
        rundir.write_comparison(folder, comparison)
        print(f"\n{comparison}")
    if not arguments.no_report:
        from seqsci.report import write_report

        print(f"\nreport: {write_report(folder)}")
    print(f"run written to {folder} ({time.perf_counter() - clock:.0f} s)")
    print(f"next: seqsci report {folder}    or in Python: seqsci.load_fit('{folder}/model.json').summary()")


def _config(arguments: argparse.Namespace) -> str:
    if arguments.config:
        return str(arguments.config)
    from seqsci.registry import manifests

    templates = [f"{domain}/{name}" for domain, m in manifests().items() for name in getattr(m, "TEMPLATES", ())]
    what = "no configuration" if arguments.data is None else f"{arguments.data}: which model?"
    expected = f"a name of `seqsci list`; for your own data {', '.join(templates)}"
    raise ConfigError(explain(what, "no --config", expected, "pass --config NAME"))


def _overrides(arguments: argparse.Namespace, training: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {k: v for k in overrides() if (v := getattr(arguments, k)) is not None}
    if arguments.data is not None:
        found["data.path"] = arguments.data
    for option in training:
        key, _, value = option.removeprefix("--").partition("=")
        if key.startswith("estimator."):
            import yaml

            found[key] = yaml.safe_load(value)
    return found


def _remove_if_bare(folder: Path) -> None:
    """Remove the folder of a fit that failed before anything was computed; keep whatever a training left."""
    names = {p.name for p in folder.iterdir()}
    if names <= {"config.yaml", "command.json"}:
        for name in names:
            (folder / name).unlink()
        folder.rmdir()


def _with_trainer(study: Study, training: Sequence[str]) -> Study:
    """The study with the trainer's options in its configuration, so that a run knows how it was trained and can go on alike."""
    import yaml

    from seqsci.training.gradient import GradientDescent

    table = dict(study.config.get("trainer") or {})
    for option in training:
        key, _, value = option.removeprefix("--").partition("=")
        if key.startswith("trainer."):
            table[key.removeprefix("trainer.")] = yaml.safe_load(value)
    if not isinstance(study.estimator, GradientDescent):
        if table:
            got = ", ".join(table)
            raise ConfigError(explain("a trainer section without training", got, "an estimator GradientDescent", "remove trainer:"))
        return study
    epochs = table.get("max_epochs")
    estimator = replace(study.estimator, epochs=epochs) if isinstance(epochs, int) and epochs > 0 else study.estimator
    return replace(study, config={**study.config, "trainer": table} if table else study.config, estimator=estimator)


def _resume(arguments: argparse.Namespace, training: Sequence[str]) -> None:
    clock = time.perf_counter()
    given = [f"--{k}" for k in ("config", "data", *overrides()) if getattr(arguments, k) is not None]
    given += [o.split("=")[0] for o in training if not o.startswith("--trainer.")]
    if given:
        raise ConfigError(
            explain("a resumed run keeps its configuration", ", ".join(given), "--trainer.* only", "remove them, or start a new run")
        )
    from seqsci.cli.training import resumed, train
    from seqsci.study import load

    folder = resumed(arguments.resume)
    study = _with_trainer(load(str(folder / "config.yaml")), training)
    fitted = train(study, folder, resume=True)
    finish(study, fitted, folder, arguments, clock)


def gather(words: Sequence[str]) -> list[str]:
    """Options of training as ``--key=value`` words; raises `ConfigError` for any other word."""
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith(tuple(f"--{t}" for t in TRAINING)):
            known = [f"--{k}" for k in overrides()] + ["--config", "--out", "--data", "--resume", "--no-compare", "--no-report"]
            hint = did_you_mean(word.split("=")[0], known)
            raise ConfigError(
                explain(f"unknown option {word.split('=')[0]}{hint}", word, "an option of seqsci fit", "seqsci fit --help, or --help-all")
            )
        if "=" not in word and rest and not rest[0].startswith("--"):
            word = f"{word}={rest.pop(0)}"
        found.append(word)
    return found


def _print_tests(tests: Mapping[str, Any]) -> None:
    if tests:
        print("\nspecial cases, tested by likelihood ratio on all rows")
    for name, t in tests.items():
        reading = "rejected" if t.p_value < 0.05 else "not rejected"
        print(
            f"  {name:<36} chi2({t.degrees_of_freedom}) = {t.statistic:7.2f}   p = {t.p_value:.4f}   {reading}   {t.note}".rstrip(),
            flush=True,
        )
