"""The Triton scan: its laws in Triton's interpreter and on a card, what stands against it, and that the CPU never needs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from seqsci.engine import accelerator, linear_scan
from seqsci.errors import SeqsciError

ROOT = Path(__file__).parent.parent
LAWS = ("tests/triton_laws.py", "tests/triton_lookback_laws.py", "tests/triton_derivatives.py")
needs_triton = pytest.mark.skipif(not accelerator.installed(), reason="Triton is not installed: pip install 'seqsci[gpu]'")


def _laws(switches: dict[str, str]) -> None:
    """Another process, because Triton decides where a kernel is defined whether it is interpreted."""
    command = [sys.executable, "-m", "pytest", "-q", "--maxfail=5", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", *LAWS]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | switches, capture_output=True, text=True)
    print(done.stdout[-400:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@needs_triton
@pytest.mark.slow
def test_the_laws_hold_in_the_interpreter() -> None:
    _laws({"TRITON_INTERPRET": "1", "SEQSCI_TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_laws_hold_on_the_card() -> None:
    _laws({"TRITON_INTERPRET": "0", "SEQSCI_TRITON_INTERPRET": "0"})


CPU = """
import sys, torch
from seqsci.engine import linear_scan, scan_chunks
f, u = (torch.rand(2, 30, 3, requires_grad=True) for _ in range(2))
torch.autograd.grad(linear_scan(f, u).sum(), (f, u))
list(scan_chunks(0.5, torch.ones(10)))
loaded = [name for name in sys.modules if "engine.triton" in name]
assert not loaded, loaded
"""


def test_the_scan_on_the_cpu_never_asks_for_triton() -> None:
    """Torch's compiler imports Triton where it is installed. Of ours only modules named triton do, and a scan on the CPU loads none."""
    asking = [p for p in (ROOT / "seqsci").rglob("*.py") if re.search(r"^\s*(import|from) triton\b", p.read_text("utf-8"), re.M)]
    assert asking and all("triton" in p.name for p in asking)
    done = subprocess.run([sys.executable, "-c", CPU], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_scan_on_the_cpu_runs_where_triton_is_not_installed() -> None:
    blocked = "import sys; sys.modules['triton'] = None\n" + CPU
    done = subprocess.run([sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("capability", "triton", "bfloat16", "words"),
    [
        ((9, 0), False, False, ["Triton is not installed", "pip install 'seqsci[gpu]'"]),
        ((6, 1), True, False, ["Tesla P4", "6.1", "7.0 or later", "CPU"]),
        ((7, 5), True, True, ["bfloat16", "7.5", "8.0 or later", "x.float()"]),
        ((6, 1), True, True, ["8.0 or later", "newer card"]),
    ],
)
def test_what_stands_against_the_kernels_is_named(capability: tuple[int, int], triton: bool, bfloat16: bool, words: list[str]) -> None:
    text = accelerator.obstacle("Tesla P4", capability, triton, bfloat16)
    assert all(word in text for word in words), text


def test_a_card_that_fits_has_nothing_against_it() -> None:
    assert not accelerator.obstacle("H200", (9, 0), True, True) and not accelerator.obstacle("T4", (7, 5), True, False)


def test_an_obstacle_is_said_once() -> None:
    accelerator._say.cache_clear()
    with pytest.warns(RuntimeWarning, match="slow loop"):
        accelerator._say("the scan runs as a slow loop on this GPU")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accelerator._say("the scan runs as a slow loop on this GPU")


def test_a_full_card_is_explained_and_still_a_torch_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqsci.engine import operators

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12.00 GiB.\nmore")

    monkeypatch.setattr(operators, "loop", full)
    with pytest.raises(SeqsciError, match="scan_chunks") as caught:
        linear_scan(0.5, torch.ones(2, 3, 4), backend="torch")
    assert isinstance(caught.value, torch.OutOfMemoryError) and "(2, 3, 4)" in str(caught.value) and "12.00 GiB" in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_tensors_on_the_card_and_beside_it_are_refused_together() -> None:
    with pytest.raises(SeqsciError, match="several devices"):
        linear_scan(torch.rand(2, 3, 4), torch.rand(2, 3, 4, device="cuda"))
