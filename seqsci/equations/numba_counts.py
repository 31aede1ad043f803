"""Compiled quantiles of counts, for generated simulators that draw them."""

from __future__ import annotations

import numba

from seqsci.equations.count_quantiles import search

negative_binomial_quantile = numba.njit("float64(float64, float64, float64)", nogil=True, error_model="numpy")(search)
