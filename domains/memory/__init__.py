"""Memory: human forgetting and spaced repetition, its reviews, models, baselines and plans."""
