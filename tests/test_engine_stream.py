"""Laws of the stream: chunks joined are the scan, a saved carry goes on where it stopped, memory stays small."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.engine import Carry, linear_scan, scan_chunks, scan_pieces
from seqsci.errors import ArtefactError, DataError, ParameterError


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(0, 60),
    chunk=st.integers(1, 70),
    dim=st.integers(0, 2),
    reverse=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.complex64, torch.bfloat16]),
    gate=st.sampled_from(["number", "per lane", "full"]),
    start=st.booleans(),
    seed=st.integers(0, 99),
)
def test_joined_chunks_are_the_scan(steps, chunk, dim, reverse, dtype, gate, start, seed):
    make = torch.Generator().manual_seed(seed)
    shape = [2, 3, 4]
    shape[dim] = steps
    u = torch.randn(shape, generator=make, dtype=torch.float64).to(dtype)
    sizes = [1 if i == dim else n for i, n in enumerate(shape)] if gate == "per lane" else shape
    f = 0.9 if gate == "number" else torch.rand(sizes, generator=make, dtype=torch.float64).to(dtype)
    c0 = torch.randn([n for i, n in enumerate(shape) if i != dim], generator=make, dtype=torch.float64).to(dtype) if start else None
    whole, final = linear_scan(f, u, c0, dim=dim, reverse=reverse, return_final=True)
    found = list(scan_chunks(f, u, c0, dim=dim, chunk=chunk, reverse=reverse))
    if steps == 0:
        assert found == []
        return
    pieces = [states for states, _ in found]
    assert torch.equal(torch.cat(pieces[::-1] if reverse else pieces, dim), whole)
    assert found[-1][1].position == steps
    assert torch.equal(found[-1][1].state.to(dtype), final)


def test_the_carry_is_not_rounded():
    """A sum of 2^25 ones in float32 stops growing at 2^24 if the state is rounded at a chunk's end."""
    u = torch.ones(1 << 10)
    carry = Carry(torch.tensor(float(2**25), dtype=torch.float64), 0)
    *_, (_, last) = scan_pieces(((1.0, u[:1]) for _ in range(1000)), carry)
    assert float(last.state) == 2**25 + 1000


@pytest.mark.parametrize("reverse", [False, True])
def test_a_saved_carry_goes_on_where_it_stopped(tmp_path, reverse):
    f, u = torch.rand(1000, 3), torch.randn(1000, 3)
    whole = linear_scan(f, u, dim=0, reverse=reverse)
    stream = scan_chunks(f, u, chunk=300, reverse=reverse)
    first, _ = next(stream)
    second, carry = next(stream)
    again = Carry.load(carry.save(tmp_path / "carry.safetensors"))
    assert again.position == 600 and torch.equal(again.state, carry.state)
    rest = [states for states, _ in scan_chunks(f, u, again, chunk=170, reverse=reverse)]
    pieces = [first, second, *rest]
    assert torch.equal(torch.cat(pieces[::-1] if reverse else pieces), whole)


def test_a_complex_carry_is_kept(tmp_path):
    carry = Carry(torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex128), 7)
    assert torch.equal(Carry.load(carry.save(tmp_path / "c")).state, carry.state)


def test_memory_maps_are_read_and_written(tmp_path):
    rows = 5000
    rng = np.random.default_rng(0)
    f = np.memmap(tmp_path / "f", np.float32, "w+", shape=(rows, 2))
    u = np.memmap(tmp_path / "u", np.float32, "w+", shape=(rows, 2))
    f[:], u[:] = rng.random((rows, 2)), rng.standard_normal((rows, 2))
    f.flush(), u.flush()
    before = (tmp_path / "u").read_bytes()
    only_read = [np.memmap(tmp_path / name, np.float32, "r", shape=(rows, 2)) for name in "fu"]
    out = np.memmap(tmp_path / "c", np.float32, "w+", shape=(rows, 2))
    for _ in scan_chunks(*only_read, chunk=777, out=out):
        pass
    out.flush()
    kept = np.fromfile(tmp_path / "c", np.float32).reshape(rows, 2)
    assert np.array_equal(kept, linear_scan(torch.tensor(np.array(f)), torch.tensor(np.array(u)), dim=0).numpy())
    assert (tmp_path / "u").read_bytes() == before


def test_private_maps_keep_the_changes_of_their_owner(tmp_path):
    np.arange(4000, dtype=np.float32).tofile(tmp_path / "u")
    u = np.memmap(tmp_path / "u", np.float32, "c")
    u[:] = 1
    for states, _ in scan_chunks(0.0, u, chunk=500):
        assert bool((states == 1).all())
    assert (u == 1).all()


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_length(tmp_path):
    program = """
import sys, numpy as np
from seqsci.engine import scan_chunks
rows = int(sys.argv[2])
u = np.memmap(sys.argv[1], np.float32, "w+", shape=(rows,))
out = np.memmap(sys.argv[1] + "c", np.float32, "w+", shape=(rows,))
for states, carry in scan_chunks(0.5, u, chunk=1 << 18, out=out):
    pass
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    peaks = []
    for rows in (1 << 19, 1 << 26):
        done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "u"), str(rows)], capture_output=True, text=True, check=True)
        peaks.append(1024 * int(done.stdout))
    assert peaks[1] - peaks[0] < 60e6  # the arrays of the longer one are 537 MB


def test_what_does_not_fit_is_named():
    u = np.ones((10, 2), np.float32)
    for call, word in (
        (lambda: scan_chunks(np.ones(3), u), "do not broadcast"),
        (lambda: scan_chunks(1.0, u, dim=2), "no such axis"),
        (lambda: scan_chunks(1.0, u, Carry(torch.zeros(2), 11)), "beyond the end"),
        (lambda: scan_chunks(1.0, u, out=np.ones(10)), "out does not fit"),
        (lambda: scan_chunks(1.0, u, torch.zeros(3)), "carry does not fit"),
        (lambda: scan_pieces([(1.0, 2.0)]), "without inputs"),
        (lambda: scan_chunks(1.0, torch.ones(4, requires_grad=True)), "no gradient"),
    ):
        with pytest.raises(DataError, match=word):
            list(call())
    with pytest.raises(ParameterError, match="positive"):
        list(scan_chunks(1.0, u, chunk=0))


def test_a_damaged_carry_is_refused(tmp_path):
    path = Carry(torch.zeros(2, dtype=torch.float64), 1).save(tmp_path / "carry")
    path.write_bytes(path.read_bytes()[:20])
    for bad in (path, tmp_path / "none"):
        with pytest.raises(ArtefactError, match="cannot be read"):
            Carry.load(bad)
    from safetensors.torch import save_file

    save_file({"state": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ArtefactError, match="not a carry"):
        Carry.load(tmp_path / "other")
