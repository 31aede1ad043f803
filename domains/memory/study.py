"""Turns a memory configuration into a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from seqsci.domains.memory.backtest.held_out import HeldOutRecall, held_out
from seqsci.domains.memory.backtest.outliers import KeepAll, OptimizerOutliers
from seqsci.domains.memory.baselines.catalogue import BASELINES
from seqsci.domains.memory.cell_predictor import CellRecall, OwnReviews
from seqsci.domains.memory.fits import prior_of_others
from seqsci.domains.memory.manifest import DEFAULT_BASELINES
from seqsci.domains.memory.models import MODELS, sbd
from seqsci.domains.memory.planning.states import annotate
from seqsci.domains.memory.population import PRIORS, SOURCE
from seqsci.domains.memory.reading.files import read_reviews
from seqsci.domains.memory.reading.grades import AsPressed, Grades, OldSchedulerGrades, TwoButtons
from seqsci.domains.memory.reading.table import ReviewColumns
from seqsci.domains.memory.sequences import to_panel, to_sequences
from seqsci.domains.memory.simulator import simulate_log
from seqsci.errors import ConfigError, DataError, SeqsciError, did_you_mean, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.registry import PanelTask, Section, check_keys, choose, refuse
from seqsci.study import Study
from seqsci.training.configuration import read_estimator

KEYS = ("name", "domain", "data", "model", "prior", "estimator", "comparison")
COLUMNS = ("card_column", "time_column", "grade_column", "user_column", "time_unit")
DATA_KEYS = ("path", "user", "timezone", "day_start", "days", "grades", *COLUMNS, "simulated")
GRADES: Mapping[str, Callable[[], Grades]] = {"as_pressed": AsPressed, "old_scheduler": OldSchedulerGrades, "two_buttons": TwoButtons}
WITH_OTHERS = {"HLR": "HLR, prior from others"}
"""What stands in for a default of `DEFAULT_BASELINES` (manifest) that can take a prior from the file's other users, where there are any."""
SHIPPED_NOTE = (
    f"the prior is the shipped one, estimated from {SOURCE}: a comparison on reviews of one of these six has seen them and is of no use in "
    "judging a model; --prior none (`prior: none` in a configuration) fits without it"
)
LEAST_OTHERS = 2
"""So many other users of a file make a prior; with fewer, the shipped one is taken."""


def build(config: Mapping[str, Any]) -> Study:
    """The study of a memory configuration: one user's reviews; raises `ConfigError` naming the key that is wrong."""
    place, faults = str(config.get("name", "the configuration")), list[str]()
    model, data, comparison, prior = _read(config, place, faults)
    estimator = read_estimator(config.get("estimator"), f"{place}: estimator", faults)
    label = comparison.choice("label", "development", ("development", "confirmation"))
    tried_before = comparison.integer("tried_before", 0, least=0)
    known = {b.name: b for b in BASELINES}
    baselines = [choose(n, known, f"{place}: comparison.baselines") for n in comparison.names("baselines", DEFAULT_BASELINES)]
    exact = data.choice("days", "whole", ("whole", "fractional")) == "fractional"
    reviews = _reviews(data, place)
    refuse(faults)
    if not isinstance(estimator, MaximumLikelihood):
        raise ConfigError(explain(f"{place}: estimator", type(estimator).__name__, "MaximumLikelihood", "remove estimator.class_path"))
    frame, others = _one_user(reviews, data.text("user"), place)
    own = _with_prior(model, prior, others, exact)
    if comparison.values.get("baselines") is None and len(others):
        baselines = [known[WITH_OTHERS.get(n, n)] for n in DEFAULT_BASELINES]
    outliers = OptimizerOutliers() if data.text("path") else KeepAll()  # every simulated interval was drawn by the same rule

    def test(_: Any, progress: Callable[[str], None] | None) -> HeldOutRecall:
        predictors = [CellRecall(own, OwnReviews()), *baselines]
        return held_out(predictors, frame, others, exact, label, tried_before, progress, outliers)

    rows = to_sequences(frame, exact)
    return Study(
        name=place,
        model=own,
        frame=frame,
        baselines=(),
        estimator=estimator,
        tried_before=tried_before,
        label=label,
        config=dict(config),
        rows=rows,
        held_out=test,
        tables=lambda fit: {"reviews": annotate(fit, frame, rows)},
    )


def panel(config: Mapping[str, Any]) -> PanelTask:
    """The model of a configuration and the reviews of all users of its file: a fit a user, over its cards."""
    place, faults = str(config.get("name", "the configuration")), list[str]()
    model, data, _, _ = _read(config, place, faults)
    exact = data.choice("days", "whole", ("whole", "fractional")) == "fractional"
    frame = _reviews(data, place)
    refuse(faults)
    return PanelTask(model, to_panel(frame, exact), by="user", within="card_id", unit="1")


def _read(config: Mapping[str, Any], place: str, faults: list[str]) -> tuple[Model, Section, Section, str]:
    check_keys(config, KEYS, place)
    data, comparison = (Section(f"{place}: {key}", config.get(key) or {}, faults) for key in ("data", "comparison"))
    check_keys(data.values, DATA_KEYS, data.place)
    check_keys(comparison.values, ("label", "tried_before", "baselines"), comparison.place)
    model = choose(str(config.get("model") or "sbd"), MODELS, f"{place}: model")()
    prior = Section(place, config, faults).choice("prior", "population", ("population", "none"))
    return model, data, comparison, prior


def _reviews(data: Section, place: str) -> pd.DataFrame:
    """All reviews that the configuration names, or simulated ones."""
    if path := data.text("path"):
        given = {c.removesuffix("_column"): data.text(c) for c in COLUMNS if data.text(c)}
        columns = ReviewColumns(**given) if {"card", "time", "grade"} <= set(given) else None  # type: ignore[arg-type]
        if given and columns is None:
            fix = "pass --data.card_column, --data.time_column and --data.grade_column"
            raise ConfigError(explain(f"{place}: columns of the table", ", ".join(given), "those of card, time and grade", fix))
        grades = GRADES[data.choice("grades", "as_pressed", tuple(GRADES))]()
        day_start = data.number("day_start", 4.0, least=0.0)
        found = read_reviews(path, timezone=data.text("timezone"), day_start=day_start, columns=columns, grades=grades)
        print(found.summary(), flush=True)
        print(flush=True)
        return found.frame
    drawn = data.inner("simulated")
    if drawn is None:
        fix = "pass --data.path my.colpkg, or take memory/simulated"
        raise ConfigError(explain(f"{place}: no reviews", "no data.path", "an Anki collection or package, a CSV or a Parquet file", fix))
    check_keys(drawn.values, ("cards", "reviews", "seed"), drawn.place)
    cards, reviews, seed = drawn.integer("cards", 600, least=2), drawn.integer("reviews", 10, least=3), drawn.integer("seed", 1, least=0)
    refuse(data.faults)
    return simulate_log(sbd(), cards, reviews, seed=seed)


def _one_user(reviews: pd.DataFrame, user: str | None, place: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One user's rows, and those of the others."""
    ids = {str(u): u for u in reviews["user"].unique()}
    if user is None and len(ids) > 1:
        fix = "choose one: --data.user NAME; seqsci fit-panel takes them all"
        raise DataError(explain(f"{place}: {len(ids)} users", ", ".join(list(ids)[:10]), "one user", fix))
    if user is not None and user not in ids:
        raise DataError(
            explain(f"{place}: no user {user!r}{did_you_mean(user, ids)}", user, ", ".join(list(ids)[:10]), "choose one of these")
        )
    own = reviews["user"] == (ids[user] if user is not None else next(iter(ids.values())))
    return reviews[own].reset_index(drop=True), reviews[~own]


def _with_prior(model: Model, prior: str, others: pd.DataFrame, exact: bool) -> Model:
    """The model under a prior: that of the file's other users, else the shipped one of its mechanism, where there is one, with a note."""
    if prior == "none":
        return model
    if others["user"].nunique() >= LEAST_OTHERS:
        try:
            return model.with_prior(prior_of_others(model, others, exact))
        except SeqsciError as error:
            print(f"note: the file's other users make no prior: {str(error).splitlines()[0]}", flush=True)
    shipped = PRIORS.get(type(model.mechanism).__name__)
    if shipped is None:
        print(f"note: no prior is shipped for {model.name}; it is fitted to these reviews alone", flush=True)
        return model
    print(f"note: {SHIPPED_NOTE}", flush=True)
    return model.with_prior(shipped)
