"""Bilinear upsampling as two matrix products, several times as fast on CPU in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor


def doubling_matrix(size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the [2 size, size] matrix that doubles one side, corners aligned."""
    step = (size - 1) / (2 * size - 1)
    place = torch.arange(2 * size, device=device, dtype=torch.double) * step
    distance = (place[:, None] - torch.arange(size, device=device)).abs()
    return (1 - distance).clamp_min(0).to(dtype)


def double(maps: Tensor) -> Tensor:
    """Double both sides of maps [B, C, H, W] by bilinear interpolation, corners aligned."""
    height, width = maps.shape[-2:]
    down = doubling_matrix(height, maps.device, maps.dtype)
    across = doubling_matrix(width, maps.device, maps.dtype)
    return down @ (maps @ across.T)
