"""The rivals of the gated layer, each from its published equation, and one network around all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqsci.cells.layer import GatedLayer


class Gated(nn.Module):
    """The gated layer without its state."""

    def __init__(self, features: int, width: int, context: int) -> None:
        super().__init__()
        self.layer = GatedLayer(features, width, context)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Recurrent(nn.Module):
    """A layer of torch without its state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class MinGRU(nn.Module):
    """``h_t = (1 - z_t) h_{t-1} + z_t g(W x_t)``, z = sigmoid(W_z x_t), by cumulative sums and cumulative log-sum-exps of logarithms.

    g(x) = x + 1/2 for x >= 0, else sigmoid(x), keeps states positive; h_0 = g(0). Feng et al. (2024), doi:10.48550/arXiv.2410.01201.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.gate, self.candidate = nn.Linear(features, width), nn.Linear(features, width)

    def forward(self, x: Tensor) -> Tensor:
        k, v = self.gate(x), self.candidate(x)
        log_g = torch.where(v >= 0, torch.log(functional.relu(v) + 0.5), -functional.softplus(-v))
        start = torch.full_like(log_g[:, :1], math.log(0.5))
        kept = functional.pad(torch.cumsum(-functional.softplus(k), 1), (0, 0, 1, 0))
        values = torch.cat((start, -functional.softplus(-k) + log_g), 1)
        return torch.exp(kept + torch.logcumsumexp(values - kept, 1))[:, 1:]


class DiagonalSSM(nn.Module):
    """S4D-Lin: ``y = gelu(K * u + D u)`` with u = W x, K_t = 2 Re sum_n C_n (exp(dt a_n) - 1) / a_n exp(t dt a_n), a_n = -1/2 + i pi n.

    The convolution is done by Fourier transforms. Gu et al. (2022), doi:10.48550/arXiv.2206.11893.
    """

    def __init__(self, features: int, width: int, states: int = 8) -> None:
        super().__init__()
        self.input = nn.Linear(features, width)
        self.log_step = nn.Parameter(torch.empty(width).uniform_(math.log(1e-3), math.log(1e-1)))
        self.log_decay = nn.Parameter(torch.full((width, states), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(states).repeat(width, 1).float())
        self.weights = nn.Parameter(torch.randn(width, states, 2) * 0.5**0.5)
        self.skip = nn.Parameter(torch.randn(width))

    def forward(self, x: Tensor) -> Tensor:
        u, steps = self.input(x), x.shape[1]
        a = torch.complex(-torch.exp(self.log_decay), self.frequency)
        scaled = a * torch.exp(self.log_step)[:, None]
        weights = torch.view_as_complex(self.weights) * (torch.exp(scaled) - 1) / a
        powers = torch.exp(scaled[:, :, None] * torch.arange(steps))
        kernel = 2 * torch.einsum("wn,wnt->wt", weights, powers).real
        spectrum = torch.fft.rfft(u.transpose(1, 2), n=2 * steps) * torch.fft.rfft(kernel, n=2 * steps)
        y = torch.fft.irfft(spectrum, n=2 * steps)[..., :steps].transpose(1, 2)
        return functional.gelu(y + self.skip * u)


MODELS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "gated": Gated,
    "lstm": lambda features, width, context: Recurrent(nn.LSTM(features, width, batch_first=True)),
    "gru": lambda features, width, context: Recurrent(nn.GRU(features, width, batch_first=True)),
    "mingru": lambda features, width, context: MinGRU(features, width),
    "ssm": lambda features, width, context: DiagonalSSM(features, width),
}
"""A layer (B, T, features) -> (B, T, width) from features, width and context length."""


def count(module: nn.Module) -> int:
    """How many numbers an optimiser moves."""
    return sum(p.numel() for p in module.parameters())


def matched(name: str, features: int, target: int, out: int, context: int) -> int:
    """The width at which the layer, with a linear map of its output to ``out`` numbers, has closest to ``target`` parameters."""

    def size(width: int) -> int:
        with torch.device("meta"):
            return count(MODELS[name](features, width, context)) + width * out

    low, high = 1, 2
    while size(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < target else (low, middle)
    return min((low, high), key=lambda w: abs(size(w) - target))


class Network(nn.Module):
    """Two residual blocks around a layer, the same for every model: x + W layer(norm(x)), x + gated MLP(norm(x)); then a linear head."""

    def __init__(self, name: str, features: int, outputs: int, size: int, context: int) -> None:
        super().__init__()
        target = count(MODELS["lstm"](size, size, context)) + size * size
        width = matched(name, size, target, size, context)
        self.embed, self.head = nn.Linear(features, size), nn.Linear(size, outputs)
        self.layers = nn.ModuleList(MODELS[name](size, width, context) for _ in range(2))
        self.out = nn.ModuleList(nn.Linear(width, size, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.RMSNorm(size) for _ in range(5))
        self.up = nn.ModuleList(nn.Linear(size, 4 * size, bias=False) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(2 * size, size, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for i, (layer, out, up, down) in enumerate(zip(self.layers, self.out, self.up, self.down, strict=True)):
            x = x + out(layer(self.norms[2 * i](x)))
            gate, value = up(self.norms[2 * i + 1](x)).chunk(2, -1)
            x = x + down(functional.silu(gate) * value)
        return self.head(self.norms[4](x))
