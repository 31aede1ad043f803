"""Backtests of annual counts: scores of predictive distributions, paired differences, cluster bootstrap."""
