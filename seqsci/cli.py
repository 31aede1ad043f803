"""The command line: list, show, fit; short errors, honest exit codes. Heavy imports happen inside the commands that need them."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from seqsci import __version__
from seqsci.errors import ConfigError, SeqsciError, did_you_mean, explain

COMMANDS = {
    "fit": "fit a model, compare it with its baselines, write a run",
    "list": "shipped configurations",
    "show": "equation, parameters and sources of a configuration",
}
OVERRIDES = (
    "data.path",
    "data.kind",
    "data.unit",
    "data.column",
    "data.date_column",
    "data.id_column",
    "data.unique_id",
    "data.series",
    "model",
    "comparison.refit",
    "comparison.test_share",
    "comparison.label",
)


class _Parser(argparse.ArgumentParser):
    """Two-line errors with a hint instead of the usage."""

    options: ClassVar[set[str]] = set()

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As argparse has it; every option is remembered for hints, whichever command it belongs to."""
        self.options.update(n for n in names if n.startswith("-"))
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        given = [w.split("=")[0] for w in sys.argv[1:] if w.startswith("--")]
        unknown = [w for w in given if w not in self.options] if "invalid choice" not in message else []
        if "invalid choice: '" in message:
            word = message.split("invalid choice: '")[1].split("'")[0]
            message = f"unknown command {word!r}{did_you_mean(word, COMMANDS)}; commands: {', '.join(COMMANDS)}"
        elif unknown:
            message = f"unknown option {unknown[0]}{did_you_mean(unknown[0], self.options)}"
        print(f"seqsci: {message}\n  fix: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="seqsci", description="Scientific models of sequences with memory.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"seqsci {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    fit = commands.add_parser("fit", help=COMMANDS["fit"], allow_abbrev=False)
    fit.add_argument("--config", required=True, metavar="NAME", help="a shipped name (seqsci list) or the path of a YAML file")
    fit.add_argument("--out", default="runs", metavar="DIR", help="folder of the runs (default: runs)")
    fit.add_argument("--no-compare", action="store_true", help="fit only, without the held-out comparison")
    for key in OVERRIDES:
        fit.add_argument(
            f"--{key}",
            metavar=key.split(".")[-1].upper(),
            help=argparse.SUPPRESS if key == "data.series" else f"replaces {key} of the configuration",
        )
    commands.add_parser("list", help=COMMANDS["list"], allow_abbrev=False)
    show = commands.add_parser("show", help=COMMANDS["show"], allow_abbrev=False)
    show.add_argument("config", metavar="NAME", help="a shipped name or the path of a YAML file")
    return parser


def _list() -> None:
    from seqsci.registry import manifests

    for domain, manifest in manifests().items():
        print(manifest.TITLE)
        for name, text in manifest.CONFIGS.items():
            print(f"  {domain}/{name:<14} {text}")


def _show(name: str) -> None:
    import importlib

    from seqsci.equations.symbolic import latex
    from seqsci.registry import manifests, read_config

    config = read_config(name)
    module, attribute = manifests()[config["domain"]].MODELS.split(":")
    models = getattr(importlib.import_module(module), attribute)
    chosen = str(config.get("model", "default"))
    if chosen not in models:
        raise ConfigError(
            explain(f"{name}: no model {chosen!r}{did_you_mean(chosen, models)}", chosen, ", ".join(models), "correct model:")
        )
    model = models[chosen]()
    print(f"{name}: {model.name}\n\nequation (LaTeX)")
    for line in latex(model.mechanism, model.observation, model.folded):
        print(f"  {line}")
    print("\nparameters")
    for p in model.parameters:
        state = "fixed at " + f"{model.value[p.name]:g}" if p.name in model.fixed else p.constraint.admissible
        print(f"  {p.name:<20} {p.symbol:<10} {state:<14} {p.reading}")
    print("\nderived")
    for d in model.derived:
        print(f"  {d.name:<22} {d.symbol:<14} {d.reading}")
    print("\nbaselines: " + ", ".join(config.get("comparison", {}).get("baselines", [])))
    print("sources:   " + ", ".join(f"https://doi.org/{r}" for r in model.mechanism.references))


def _fit(arguments: argparse.Namespace) -> None:
    clock = time.perf_counter()
    from seqsci import rundir
    from seqsci.frames import to_sequences
    from seqsci.study import compare_fit, load, restriction_tests

    overrides: dict[str, Any] = {k: v for k in OVERRIDES if (v := getattr(arguments, k)) is not None}
    study = load(arguments.config, overrides)
    folder = rundir.fresh(arguments.out, study.name)
    fitted = study.estimator.fit(study.model, to_sequences(study.model, study.frame))
    print(fitted.summary(), flush=True)
    _print_tests(restriction_tests(fitted, study.hypotheses, study.estimator))
    comparison = None
    if not arguments.no_compare:

        def tell(name: str) -> None:
            print(f"seqsci: backtest of {name}", file=sys.stderr, flush=True)

        rules = (study.test_share, study.refit, study.label, study.restriction, study.tried_before)
        comparison = compare_fit(fitted, study.baselines, *rules, progress=tell)
        print(f"\n{comparison}")
    rundir.write(folder, dict(study.config), fitted, comparison)
    print(f"\nrun written to {folder} ({time.perf_counter() - clock:.0f} s)")
    print(f"next: seqsci show {arguments.config}    or in Python: seqsci.load_fit('{folder}/model.json').predict(horizon=20)")


def _print_tests(tests: Mapping[str, Any]) -> None:
    if tests:
        print("\nspecial cases, tested by likelihood ratio on all rows")
    for name, t in tests.items():
        reading = "rejected" if t.p_value < 0.05 else "not rejected"
        print(
            f"  {name:<36} chi2({t.degrees_of_freedom}) = {t.statistic:7.2f}   p = {t.p_value:.4f}   {reading}   {t.note}".rstrip(),
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command ``seqsci``: exits 0, 1 (an error that the text explains), 2 (usage), 130 (Ctrl-C), 143 (terminated)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "list":
            _list()
        elif arguments.command == "show":
            _show(arguments.config)
        elif arguments.command == "fit":
            _fit(arguments)
        else:
            _parser().print_help()
    except SeqsciError as error:
        print(f"seqsci: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("\nseqsci: interrupted; nothing that was finished before is lost", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
