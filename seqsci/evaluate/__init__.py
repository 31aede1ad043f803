"""Evaluation of forecasts: losses, tests on losses, and resampling intervals."""
