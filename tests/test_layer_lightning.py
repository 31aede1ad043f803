"""A stack of gated layers under Lightning with bf16-mixed, on the card where there is one: it learns, and what must be wide stays wide."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

pl = pytest.importorskip("pytorch_lightning", reason="the train extra is not installed")

from seqsci.cell import parameter_groups  # noqa: E402
from seqsci.cells.layer import GatedLayer  # noqa: E402
from seqsci.cells.layer_block import GatedBlock  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")
CARD = torch.cuda.is_available()


class Stack(pl.LightningModule):  # type: ignore[misc,name-defined]
    """Says at each step what the marked inputs so far add up to."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.into = nn.Linear(2, width)
        self.blocks = nn.ModuleList(GatedBlock(GatedLayer(width, width, context=32, tied=False)) for _ in range(2))
        self.out = nn.Linear(width, 1)
        self.losses: list[float] = []
        self.kinds: set[torch.dtype] = set()

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        for block in self.blocks:
            h, state = block(h)
            self.kinds |= {h.dtype, state.dtype}
        return self.out(h)[..., 0]  # type: ignore[no-any-return]

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        x, y = batch
        loss = (self(x).float() - y).square().mean()
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameter_groups(self, 0.01, 0.01), lr=0.01)


def marked(rows: int, steps: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(rows, steps, generator=generator)
    marks = (torch.rand(rows, steps, generator=generator) < 0.2).float()
    return torch.stack([values, marks], -1), (values * marks).cumsum(1) / 4


def test_a_stack_of_gated_layers_learns_in_bf16_mixed() -> None:
    pl.seed_everything(0)
    stack = Stack()
    before = stack.blocks[0].layer.half_lives().clone()  # type: ignore[union-attr]
    data = DataLoader(TensorDataset(*marked(256, 24)), batch_size=64, shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="gpu" if CARD else "cpu", devices=1, max_epochs=12, precision="bf16-mixed", **quiet)
    trainer.fit(stack, data)
    first, last = sum(stack.losses[:4]) / 4, sum(stack.losses[-4:]) / 4
    assert last < 0.2 * first and all(torch.isfinite(p).all() for p in stack.parameters())
    assert torch.bfloat16 in stack.kinds and torch.float32 in stack.kinds  # outputs are narrow, carried states are not
    assert {p.dtype for p in stack.parameters()} == {torch.float32}
    assert not torch.equal(before, stack.blocks[0].layer.half_lives().cpu())  # type: ignore[union-attr]


def test_bf16_mixed_is_the_single_precision_stack_to_the_rounding_of_its_products() -> None:
    torch.manual_seed(1)
    place = torch.device("cuda" if CARD else "cpu")
    stack, x = Stack().to(place), marked(8, 64)[0].to(place)
    with torch.no_grad():
        exact = stack(x)
        with torch.autocast(place.type, torch.bfloat16):
            narrow = stack(x).float()
    assert float((narrow - exact).abs().max()) < 0.03 * float(exact.abs().max())
