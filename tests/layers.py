"""Layers that the tests of the gated layer share."""

from __future__ import annotations

from itertools import product

import torch

from seqsci.cells.layer import GatedLayer

FORMS = [{"tied": t, "bounded": b, "read": r, "rank": k} for t, b, r, k in product((True, False), (True, False), (True, False), (2, 99))]
SHORT = [FORMS[0], FORMS[3], FORMS[10], FORMS[15]]


def made(features: int = 6, width: int = 20, context: float = 50, seed: int = 0, **form: object) -> GatedLayer:
    torch.manual_seed(seed)
    return GatedLayer(features, width, context, **form)  # type: ignore[arg-type]
