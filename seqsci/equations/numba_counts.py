"""Compiled quantiles of counts, for generated simulators that draw them."""

from __future__ import annotations

import numba

from seqsci.equations.count_quantiles import search, search_share

negative_binomial_quantile = numba.njit("float64(float64, float64, float64)", nogil=True, error_model="numpy")(search)
beta_binomial_quantile = numba.njit("float64(float64, float64, float64, float64)", nogil=True, error_model="numpy")(search_share)
