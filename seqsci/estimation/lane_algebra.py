"""Small symmetric matrices of very many fits, by plain operations over all fits at once.

The batched routines of cuBLAS, cuSOLVER and MAGMA have failed on batches of more than 65,535 matrices (pytorch issues 21643, 24403, 79191,
192508), or want them cut up. These have no such limit, load no library, and give a matrix the same bits in whatever batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def inverted(matrix: Tensor) -> tuple[Tensor, Tensor]:
    r"""Inverses (C, n, n) of symmetric matrices, and which of these are positive definite (C,); the others' inverses mean nothing.

    An inverse is that of Cholesky factors to rounding (1e-7 at condition 1e10); beyond 1e10 rounding may leave one that is not positive
    definite.

    Gauss-Jordan elimination in place, without a choice of pivots, which a positive definite matrix does not need. It is one exactly if
    all pivots, ``d_j = a_jj`` after j steps, are positive. A step subtracts ``a_.j a_j. / d_j`` from the whole and puts ``a_.j / d_j`` in
    row and column j, ``-1 / d_j`` where they cross: after n steps this is minus the inverse (the sweep operator). An entry that is not
    finite ends in a pivot that is not.

    Source: Goodnight (1979), A tutorial on the SWEEP operator, DOI 10.1080/00031305.1979.10482685.

    >>> inverse, good = inverted(torch.tensor([[[4.0, 2.0], [2.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]], dtype=torch.float64))
    >>> inverse[0].tolist(), good.tolist()
    ([[0.5, -0.5], [-0.5, 1.0]], [True, False])
    """
    a, pivots = matrix.permute(1, 2, 0).contiguous(), []
    for j in range(len(a)):
        pivots.append(a[j, j].reciprocal())
        row = a[j] * pivots[-1]
        a = torch.addcmul(a, a[:, j, None], row, value=-1.0)
        torch.neg(pivots[-1], out=row[j])
        a[j] = a[:, j] = row
    least, most = torch.stack(pivots).aminmax(dim=0)
    return torch.neg(a).permute(2, 0, 1).contiguous(), (least > 0) & (most < torch.inf)  # not so where any is NaN; an infinite pivot has 0


def product(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices (C, n, n) times vectors (C, n)."""
    return (matrix * vector[:, None, :]).sum(2)
