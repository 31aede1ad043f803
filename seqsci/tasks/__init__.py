"""Synthetic tasks that measure memory: what has to be remembered, and for how long, is known."""
