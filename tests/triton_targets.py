"""Triton kernels compiled for cards that are not there: launches are recorded from calls on CPU tensors and compiled to machine code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

POINTERS = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.bfloat16: "*bf16",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


class Recorder:
    """Stands for a kernel: remembers launches instead of running them."""

    def __init__(self) -> None:
        self.launches: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return lambda *args, **kwargs: self.launches.append((args, kwargs))


@contextmanager
def recorded(module: Any, name: str = "tiles") -> Iterator[Recorder]:
    """Within, launches of a module's kernel are recorded."""
    kernel, recorder = getattr(module, name), Recorder()
    setattr(module, name, recorder)
    try:
        yield recorder
    finally:
        setattr(module, name, kernel)


@dataclass(frozen=True)
class Compiled:
    """What a kernel takes of a multiprocessor, its text, and the axes of tables, that of neighbouring threads first."""

    registers: int
    stack: int
    shared: int
    ptx: str
    orders: frozenset[str]


def compiled(kernel: Any, launch: tuple[tuple[Any, ...], dict[str, Any]], capability: int, folder: Path) -> Compiled:
    """Compile a recorded launch as Triton would on a card: integers equal to 1 are constants, what is divisible by 16 is known to be."""
    import triton
    from triton.backends import nvidia
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    args, kwargs = launch
    options = {k: v for k, v in kwargs.items() if k not in kernel.arg_names}
    values = dict(zip(kernel.arg_names, args, strict=False)) | {k: v for k, v in kwargs.items() if k in kernel.arg_names}
    constants = {p.name for p in kernel.params if p.is_constexpr}
    general = {p.name for p in kernel.params if p.do_not_specialize}
    signature, constexprs, attributes = {}, {}, {}
    for place, name in enumerate(kernel.arg_names):
        value = values[name]
        if name in constants or (type(value) is int and value == 1 and name not in general):
            signature[name], constexprs[name] = "constexpr", value
            continue
        if isinstance(value, torch.Tensor):
            signature[name], known = POINTERS[value.dtype], value.data_ptr() % 16 == 0
        else:
            signature[name], known = ("i32" if -(2**31) <= value < 2**31 else "i64"), value % 16 == 0
        if known and name not in general:
            attributes[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=kernel, signature=signature, constexprs=constexprs, attrs=attributes)
    result = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    binary = folder / "kernel.cubin"
    binary.write_bytes(result.asm["cubin"])
    tool = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
    text = subprocess.run([str(tool), "-res-usage", str(binary)], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", text)
    if found is None:
        raise RuntimeError(text)
    layouts = dict(re.findall(r"^(#\w+) = #ttg\.blocked<\{.*order = \[([^\]]*)\]\}>", result.asm["ttgir"], re.M))
    used = re.findall(r"(?:tt\.load|tt\.store|async_copy_global_to_local) .*?tensor<\d+x\d+x.*?(#\w+)>", result.asm["ttgir"])
    tables = frozenset(layouts[name] for name in used)
    return Compiled(int(found[1]), int(found[2]), int(result.metadata.shared), result.asm["ptx"], tables)
