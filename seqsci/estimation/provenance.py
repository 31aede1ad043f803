"""Where a fit came from."""

from __future__ import annotations

from dataclasses import dataclass

import seqsci


@dataclass(frozen=True)
class Provenance:
    """Where a fit came from."""

    covariance: str
    evaluations: int
    seconds: float
    kinked: bool
    version: str

    @classmethod
    def of(cls, covariance: str, evaluations: int, seconds: float, kinked: bool) -> Provenance:
        """With the running version filled in."""
        return cls(covariance, evaluations, seconds, kinked, seqsci.__version__)
