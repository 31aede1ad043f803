"""What the memory domain ships; importing this needs neither torch nor pandas."""

from __future__ import annotations

NAME = "memory"
TITLE = "Memory: forgetting models of review logs beside FSRS, half-life regression and SM-2"
CONFIGS = {
    "anki": "template for your own reviews: Anki collection or package, fsrs-optimizer's CSV, any table; SBD beside eight baselines",
    "anki_fsrs6": "the same with FSRS-6 in place of SBD",
    "simulated": "no file needed: reviews at random intervals, drawn from SBD at known parameters",
}
TEMPLATES = ("anki", "anki_fsrs6")
"""Configurations that wait for a file of the user's."""
OPTIONS = {
    "prior": "population or none",
    "data.user": "the user to fit, where a file holds several",
    "data.timezone": "zone in which the reviews were made, such as Europe/Berlin",
    "data.day_start": "local hour at which the next study day begins (default: 4)",
    "data.days": "whole (study days) or fractional",
    "data.grades": "as_pressed, old_scheduler (buttons 1 again, 2 good, 3 easy) or two_buttons",
    "data.card_column": "column of cards, in a table that is not in fsrs-optimizer's schema",
    "data.time_column": "column of times",
    "data.grade_column": "column of grades",
    "data.user_column": "column of users",
    "data.time_unit": "ms, s or iso",
}
"""Keys of a configuration that are options of `seqsci fit`, with their help."""
DEFAULT_BASELINES = (
    "constant",
    "one half-life",
    "HLR",
    "SM-2",
    "SM-2, calibrated, or default",
    "FSRS-6, default",
    "FSRS-6, fsrs-optimizer, or default",
    "moving average",
)
"""What is compared where a configuration does not say; one that cannot run is left out with its reason."""
STUDY = "seqsci.domains.memory.study:build"
"""Import path of the function that turns a configuration into a study."""
PANEL = "seqsci.domains.memory.study:panel"
"""Import path of the function that turns a configuration into a model and the reviews of all users of its file."""
MODELS = "seqsci.domains.memory.models:MODELS"
"""Import path of the builders of models, by the name that configurations use."""
PLOTS = "seqsci.domains.memory.plots:figures"
"""Import path of ``figures(fit, tables)``, which draws the domain's figures for the report; tables: the run's CSV files as frames."""
