"""Scientific models of sequences with memory: write a mechanism once, as its equation.

Importing this package loads nothing heavy; each public name is imported at its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seqsci.cell import Cell, Drive, parameter_groups
    from seqsci.cells.layer import GatedLayer
    from seqsci.engine import linear_scan
    from seqsci.errors import SeqsciError
    from seqsci.estimation.artefact import load_fit
    from seqsci.estimation.hypothesis_tests import likelihood_ratio
    from seqsci.estimation.maximum_likelihood import MaximumLikelihood
    from seqsci.estimation.result import Fit
    from seqsci.evaluate.panel_backtest import backtest_panel
    from seqsci.knockout import knock_out
    from seqsci.linear_gaussian import LinearGaussian
    from seqsci.mechanism import Gated, Mechanism
    from seqsci.model import Model
    from seqsci.panel.fitting import fit_panel
    from seqsci.panel.updating import update_panel
    from seqsci.parameter import Derived, Known, Outcome, Parameter, Presample, State
    from seqsci.plots import plot
    from seqsci.predictor import ModelPredictor, Predictor
    from seqsci.sequences import Sequences
    from seqsci.study import Study, fit, load
    from seqsci.study import compare_fit as compare
    from seqsci.training.gradient import DriveSpec, GradientDescent

_HOMES = {
    "Cell": "cell",
    "Derived": "parameter",
    "Drive": "cell",
    "DriveSpec": "training.gradient",
    "Fit": "estimation.result",
    "Gated": "mechanism",
    "GatedLayer": "cells.layer",
    "GradientDescent": "training.gradient",
    "Known": "parameter",
    "LinearGaussian": "linear_gaussian",
    "MaximumLikelihood": "estimation.maximum_likelihood",
    "Mechanism": "mechanism",
    "Model": "model",
    "ModelPredictor": "predictor",
    "Outcome": "parameter",
    "Parameter": "parameter",
    "Predictor": "predictor",
    "Presample": "parameter",
    "SeqsciError": "errors",
    "Sequences": "sequences",
    "State": "parameter",
    "Study": "study",
    "backtest_panel": "evaluate.panel_backtest",
    "compare": "study:compare_fit",
    "fit": "study",
    "fit_panel": "panel.fitting",
    "knock_out": "knockout",
    "likelihood_ratio": "estimation.hypothesis_tests",
    "linear_scan": "engine",
    "load": "study",
    "load_fit": "estimation.artefact",
    "parameter_groups": "cell",
    "plot": "plots",
    "update_panel": "panel.updating",
}
__all__ = [
    "Cell",
    "Derived",
    "Drive",
    "DriveSpec",
    "Fit",
    "Gated",
    "GatedLayer",
    "GradientDescent",
    "Known",
    "LinearGaussian",
    "MaximumLikelihood",
    "Mechanism",
    "Model",
    "ModelPredictor",
    "Outcome",
    "Parameter",
    "Predictor",
    "Presample",
    "SeqsciError",
    "Sequences",
    "State",
    "Study",
    "__version__",
    "backtest_panel",
    "compare",
    "fit",
    "fit_panel",
    "knock_out",
    "likelihood_ratio",
    "linear_scan",
    "load",
    "load_fit",
    "parameter_groups",
    "plot",
    "update_panel",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqsci' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    try:
        value = getattr(importlib.import_module(f"seqsci.{module}"), attribute or name)
    except ModuleNotFoundError as error:
        from seqsci.errors import missing_extra

        raise missing_extra(error, f"seqsci.{name}") or error from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
