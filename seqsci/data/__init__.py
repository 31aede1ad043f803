"""Sequences as Lightning reads them: windows, chronological splits, an order that is a function of seed and epoch."""
