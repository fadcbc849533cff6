"""MIST's lifting: patch positions as variables of their own, moved to lower the task's loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def lift(xy: Tensor, loss: Callable[[Tensor], Tensor], steps: int, rate: float) -> Tensor:
    """Move positions down the gradient of a loss, all else held; they may leave the image.

    Args:
        xy: [B, K, 2] positions in pixels.
        loss: positions to one loss an image, [B].
        steps: gradient steps.
        rate: pixels a unit of gradient of an image's own loss.

    Returns:
        [B, K, 2], without gradient.
    """
    with torch.enable_grad():
        for _ in range(steps):
            moved = xy.detach().requires_grad_()
            # Asked for the positions' gradient alone, no weight's is computed.
            (gradient,) = torch.autograd.grad(loss(moved).sum(), moved)
            xy = xy - rate * gradient
    return xy.detach()
