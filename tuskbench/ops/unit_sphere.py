"""Descriptors on the unit sphere, around their mean where asked to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UnitSphere(nn.Module):
    """Scale descriptors to unit length, after subtracting their mean where asked to.

    The features of a young network share a large common part, so that unit descriptors lie
    close together; without it they spread over the sphere. Training uses the batch's mean,
    inference a running one.
    """

    mean: Tensor

    def __init__(self, channels: int, centred: bool, momentum: float = 0.1) -> None:
        super().__init__()
        self.centred, self.momentum = centred, momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.subtracted: Tensor = self.mean

    def forward(self, descriptors: Tensor) -> Tensor:
        """Normalise [B, K, C] over C."""
        if self.centred:
            mean = self.mean
            if self.training:
                mean = descriptors.mean((0, 1))
                self.mean.lerp_(mean.detach(), self.momentum)
            self.subtracted = mean
            descriptors = descriptors - mean
        return F.normalize(descriptors, dim=-1)

    def maps(self, features: Tensor) -> Tensor:
        """Normalise feature maps [B, C, H, W] over C, around the mean that was last subtracted.

        A running mean would lag behind, and features that run away from it are all alike.
        """
        features = features.float()
        if self.centred:
            features = features - self.subtracted[:, None, None]
        return F.normalize(features, dim=1)
