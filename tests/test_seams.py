"""The compiled kernels equal the float64 torch loop, in value and in every gradient, on five hard mechanisms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from seqsci.equations.torch_backend import loop
from tests.hard_cases import CASES, hard_case


def _oracle(model, sequences, weights):
    """Value and gradients of a random functional of states, reads, log density and last states, by the torch loop and autograd."""
    mechanism = model.mechanism
    presamples = model.presamples(sequences)
    p = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in model.values}
    starts = [*sequences.starts, len(sequences)]
    columns = {
        n: torch.tensor(np.nan_to_num(sequences.column(n), nan=0.5), requires_grad=True)
        for n in [*(k.name for k in mechanism.known), *(o.name for o in mechanism.outcomes)]
    }
    q = torch.tensor(presamples, requires_grad=True)
    total, nll, parts = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64), []
    for u, (a, b) in enumerate(itertools.pairwise(starts)):
        known = {k.name: columns[k.name][a:b] for k in mechanism.known}
        outcome = {o.name: columns[o.name][a:b] for o in mechanism.outcomes}
        seen = torch.tensor(np.asarray(sequences.observed[a:b], bool))
        pre = {r.name: q[u, i].expand(b - a) for i, r in enumerate(mechanism.presamples)}
        out = loop(mechanism, model.observation, p, known, outcome, seen, torch.zeros(b - a, dtype=torch.bool), pre)
        total = total + (out.states * weights[0][a:b]).sum() + (out.reads * weights[1][a:b]).sum()
        total = total + (out.density * weights[2][a:b]).sum() + (out.last * weights[3][u]).sum()
        nll = nll - (out.density * torch.tensor(sequences.weight[a:b])).sum()
        parts.append(out)
    grads = torch.autograd.grad(total, [*p.values(), *columns.values(), q], retain_graph=True, allow_unused=True)
    score = torch.autograd.grad(nll, list(p.values()), allow_unused=True)
    zero = [torch.zeros_like(v) for v in [*p.values(), *columns.values(), q]]
    grads = [g if g is not None else z for g, z in zip(grads, zero, strict=True)]
    return parts, [g.numpy() for g in grads], float(nll.detach()), np.array([0.0 if g is None else float(g) for g in score])


@pytest.mark.parametrize("name", CASES)
def test_kernels_equal_the_torch_loop_in_value_and_gradient(name):
    model, sequences = hard_case(name)
    packed = model.pack(sequences)
    kernel = model.kernel(gaps=not packed.observed.all())
    result = kernel.states(model.kernel_values, packed)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=a.shape) for a in (result.states, result.reads, result.density, result.last)]
    parts, grads, nll, score = _oracle(model, sequences, [torch.tensor(w) for w in weights])

    for mine, field in ((result.states, "states"), (result.reads, "reads"), (result.density, "density")):
        np.testing.assert_allclose(mine, torch.cat([getattr(o, field) for o in parts]).detach().numpy(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(result.last, torch.stack([o.last for o in parts]).detach().numpy(), rtol=1e-11, atol=1e-12)

    dx, dp, dq, _ = kernel.adjoint(model.kernel_values, packed, result.states, tuple(weights))
    k, m = len(dp), dx.shape[1]
    scale = max(1.0, max(np.abs(g).max(initial=0.0) for g in grads))
    np.testing.assert_allclose(dp, grads[:k], rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(dx, np.stack(grads[k : k + m], 1), rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(dq, grads[k + m], rtol=1e-9, atol=1e-11 * scale)

    mine = kernel.score(model.kernel_values, packed, per_row=True)
    assert mine.nll == pytest.approx(nll, rel=1e-11)
    np.testing.assert_allclose(mine.gradient, score, rtol=1e-8, atol=1e-9 * max(1.0, np.abs(score).max()))
    np.testing.assert_allclose(mine.rows.sum(0), mine.gradient, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(mine.outer, mine.rows.T @ mine.rows, rtol=1e-8, atol=1e-9 * np.abs(mine.outer).max())
