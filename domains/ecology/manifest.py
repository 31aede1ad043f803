"""What the ecology domain ships; importing this needs neither torch nor pandas."""

from __future__ import annotations

NAME = "ecology"
TITLE = "Ecology: density dependence while the carrying capacity drifts, and forecasts of counts"
CONFIGS = {
    "lynx": "no file needed: 114 lynx counts 1821-1934, random-walk K beside eleven baselines (AR(2) among them)",
    "drift_demo": "no file needed: 20 simulated sites whose K rises and falls, so that smooth K is wrong; the verdict says so",
    "counts": "template for your own counts: a long or wide CSV, one series or many",
    "gpdd": "488 series of the Global Population Dynamics Database (needs SEQSCI_DATA); fit-panel takes them one by one",
    "salmon": "salmon spawners and returns, 135 series (needs SEQSCI_DATA)",
}
TEMPLATES = ("counts",)
"""Configurations that wait for a file of the user's."""
OPTIONS = {
    "observation_error": "none, estimated or given (by --data.observation_sd_column)",
    "horizon": "years of forecast.csv (default: 10)",
    "threshold": "count below which a population is quasi-extinct (default: a tenth of its recent counts)",
    "data.series": "the series to take, where a file holds several",
    "data.source": "lynx, gpdd, salmon or famous, where no file is given",
    "data.series_column": "column of series names, in a long table",
    "data.year_column": "column of years",
    "data.count_column": "column of counts, in a long table",
    "data.cluster_column": "column that names what shares observers and shocks",
    "data.effort_column": "column of survey effort, for the model harvested",
    "data.catch_column": "column of catches, for the model harvested",
    "data.observation_sd_column": "column of standard errors of log counts",
    "data.covariate_column": "column that log K may follow (model covariate_capacity)",
    "comparison.refit": "years between refits of our model",
}
"""Keys of a configuration that are options of `seqsci fit`, with their help."""
DEFAULT_BASELINES = (
    "random_walk",
    "historical_mean",
    "gompertz",
    "second_order",
    "ricker",
    "local_level",
    "gompertz_state_space",
    "drifting_capacity_student",
    "s_map",
    "damped_smoothing",
    "automatic_arima",
)
"""What is compared where a configuration does not say; one that cannot run is left out with its reason."""
STUDY = "seqsci.domains.ecology.study:build"
"""Import path of the function that turns a configuration into a study."""
PANEL = "seqsci.domains.ecology.study:panel"
"""Import path of the function that turns a configuration into a model and all series of its file."""
MODELS = "seqsci.domains.ecology.models:MODELS"
"""Import path of the builders of models, by the name that configurations use."""
PLOTS = "seqsci.domains.ecology.plots:figures"
"""Import path of the function that draws the domain's figures of a fit for the report."""
