"""A residual block around the gated layer, to be stacked."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from seqsci.cells.layer import GatedLayer
from seqsci.cells.layer_inputs import check_input
from seqsci.errors import ParameterError, explain


class GatedBlock(nn.Module):
    """A gated layer and a gated MLP, each on a normalised copy of what it adds to.

        y = x + W_out GatedLayer(RMSNorm(x))        out = y + W_3 (silu(W_1 n) * W_2 n),   n = RMSNorm(y)

    Args:
        layer: the memory; its ``features`` are those of the block, its ``width`` is free.
        hidden: units of the MLP; 8/3 of the features, rounded up, by default, which gives it the parameters of a plain MLP of 4 times.

    Shapes:
        forward x (B, T, features) and state (B, width) -> (B, T, features) and the last state; step without T. mask and cu_seqlens as in
        `GatedLayer`. At a missing step the memory keeps its state; the input there should be finite, since the block adds to it.

    Raises:
        ParameterError: ``hidden`` below 1.

    Source of the MLP: Shazeer (2020), doi:10.48550/arXiv.2002.05202.

    >>> import torch
    >>> block = GatedBlock(GatedLayer(features=4, width=8, context=32))
    >>> y, state = block(torch.zeros(2, 5, 4))
    >>> y.shape, state.shape
    (torch.Size([2, 5, 4]), torch.Size([2, 8]))
    """

    def __init__(self, layer: GatedLayer, hidden: int | None = None) -> None:
        super().__init__()
        units = -(-8 * layer.features // 3) if hidden is None else hidden
        if units < 1:
            raise ParameterError(explain("a block without an MLP", f"hidden {units}", "at least 1", "leave hidden out"))
        features = layer.features
        self.layer = layer
        self.before_layer = nn.RMSNorm(features)
        self.out = nn.Linear(layer.width, features, bias=False)
        self.before_mlp = nn.RMSNorm(features)
        self.up = nn.Linear(features, 2 * units, bias=False)
        self.down = nn.Linear(units, features, bias=False)

    def forward(
        self, x: Tensor, state: Tensor | None = None, *, mask: Tensor | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run over (B, T, features) from a state; returns the output and the last state.

        Raises:
            DataError: inputs, states, masks or bounds that `GatedLayer.forward` refuses.
        """
        check_input(x, self.layer.weight, 3)
        h, last = self.layer(_normalised(self.before_layer, x), state, mask=mask, cu_seqlens=cu_seqlens)
        return self._mlp(x + self.out(h)), last

    def step(self, x: Tensor, state: Tensor | None = None, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step of streaming over (B, features); returns the output and the state in float64.

        Raises:
            DataError: inputs, states or masks that `GatedLayer.step` refuses.
        """
        check_input(x, self.layer.weight, 2)
        h, last = self.layer.step(_normalised(self.before_layer, x), state, mask=mask)
        return self._mlp(x + self.out(h)), last

    def _mlp(self, y: Tensor) -> Tensor:
        gate, value = self.up(_normalised(self.before_mlp, y)).chunk(2, -1)
        added: Tensor = self.down(functional.silu(gate) * value)
        return y + added


def _normalised(norm: nn.RMSNorm, x: Tensor) -> Tensor:
    """The norm in the dtype of its weights: under autocast a narrow x would take a slow path of torch, with a warning."""
    normalised: Tensor = norm(x.to(norm.weight.dtype))
    return normalised
