"""Losses on class counts and on score maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def class_shares(labels: Tensor, classes: int) -> Tensor:
    """Return how the objects of each image divide among the classes.

    Args:
        labels: [B, G] classes, -1 where there is no object.
        classes: number of classes.

    Returns:
        [B, classes], summing to 1; zeros for an image without objects.
    """
    real = labels >= 0
    counts = (F.one_hot(labels.clamp_min(0), classes) * real[..., None]).sum(1).float()
    return counts / real.sum(1, keepdim=True).clamp_min(1)


def histogram_loss(probabilities: Tensor, shares: Tensor) -> Tensor:
    """Compare the mean of the patches' class probabilities with the true shares.

    Half the squared distance, as in MIST's official code: it reads class counts alone.

    Args:
        probabilities: [B, K, classes].
        shares: [B, classes] from `class_shares`.

    Returns:
        [B], one loss an image.
    """
    return 0.5 * (probabilities.mean(1) - shares).square().sum(-1)


def heatmap_loss(heatmap: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of maps [B, H, W]: [B], one an image."""
    return (heatmap - target).square().mean((-2, -1))
