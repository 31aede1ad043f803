"""Turns a finance configuration into a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqsci.domains.finance.baselines import BASELINES
from seqsci.domains.finance.data import load_series, read_returns
from seqsci.domains.finance.models import HYPOTHESES, MODELS, RESTRICTION
from seqsci.errors import ConfigError, DataError, did_you_mean, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.registry import check_keys
from seqsci.study import Study


def build(config: Mapping[str, Any]) -> Study:
    """The study of a finance configuration; raises `ConfigError` naming the key that is wrong."""
    place = str(config.get("name", "the configuration"))
    check_keys(config, ("name", "domain", "data", "model", "estimator", "comparison"), place)
    data = dict(config.get("data") or {})
    estimator = dict(config.get("estimator") or {})
    comparison = dict(config.get("comparison") or {})
    check_keys(data, ("series", "path", "kind", "unit", "column", "date_column", "id_column", "unique_id"), f"{place}: data")
    check_keys(estimator, ("starts", "evaluations"), f"{place}: estimator")
    check_keys(comparison, ("label", "tried_before", "test_share", "refit", "baselines"), f"{place}: comparison")
    model = _choose(str(config.get("model", "default")), MODELS, f"{place}: model")()
    known = {b.name: b for b in BASELINES}
    baselines = tuple(_choose(str(n), known, f"{place}: comparison.baselines") for n in comparison.get("baselines", list(known)))
    return Study(
        name=place,
        model=model,
        frame=_frame(data, place),
        baselines=baselines,
        restriction=RESTRICTION,
        hypotheses=HYPOTHESES,
        tried_before=int(comparison.get("tried_before", 0)),
        estimator=MaximumLikelihood(starts=int(estimator.get("starts", 3)), evaluations=int(estimator.get("evaluations", 1000))),
        test_share=float(comparison.get("test_share", 0.3)),
        refit=int(comparison.get("refit", 60)),
        label=str(comparison.get("label", "development")),
        config=dict(config),
    )


def _choose(name: str, table: Mapping[str, Any], place: str) -> Any:
    if name not in table:
        raise ConfigError(explain(f"{place}: unknown name {name!r}{did_you_mean(name, table)}", name, ", ".join(table), "use one of these"))
    return table[name]


def _frame(data: Mapping[str, Any], place: str) -> Any:
    if data.get("path"):
        frame = read_returns(
            data["path"],
            column=data.get("column"),
            date_column=data.get("date_column"),
            id_column=data.get("id_column"),
            kind=data.get("kind", "prices"),
            unit=data.get("unit"),
        )
        ids = list(dict.fromkeys(frame["unique_id"]))
        if len(ids) > 1:
            chosen = data.get("unique_id")
            if chosen not in ids:
                names = ", ".join(map(str, ids[:10]))
                raise DataError(
                    explain(
                        f"{data['path']} holds {len(ids)} series",
                        names,
                        "one series",
                        "choose one: --data.unique_id NAME, or --data.column NAME",
                    )
                )
            kept = frame[frame["unique_id"] == chosen].reset_index(drop=True)
            kept.attrs.update(frame.attrs)
            return kept
        return frame
    if data.get("series"):
        return load_series(str(data["series"]))
    raise ConfigError(explain(f"{place}: no data", "neither data.series nor data.path", "one of them", "pass --data.path prices.csv"))
