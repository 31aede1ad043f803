"""Turns an ecology configuration into a study."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from seqsci.cells.survey import EstimatedError, GivenError, NoError
from seqsci.domains.ecology.backtest.held_out import HeldOutCounts, Terms, held_out
from seqsci.domains.ecology.backtest.own_model import ModelForecaster
from seqsci.domains.ecology.backtest.protocol import CountForecaster
from seqsci.domains.ecology.bank import CrossFittedBank, PopulationBank
from seqsci.domains.ecology.baselines.catalogue import BASELINES
from seqsci.domains.ecology.configured import read_data
from seqsci.domains.ecology.inference.observation_error import EstimatedObservationError, GivenObservationError, NoObservationError
from seqsci.domains.ecology.manifest import DEFAULT_BASELINES
from seqsci.domains.ecology.models import MODELS
from seqsci.domains.ecology.prepared import Prepared, check_columns, check_inputs, prepare, to_sequences
from seqsci.domains.ecology.reading.panel import CountPanel, count_panel
from seqsci.domains.ecology.tables import RunTables
from seqsci.errors import ConfigError, DataError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ClusterSandwich
from seqsci.model import Model
from seqsci.registry import PanelTask, Section, check_keys, choose, refuse
from seqsci.study import Study
from seqsci.training.configuration import read_estimator

KEYS = ("name", "domain", "data", "model", "observation_error", "horizon", "threshold", "estimator", "comparison")
ERRORS = {
    "none": (NoError, NoObservationError),
    "estimated": (EstimatedError, EstimatedObservationError),
    "given": (GivenError, GivenObservationError),
}
"""What is said of the error of a log count, for a model and for inference."""
DEFAULT_MODEL = "random_walk_capacity"
"""K may wander, and nothing is said of where to: the weakest assumption of the laws of K."""
FEWEST = 12
"""Counts that a fit needs at least. Series of populations are short: 12 are what the inference and the backtest ask for too."""
FEWEST_CLUSTERS = 10
"""So many clusters, and standard errors allow for dependence within them."""
BANK_CLUSTERS = 8
"""So many clusters, and the prior of the bank can be learned for each series from others."""
COVARIATE_NOTE = "known columns ({}) are taken as known in the year of a forecast"


@dataclass(frozen=True)
class Request:
    """The parts of a configuration, read."""

    model: Model
    error: str
    data: Section
    comparison: Section
    estimator: MaximumLikelihood


def build(config: Mapping[str, Any]) -> Study:
    """The study of an ecology configuration, one series or many that share the parameters; raises `ConfigError` naming a wrong key."""
    place, faults = str(config.get("name", "the configuration")), list[str]()
    request = _read(config, place, faults)
    top = Section(place, config, faults)
    horizon, threshold = top.integer("horizon", 10, least=1), top.number("threshold", 0.0, least=0.0)
    if config.get("threshold") is not None and threshold == 0.0:
        faults.append(explain(f"{place}: threshold", config["threshold"], "a count above 0", "leave it out: a tenth of the recent counts"))
    label = request.comparison.choice("label", "development", ("development", "confirmation"))
    tried, refit = request.comparison.integer("tried_before", 0, least=0), request.comparison.integer("refit", 1, least=1)
    chosen = request.comparison.names("baselines", DEFAULT_BASELINES)
    baselines = [choose(n, BASELINES, f"{place}: comparison.baselines")() for n in chosen]
    refuse(faults)
    frame, prepared = _counts(request, place)
    estimator = replace(request.estimator, min_rows=FEWEST)
    if "cluster" in prepared.rows and FEWEST_CLUSTERS <= prepared.rows["cluster"].nunique() < len(prepared.names):
        estimator = replace(estimator, covariance=ClusterSandwich())
    panel, reason = _panel(prepared, frame)
    seen, short = int(prepared.rows["count"].notna().sum()), ""
    if seen < FEWEST:
        fix = "add years, or series of the same kind to the file (several series share the parameters)"
        short = explain(f"{place}: too few counts for a fit", f"{seen}", f"{FEWEST} counted years at least", fix)

    def test(_: Any, progress: Callable[[str], None] | None) -> HeldOutCounts:
        if panel is None:
            raise DataError(explain(f"{place}: no held-out comparison", reason, "longer series", "compare on more years"))
        return _compare(request.model, prepared, panel, baselines, estimator, (label, tried, refit), progress)

    return Study(
        name=place,
        model=request.model,
        frame=prepared.rows,
        baselines=(),
        estimator=estimator,
        tried_before=tried,
        label=label,
        config=dict(config),
        rows=to_sequences(request.model, prepared.rows),
        units=prepared.names,
        held_out=test,
        not_compared=reason,
        not_fitted=short,
        tables=RunTables(prepared, frame, ERRORS[request.error][1](), horizon, threshold or None),
    )


def panel(config: Mapping[str, Any]) -> PanelTask:
    """The model of a configuration and its series, a fit each."""
    place, faults = str(config.get("name", "the configuration")), list[str]()
    request = _read(config, place, faults)
    refuse(faults)
    _, prepared = _counts(request, place)
    rows = to_sequences(request.model, prepared.rows)
    columns = {"series_id": prepared.rows["series_id"].to_numpy(), "ds": rows.index, **rows.known, **rows.outcome}
    return PanelTask(request.model, pd.DataFrame(columns), by="series_id", unit=next(iter(rows.measure.values())), fewest=FEWEST)


def _read(config: Mapping[str, Any], place: str, faults: list[str]) -> Request:
    check_keys(config, KEYS, place)
    data, comparison = (Section(f"{place}: {key}", config.get(key) or {}, faults) for key in ("data", "comparison"))
    check_keys(comparison.values, ("label", "tried_before", "baselines", "refit"), comparison.place)
    given = data.values.get("observation_sd_column") is not None
    error = Section(place, config, faults).choice("observation_error", "given" if given else "estimated", tuple(ERRORS))
    model = _model(str(config.get("model") or DEFAULT_MODEL), error, config.get("observation_error"), place)
    estimator = read_estimator(config.get("estimator"), f"{place}: estimator", faults)
    if not isinstance(estimator, MaximumLikelihood):
        faults.append(explain(f"{place}: estimator", type(estimator).__name__, "MaximumLikelihood", "remove estimator.class_path"))
        estimator = MaximumLikelihood()
    return Request(model, error, data, comparison, estimator)


def _model(name: str, error: str, asked: object, place: str) -> Model:
    """A model of the domain with this error of counting; one that takes counts as exact, or has its own error, refuses another."""
    builder = choose(name, MODELS, f"{place}: model")
    if "error" in inspect.signature(builder).parameters:
        model: Model = builder(error=ERRORS[error][0]())
        return model
    if asked is not None and error != "none":
        have = ", ".join(n for n, b in MODELS.items() if "error" in inspect.signature(b).parameters)
        what = f"{place}: {name} has no observation error of its own"
        raise ConfigError(explain(what, f"observation_error {error}", f"a model of {have}", "leave out observation_error"))
    return builder()  # type: ignore[no-any-return]


def _counts(request: Request, place: str) -> tuple[pd.DataFrame, Prepared]:
    """All rows that the configuration names, and those that can be modelled; says what was read."""
    frame = read_data(request.data)
    named = [k.removesuffix("_column") for k, v in request.data.values.items() if v is not None]
    check_columns(request.model, frame, named, place)
    prepared = prepare(frame)
    remarks = [*([frame.attrs["truth"]] if "truth" in frame.attrs else []), *check_inputs(request.model, prepared.rows)]
    print("\n".join([prepared.summary, *remarks]) + "\n", flush=True)
    return frame, prepared


def _panel(prepared: Prepared, frame: pd.DataFrame) -> tuple[CountPanel | None, str]:
    """The test windows, or why there are none."""
    try:
        return count_panel(frame[frame["series_id"].isin(prepared.names)]), ""
    except DataError as error:
        return None, next((line.split(":", 1)[1].strip() for line in str(error).splitlines() if "got:" in line), str(error))


def _compare(
    model: Model,
    prepared: Prepared,
    panel: CountPanel,
    baselines: Sequence[CountForecaster],
    estimator: MaximumLikelihood,
    protocol: tuple[str, int, int],
    progress: Callable[[str], None] | None,
) -> HeldOutCounts:
    """Our model and, of many series, the bank, beside the baselines."""
    label, tried, refit = protocol
    rows = prepared.rows[prepared.rows["series_id"].isin(panel.series)].reset_index(drop=True)
    ours = ModelForecaster(model, rows, estimator, refit)
    clusters = len(set(panel.cluster))
    bank = PopulationBank()
    have = "there is one series" if len(panel) == 1 else f"there are {clusters} clusters of series, {BANK_CLUSTERS} are needed"
    left_out = {bank.label: f"its prior is learned from other series, and {have}"}
    others: list[CountForecaster] = [*baselines]
    if clusters >= BANK_CLUSTERS:
        others, left_out = [CrossFittedBank(bank), *others], {}
    years = "every year" if refit == 1 else f"every {refit} years"
    shared = "" if len(panel) == 1 else ", one set of parameters for all series"
    known = [k.name for k in model.mechanism.known if not k.name.startswith("trend_")]
    notes = [f"ours is refitted {years} on all rows before it{shared}; the baselines learn from a series' own past"]
    notes += [COVARIATE_NOTE.format(", ".join(known))] if known else []
    return held_out(ours, others, panel, Terms(label, tried, tuple(notes), tuple(left_out.items())), progress)
