"""Leaky integrators along a whole chromosome, in chunks, with a state in double precision that goes from one to the next.

`seqsci.engine.scan_chunks` takes a bank as an array an integrator, and rounds a decay to the dtype of its signal: in float32, 300,000 bp
become 299,593. This pass reads a signal of any dtype once, keeps decays and states in float64, and writes the weighted sum alone.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.scan_kernel import LANES, leaky_pass
from seqsci.domains.genomics.genome.tracks import Track
from seqsci.errors import DataError, ParameterError, explain

CHUNK = 1 << 22
"""Bases of a chunk."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LeakyScan:
    """What is scanned with: a kernel that falls with distance, the weighted sum of leaky integrators.

    ``w(d) = sum_k weight_k exp(-d / decay_length_k)``

    Attributes:
        decay_lengths_bp: distance (bp, > 0) at which an integrator has lost 63 %; one of them or many.
        weights: of each, >= 0.

    >>> LeakyScan((10.0,), (1.0,)).kernel(np.array([0.0, 10.0])).round(3).tolist()
    [1.0, 0.368]
    """

    decay_lengths_bp: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        lengths, weights = np.array(self.decay_lengths_bp, float), np.array(self.weights, float)
        if not len(lengths) or len(lengths) != len(weights) or not (np.isfinite(lengths).all() and (lengths > 0).all()):
            got = f"{len(lengths)} lengths {self.decay_lengths_bp}, {len(weights)} weights"
            raise ParameterError(explain("decay lengths of a bank", got, "lengths > 0 bp, and as many weights", "correct them"))
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ParameterError(explain("weights of a bank", self.weights, "finite and >= 0", "correct them"))

    @classmethod
    def log_spaced(cls, shortest_bp: float, longest_bp: float, count: int) -> LeakyScan:
        """A bank over decay lengths of equal ratios with weights 1 / length, which together fall nearly as 1 / distance."""
        lengths = np.geomspace(shortest_bp, longest_bp, count)
        return cls(tuple(lengths.tolist()), tuple((1 / lengths).tolist()))

    @property
    def decay(self) -> Floats:
        """What each integrator keeps from one base to the next (K,)."""
        return np.exp(-1 / np.array(self.decay_lengths_bp, float))

    def kernel(self, distance_bp: NDArray[Any]) -> Floats:
        """The weight of a signal at a distance (bp)."""
        d = np.abs(np.asarray(distance_bp, float))[..., None]
        return np.asarray((np.exp(-d / np.array(self.decay_lengths_bp)) * np.array(self.weights)).sum(-1))


def scan_signal(
    pieces: Iterable[NDArray[Any]], scan: LeakyScan, state: Floats | None = None, *, reverse: bool = False
) -> Iterator[tuple[Floats, Floats]]:
    """Scan pieces of a signal in the order of travel; yields the sums of a piece (bp,) and the states after it (K,), to go on from.

    ``c_{k,t} = exp(-1 / decay_length_k) c_{k,t-1} + u_t``, ``y_t = sum_k weight_k c_{k,t}``. Joined, the pieces are the scan of the whole,
    bit by bit (but for states below 1e-200, which are dropped): the states are carried in float64.

    Args:
        pieces: numbers (bp,), any dtype; with ``reverse`` the first piece is the last on the chromosome.
        state: (K,) states before the first base; zeros if left out.

    Raises: DataError for a piece that is no row of numbers, and for a signal that is not finite (give uncovered bases a value).

    >>> [y.tolist() for y, state in scan_signal([np.ones(1), np.ones(2)], LeakyScan((1 / np.log(2),), (1.0,)))]
    [[1.0], [1.5, 1.75]]
    """
    carried, position = _padded(scan, state), 0
    for piece in pieces:
        signal, out = _numbers(piece), np.empty(len(piece))
        _pass(signal, out, carried, scan, reverse, False, position)
        position += len(signal)
        yield out, carried[: len(scan.weights)].copy()


def scan_track(track: Track, scan: LeakyScan, out: Any, *, left: bool = True, right: bool = True, chunk: int = CHUNK) -> None:
    """Write ``y_t = sum_s w(|t - s|) u_s`` along a chromosome into ``out``; the signal at t itself counts once.

    Args:
        track: the signal u.
        scan: the kernel w.
        out: (bp,) float array that takes y, such as a `numpy.memmap`; its pages, and those of a mapped track, are handed back.
        left, right: which sides of t count, s <= t and s >= t.
        chunk: bases at once; the result does not depend on it.

    Each side is one pass over the chromosome; memory holds two chunks of signal. Two sides are scanned at once, on two threads that begin
    at the two ends: up to the middle they write, then they add to what the other one wrote.

    Raises: DataError for an ``out`` of another length or without floats; a signal that is not finite. ParameterError without a side.
    """
    if not (left or right) or chunk < 1:
        got = f"left={left}, right={right}, chunk={chunk}"
        raise ParameterError(explain("nothing to scan", got, "a side at least, and chunk >= 1", "leave them out"))
    size = track.size
    if len(out) != size or np.dtype(out.dtype).kind != "f":
        raise DataError(explain("out does not fit", f"{len(out):,} of {out.dtype}", f"{size:,} floats", "make it as long as the track"))
    middle, states = size // 2, {reverse: _padded(scan, None) for reverse in (False, True)}

    def run(lo: int, hi: int, reverse: bool, add: bool) -> None:
        cuts = [(a, min(hi, a + chunk)) for a in range(lo, hi, chunk)]
        for a, b in reversed(cuts) if reverse else cuts:
            _pass(_numbers(track.values(a, b)), out[a:b], states[reverse], scan, reverse, add, a)
            release(getattr(track, "array", None), out)

    if not (left and right):
        run(0, size, right, False)
        return
    with ThreadPoolExecutor(2) as threads:
        for halves, add in ((((0, middle), (middle, size)), False), (((middle, size), (0, middle)), True)):
            jobs = [threads.submit(run, lo, hi, reverse, add) for (lo, hi), reverse in zip(halves, (False, True), strict=True)]
            for job in jobs:
                job.result()


def release(*arrays: Any) -> None:
    """Hand the pages of memory maps back to the system; what was written to them stays in the file."""
    for array in arrays:
        held = getattr(array, "_mmap", None)
        if isinstance(held, mmap.mmap) and hasattr(held, "madvise") and getattr(array, "mode", "c") != "c":
            with contextlib.suppress(OSError, ValueError):  # advice that a platform does not take
                held.madvise(mmap.MADV_DONTNEED)


def _pass(signal: NDArray[Any], out: Any, state: Floats, scan: LeakyScan, reverse: bool, add: bool, position: int) -> None:
    decay, weight = (np.append(x, np.zeros(len(state) - len(x))) for x in (scan.decay, np.array(scan.weights, float)))
    target, own = np.asarray(out), float(sum(scan.weights)) if add else 0.0  # the other side has counted the base itself
    for k in range(0, len(state), LANES):
        lanes = slice(k, k + LANES)
        leaky_pass(signal, target, state[lanes], decay[lanes], weight[lanes], reverse, add or k > 0, own if k == 0 else 0.0)
    if not np.isfinite(state).all():
        bad = ~np.isfinite(signal)
        got = f"{signal[bad][0]} at base {position + int(np.argmax(bad))}" if bad.any() else "values too large for float64"
        raise DataError(
            explain("the signal is not finite", got, "finite numbers", "give uncovered bases a value: BigWig(path, uncovered=0)")
        )


def _padded(scan: LeakyScan, state: Floats | None) -> Floats:
    count = len(scan.weights)
    carried = np.zeros(-(-count // LANES) * LANES)
    if state is not None:
        if np.shape(state) != (count,):
            raise DataError(explain("states of a bank", f"shape {np.shape(state)}", f"({count},)", "pass what an earlier scan gave"))
        carried[:count] = state
    return carried


def _numbers(piece: Any) -> NDArray[Any]:
    array = np.asarray(piece)
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise DataError(explain("no signal along a chromosome", f"{array.dtype} {array.shape}", "one row of numbers", "pass (bp,)"))
    return (
        array.astype(np.uint8)
        if array.dtype.kind == "b"
        else array
        if array.dtype.isnative
        else array.astype(array.dtype.newbyteorder("="))
    )
