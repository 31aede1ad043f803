"""Baselines of annual counts: each is refitted at every origin on the past alone and gives a predictive distribution."""
