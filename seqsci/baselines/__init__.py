"""Baselines that need no domain: each is a `Predictor`, so a backtest treats it as it treats our models."""
