"""Leaky channels along DNA, in both directions: what the sites around say, with weights that fade exactly over every gap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]


@numba.njit("void(int64[::1], boolean[::1], float64[:,::1], float64[::1], float64[:,:,::1])", nogil=True, cache=True, error_model="numpy")
def _both_ways(position, breaks, values, lengths, out):  # type: ignore[no-untyped-def]
    sites, columns = values.shape
    state = np.zeros(columns)
    for s in range(len(lengths)):
        state[:] = 0.0
        for i in range(1, sites):
            f = 0.0 if breaks[i] else math.exp(-(position[i] - position[i - 1]) / lengths[s])
            for j in range(columns):
                state[j] = f * (state[j] + values[i - 1, j])
                out[i, s, j] += state[j]
        state[:] = 0.0
        for i in range(sites - 2, -1, -1):
            f = 0.0 if breaks[i + 1] else math.exp(-(position[i + 1] - position[i]) / lengths[s])
            for j in range(columns):
                state[j] = f * (state[j] + values[i + 1, j])
                out[i, s, j] += state[j]


def leaky_sums(position: npt.ArrayLike, values: npt.ArrayLike, lengths: Sequence[float], breaks: npt.ArrayLike | None = None) -> Array:
    """Sums over the other sites of a chromosome with weights ``exp(-distance / length)``; a site's own value never enters.

    A channel is the leaky integrator ``s_i = exp(-gap / L) (s_{i-1} + x_{i-1})``, run from both ends; the two are added. With columns of
    methylated reads and coverage their ratio is the bidirectional moving average of a masked site.

    Args:
        position: (sites,) increasing within a chromosome [bp].
        values: (sites, columns), or (sites,).
        lengths: decay lengths [bp].
        breaks: (sites,) True where a chromosome starts; default: only the first.

    Shapes: -> (sites, lengths, columns). Raises: DataError for unsorted positions, lengths <= 0 or values that are not finite.

    >>> leaky_sums([0, 10], [1.0, 2.0], [10.0])[:, 0, 0].round(3).tolist()
    [0.736, 0.368]
    """
    place, table = (
        np.require(position, np.int64, ["C", "W"]),
        np.asarray(values, float),
    )  # the kernel takes no read-only arrays, as of pandas
    table = np.require(table[:, None] if table.ndim == 1 else table, float, ["C", "W"])
    reach = np.require(lengths, float, ["C", "W"])
    starts = np.zeros(len(place), bool) if breaks is None else np.require(breaks, bool, ["C", "W"])
    bad = (np.diff(place) < 0) & ~starts[1:] if len(place) else np.ones(1, bool)
    if table.shape[0] != len(place) or len(starts) != len(place) or bad.any() or not (reach > 0).all() or not np.isfinite(table).all():
        got = f"{len(place)} positions, values {table.shape}, lengths {reach.tolist()}"
        need = "sorted positions, one row of finite values each, lengths > 0"
        raise DataError(explain("leaky channels cannot run over these sites", got, need, "sort the sites, mask what is missing with 0"))
    out = np.zeros((len(place), len(reach), table.shape[1]))
    _both_ways(place, starts, table, reach, out)
    return out
