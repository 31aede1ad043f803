"""Leaky scans along a chromosome: the closed form, the engine, SciPy, and no trace of how it was cut."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from seqsci.domains.genomics.genome.streaming import LeakyScan, scan_signal, scan_track
from seqsci.domains.genomics.genome.tracks import ArrayTrack, BigWigTrack, IntervalTrack, rows_of
from seqsci.domains.genomics.reading.bedgraph import read_bedgraph
from seqsci.domains.genomics.reading.bigwig import BigWig
from seqsci.domains.genomics.reading.writers import write_bedgraph, write_bigwig
from seqsci.engine import scan_chunks
from seqsci.errors import DataError, ParameterError

SIDES = [(True, True), (True, False), (False, True)]
several = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def signal(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(size)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
@pytest.mark.parametrize(("left", "right"), SIDES)
def test_the_scan_is_the_sum_over_the_kernel(count: int, left: bool, right: bool) -> None:
    scan, u = LeakyScan.log_spaced(3, 80, count), signal(257)
    out = np.empty(len(u))
    scan_track(ArrayTrack(u), scan, out, left=left, right=right, chunk=31)
    d = np.subtract.outer(np.arange(len(u)), np.arange(len(u)))
    seen = (d >= 0) & left | (d <= 0) & right
    np.testing.assert_allclose(out, (scan.kernel(d) * seen) @ u, rtol=1e-12)


@pytest.mark.parametrize(("left", "right"), SIDES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("chunk", [1, 997, 4_096, 10**9])
def test_chunks_leave_no_trace(left: bool, right: bool, dtype: type, chunk: int) -> None:
    scan, track = LeakyScan.log_spaced(5e3, 5e6, 4), ArrayTrack(signal(5_000).astype(np.float32))
    whole, out = np.empty(5_000, dtype), np.empty(5_000, dtype)
    scan_track(track, scan, whole, left=left, right=right)
    scan_track(track, scan, out, left=left, right=right, chunk=chunk)
    assert np.array_equal(out, whole)


@several
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.booleans())
def test_a_state_that_is_handed_on_continues_the_scan(lengths: list[int], reverse: bool) -> None:
    scan, u = LeakyScan((7.0, 300.0), (1.0, 0.5)), signal(sum(lengths))
    cuts = np.cumsum(lengths)[:-1]
    pieces = np.split(u[::-1], cuts)
    whole = [y for y, _ in scan_signal([u[::-1]], scan)]
    state, found = None, []
    for piece in pieces:
        ((y, state),) = scan_signal([piece[::-1] if reverse else piece], scan, state, reverse=reverse)
        found.append(y[::-1] if reverse else y)
    assert np.array_equal(np.concatenate(found), whole[0])


def test_one_integrator_is_that_of_scipy_and_of_the_engine() -> None:
    scan, u = LeakyScan((300_000.0,), (1.0,)), signal(50_000)
    out = np.empty(len(u))
    scan_track(ArrayTrack(u), scan, out, right=False)
    decay = float(scan.decay[0])
    np.testing.assert_allclose(out, lfilter([1.0], [1.0, -decay], u), rtol=1e-12)
    engine = np.concatenate([states.numpy() for states, _ in scan_chunks(decay, u, chunk=9_000)])
    np.testing.assert_allclose(out, engine, rtol=1e-12)


def test_a_long_decay_keeps_its_length_for_a_float32_signal() -> None:
    u, out = np.ones(2_000_000, np.float32), np.empty(2_000_000, np.float32)
    scan = LeakyScan((300_000.0,), (1.0,))
    scan_track(ArrayTrack(u), scan, out, right=False)
    expected = -np.expm1(-len(u) / 300_000.0) / -np.expm1(-1 / 300_000.0)
    assert out[-1] == pytest.approx(expected, rel=1e-6)


def test_a_log_spaced_bank_falls_nearly_as_one_over_distance() -> None:
    scan = LeakyScan.log_spaced(5e3, 5e6, 8)
    d = np.geomspace(1e4, 1e6, 50)
    slope = np.polyfit(np.log(d), np.log(scan.kernel(d)), 1)[0]
    assert slope == pytest.approx(-1, abs=0.08)


ROWS = [("chr1", 0, 4, 1.0), ("chr1", 9, 30, 2.5), ("chr1", 30, 31, 0.5), ("chr1", 60, 64, 3.0)]


def test_every_kind_of_track_gives_the_same_scan(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["chrom", "start", "end", "value"])
    dense = np.zeros(64)
    for _, start, end, value in ROWS:
        dense[start:end] = value
    memory = np.memmap(tmp_path / "u.f32", np.float32, "w+", shape=(64,))
    memory[:] = dense
    bigwig = BigWig(str(write_bigwig(tmp_path / "u.bw", frame, {"chr1": 64})), 0)
    bedgraph = read_bedgraph(write_bedgraph(tmp_path / "u.bedgraph", frame))
    tracks = [ArrayTrack(dense), ArrayTrack(memory), BigWigTrack(bigwig, "chr1"), IntervalTrack(bedgraph, "chr1", 64, 0.0)]
    results = []
    for track in tracks:
        assert track.size == 64
        out = np.memmap(tmp_path / "y.f64", np.float64, "w+", shape=(64,))
        scan_track(track, LeakyScan((5.0, 20.0), (1.0, 2.0)), out, chunk=7)
        results.append(np.array(out))
    for other in results[1:]:
        assert np.array_equal(other, results[0])


@several
@given(st.integers(0, 64), st.integers(0, 64))
def test_a_part_of_a_track_of_intervals_is_that_part(a: int, b: int) -> None:
    frame = pd.DataFrame(ROWS, columns=["chrom", "start", "end", "value"])
    track = IntervalTrack(frame, "chr1", 64, -1.0)
    lo, hi = min(a, b), max(a, b)
    assert np.array_equal(track.values(lo, hi), track.values(0, 64)[lo:hi])


@pytest.mark.parametrize("block", [1, 6, 1_000])
def test_a_scan_is_written_in_bins(tmp_path: Path, block: int) -> None:
    values = np.repeat([1.0, 2.0, np.nan, 4.0, 4.0], 4)[:-1]
    path = write_bigwig(tmp_path / "y.bw", rows_of(values, "chr1", 4, block), {"chr1": 19})
    assert np.array_equal(BigWig(str(path), np.nan).values("chr1", 0, 19), values, equal_nan=True)
    rows = pd.concat(list(rows_of(values, "chr1", 3, 6)))
    assert rows["value"].iloc[1] == pytest.approx(5 / 3) and int(rows["end"].iloc[-1]) == 19


def test_what_cannot_be_scanned_is_refused() -> None:
    scan, u = LeakyScan((5.0,), (1.0,)), np.ones(10)
    u[7] = np.nan
    with pytest.raises(DataError, match="nan at base 7"):
        scan_track(ArrayTrack(u), scan, np.empty(10), chunk=4)
    with pytest.raises(DataError, match="make it as long as the track"):
        scan_track(ArrayTrack(u), scan, np.empty(9))
    with pytest.raises(DataError, match="floats"):
        scan_track(ArrayTrack(u), scan, np.empty(10, np.int64))
    with pytest.raises(DataError, match="one row of numbers"):
        list(scan_signal([np.ones((2, 2))], scan))
    with pytest.raises(DataError, match="states of a bank"):
        list(scan_signal([u], scan, np.zeros(2)))
    with pytest.raises(ParameterError, match="a side at least"):
        scan_track(ArrayTrack(u), scan, np.empty(10), left=False, right=False)
    for lengths, weights in (((), ()), ((0.0,), (1.0,)), ((5.0,), (1.0, 2.0)), ((5.0,), (-1.0,))):
        with pytest.raises(ParameterError):
            LeakyScan(lengths, weights)
    with pytest.raises(DataError, match="no signal along chr1"):
        IntervalTrack(pd.DataFrame(ROWS, columns=["chrom", "start", "end", "value"]), "chr1", 63, 0.0)


def test_a_long_gap_ends_in_exact_zeros() -> None:
    """States that fade for megabases must not end as subnormal numbers."""
    scan, u = LeakyScan((300.0, 500.0, 700.0, 900.0), (1.0,) * 4), np.zeros(3_000_000, np.float32)
    u[0] = 1
    for y, state in scan_signal([u], scan):
        assert np.array_equal(state, np.zeros(4)) and not y[-1_000_000:].any() and y[0] == 4
        np.testing.assert_allclose(y[:90_000:5_000], scan.kernel(np.arange(0, 90_000, 5_000)), rtol=1e-9)


def _sum(signal: BigWig, start: int) -> float:
    return float(signal.values("chr1", start, start + 20).sum())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_and_threads_open_a_bigwig_for_themselves(tmp_path: Path, method: str) -> None:
    frame = pd.DataFrame({"chrom": "chr1", "start": np.arange(100), "end": np.arange(1, 101), "value": np.arange(100.0)})
    source = BigWig(str(write_bigwig(tmp_path / "u.bw", frame, {"chr1": 100})), 0)
    expected = [_sum(source, s) for s in range(80)]
    assert expected[3] == sum(range(3, 23))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(_sum, [source] * 80, range(80))) == expected
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(_sum, [(source, s) for s in range(80)]) == expected
