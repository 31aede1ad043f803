"""Training on the card where there is one: gated layers in bf16-mixed learn, and a driven cell has the gradients of the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

pl = pytest.importorskip("pytorch_lightning", reason="the train extra is not installed")

from seqsci.cell import NetworkDrive, parameter_groups  # noqa: E402
from seqsci.cells.layer import GatedLayer  # noqa: E402
from seqsci.cells.layer_block import GatedBlock  # noqa: E402
from seqsci.data.datamodule import SequenceBatch  # noqa: E402
from seqsci.domains.finance import models  # noqa: E402
from seqsci.training.forecaster import Forecaster  # noqa: E402

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


def windows(rows: int, steps: int, place: torch.device) -> SequenceBatch:
    generator = torch.Generator().manual_seed(2)
    y, x = (torch.randn(rows, steps, generator=generator, dtype=torch.float64).to(place) for _ in range(2))
    y[0, 3] = torch.nan
    weight = torch.ones_like(y)
    weight[:, :2] = 0.0
    return SequenceBatch({"x": x}, {"log_return": y}, ~torch.isnan(y), weight, {"backcast": y.nan_to_num().square().mean(1)})


def driven(place: torch.device, backend: str) -> Forecaster:
    torch.manual_seed(3)
    drive = NetworkDrive("gate_drive", ("x",), hidden=4)
    with torch.no_grad():
        drive.layers[-1].weight.normal_(std=0.5)  # type: ignore[operator]
    forecaster = Forecaster(models.driven_gate().fix(shift=0.0, rotation=0.0), drive)
    forecaster.cell.backend = backend  # type: ignore[assignment]
    return forecaster.to(place)


def test_a_driven_cell_on_the_card_has_the_loss_and_gradients_of_the_cpu() -> None:
    pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
    cpu, place = torch.device("cpu"), torch.device("cuda" if CARD else "cpu")
    found = []
    for forecaster, where in ((driven(cpu, "numba"), cpu), (driven(place, "triton"), place)):
        loss = forecaster.loss(windows(3, 8, where))
        loss.backward()
        found.append([loss.detach(), *[p.grad for p in forecaster.parameters()]])
    assert len(found[0]) > 8 and all(g is not None and bool((g != 0).any()) for g in found[0])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(b.cpu(), a, rtol=1e-4 if CARD else 1e-6, atol=1e-6)  # the network is in single precision


def test_a_driven_cell_trains_in_bf16_mixed_and_stays_in_double_precision() -> None:
    place = torch.device("cuda" if CARD else "cpu")
    forecaster, batch = driven(place, "auto"), windows(6, 40, place)
    forecaster.drive_learning_rate = forecaster.learning_rate = 0.05
    forecaster.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimiser, losses = forecaster.configure_optimizers(), []
    for number in range(25):
        optimiser.zero_grad()
        with torch.autocast(place.type, torch.bfloat16):
            loss = forecaster.training_step(batch, number)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.02 and loss.dtype == torch.float64
    assert {p.dtype for p in forecaster.cell.parameters()} == {torch.float64}
