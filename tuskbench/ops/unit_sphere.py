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

    def centre(self, descriptors: Tensor) -> Tensor:
        """Return what is subtracted from descriptors [B, K, C]: [C], zeros if not centred."""
        if not (self.centred and self.training):
            return self.mean
        mean = descriptors.mean((0, 1))
        self.mean.lerp_(mean.detach(), self.momentum)
        return mean

    def forward(self, descriptors: Tensor) -> Tensor:
        """Normalise [B, K, C] over C."""
        return F.normalize(descriptors - self.centre(descriptors), dim=-1)
