"""Forecasts of the same reviews by all predictors, and what their difference decides."""
