"""Ecology: populations that return to a carrying capacity which itself may drift."""
