"""Memory: recall at spaced reviews, its review logs, models, baselines and scores."""
