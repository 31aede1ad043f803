"""Memory: forgetting curves and spaced repetition, its data, models and baselines."""
