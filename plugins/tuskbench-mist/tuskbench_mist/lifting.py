"""MIST's lifting: patch positions as variables of their own, moved to lower the task's loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def lift(
    xy: Tensor, loss: Callable[[Tensor], Tensor], size: tuple[int, int], steps: int, rate: float
) -> Tensor:
    """Move positions down the gradient of a loss, all else held.

    Args:
        xy: [B, K, 2] positions in pixels.
        loss: positions to one loss an image, [B].
        size: (height, width) of the image, which positions do not leave.
        steps: gradient steps.
        rate: pixels a unit of gradient of an image's own loss.

    Returns:
        [B, K, 2], without gradient.
    """
    limit = xy.new_tensor([size[1] - 1, size[0] - 1])
    with torch.enable_grad():
        for _ in range(steps):
            moved = xy.detach().requires_grad_()
            # Asked for the positions' gradient alone, no weight's is computed.
            (gradient,) = torch.autograd.grad(loss(moved).sum(), moved)
            xy = (xy - rate * gradient).clamp(min=torch.zeros_like(limit), max=limit)
    return xy.detach()
