"""Kernels on the card: one lane a fit, data padded and time-major."""
