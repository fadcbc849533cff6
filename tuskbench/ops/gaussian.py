"""Rendering of keypoints as narrow Gaussians, without a map a keypoint."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Beyond this many standard deviations a weight is below 2e-8 of the peak and left out.
CUT_OFF = 6.0


def _window(centre: Tensor, size: int, variance: float) -> tuple[Tensor, Tensor]:
    """Return pixel indices and weights, both [B, K, w], of 1D Gaussians that sum to 1."""
    radius = max(1, math.ceil(CUT_OFF * math.sqrt(variance) - 0.5))
    steps = torch.arange(-radius, radius + 1, device=centre.device)
    index = centre.detach().round().long().clamp(0, size - 1)[..., None] + steps
    inside = (index >= 0) & (index < size)
    weight = torch.exp(-0.5 * (index - centre[..., None]).square() / variance) * inside
    total = weight.sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    return index.clamp(0, size - 1), weight / total


def splat(xy: Tensor, values: Tensor, size: tuple[int, int], variance: float) -> Tensor:
    """Sum Gaussians carrying `values` at `xy` into one map.

    Each Gaussian exp(-d^2 / (2 variance)) is normalised to sum 1 over the image (TUSK code,
    GaussianRecon). Only the pixels within `CUT_OFF` deviations are touched, so the cost does
    not depend on the size of K full maps.

    Args:
        xy: [B, K, 2] positions in pixels.
        values: [B, K, C] what each Gaussian carries.
        size: (height, width) of the map.
        variance: in square pixels.

    Returns:
        [B, C, H, W]; differentiable with respect to `xy` and `values`.
    """
    height, width = size
    batch, _, channels = values.shape
    column, weight_x = _window(xy[..., 0], width, variance)
    row, weight_y = _window(xy[..., 1], height, variance)
    image = torch.arange(batch, device=xy.device)[:, None, None, None] * (height * width)
    index = image + row[..., :, None] * width + column[..., None, :]
    weight = (weight_y[..., :, None] * weight_x[..., None, :]).to(values.dtype)
    rows = weight[..., None] * values[:, :, None, None, :]
    canvas = values.new_zeros(batch * height * width, channels)
    canvas = canvas.index_add(0, index.flatten(), rows.reshape(-1, channels))
    return canvas.view(batch, height, width, channels).permute(0, 3, 1, 2).contiguous()
