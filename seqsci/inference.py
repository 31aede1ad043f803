"""What a statistician asks of fits: tests, bootstraps, pooling, banks, designs, recovery; panels on disk.

Each name is imported from its own module at its first use, so that this page of names costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqsci.bank_predictor import BankPredictor
    from seqsci.estimation.bank import Bank
    from seqsci.estimation.bank_artefact import load_bank, save_bank
    from seqsci.estimation.bootstrap import bootstrap_test, parametric_bootstrap
    from seqsci.estimation.design import design_table
    from seqsci.estimation.hypothesis_tests import likelihood_ratio, score_test, wald
    from seqsci.estimation.recovery import PriorDraws, recovery
    from seqsci.estimation.standard_errors import ClusterSandwich, ObservedInformation, OuterProduct, Sandwich
    from seqsci.panel.artefact import load_panel, save_panel
    from seqsci.panel.pooling import EmpiricalBayes, Partial, PerGroup, Shared
    from seqsci.panel.updating import forecast_panel
    from seqsci.prior import Prior

_HOMES = {
    "Bank": "estimation.bank",
    "BankPredictor": "bank_predictor",
    "ClusterSandwich": "estimation.standard_errors",
    "EmpiricalBayes": "panel.pooling",
    "ObservedInformation": "estimation.standard_errors",
    "OuterProduct": "estimation.standard_errors",
    "Partial": "panel.pooling",
    "PerGroup": "panel.pooling",
    "Prior": "prior",
    "PriorDraws": "estimation.recovery",
    "Sandwich": "estimation.standard_errors",
    "Shared": "panel.pooling",
    "bootstrap_test": "estimation.bootstrap",
    "design_table": "estimation.design",
    "forecast_panel": "panel.updating",
    "likelihood_ratio": "estimation.hypothesis_tests",
    "load_bank": "estimation.bank_artefact",
    "load_panel": "panel.artefact",
    "parametric_bootstrap": "estimation.bootstrap",
    "recovery": "estimation.recovery",
    "save_bank": "estimation.bank_artefact",
    "save_panel": "panel.artefact",
    "score_test": "estimation.hypothesis_tests",
    "wald": "estimation.hypothesis_tests",
}
__all__ = [
    "Bank",
    "BankPredictor",
    "ClusterSandwich",
    "EmpiricalBayes",
    "ObservedInformation",
    "OuterProduct",
    "Partial",
    "PerGroup",
    "Prior",
    "PriorDraws",
    "Sandwich",
    "Shared",
    "bootstrap_test",
    "design_table",
    "forecast_panel",
    "likelihood_ratio",
    "load_bank",
    "load_panel",
    "parametric_bootstrap",
    "recovery",
    "save_bank",
    "save_panel",
    "score_test",
    "wald",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqsci.inference' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"seqsci.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        from seqsci.errors import missing_extra

        raise missing_extra(error, f"seqsci.inference.{name}") or error from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
