"""Fitting models to sequences, with honest uncertainty."""
