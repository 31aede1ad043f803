"""Turns a finance configuration into a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np

from seqsci.domains.finance.baselines import BASELINES
from seqsci.domains.finance.covariates import SUMMARY, add_covariates
from seqsci.domains.finance.data import load_series, read_returns
from seqsci.domains.finance.models import HYPOTHESES, MODELS, RESTRICTION
from seqsci.errors import ConfigError, DataError, explain
from seqsci.registry import PanelTask, Section, check_keys, choose, refuse
from seqsci.study import Study
from seqsci.training.configuration import Estimator, read_estimator

DATA_KEYS = ("series", "path", "kind", "unit", "column", "date_column", "id_column", "unique_id", "covariates", "realized")


def build(config: Mapping[str, Any]) -> Study:
    """The study of a finance configuration; raises `ConfigError` naming the key that is wrong."""
    place = str(config.get("name", "the configuration"))
    check_keys(config, ("name", "domain", "data", "model", "estimator", "trainer", "comparison"), place)
    faults: list[str] = []
    data, comparison = (Section(f"{place}: {key}", config.get(key) or {}, faults) for key in ("data", "comparison"))
    check_keys(data.values, DATA_KEYS, data.place)
    check_keys(comparison.values, ("label", "tried_before", "test_share", "refit", "baselines"), comparison.place)
    model = choose(str(config.get("model") or "default"), MODELS, f"{place}: model")()
    known = {b.name: b for b in BASELINES}
    baselines = tuple(choose(n, known, f"{place}: comparison.baselines") for n in comparison.names("baselines", list(known)))
    covariates = data.names("covariates", [])
    settings: Estimator = read_estimator(config.get("estimator"), f"{place}: estimator", faults)
    tried_before, refit = comparison.integer("tried_before", 0, least=0), comparison.integer("refit", 60, least=1)
    test_share = comparison.share("test_share", 0.3)
    label = comparison.choice("label", "development", ("development", "confirmation"))
    texts = {key: data.text(key) for key in data.values if key != "covariates"}
    refuse(faults)
    columns = [*covariates, *([realized] if (realized := texts.get("realized")) else [])]
    frame = add_covariates(_frame(texts, place, columns), covariates, place)
    return Study(
        name=place,
        model=model,
        frame=frame,
        realized=_realized(frame, realized),
        covariates=tuple(covariates),
        baselines=baselines,
        restriction=RESTRICTION,
        hypotheses=HYPOTHESES,
        tried_before=tried_before,
        estimator=settings,
        test_share=test_share,
        refit=refit,
        label=label,
        config=dict(config),
    )


def panel(config: Mapping[str, Any]) -> PanelTask:
    """The model of a configuration and all series of its file as a long frame of returns."""
    place = str(config.get("name", "the configuration"))
    check_keys(config, ("name", "domain", "data", "model", "estimator", "trainer", "comparison"), place)
    faults: list[str] = []
    data = Section(f"{place}: data", config.get("data") or {}, faults)
    check_keys(data.values, DATA_KEYS, data.place)
    model = choose(str(config.get("model") or "default"), MODELS, f"{place}: model")()
    texts = {key: data.text(key) for key in data.values if key != "covariates"}
    refuse(faults)
    frame = _read(texts, place, (), singly=True)
    return PanelTask(model, frame, unit=str(frame.attrs["unit"]))


def _realized(frame: Any, column: str | None) -> Any:
    """Realized variance in percent^2, brought to the level of squared returns by one factor over all rows that have it."""
    if column is None:
        return None
    if column not in frame.columns:
        have = ", ".join(map(str, frame.columns))
        raise DataError(explain(f"no column {column!r} of realized variance", have, column, "correct data.realized"))
    values = frame[column].to_numpy(float) * (1e4 if frame.attrs.get("unit") == "decimal" else 1.0)
    squared = (frame["y"].to_numpy(float) * (100.0 if frame.attrs.get("unit") == "decimal" else 1.0)) ** 2
    seen = np.isfinite(values) & np.isfinite(squared)
    return values * squared[seen].mean() / values[seen].mean() if seen.any() else values


def _frame(data: Mapping[str, str | None], place: str, covariates: Sequence[str]) -> Any:
    """The one series of a configuration."""
    frame = _read(data, place, covariates)
    if path := data.get("path"):
        ids = list(dict.fromkeys(frame["unique_id"]))
        if len(ids) > 1:
            chosen = data.get("unique_id")
            if chosen not in ids:
                names = ", ".join(map(str, ids[:10]))
                raise DataError(
                    explain(
                        f"{path} holds {len(ids)} series",
                        names,
                        "one series",
                        "choose one: --data.unique_id NAME, or --data.column NAME; seqsci fit-panel takes them all",
                    )
                )
            kept = frame[frame["unique_id"] == chosen].reset_index(drop=True)
            kept.attrs.update(frame.attrs)
            return kept
    return frame


def _read(data: Mapping[str, str | None], place: str, covariates: Sequence[str], singly: bool = False) -> Any:
    if path := data.get("path"):
        if data.get("kind") is None:
            fix = "pass --data.kind prices, or --data.kind returns --data.unit decimal (or percent)"
            raise ConfigError(explain(f"{place}: data.kind is not stated", None, "prices or returns: it is never guessed", fix))
        return read_returns(
            path,
            column=data.get("column"),
            date_column=data.get("date_column"),
            id_column=data.get("id_column"),
            kind=cast("Literal['prices', 'returns']", data["kind"]),  # read_returns refuses any other word
            unit=cast("Literal['decimal', 'percent'] | None", data.get("unit")),
            covariates=[c for c in covariates if not SUMMARY.fullmatch(c)],
            singly=singly,
        )
    if data.get("series"):
        return load_series(str(data["series"]))
    raise ConfigError(explain(f"{place}: no data", "neither data.series nor data.path", "one of them", "pass --data.path prices.csv"))
