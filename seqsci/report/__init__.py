"""The offline report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from seqsci.report.page import write_report

__all__ = ["write_report"]
