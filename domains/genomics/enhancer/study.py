"""Turns a configuration of element-gene pairs into a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from seqsci.domains.genomics.enhancer.baselines import BASELINES, GradientBoosting, LogisticRegression
from seqsci.domains.genomics.enhancer.configured import described, read_data
from seqsci.domains.genomics.enhancer.held_out import HeldOutPairs, OutOfFold, held_out, why_not
from seqsci.domains.genomics.enhancer.models import PairModel
from seqsci.domains.genomics.enhancer.pair_gates import ActivityGate, PairGate
from seqsci.domains.genomics.enhancer.protocol import PairPredictor
from seqsci.domains.genomics.enhancer.screened import MODELS, PAIRED, columns, to_sequences
from seqsci.domains.genomics.enhancer.simulator import Landscape
from seqsci.domains.genomics.enhancer.tables import RunTables
from seqsci.errors import ConfigError, DataError, did_you_mean, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ClusterSandwich
from seqsci.registry import Section, check_keys, refuse
from seqsci.sequences import Sequences
from seqsci.study import Study
from seqsci.training.configuration import read_estimator

KEYS = ("name", "domain", "data", "model", "estimator", "comparison")
FEWEST_GENES = 10
"""So many genes, and standard errors allow for dependence within them."""


def build(config: Mapping[str, Any]) -> Study:
    """The study of a configuration of pairs; raises `ConfigError` naming a wrong key, `DataError` for a table that is none of pairs."""
    place, faults = str(config.get("name", "the configuration")), list[str]()
    check_keys(config, KEYS, place)
    data, comparison = (Section(f"{place}: {key}", config.get(key) or {}, faults) for key in ("data", "comparison"))
    check_keys(comparison.values, ("label", "tried_before", "baselines"), comparison.place)
    name = str(config.get("model") or "enhancer_gated")
    if name not in MODELS:
        what = f"{place}: model: unknown name {name!r}{did_you_mean(name, MODELS)}"
        raise ConfigError(explain(what, name, ", ".join(MODELS), "use one of these"))
    model, pairs = MODELS[name](), PAIRED[name]
    label = comparison.choice("label", "development", ("development", "confirmation"))
    tried = comparison.integer("tried_before", 0, least=0)
    baselines = _baselines(comparison.names("baselines", tuple(BASELINES)), pairs, comparison.place, faults)
    estimator = read_estimator(config.get("estimator"), f"{place}: estimator", faults)
    if not isinstance(estimator, MaximumLikelihood):
        faults.append(explain(f"{place}: estimator", type(estimator).__name__, "MaximumLikelihood", "remove estimator.class_path"))
    refuse(faults)
    frame = read_data(data)
    rows = _varied(to_sequences(pairs, frame), pairs, place)
    print(f"{described(frame)}\n", flush=True)
    if isinstance(estimator, MaximumLikelihood) and frame["measuredGeneSymbol"].nunique() >= FEWEST_GENES:
        estimator = replace(estimator, covariance=ClusterSandwich())
    scorer = OutOfFold(frame, pairs, f"{model.name} (ours)", baselines)

    def test(_: Any, progress: Callable[[str], None] | None) -> HeldOutPairs:
        return held_out(scorer, label, tried, progress)

    return Study(
        name=place,
        model=model,
        frame=frame,
        baselines=(),
        estimator=estimator,
        tried_before=tried,
        label=label,
        config=dict(config),
        rows=rows,
        held_out=test,
        not_compared=why_not(frame),
        tables=RunTables(frame, scorer, _truth(frame, pairs)),
    )


def _baselines(chosen: Sequence[str], pairs: PairModel, place: str, faults: list[str]) -> dict[str, PairPredictor]:
    """Baselines by name; regressions and boosting get the columns of our model: its gates, or the activity where it has no gates."""
    columns: tuple[PairGate, ...] = pairs.gates or (ActivityGate(),)
    found: dict[str, PairPredictor] = {}
    for n in chosen:
        if n not in BASELINES:
            what = f"{place}.baselines: unknown name {n!r}{did_you_mean(n, BASELINES)}"
            faults.append(explain(what, n, ", ".join(BASELINES), "use one of these"))
            continue
        made = BASELINES[n]
        found[n] = replace(made, gates=columns) if isinstance(made, LogisticRegression | GradientBoosting) else made
    return found


def _varied(rows: Sequences, pairs: PairModel, place: str) -> Sequences:
    """The rows, where every column of the gates varies; else a coefficient has nothing to be learned from."""
    still = [f"{n} is {rows.known[n][0]:g} in all {len(rows):,} pairs" for n in columns(pairs) if np.ptp(rows.known[n]) == 0]
    if still:
        fix = "take --model enhancer_bank or enhancer_bank_exponent, which need H3K27ac and DHS alone"
        raise DataError(explain(f"{place}: a gate has nothing to learn from", "; ".join(still), "columns that vary", fix))
    return rows


def _truth(frame: pd.DataFrame, pairs: PairModel) -> dict[str, float]:
    """Parameters that a simulated screen was drawn from, as the gated model names them; none for a model without gates."""
    known = frame.attrs.get("landscape")
    if not isinstance(known, Landscape) or not pairs.gates:
        return {}
    intercept, slope, shielded = known.answer
    halves = {f"by_{n}": slope / 2 for n in ("h3k27ac", "dhs")}
    nothing = dict.fromkeys(("by_h3k4me1", "by_h3k27me3", "by_ctcf"), 0.0)
    inside = {"by_ubiquitous": shielded, "by_boundaries": -slope * known.bank.insulation}
    return {"intercept": intercept, "slope": slope, **halves, **nothing, **inside}
