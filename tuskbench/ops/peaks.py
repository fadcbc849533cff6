"""Keypoints from score maps: peaks after non-maximum suppression, soft-argmax, sampling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def top_peaks(heatmap: Tensor, count: int, window: int) -> Tensor:
    """Find the `count` highest local maxima of score maps, one an object.

    The highest pixel is taken, the `window` x `window` square around it is left out, and so on,
    so that any two peaks are at least `window // 2 + 1` pixels apart along x or y and equal
    neighbours give one peak. Pixels that are no maximum of their own square are taken only where
    maxima run out, and pixels nearer to others only where none is left. Give it scores before
    they saturate: of equal ones the first in reading order is taken.

    Args:
        heatmap: [B, H, W] finite scores of any sign.
        count: K, number of peaks.
        window: odd side of the suppression window in pixels.

    Returns:
        [B, K, 2] integer (x, y), by descending score but for those that fill up. No gradient.
    """
    scores = heatmap.detach()
    batch, height, width = scores.shape
    half = window // 2
    # Two one-dimensional pools see the same square for a fraction of the comparisons.
    highest = F.max_pool2d(scores[:, None], (1, window), 1, (0, half))
    highest = F.max_pool2d(highest, (window, 1), 1, (half, 0))[:, 0]
    maxima = scores.masked_fill(scores != highest, -torch.inf).flatten(1)
    scores = scores.flatten(1)
    y = torch.arange(height, device=scores.device)
    x = torch.arange(width, device=scores.device)
    # Distance to the nearest peak taken, along the axis where it is larger.
    apart = torch.full((batch, height * width), height + width, device=scores.device)
    found = []
    for _ in range(count):
        near = apart <= half
        best, index = maxima.masked_fill(near, -torch.inf).max(1)
        free = scores.masked_fill(near, -torch.inf)
        # Where no pixel is far enough from the others, the farthest is taken.
        spare = torch.where(near.all(1), apart.argmax(1), free.argmax(1))
        index = torch.where(best.isneginf(), spare, index)
        row, column = index // width, index % width
        found.append(torch.stack([column, row], -1))
        gap_y, gap_x = (y - row[:, None]).abs(), (x - column[:, None]).abs()
        gap = torch.maximum(gap_y[:, :, None], gap_x[:, None, :])
        apart = torch.minimum(apart, gap.flatten(1))
    return torch.stack(found, 1)


def local_soft_argmax(heatmap: Tensor, peaks: Tensor, window: int, temperature: float) -> Tensor:
    """Refine integer peaks by the softmax-weighted mean offset in a window around each.

    The map is padded with zeros, as in TUSK's official code, so that a window over the
    border is biased a little.

    Args:
        heatmap: [B, H, W] scores.
        peaks: [B, K, 2] integer (x, y).
        window: odd side of the window in pixels.
        temperature: softmax temperature (0.2 in TUSK's code).

    Returns:
        [B, K, 2] float (x, y); differentiable with respect to the scores.
    """
    half = window // 2
    padded = F.pad(heatmap, (half, half, half, half))
    width = padded.shape[-1]
    offset = torch.arange(window, device=heatmap.device)
    # In padded coordinates the window of peak (x, y) starts at (x, y).
    corner = peaks[..., 1] * width + peaks[..., 0]
    index = corner[..., None] + (offset[:, None] * width + offset).flatten()
    patches = padded.flatten(1).gather(1, index.flatten(1)).unflatten(1, index.shape[1:])
    weights = torch.softmax(patches / temperature, dim=-1).unflatten(-1, (window, window))
    steps = (offset - half).to(weights.dtype)
    shift = torch.stack([(weights.sum(-2) * steps).sum(-1), (weights.sum(-1) * steps).sum(-1)], -1)
    return peaks + shift


def global_soft_argmax(logits: Tensor) -> Tensor:
    """Return the mean position [B, K, 2] under the softmax over each map of [B, K, H, W]."""
    from kornia.geometry.subpix import spatial_soft_argmax2d

    mean: Tensor = spatial_soft_argmax2d(logits, normalized_coordinates=False)
    return mean


def sample_bilinear(maps: Tensor, xy: Tensor) -> Tensor:
    """Interpolate maps [B, C, H, W] at xy [B, K, 2]: [B, K, C]; outside points are clamped.

    The value at a position that is not a number is not a number.
    """
    height, width = maps.shape[-2:]
    # Torch's gradient would read memory outside the map there.
    lost = xy.isnan().any(-1, keepdim=True)
    xy = xy.nan_to_num()
    scale = xy.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)])
    grid = (xy * scale - 1).unsqueeze(1).to(maps.dtype)
    sampled = F.grid_sample(maps, grid, padding_mode="border", align_corners=True)
    return sampled[:, :, 0].transpose(1, 2).masked_fill(lost, torch.nan)


def sample_truncated(maps: Tensor, xy: Tensor) -> Tensor:
    """Read maps [B, C, H, W] at xy [B, K, 2] cut to integers: [B, K, C]; no gradient to xy."""
    height, width = maps.shape[-2:]
    x = xy[..., 0].long().clamp(0, width - 1)
    y = xy[..., 1].long().clamp(0, height - 1)
    index = (y * width + x)[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, index).transpose(1, 2)
