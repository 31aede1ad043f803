"""Writes the report: what each section says, in plain data for the template."""

from __future__ import annotations

import functools
import importlib
import importlib.resources
import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqsci import plots
from seqsci.equations.symbolic import latex
from seqsci.errors import ArtefactError, DataError, MissingExtraError, explain
from seqsci.estimation.result import Fit
from seqsci.estimation.summary import Estimate
from seqsci.evaluate.residuals import ResidualTest, residual_tests, residuals
from seqsci.plots import Captioned
from seqsci.registry import manifests
from seqsci.report import paths
from seqsci.report.artefacts import Run, read_run
from seqsci.report.comparison import held_out_section, window_label
from seqsci.report.figures import Drawn, drawn, interval, p_value, plain
from seqsci.report.mathematics import mathml
from seqsci.report.tables import Tables

FLAGS = {
    "": "",
    "fixed": "fixed, not estimated",
    "at bound": "at its bound: no standard error",
    "profile": "interval from the profile likelihood",
    "not identified": "NOT identified by these data",
    "weakly identified": "WEAKLY identified: see the warning at the top",
}
ALARMING = ("at bound", "not identified", "weakly identified")


@dataclass(frozen=True)
class Diagnosis:
    """Residual figures and tests, or the reason why there are none."""

    figures: tuple[Drawn, ...]
    tests: tuple[ResidualTest, ...]
    notes: tuple[str, ...]
    discrete: bool


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return rows


def _facts(run: Run) -> list[tuple[str, str]]:
    """What was fitted, to what, and how."""
    fit, index = run.fit, run.fit.sequences.index
    dated = index is not None and len(index) > 0
    ends = (min(index), max(index)) if index is not None and dated else ("", "")
    dates = f"{str(ends[0])[:10]} to {str(ends[1])[:10]}" if dated else "no dates: rows by position"
    units, missing = len(fit.sequences.starts), int(np.sum(np.asarray(fit.sequences.observed) == 0))
    rows = [f"{fit.rows:,} scored"]
    rows += [f"{fit.seen:,} fitted, {len(fit.sequences) - fit.seen:,} added later"] if fit.seen else []
    rows += [f"{missing:,} missing"] if missing else []
    data, estimator = run.config.get("data"), run.config.get("estimator")
    way = "gradient training" if run.training is not None else "maximum likelihood"
    settings = ", ".join(f"{k} {v}" for k, v in _flat(estimator)) if isinstance(estimator, Mapping) else str(estimator or "")
    return [
        ("model", fit.model.name),
        ("configuration", str(run.config.get("name", "–"))),
        ("data", ", ".join(f"{k} {v}" for k, v in _flat(data)) if isinstance(data, Mapping) else str(data or "–")),
        ("rows", ", ".join(rows) + (f", in {units:,} units" if units > 1 else "")),
        *([("dates" if index is None or index.dtype.kind not in "iuf" else "row labels", dates)] if units == 1 else []),
        ("outcome", f"{fit.outcome} [{fit.unit}]"),
        ("estimator", way + (f" ({settings})" if settings else "")),
        ("standard errors", fit.provenance.covariance),
        ("log-likelihood", f"{fit.log_likelihood:.3f}".replace("-", "−") + f" with {fit.parameter_count} estimated parameters"),
        ("AIC, BIC", f"{fit.aic:.2f}, {fit.bic:.2f}".replace("-", "−")),
        *([("given", f"{', '.join(fit.driven_by)}, made by a network that was trained on these rows")] if fit.driven_by else []),
    ]


def _equations(fit: Fit) -> list[tuple[str, str]]:
    """Each line of the equation as MathML and as LaTeX."""
    mechanism = fit.model.mechanism
    words = [r.name for r in (*mechanism.states, *mechanism.known, *mechanism.outcomes) if not r.symbol and len(r.name) > 1]
    lines = latex(mechanism, fit.model.observation, fit.model.folded)
    return [(mathml(line, words, display=True), line) for line in lines]


def _estimate(e: Estimate) -> dict[str, str]:
    pinned = e.standard_error == 0 and e.low == e.high  # a derived quantity that no estimated parameter can move
    flags = e.flag.split(", ")
    note = "set by a parameter at its bound or fixed" if pinned else "; ".join(FLAGS.get(f, f) for f in flags)
    return {
        "symbol": mathml(e.symbol),
        "name": e.name.replace("_", " "),
        "value": plain(e.value),
        "error": "–" if pinned else plain(e.standard_error),
        "interval": "–" if pinned else interval(e.low, e.high),
        "unit": "" if e.unit == "1" else e.unit,
        "reading": e.reading,
        "flag": note,
        "kind": "strong" if any(f in ALARMING for f in flags) else "",
    }


def _domain_figures(run: Run) -> tuple[list[Captioned], str]:
    """Figures of the run's domain, drawn from the fit and the run's tables, or a sentence that says why there are none."""
    domain = str(run.config["domain"])
    known = manifests()
    if domain not in known:
        return [], f"The domain '{domain}' of this run is not installed here, so its own figures are left out."
    path = getattr(known[domain], "PLOTS", None)
    if path is None:
        return [], ""
    module, _, name = str(path).partition(":")
    return list(getattr(importlib.import_module(module), name)(run.fit, Tables(run.folder))), ""


def _diagnosis(fit: Fit) -> Diagnosis:
    try:
        found = residuals(fit)
    except DataError as error:
        return Diagnosis((), (), (str(error).replace("\n ", ";"),), False)
    notes = ["Quantile plot and tests on squares are left out: they need a continuous outcome."] if found.discrete else []
    tests: tuple[ResidualTest, ...] = ()
    try:
        tests = residual_tests(found)
    except DataError as error:
        notes.append("Residual tests are left out: " + " ".join(str(error).split()))
    figures = tuple(drawn(c) for c in plots.residual_figures(found))
    return Diagnosis(figures, tests, tuple(notes), found.discrete)


def _verdicts(run: Run) -> list[tuple[str, str]]:
    """Sentences of the run's table ``verdict``, where its domain wrote one.

    Columns kind and sentence; kinds are loss, tie and win of comparisons, warning and statement of what compares with nobody.
    """
    tables = Tables(run.folder)
    if "verdict" not in tables or not {"kind", "sentence"} <= set(tables["verdict"].columns):
        return []
    return [(str(kind), str(text)) for kind, text in tables["verdict"][["kind", "sentence"]].itertuples(index=False)]


def _glance(run: Run, diagnosis: Diagnosis, comparison: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The report in a few sentences, bad news first; each with a kind, see `_verdicts`."""
    lines = _verdicts(run)
    if comparison is None:
        lines.append(("tie", "No held-out comparison was made: nothing here says whether the model forecasts better than another."))
    else:
        if comparison["lost"]:
            lines.append(("loss", f"Held out, ours is significantly WORSE than {comparison['losses']}."))
        if comparison["tied"]:
            lines.append(("tie", f"Held out, no significant difference to {comparison['ties']}."))
        if comparison["won"]:
            lines.append(("win", f"Held out, ours is significantly better than {comparison['wins']}."))
    flagged = {flag: [e.name for e in run.estimates if flag in e.flag.split(", ")] for flag in ("not identified", "at bound")}
    if flagged["not identified"]:
        lines.append(("loss", f"Not identified by these data: {', '.join(flagged['not identified'])}. Do not read these numbers."))
    weak = [d.text for d in run.fit.weak_directions if not math.isinf(d.inflation)]
    lines += [("loss", f"Weakly identified: {text}") for text in weak]
    if flagged["at bound"]:
        lines.append(("tie", f"At its bound, so without a standard error: {', '.join(flagged['at bound'])}."))
    rejected = [t for t in diagnosis.tests if t.p_value < 0.05]
    if rejected:
        found = "; ".join(f"{t.looks_for} ({t.name}, p {p_value(t.p_value)})" for t in rejected)
        lines.append(("loss", f"The residuals still hold: {found}."))
    elif diagnosis.tests:
        lines.append(("win", f"None of the {len(diagnosis.tests)} residual tests rejects at 5 %."))
    return lines


def _origin(run: Run) -> list[tuple[str, str]]:
    """How to make the run again: versions, seed, data hash, and whatever else the run wrote down about its making."""
    noted = _flat({k: v for k, v in run.made_by.items() if k not in ("command", "data_hash", "seed")})
    versions = {"seqsci": run.fit.provenance.version} | {k.removeprefix("versions."): v for k, v in noted}
    seeds = [v for k, v in _flat(run.config) if k.split(".")[-1] == "seed" and v != "None"]
    seeds = [str(run.made_by["seed"])] if run.made_by.get("seed") is not None else seeds
    return [
        *versions.items(),
        ("seed", ", ".join(seeds) or "none was set"),
        ("data hash", run.fit.data_hash),
        ("run directory", run.folder.name),
        ("estimation", f"{run.fit.provenance.evaluations} evaluations, {run.fit.provenance.seconds:.1f} s"),
    ]


@functools.cache
def _template() -> Any:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "report", "A report") from error
    source = importlib.resources.files("seqsci.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(source)


def _page(run: Run) -> str:
    fit = run.fit
    domain, missing = _domain_figures(run)
    diagnosis = _diagnosis(fit)
    comparison = held_out_section(run.held_out, window_label(run)) if run.held_out else None
    known = {p.name for p in fit.model.parameters}
    states = [paths.outcome_figure(fit, diagnosis.discrete), *paths.state_figures(fit)]
    return str(
        _template().render(
            title=str(run.config.get("name", fit.model.name)),
            model=fit.model.name,
            facts=_facts(run),
            glance=_glance(run, diagnosis, comparison),
            equations=_equations(fit),
            gated=fit.path.gates.shape[1] > 0,
            references=fit.model.mechanism.references,
            parameters=[_estimate(e) for e in run.estimates if e.name in known],
            derived=[_estimate(e) for e in run.estimates if e.name not in known],
            states=[drawn(c) for c in states],
            several=len(fit.sequences.starts) > 1,
            paths=not paths.one_row_a_unit(fit),
            constant=[plain(v) for v in paths.constant_gates(fit)],
            domain=[drawn(c) for c in domain],
            domain_missing=missing,
            diagnosis=diagnosis,
            p_value=p_value,
            plain=plain,
            training=None if run.training is None else drawn(plots.training_figure(*run.training.T)),
            comparison=comparison,
            command=shlex.join(map(str, run.made_by["command"])),
            origin=_origin(run),
            config=run.config_text,
        )
    )


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run directory from its artefacts alone; it appears complete or not at all.

    One page that needs no network and no script: figures are inline SVG, equations MathML.

    Parameters: ``folder``, a run directory of ``seqsci fit``.
    Returns: the path of the report.
    Raises: ArtefactError for an artefact that is missing, corrupt or from another run, or a folder that cannot be written;
    MissingExtraError without the extra ``report``.
    """
    run = read_run(Path(folder))
    text = _page(run)
    target = run.folder / "report.html"
    temporary = run.folder / f".report.html.{os.getpid()}.tmp"
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ArtefactError(
            explain(f"cannot write {target}", error.strerror, "a folder that can be written", "change its rights")
        ) from error
    return target
