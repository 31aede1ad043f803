"""Which device kernels run on, and what is wrong with one that cannot be had."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from seqsci.equations.triton_cache import require_triton
from seqsci.errors import DeviceError, explain

INTERPRETER = "interpreter"
"""The device of tests: kernels run on CPU tensors through Triton's interpreter, thousands of times slower."""
FAULT: type[Exception] = getattr(torch, "AcceleratorError", torch.OutOfMemoryError)
"""What torch raises where a kernel of the card fails; it has a name of its own since torch 2.8."""


def device_of(name: str | torch.device) -> torch.device:
    """The torch device of ``"cuda"``, ``"cuda:1"`` or ``"interpreter"``.

    Raises `DeviceError` for another name, where there is no such card, or where it is too old, `MissingExtraError` without Triton.
    """
    if str(name) == INTERPRETER:
        require_triton()
        return torch.device("cpu")
    expected = 'None (the CPU), "cuda" or "cuda:NUMBER"'
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise DeviceError(explain("an unknown device", repr(name), expected, 'pass device="cuda", or leave it out')) from error
    if device.type != "cuda":
        fix = "leave device= out for the CPU" if device.type == "cpu" else 'pass device="cuda", or leave it out'
        raise DeviceError(explain("kernels do not run on this device", repr(str(name)), expected, fix))
    if not torch.cuda.is_available():
        built = "none is visible" if "+cpu" not in torch.__version__ else f"torch {torch.__version__} is built without CUDA"
        fix = "leave device= out to fit on the CPU, or install torch with CUDA: https://pytorch.org/get-started"
        raise DeviceError(explain("there is no CUDA card", built, "a card that torch.cuda sees", fix))
    count = torch.cuda.device_count()
    index: int | None = device.index
    number = torch.cuda.current_device() if index is None else index
    if number >= count:
        raise DeviceError(explain("there is no such card", str(name), f"cuda:0 .. cuda:{count - 1}", f'pass device="cuda:{count - 1}"'))
    require_triton()
    from seqsci.engine.accelerator import OLDEST  # torch's compiler, and Triton with it, are loaded where a card is asked for

    device = torch.device("cuda", number)
    if (capability := torch.cuda.get_device_capability(device)) < OLDEST:
        got = f"{torch.cuda.get_device_name(device)}, compute capability {capability[0]}.{capability[1]}"
        raise DeviceError(explain("the card is too old for Triton", got, "7.0 or later (Volta)", "leave device= out to run on the CPU"))
    return device


def compiles(device: torch.device) -> bool:
    """Whether Triton is there and compiles for a device; what stands against it on a card is said once."""
    if device.type != "cuda":
        return False
    from seqsci.engine import accelerator

    card = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
    reason = accelerator.obstacle(*card, accelerator.installed(), False, "the cell")
    if reason:
        _say(reason)
    return not reason


@functools.cache
def _say(reason: str) -> None:
    warnings.warn(reason, RuntimeWarning, stacklevel=4)


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on the device."""
    if device.type != "cuda":
        return 2**31
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + held


def _of_the_card(error: Exception) -> bool:
    """Whether a fault is the card's or its compiler's: Triton's launches raise plain RuntimeErrors, its compiler errors of its own."""
    spoken = isinstance(error, RuntimeError) and any(mark in str(error) for mark in ("CUDA error", "Triton Error [CUDA]"))
    return isinstance(error, FAULT) or spoken or type(error).__module__.split(".")[0] == "triton"


@contextmanager
def memory_told(what: str, fix: str) -> Iterator[None]:
    """Turn an out-of-memory error of the device into one that says what to do, and a fault of the card into one that is no row's."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        text = str(error).split(". ")[0][:160]
        raise DeviceError(explain(f"the card has too little memory for {what}", text, "less at a time", fix)) from error
    except Exception as error:
        if not _of_the_card(error):
            raise
        text = str(error).splitlines()[0][:160]
        fix = "start Python anew: after a fault a card gives nothing more; then try device=None, and report this"
        raise DeviceError(explain(f"the card failed on {what}", text, "a kernel that ends", fix)) from error


def one_device(tensors: Mapping[str, Tensor]) -> torch.device:
    """The device of all tensors; raises `DeviceError` where they are on several."""
    places = {name: t.device for name, t in tensors.items()}
    if len(set(places.values())) > 1:
        got = ", ".join(f"{n} on {d}" for n, d in places.items())
        raise DeviceError(explain("tensors are on several devices", got, "one device", "move the module and its inputs: .to(device)"))
    return next(iter(places.values()))
