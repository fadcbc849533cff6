"""The soft top-k against an independent solver, a root finder, its limits and its gradient."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit
from tuskbench_mist.optimal_transport import soft_topk


def scores(count: int = 12, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("epsilon", [0.1, 0.5])
@pytest.mark.parametrize("k", [1, 4])
def test_against_sinkhorn_in_the_log_domain(k: int, epsilon: float) -> None:
    """Python Optimal Transport solves the same problem without knowing of two anchors."""
    values = scores()
    count = values.shape[1]
    for row, chosen in zip(values.numpy(), soft_topk(values, k, epsilon), strict=True):
        cost = (row[:, None] - np.array([0.0, 1.0])) ** 2
        plan = ot.bregman.sinkhorn_log(
            np.full(count, 1 / count),
            np.array([(count - k) / count, k / count]),
            cost,
            epsilon,
            numItermax=20000,
            stopThr=1e-12,
        )
        np.testing.assert_allclose(count * plan[:, 1], chosen.numpy(), atol=1e-6)


@pytest.mark.parametrize("epsilon", [1e-3, 0.05, 10.0])
def test_against_a_root_finder(epsilon: float) -> None:
    values = scores(50)
    for row, chosen in zip(values.numpy(), soft_topk(values, 7, epsilon), strict=True):

        def excess(shift: float, row: np.ndarray = row) -> float:
            return expit((2 * row - 1) / epsilon - shift).sum() - 7

        shift = brentq(excess, -2 / epsilon - 50, 2 / epsilon + 50, xtol=1e-13)
        np.testing.assert_allclose(expit((2 * row - 1) / epsilon - shift), chosen, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-1, 1e2])
def test_memberships_sum_to_k(dtype: torch.dtype, epsilon: float) -> None:
    chosen = soft_topk(scores(1600).to(dtype), 9, epsilon)
    assert chosen.dtype == dtype
    torch.testing.assert_close(chosen.sum(1), torch.full((2,), 9.0, dtype=dtype), atol=1e-3, rtol=0)
    assert chosen.min() >= 0
    assert chosen.max() <= 1


def test_limits() -> None:
    values = scores()
    hard = torch.zeros_like(values).scatter_(1, values.topk(4).indices, 1)
    torch.testing.assert_close(soft_topk(values, 4, 1e-4), hard)
    torch.testing.assert_close(
        soft_topk(values, 4, 1e5), torch.full_like(values, 4 / 12), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 2.0])
def test_gradient(epsilon: float) -> None:
    values = scores().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_topk(x, 3, epsilon), (values,))


def test_all_the_same() -> None:
    values = torch.full((1, 8), 0.3, requires_grad=True)
    chosen = soft_topk(values, 2, 1e-3)
    torch.testing.assert_close(chosen, torch.full((1, 8), 0.25))
    chosen[0, 0].backward()
    assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("k", [0, 12, 13])
def test_as_many_winners_as_scores(k: int) -> None:
    with pytest.raises(ValueError, match="less than 12"):
        soft_topk(scores(), k, 0.1)
