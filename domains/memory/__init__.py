"""Memory: review logs of spaced repetition, forgetting curves, schedulers' models."""
