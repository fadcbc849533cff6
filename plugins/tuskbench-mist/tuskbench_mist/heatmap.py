"""Score maps: logits under a softmax over the neighbourhood of each pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def local_softmax(logits: Tensor, window: int, strength: float) -> Tensor:
    """Return each pixel's share of its neighbourhood's exponentials.

    exp(s (h - max h)) over the sum of the same in the window around the pixel, plus 1e-6; near
    the border the sum is that of the nearest window inside (MIST's official code). The value of
    a lone peak is near 1 whatever its height, and of a flat map 1 / window^2.

    Args:
        logits: [B, H, W].
        window: odd side of the neighbourhood in pixels; 15 in the code.
        strength: s, the inverse temperature; 10 in the code.

    Returns:
        [B, H, W] in (0, 1), in at least 32 bits.
    """
    wide = logits if logits.dtype == torch.float64 else logits.float()
    mass = torch.exp(strength * (wide - wide.amax((-2, -1), keepdim=True)))[:, None]
    half = window // 2
    # Two one-dimensional means see the same square for a fraction of the additions.
    inside = F.avg_pool2d(F.avg_pool2d(mass, (1, window), 1), (window, 1), 1)
    around = F.pad(inside, (half,) * 4, mode="replicate")
    share = mass / (around * window**2 + 1e-6)
    return share[:, 0]


def point_map(xy: Tensor, size: tuple[int, int], present: Tensor | None = None) -> Tensor:
    """Return maps [B, H, W] with 1 at the pixels nearest to xy [B, K, 2], else 0.

    Args:
        xy: positions in pixels; outside ones are moved to the border.
        size: (height, width).
        present: [B, K] bool, which positions count; None for all.
    """
    height, width = size
    x, y = (xy + 0.5).floor().long().unbind(-1)
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    value = torch.ones_like(xy[..., 0]) if present is None else present.to(xy.dtype)
    maps = xy.new_zeros(len(xy), height * width)
    return maps.scatter_reduce_(1, y * width + x, value, "amax").view(-1, height, width)
