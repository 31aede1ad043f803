"""What the finance domain ships; importing this needs neither torch nor pandas."""

from __future__ import annotations

NAME = "finance"
TITLE = "Market volatility: gray-box models of daily returns beside the GARCH family"
CONFIGS = {
    "sp500": "S&P 500 1999-2018, volatility cell (sigma state, Student t) beside seven baselines",
    "nasdaq": "NASDAQ Composite 1999-2018, the same comparison",
    "wti": "WTI crude oil 1986-2019, the same comparison",
    "sp500_skewed": "S&P 500 with Hansen's skewed t",
    "sp500_gate": "S&P 500 with the shock-adaptive gate; its slope is tested against zero",
    "sp500_drive": "S&P 500, the gate driven by a small network on the size of earlier returns (gradient descent)",
    "sp500_vix_drive": "S&P 500 2014-2018, the gate driven by a small network on yesterday's VIX (gradient descent)",
    "returns": "template for your own file: prices or returns, CSV or Parquet",
}
TEMPLATES = ("returns",)
"""Configurations that wait for a file of the user's."""
OPTIONS = {
    "data.kind": "prices or returns",
    "data.unit": "decimal or percent",
    "data.column": "column to read",
    "data.date_column": "column of dates",
    "data.id_column": "column of series names",
    "data.unique_id": "the series to take",
    "data.realized": "column of realized variance, in the squared unit of the returns: adds a score",
    "data.series": "",
    "comparison.refit": "rows between refits",
    "comparison.test_share": "share of rows that are forecast",
}
"""Keys of a configuration that are options of `seqsci fit`, with their help ("": not shown)."""
STUDY = "seqsci.domains.finance.study:build"
"""Import path of the function that turns a configuration into a study."""
PANEL = "seqsci.domains.finance.study:panel"
"""Import path of the function that turns a configuration into a model and all series of its file."""
MODELS = "seqsci.domains.finance.models:MODELS"
"""Import path of the builders of models, by the name that configurations use."""
PLOTS = "seqsci.domains.finance.plots:figures"
"""Import path of ``figures(fit, tables)``, which draws the domain's figures for the report; tables: the run's CSV files as frames."""
