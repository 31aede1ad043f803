"""Ecology: annual counts of populations whose carrying capacity may drift, beside the field's baselines."""
