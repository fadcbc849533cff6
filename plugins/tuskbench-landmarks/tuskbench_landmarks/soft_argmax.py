"""Positions from maps: global, separable and with the second moments.

All of it runs in 32 bits whatever the autocast, because 8 bits of mantissa are 1/256 of an image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuskbench.ops.peaks import top_peaks
from tuskbench_landmarks.coordinates import axis

FOCUS = 0.2
"""Radius in half sides within which probability counts as being at a landmark."""


def spatial_softmax(logits: Tensor) -> Tensor:
    """Turn logits [B, K, H, W] to maps that each sum to 1 over their pixels."""
    return logits.float().flatten(2).softmax(-1).view_as(logits)


def normalised(maps: Tensor) -> Tensor:
    """Scale maps [B, K, H, W], at least 0, to sum 1 over their pixels each."""
    maps = maps.float()
    return maps / maps.sum((-2, -1), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def mean(maps: Tensor) -> Tensor:
    """Return the mean position [B, K, 2], in half sides, under maps [B, K, H, W] that sum to 1.

    After `spatial_softmax` this is the global soft-argmax.
    """
    x = (maps.sum(-2) * axis(maps.shape[-1], maps.device)).sum(-1)
    y = (maps.sum(-1) * axis(maps.shape[-2], maps.device)).sum(-1)
    return torch.stack([x, y], -1)


def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean [B, K, 2] and covariance [B, K, 2, 2] under maps [B, K, H, W] that sum to 1.

    In half sides and squares of them. Deviations are taken from the mean before they are
    squared, so that the covariance of a narrow map is not lost in rounding.
    """
    centre = mean(maps)
    x = axis(maps.shape[-1], maps.device) - centre[..., :1]
    y = axis(maps.shape[-2], maps.device) - centre[..., 1:]
    xx = (maps.sum(-2) * x.square()).sum(-1)
    yy = (maps.sum(-1) * y.square()).sum(-1)
    xy = ((maps * x[..., None, :]).sum(-1) * y).sum(-1)
    return centre, torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -2)


def separable_maps(logits: Tensor) -> Tensor:
    """Return maps [B, K, H, W] that are the product of a softmax along each axis.

    The logits of an axis are the mean, not the sum, of the map over the other axis (Jakab et
    al. 2018, official code); the maps sum to 1.
    """
    logits = logits.float()
    along_x, along_y = logits.mean(-2).softmax(-1), logits.mean(-1).softmax(-1)
    return along_y[..., :, None] * along_x[..., None, :]


def concentration(maps: Tensor, xy: Tensor, radius: float = FOCUS) -> Tensor:
    """Return which share of each map [..., K, H, W] lies within `radius` of xy [..., K, 2].

    It is 1 for a sharp map and near 0 for a flat one or one with two far peaks, whose mean lies
    between them: how far a landmark can be believed.
    """
    x = axis(maps.shape[-1], maps.device) - xy[..., :1]
    y = axis(maps.shape[-2], maps.device) - xy[..., 1:]
    near = y.square()[..., :, None] + x.square()[..., None, :] <= radius**2
    return (maps * near).sum((-2, -1)).clamp(0, 1)


def peak_means(maps: Tensor, count: int, radius: float = FOCUS) -> tuple[Tensor, Tensor]:
    """Find `count` modes of each map [B, K, H, W] that sums to 1.

    A mode is a pixel that no other within `radius` exceeds; its position is the mean over the
    pixels around it. Where a map has fewer modes, the highest pixels away from them fill up.

    Returns:
        positions [B, count K, 2] in half sides and the share of its map near each [B, count K];
        the landmark of an entry is its index modulo K.
    """
    batch, landmarks, height, width = maps.shape
    side = 2 * max(1, round(radius * (max(height, width) - 1) / 2)) + 1
    found = top_peaks(maps.flatten(0, 1), count, side).view(batch, landmarks, count, 2)
    found = found.transpose(1, 2)
    limit = found.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    peaks = found / limit * 2 - 1
    repeated = maps[:, None].expand(-1, count, -1, -1, -1)
    x = axis(width, maps.device) - peaks[..., :1]
    y = axis(height, maps.device) - peaks[..., 1:]
    near = repeated * (y.square()[..., :, None] + x.square()[..., None, :] <= radius**2)
    share = near.sum((-2, -1)).clamp(0, 1)
    xy = mean(normalised(near.flatten(1, 2)).view(batch, -1, height, width))
    return xy, share.flatten(1)
