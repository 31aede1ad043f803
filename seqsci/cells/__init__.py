"""Cells: one file a mechanism."""
