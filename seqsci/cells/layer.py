"""A wide gated layer for networks: gates read the input alone, so the whole sequence is one matrix product and one linear scan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqsci.cells.layer_inputs import check_input, check_mask, check_state, packed_rows
from seqsci.cells.layer_passes import Form, Fused, composed, fusable, openings, readout
from seqsci.errors import ParameterError, explain


@dataclass(frozen=True)
class GateTrace:
    """What the gates of a layer did; telemetry, without gradient.

    Attributes:
        forget: (B, T, width) f, what is kept of the state.
        write: (B, T, width) i, what is let in.
        half_life: (B, T, width) steps, -ln 2 / ln f: how long half of the state would last at this gate.
        read: (B, T, width) o, or None without a read gate.
    """

    forget: Tensor
    write: Tensor
    half_life: Tensor
    read: Tensor | None


class GatedLayer(nn.Module):
    """Remember a sequence in gated units, each with a half-life of its own at the start.

        f_t = sigmoid(W_f x_t + b_f)        i_t = 1 - f_t, or sigmoid(W_i x_t + b_i)        z_t = tanh(W_z x_t + b_z), or without tanh
        c_t = f_t c_{t-1} + i_t z_t         h_t = o_t phi(c_t)                              o_t = sigmoid(W_o x_t + b_o), or 1

    phi is the identity in a tied layer, whose state is a weighted mean of candidates, and tanh in an untied one, whose state grows.
    With tied=True, bounded=False, read=False this is minGRU with its gate named z = 1 - f.
    b_f starts at logit(2^(-1/H)) with half-lives H of the units spaced evenly in log H from 1 step to ``context`` steps; b_i at -b_f.
    Gate projections have a low rank r, W = W_2 W_1, as that of the step size in Mamba; the candidate's has full rank.

    Args:
        features: numbers a step of the input.
        width: units of the state and of the output.
        context: steps, finite and >= 1; the longest half-life at the start, and that of a single unit. Take the length over which
            something has to be remembered.
        tied: the write gate is 1 - forget.
        bounded: the candidate passes through tanh.
        read: a gate on the output.
        rank: of each gate's projection; by default the larger of 16 and width / 16. Where r (features + width) >= features * width the
            projection is dense.

    Shapes:
        forward takes x (B, T, features) and a state (B, width), 0 if left out; it returns h (B, T, width) and the last state (B, width),
        from which the next chunk or `step` goes on. Packed, x is (1, T, features) and states are (S, width). A state is a plain tensor:
        detach it, reorder it with ``state[index]``, save it with torch.save.

    Dtypes:
        x has the dtype of the weights. Under autocast the products run in its dtype, gates and scan in float32, and h has autocast's dtype.
        The last state is float32, or float64 where the layer or the state given is; `step` always returns float64.

    Raises:
        ParameterError: sizes below 1, a context below 1 or not finite.

    Sources: Gers, Schmidhuber and Cummins (2000), doi:10.1162/089976600300015015; Feng et al. (2024), doi:10.48550/arXiv.2410.01201; of
    the rank, Gu and Dao (2023), doi:10.48550/arXiv.2312.00752.

    >>> layer = GatedLayer(features=3, width=4, context=8)
    >>> h, state = layer(torch.zeros(2, 5, 3))
    >>> h.shape, state.shape, [round(float(x), 2) for x in layer.half_lives()]
    (torch.Size([2, 5, 4]), torch.Size([2, 4]), [1.0, 2.0, 4.0, 8.0])
    """

    def __init__(
        self,
        features: int,
        width: int,
        context: float,
        *,
        tied: bool = True,
        bounded: bool = True,
        read: bool = False,
        rank: int | None = None,
    ) -> None:
        super().__init__()
        if features < 1 or width < 1 or not 1 <= context < math.inf or (rank is not None and rank < 1):
            got = f"features {features}, width {width}, context {context}, rank {rank}"
            raise ParameterError(explain("a layer without size", got, "each at least 1 and finite", "give context in steps"))
        chosen = max(16, -(-width // 16)) if rank is None else rank
        low = chosen if chosen * (features + width) < features * width else 0
        self.form = Form(width, low, tied, bounded, read)
        self.features, self.width, self.context = features, width, float(context)
        self.weight = nn.Parameter(torch.empty(self.form.columns, features))
        self.mix = nn.Parameter(torch.empty(self.form.gates, width, low)) if low else None
        self.candidate_bias = nn.Parameter(torch.empty(width))
        self.forget_bias = nn.Parameter(torch.empty(width))
        self.write_bias = None if tied else nn.Parameter(torch.empty(width))
        self.read_bias = nn.Parameter(torch.empty(width)) if read else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projections anew, and set the biases to log-spaced half-lives."""
        with torch.no_grad():
            self.weight.normal_(std=self.features**-0.5)
            if self.mix is not None:
                self.mix.normal_(std=self.form.rank**-0.5)
            self.candidate_bias.zero_()
            exponents = torch.linspace(0, 1, self.width, dtype=torch.float64) if self.width > 1 else torch.ones(1, dtype=torch.float64)
            self.forget_bias.copy_(half_life_bias(self.context**exponents))
            if self.write_bias is not None:
                self.write_bias.copy_(-self.forget_bias)
            if self.read_bias is not None:
                self.read_bias.zero_()
        self._mark()

    def _mark(self) -> None:
        """Keep weight decay off the biases, which hold half-lives; `seqsci.parameter_groups` reads the mark."""
        for bias in (self.forget_bias, self.write_bias, self.read_bias):
            if bias is not None:
                bias.no_weight_decay = True  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._mark()  # copies of a parameter lose it

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(f"{prefix}mix")
        if self.mix is None and saved is not None and saved.numel() == 0:  # layers with dense gates used to save an empty one
            del state_dict[f"{prefix}mix"]
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._mark()  # parameters that are assigned have none

    def extra_repr(self) -> str:
        """What distinguishes this layer."""
        form = self.form
        ranks = f"rank={form.rank}" if form.rank else "dense gates"
        return (
            f"{self.features}, {self.width}, context={self.context:g}, tied={form.tied}, bounded={form.bounded}, read={form.read}, {ranks}"
        )

    def half_lives(self) -> Tensor:
        """(width,) steps: half-lives of the units where the input is 0."""
        return _half_life(self.forget_bias.detach())

    def gates(self, x: Tensor) -> GateTrace:
        """What the gates do along x (B, T, features); raises `DataError` at another shape or dtype."""
        check_input(x, self.weight, 3)
        with torch.no_grad():
            got, _ = openings(self.form, x, self.weight, self.mix, self._bias())
        return GateTrace(got.forget, got.write, _half_life(got.logit), got.read)

    def forward(
        self, x: Tensor, state: Tensor | None = None, *, mask: Tensor | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs (B, T, width) and the last state.

        Args:
            x: (B, T, features); (1, T, features) if packed.
            state: (B, width) before the first step; (S, width) if packed.
            mask: (B, T) boolean, False where a step is missing: it keeps the state, its input may be NaN and counts as 0 in the read gate.
            cu_seqlens: (S + 1,) integer bounds 0 ... T of sequences packed along time, none of which runs into the next.

        Raises:
            DataError: x that is not (B, T, features) or has another dtype than the weights (autocast brings narrow ones together); a state
                that is not (B, width) or (S, width), or complex or integer; a mask that is not (B, T) of torch.bool; bounds that are not
                increasing integers from 0 to T, or a packed batch.
        """
        check_input(x, self.weight, 3)
        start = self._start(x, state, x.shape[0] if cu_seqlens is None else packed_rows(cu_seqlens))
        if mask is not None:
            check_mask(mask, x.shape[:2])
            x = torch.where(mask.unsqueeze(-1), x, torch.zeros((), dtype=x.dtype, device=x.device))
        bias = self._bias()
        if mask is None and cu_seqlens is None and x.numel() and fusable(x, self.weight, self.mix, bias, states=(start,)):
            return Fused.apply(self.form, x, self.weight, self.mix, bias, start)  # type: ignore[no-any-return, no-untyped-call]
        return composed(self.form, x, self.weight, self.mix, bias, start, mask, cu_seqlens)

    def step(self, x: Tensor, state: Tensor | None = None, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step of streaming: x (B, features), state (B, width), mask (B,) -> h (B, width), state.

        The state is carried in float64, as in the scan, so that ten thousand steps are the whole to rounding; `forward` goes on in it.

        Raises:
            DataError: x that is not (B, features) or has another dtype than the weights; a state that is not (B, width), or complex or
                integer; a mask that is not (B,) of torch.bool.
        """
        check_input(x, self.weight, 2)
        start = self._start(x, state, x.shape[0])
        if mask is not None:
            check_mask(mask, x.shape[:1])
            x = torch.where(mask.unsqueeze(-1), x, torch.zeros((), dtype=x.dtype, device=x.device))
        got, dtype = openings(self.form, x, self.weight, self.mix, self._bias())
        wide = torch.float64 if x.device.type != "mps" else torch.float32
        before = start.to(wide)
        c = got.forget * before + (got.write * got.candidate).to(wide)
        if mask is not None:
            c = torch.where(mask.unsqueeze(-1), c, before)
        return readout(self.form, got, c.to(got.forget.dtype)).to(dtype), c

    def _bias(self) -> Tensor:
        biases = (self.candidate_bias, self.forget_bias, self.write_bias, self.read_bias)
        return torch.stack([b for b in biases if b is not None])

    def _start(self, x: Tensor, state: Tensor | None, rows: int) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        if state is None:
            return torch.zeros((rows, self.width), dtype=wide, device=x.device)
        check_state(state, rows, self.width)
        return state.to(torch.promote_types(wide, state.dtype))


def half_life_bias(half_life: Tensor) -> Tensor:
    """The bias at which a forget gate keeps half of the state for a half-life: ``logit(2^(-1/H)) = -ln(2^(1/H) - 1)``.

    >>> torch.sigmoid(half_life_bias(torch.tensor([1.0, 2.0])))
    tensor([0.5000, 0.7071])
    """
    return -torch.log(torch.expm1(math.log(2) / half_life))


def _half_life(logit: Tensor) -> Tensor:
    return math.log(2) / nn.functional.softplus(-logit)
