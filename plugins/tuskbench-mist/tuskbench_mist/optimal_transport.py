"""Differentiable top-k as entropic optimal transport (Xie et al. 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Halvings of the interval that holds the dual variable: beyond the precision of 32 bits.
HALVINGS = {torch.float32: 40, torch.float64: 70}


def soft_topk(scores: Tensor, k: int, epsilon: float) -> Tensor:
    """Return how much each score belongs to the k largest.

    Moves a uniform mass on n scores to two anchors, 0 with mass (n - k) / n and 1 with mass
    k / n, at cost (score - anchor)^2 and entropic regularisation `epsilon`; the result is n
    times the plan's column of anchor 1. With two anchors the plan of entry i is a logistic
    function of (2 score_i - 1 - shift) / epsilon, with one unknown shift that makes the
    entries sum to k. It is found by bisection, in the logit's domain, so that a small
    `epsilon` neither underflows nor slows convergence as it does Sinkhorn's iterations; the
    gradient follows from the optimality condition, without unrolling.

    Args:
        scores: [B, N] in 32 or 64 bits, of the order of [0, 1].
        k: number of winners, 0 < k < N.
        epsilon: regularisation; the hard top-k at 0, k / N for all when large.

    Returns:
        [B, N] in [0, 1], summing to k.
    """
    if not 0 < k < scores.shape[-1]:
        raise ValueError(f"k = {k}, but expected more than 0 and less than {scores.shape[-1]}")
    chosen: Tensor = _SoftTopK.apply(scores, k, epsilon)  # type: ignore[no-untyped-call]
    return chosen


class _SoftTopK(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, k: int, epsilon: float) -> Tensor:
        logits = (2 * scores - 1) / epsilon
        # At these shifts every entry has at least, or at most, the mean k / N.
        mean = torch.logit(torch.tensor(k / scores.shape[-1], dtype=scores.dtype))
        low = logits.amin(-1, keepdim=True) - mean
        high = logits.amax(-1, keepdim=True) - mean
        for _ in range(HALVINGS.get(scores.dtype, HALVINGS[torch.float32])):
            middle = (low + high) / 2
            too_many = torch.sigmoid(logits - middle).sum(-1, keepdim=True) > k
            low, high = torch.where(too_many, middle, low), torch.where(too_many, high, middle)
        chosen = torch.sigmoid(logits - (low + high) / 2)
        ctx.save_for_backward(chosen)
        ctx.epsilon = epsilon
        return chosen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (chosen,) = ctx.saved_tensors
        slope = chosen * (1 - chosen)
        # The shift moves with the scores so that the sum stays k.
        total = slope.sum(-1, keepdim=True).clamp_min(torch.finfo(slope.dtype).tiny)
        shift = (gradient * slope).sum(-1, keepdim=True) / total
        return 2 / ctx.epsilon * slope * (gradient - shift), None, None
