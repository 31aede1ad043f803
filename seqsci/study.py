"""A study: a model, its data, its baselines and the protocol of its comparison, ready to be fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np

from seqsci import registry
from seqsci.errors import DataError, ParameterError, explain
from seqsci.estimation.hypothesis_tests import NestedTest, likelihood_ratio
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.estimation.standard_errors import ClusterSandwich
from seqsci.evaluate.backtest import Backtest, Protocol, backtest
from seqsci.evaluate.compare import compare
from seqsci.evaluate.comparison import Comparison
from seqsci.evaluate.panel_backtest import PanelBacktest
from seqsci.evaluate.panel_comparison import compare_panel
from seqsci.evaluate.panel_verdict import PanelComparison
from seqsci.frames import read_clusters, to_sequences
from seqsci.model import Model
from seqsci.predictor import ModelPredictor, Predictor, SelectedPredictor
from seqsci.sequences import Sequences
from seqsci.training.gradient import DrivenPredictor, GradientDescent


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that one configuration names.

    Attributes:
        name: of the configuration.
        model: to be fitted.
        frame: the data as a long frame (``unique_id, ds, y``), unit in ``frame.attrs["unit"]``.
        baselines: predictors to compare with.
        restriction: values at which parameters stay in the comparison unless BIC frees them on the training rows.
        hypotheses: named special cases of the model, tested by likelihood ratio.
        tried_before: models that were looked at on the test rows before.
        estimator: how the model is fitted.
        test_share, refit, label: protocol of the comparison.
        config: the configuration, as read.
        covariates: columns of the frame that a drive reads.
        realized: (rows,) realized variance [percent^2] on the level of squared returns, NaN where there is none, or None.
        rows: the sequences, where a domain makes them itself (many units); the frame is then for tables only.
        held_out: how such a domain compares its model, given a fit and a function that is told what runs; it returns an object with
            ``scores``, ``differences`` and a text, as a `Comparison` has them. None: by rolling origin over the one series.
        tables: frames of a fit by name, which a run keeps as CSV beside states.csv (a row a review, with its card and time).
        units: names of the units of ``rows``, in their order; empty where they have none.
        not_compared: why ``held_out`` cannot compare these rows (too few of them); empty where it can.
        not_fitted: the error of a fit to these rows (an earlier fit may still take them in); empty where they can be fitted.
    """

    name: str
    model: Model
    frame: Any
    baselines: tuple[Predictor, ...]
    restriction: tuple[tuple[str, float], ...] = ()
    hypotheses: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tried_before: int = 0
    estimator: MaximumLikelihood | GradientDescent = field(default_factory=MaximumLikelihood)
    test_share: float = 0.3
    refit: int = 60
    label: str = "development"
    config: Mapping[str, Any] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()
    realized: Any = None
    rows: Sequences | None = None
    held_out: Callable[[Fit, Callable[[str], None] | None], Any] | None = None
    tables: Callable[[Fit], Mapping[str, Any]] | None = None
    units: tuple[str, ...] = ()
    not_compared: str = ""
    not_fitted: str = ""

    def sequences(self) -> Sequences:
        """The frame as the model's sequences, with the covariates as known columns; what a drive will feed is zero."""
        if self.rows is not None:
            return self.rows
        drive = self.estimator.drive if isinstance(self.estimator, GradientDescent) else None
        frame = self.frame if drive is None else self.frame.assign(**{drive.name: 0.0})
        found = to_sequences(self.model, frame)
        return found.with_known({n: frame[n].to_numpy(float) for n in self.covariates}) if self.covariates else found


def load(name: str, overrides: Mapping[str, Any] | None = None) -> Study:
    """The shipped study of that name, or the one of a YAML file; ``overrides`` maps dotted keys (``data.path``) to values."""
    config = registry.read_config(name)
    for key, value in (overrides or {}).items():
        path = key.split(".")
        if path[0] == "estimator" and "class_path" in (config.get("estimator") or {}):
            path.insert(1, "init_args")
        place = config
        for section in path[:-1]:
            inner = place.get(section)
            place[section] = dict(inner) if isinstance(inner, Mapping) else {}
            place = place[section]
        place[path[-1]] = value
    study = registry.study_builder(config["domain"])(config)
    if not isinstance(study, Study):
        raise TypeError(f"the domain {config['domain']!r} returned {type(study).__name__}, not a Study")
    return study


def fit(
    model: Model | Study,
    data: Any = None,
    unit: str | None = None,
    estimator: MaximumLikelihood | GradientDescent | None = None,
    cluster: str | None = None,
) -> Fit:
    """Fit a model to data, by maximum likelihood unless another estimator is given.

    Args:
        model: what to fit; never changed. A `Study` brings its data and its estimator.
        data: a long frame, a Series, a 1-D array or `Sequences`; see `seqsci.frames.to_sequences`.
        unit: unit of the outcome, e.g. ``"percent"``; read from ``frame.attrs["unit"]`` where absent.
        estimator: default `MaximumLikelihood()`.
        cluster: column of the frame whose values name clusters; standard errors are then robust to dependence within them.
    """
    if isinstance(model, Study):
        estimator, target = estimator or model.estimator, model.model
    else:
        target = model
    own = model if isinstance(model, Study) and data is None else None
    if own is not None and own.not_fitted:
        raise DataError(own.not_fitted)
    chosen = estimator or MaximumLikelihood()
    if cluster is None:
        return chosen.fit(target, own.sequences() if own else to_sequences(target, data, unit))
    rest, codes = read_clusters(target, own.frame if own else data, cluster)
    sequences = own.sequences() if own else to_sequences(target, rest, unit)
    if not isinstance(chosen, MaximumLikelihood):
        got, fix = type(chosen).__name__, "leave out cluster=, or fit with MaximumLikelihood"
        raise ParameterError(explain("clusters need maximum likelihood", got, "MaximumLikelihood", fix))
    return replace(chosen, covariance=ClusterSandwich()).fit(target, replace(sequences, group=codes))


@overload
def compare_fit(fitted: PanelBacktest, *, tried_before: int = 0) -> PanelComparison: ...


@overload
def compare_fit(
    fitted: Fit,
    baselines: Study | Sequence[Predictor | Fit | Model],
    test_share: float = 0.3,
    refit: int = 60,
    label: str = "development",
    restriction: tuple[tuple[str, float], ...] = (),
    tried_before: int = 0,
    progress: Callable[[str], None] | None = None,
    estimator: GradientDescent | None = None,
    realized: Any = None,
) -> Comparison: ...


def compare_fit(
    fitted: Fit | PanelBacktest,
    baselines: Study | Sequence[Predictor | Fit | Model] | None = None,
    test_share: float = 0.3,
    refit: int = 60,
    label: str = "development",
    restriction: tuple[tuple[str, float], ...] = (),
    tried_before: int = 0,
    progress: Callable[[str], None] | None = None,
    estimator: GradientDescent | None = None,
    realized: Any = None,
) -> Comparison | PanelComparison:
    """Compare a fitted model with baselines on the last share of its rows; model and baselines are refitted on the same dates.

    The model of the fit is re-estimated on each training window, so no row is forecast with parameters that have seen it; with a
    ``restriction`` (e.g. ``(("shift", 0.0),)``) those parameters stay fixed at each refit unless BIC on the training rows frees them.
    ``tried_before`` counts models that were looked at on these rows earlier; it is added to the number that the table states.

    Given a `Study`, its baselines and its whole protocol are taken. Other fits and models may stand among the baselines: they are
    re-estimated on the same windows. A baseline that cannot take the data is left out with its reason. A model with a drive needs the
    ``estimator`` that trained it (a `Study` brings it): the network is trained anew at each refit, on the training rows alone.
    ``realized`` (rows,) adds the score RV-QLIKE against realized variance [percent^2] (Patton 2011, DOI 10.1016/j.jeconom.2010.03.034).

    Given a `PanelBacktest` (of `seqsci.evaluate.panel_backtest.backtest_panel`, which has run the baselines by the protocol stated there),
    its first predictor is compared with the others over all series, see `seqsci.evaluate.panel_comparison.compare_panel`; of the other
    arguments only ``tried_before`` may be given.
    """
    if isinstance(fitted, PanelBacktest):
        if baselines is not None:
            raise DataError(explain("the baselines of a panel have run", "baselines=...", "none", "backtest_panel(..., baselines=...)"))
        return compare_panel(fitted, tried=len(fitted.paths) + len(fitted.skipped) + tried_before)
    if baselines is None:
        raise DataError(explain("a comparison needs baselines", "none", "a study, models or predictors", "compare(fit, baselines=[...])"))
    if isinstance(baselines, Study):
        study = baselines
        if study.held_out is not None:
            held: Comparison = study.held_out(fitted, progress)
            return held
        rules = (study.test_share, study.refit, study.label, study.restriction, study.tried_before)
        trained = study.estimator if isinstance(study.estimator, GradientDescent) else None
        return compare_fit(fitted, study.baselines, *rules, progress, trained, study.realized)
    sequences: Sequences = fitted.sequences
    if len(sequences.starts) != 1:
        raise DataError(explain("a comparison needs one series", f"{len(sequences.starts)} units", "one", "compare series by series"))
    rows = len(sequences)
    protocol = Protocol(int(rows * (1 - test_share)), rows, refit, None, label, f"the last {test_share:.0%} of the rows")
    ours = _ours(fitted, restriction, estimator)
    others = tuple(_predictor(b) for b in ((baselines,) if isinstance(baselines, Fit | Model | Predictor) else baselines))
    test = backtest((ours, *others), sequences, fitted.outcome, protocol, progress=progress)
    note = ours.rule if isinstance(ours, SelectedPredictor) else ""
    return compare(test, ours.name, 1 + len(others) + tried_before, _scored(realized, test), note=note)


def _scored(realized: Any, test: Backtest) -> Any:
    """Realized variance of the scored rows, or None; it must be there on all of them."""
    if realized is None:
        return None
    values = np.asarray(realized, float)[test.rows]
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        at = test.index[bad][0] if test.index is not None else int(np.flatnonzero(bad)[0])
        got = f"{int(bad.sum())} scored rows without a positive one, the first {str(at)[:10]}"
        raise DataError(explain("realized variance is missing", got, "a positive value at every scored row", "score a shorter window"))
    return values


def _ours(fitted: Fit, restriction: tuple[tuple[str, float], ...], estimator: GradientDescent | None) -> Predictor:
    if estimator is not None:
        return DrivenPredictor(fitted.model, estimator)
    if fitted.driven_by:
        raise DataError(
            explain(
                "the model's drive was trained on these rows",
                f"known {', '.join(fitted.driven_by)}",
                "the estimator that trains it anew on each training window",
                "seqsci.compare(fit, study), or estimator=...",
            )
        )
    free = tuple((n, v) for n, v in restriction if n in fitted.model.free_names)
    return SelectedPredictor(fitted.model, free) if free else ModelPredictor(fitted.model)


def _predictor(baseline: Predictor | Fit | Model) -> Predictor:
    if isinstance(baseline, Fit):
        return ModelPredictor(baseline.model)
    return ModelPredictor(baseline) if isinstance(baseline, Model) else baseline


def restriction_tests(
    fitted: Fit, hypotheses: Mapping[str, Mapping[str, float]], estimator: MaximumLikelihood | GradientDescent
) -> dict[str, NestedTest]:
    """Likelihood-ratio tests of named special cases against a fit: each maps a name to the values that define it."""
    found = {}
    for name, values in hypotheses.items():
        if set(values) <= {*fitted.free_names, *fitted.at_bound}:
            likelihood = estimator if isinstance(estimator, MaximumLikelihood) else MaximumLikelihood()
            restricted = replace(likelihood, profile_bounds=False).fit(fitted.model.fix(**values), fitted.sequences)
            found[name] = likelihood_ratio(restricted, fitted)
    return found
