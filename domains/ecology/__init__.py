"""Ecology: populations whose carrying capacity drifts, their density dependence and their forecasts."""
