"""The gated layer: its equation, half-lives at the start, streaming, gaps, packs, copies, errors, and its block."""

from __future__ import annotations

import copy
import io
import math

import numpy as np
import pytest
import torch
from torch import nn

from seqsci.cell import parameter_groups
from seqsci.cells.layer import GatedLayer, half_life_bias
from seqsci.cells.layer_block import GatedBlock
from tests.layers import FORMS, SHORT, made


def reference(layer: GatedLayer, x: torch.Tensor, c: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The equation, step by step, in NumPy and double precision."""
    form = layer.form
    weight, mix = (None if p is None else p.detach().double().numpy() for p in (layer.weight, layer.mix))
    names = ["candidate_bias", "forget_bias", *([] if form.tied else ["write_bias"]), *(["read_bias"] if form.read else [])]
    bias = [getattr(layer, n).detach().double().numpy() for n in names]
    state, outputs = c.detach().double().numpy(), []
    for t in range(x.shape[1]):
        product = x[:, t].detach().double().numpy() @ weight.T
        parts = np.split(product[:, form.width :], form.gates, 1)
        logits = [(p @ mix[j].T if form.rank else p) + bias[1 + j] for j, p in enumerate(parts)]
        f, *others = (1 / (1 + np.exp(-a)) for a in logits)
        z = product[:, : form.width] + bias[0]
        z = np.tanh(z) if form.bounded else z
        state = f * state + (1 - f if form.tied else others[0]) * z
        outputs.append((others[-1] if form.read else 1) * (state if form.tied else np.tanh(state)))
    return np.stack(outputs, 1), state


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_layer_is_its_equation(form):
    layer = made(**form)
    assert layer.form.rank == (2 if form["rank"] == 2 else 0)
    x, c = torch.randn(3, 40, 6), torch.randn(3, 20)
    h, last = layer(x, c)
    want_h, want_last = reference(layer, x, c)
    np.testing.assert_allclose(h.detach().numpy(), want_h, atol=2e-6)
    np.testing.assert_allclose(last.detach().numpy(), want_last, atol=2e-6)


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_a_nan_stays_in_its_sequence_and_does_not_go_back_in_time(form):
    layer = made(**form)
    x = torch.randn(2, 9, 6)
    x[0, 4] = math.nan
    h, last = layer(x)
    assert bool(h[0, :4].isfinite().all()) and bool(h[0, 4:].isnan().all()) and bool(h[1].isfinite().all())
    assert bool(last[0].isnan().all()) and bool(last[1].isfinite().all())


@pytest.mark.parametrize("context", [1.0, 7.5, 5000.0])
@pytest.mark.parametrize("width", [1, 2, 33])
def test_half_lives_start_log_spaced_from_one_step_to_the_context(context, width):
    layer = made(width=width, context=context)
    want = torch.tensor([context if width == 1 else context ** (j / (width - 1)) for j in range(width)])
    torch.testing.assert_close(layer.half_lives(), want, rtol=2e-4, atol=0)
    torch.testing.assert_close(torch.sigmoid(half_life_bias(want)), 2 ** (-1 / want), rtol=1e-5, atol=0)


def test_a_unit_without_input_halves_its_state_in_its_half_life():
    layer = made(width=5, context=16)  # half-lives 1, 2, 4, 8, 16
    h, _ = layer(torch.zeros(1, 16, 6), torch.ones(1, 5))
    for j, half_life in enumerate((1, 2, 4, 8, 16)):
        assert float(h[0, half_life - 1, j].detach()) == pytest.approx(0.5, abs=1e-5)


def test_a_free_write_gate_starts_as_the_tied_one():
    gates = made(tied=False).gates(torch.zeros(1, 1, 6))
    torch.testing.assert_close(gates.write, 1 - gates.forget)


def test_telemetry_gives_gates_in_range_and_their_half_lives():
    layer = made(tied=False, read=True)
    got = layer.gates(torch.randn(2, 7, 6))
    for gate in (got.forget, got.write, got.read):
        assert gate.shape == (2, 7, 20) and not gate.requires_grad and bool(((gate > 0) & (gate < 1)).all())
    torch.testing.assert_close(2 ** (-1 / got.half_life), got.forget)
    assert made().gates(torch.randn(2, 7, 6)).read is None


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_steps_and_chunks_are_the_whole(form):
    layer = made(context=1000, **form)
    x, c = torch.randn(3, 200, 6), torch.randn(3, 20)
    whole, last = layer(x, c)
    state, outputs = c, []
    for t in range(x.shape[1]):
        h, state = layer.step(x[:, t], state)
        outputs.append(h)
    torch.testing.assert_close(torch.stack(outputs, 1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(state.float(), last, rtol=0, atol=1e-6)
    first, middle = layer(x[:, :77], c)
    second, end = layer(x[:, 77:], middle)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(end, last, rtol=0, atol=1e-6)


def test_a_state_is_detached_reordered_and_saved_as_a_tensor():
    layer = made()
    x = torch.randn(3, 8, 6)
    _, state = layer(x)
    order = torch.tensor([2, 0, 1])
    assert state.requires_grad and not state.detach().requires_grad
    torch.testing.assert_close(layer(x[order], state[order])[0], layer(x, state)[0][order], rtol=0, atol=1e-6)
    file = io.BytesIO()
    torch.save(state.detach(), file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=True), state)


def test_no_state_and_no_steps_are_taken_as_they_are():
    layer, c = made(), torch.randn(3, 20)
    x = torch.randn(3, 4, 6)
    assert torch.equal(layer(x)[0], layer(x, torch.zeros(3, 20))[0])
    h, last = layer(torch.zeros(3, 0, 6), c)
    assert h.shape == (3, 0, 20) and torch.equal(last, c)
    h, last = layer(torch.zeros(0, 4, 6))
    assert h.shape == (0, 4, 20) and last.shape == (0, 20)


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_a_missing_step_keeps_the_state_whatever_its_input(form):
    layer = made(**form)
    x = torch.randn(2, 12, 6)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[0, 3:6], mask[1, 0] = False, False
    holed = torch.where(mask.unsqueeze(-1), x, math.nan)
    h, last = layer(holed, mask=mask)
    _, kept = layer(torch.cat((x[:1, :3], x[:1, 6:]), 1))
    torch.testing.assert_close(last[:1], kept, rtol=0, atol=1e-6)
    assert bool(h.isfinite().all())
    (h.sum() + last.sum()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in layer.parameters())
    state, outputs = None, []
    for t in range(12):
        out, state = layer.step(holed[:, t], state, mask=mask[:, t])
        outputs.append(out)
    torch.testing.assert_close(torch.stack(outputs, 1), h, rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_packed_sequences_are_each_alone(form):
    layer = made(**form)
    lengths = (4, 1, 7)
    parts, c = [torch.randn(1, n, 6) for n in lengths], torch.randn(3, 20)
    bounds = torch.tensor([0, *np.cumsum(lengths)])
    h, last = layer(torch.cat(parts, 1), c, cu_seqlens=bounds)
    alone = [layer(p, c[i : i + 1]) for i, p in enumerate(parts)]
    torch.testing.assert_close(h, torch.cat([a for a, _ in alone], 1), rtol=0, atol=1e-6)
    torch.testing.assert_close(last, torch.cat([b for _, b in alone]), rtol=0, atol=1e-6)


def test_copies_and_saved_layers_are_the_layer_and_keep_the_marks():
    layer, x = made(tied=False, read=True, rank=2), torch.randn(2, 5, 6)
    twin = copy.deepcopy(layer)
    other = made(seed=5, tied=False, read=True, rank=2)
    assert not torch.equal(other(x)[0], layer(x)[0])
    other.load_state_dict(layer.state_dict())
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for copied in (twin, other, torch.load(file, weights_only=False)):
        assert torch.equal(copied(x)[0], layer(x)[0])
        groups = parameter_groups(copied, 0.1, 1e-3, 1e-4)
        assert {n for n, p in copied.named_parameters() if any(p is q for q in groups[0]["params"])} == {
            "forget_bias",
            "write_bias",
            "read_bias",
        }
        assert groups[0]["lr"] == 1e-4
        assert [g["weight_decay"] for g in groups] == [0.0, 0.0, 0.1]
        assert {n for n, p in copied.named_parameters() if any(p is q for q in groups[2]["params"])} == {"weight", "mix"}


def test_a_block_adds_to_its_input_and_streams():
    torch.manual_seed(0)
    blocks = [GatedBlock(GatedLayer(6, 10, 30)) for _ in range(2)]
    x = torch.randn(3, 20, 6)
    whole, lasts = x, []
    for block in blocks:
        whole, last = block(whole)
        lasts.append(last)
    states: list[torch.Tensor | None] = [None, None]
    for t in range(20):
        y = x[:, t]
        for i, block in enumerate(blocks):
            y, states[i] = block.step(y, states[i])
        torch.testing.assert_close(y, whole[:, t], rtol=0, atol=3e-6)
    for a, b in zip(states, lasts, strict=True):
        torch.testing.assert_close(a.float(), b, rtol=0, atol=1e-6)
    with torch.no_grad():
        for linear in (blocks[0].out, blocks[0].down):
            nn.init.zeros_(linear.weight)
    assert torch.equal(blocks[0](x)[0], x)


def test_a_block_learns_to_recall_its_first_input():
    torch.manual_seed(0)
    block, head = GatedBlock(GatedLayer(4, 16, 32)), nn.Linear(4, 1)
    optimiser = torch.optim.AdamW(parameter_groups(nn.ModuleList([block, head]), 0.01, 1e-2))
    losses = []
    for _ in range(150):
        x = torch.randn(64, 16, 4)
        x[:, 1:, 0] = 0.0
        x[:, :, 1] = (torch.arange(16) == 0).float()
        loss = (head(block(x)[0][:, -1]).squeeze(-1) - x[:, 0, 0]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-10:]) < 0.1 < 0.5 < np.mean(losses[:5])
