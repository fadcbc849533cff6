"""How well segments agree with objects: adjusted Rand index and intersection over union."""

from __future__ import annotations

import torch
from torch import Tensor


def contingency(truth: Tensor, segments: Tensor, objects: int, count: int) -> Tensor:
    """Count the pixels of every pair of true label and segment.

    Args:
        truth: [B, ...] integer labels in 0..objects, 0 for background.
        segments: [B, ...] integer segments in 0..count - 1, of the same shape.
        objects: G, largest number of objects.
        count: K, number of segments.

    Returns:
        [B, G + 1, K] int64.
    """
    batch, cells = len(truth), (objects + 1) * count
    pairs = truth.flatten(1).long() * count + segments.flatten(1)
    pairs += torch.arange(0, batch * cells, cells, device=truth.device)[:, None]
    return torch.bincount(pairs.flatten(), minlength=batch * cells).view(batch, objects + 1, count)


def adjusted_rand_index(table: Tensor) -> Tensor:
    """Return the adjusted Rand index (Hubert and Arabie 1985) of contingency tables.

    It is 1 where the two partitions are the same, also where both have one cluster only, and 0
    on average by chance. Fewer than two points have no pairs to agree on: NaN.

    Args:
        table: [B, G, K] pixels by true cluster and predicted cluster.

    Returns:
        [B] float64, at most 1.
    """
    table = table.double()
    total = table.sum((1, 2))
    together = table.square().sum((1, 2))
    true, predicted = table.sum(2).square().sum(1), table.sum(1).square().sum(1)
    # Ordered pairs of points: in one cluster of both, of the truth only, of the prediction only.
    both, split, merged = together - total, true - together, predicted - together
    apart = total.square() - true - predicted + together
    agreement = 2 * (both * apart - split * merged)
    scale = (both + split) * (split + apart) + (both + merged) * (merged + apart)
    score = torch.where((split == 0) & (merged == 0), 1.0, agreement / scale)
    return torch.where(total < 2, torch.nan, score)


def best_overlap(table: Tensor) -> Tensor:
    """Return each image's mean, over visible objects, of the best intersection over union.

    Args:
        table: [B, G + 1, K] pixels by true label, background first, and segment.

    Returns:
        [B] float64 in [0, 1]; NaN where no object is visible.
    """
    table = table.double()
    common, size = table[:, 1:], table[:, 1:].sum(2, keepdim=True)
    overlap = common / (size + table.sum(1, keepdim=True) - common).clamp_min(1)
    visible = size.squeeze(2) > 0
    best = torch.where(visible, overlap.amax(2), 0.0).sum(1)
    return torch.where(visible.any(1), best / visible.sum(1), torch.nan)
