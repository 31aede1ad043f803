"""Observation densities: how an outcome scatters around what was read from the state."""
