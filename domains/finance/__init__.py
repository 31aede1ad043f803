"""Finance: volatility of log-returns, its data, models and baselines."""
