"""No clustering: descriptors are free and keypoints carry no label."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NoRegularizer(nn.Module):
    """Learns no prototypes; every descriptor gets label 0.

    Args:
        channels: channels C of the descriptors (wired by the system).
    """

    version = "1"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.prototypes = None

    def assign(self, descriptors: Tensor) -> Tensor:
        """Return zeros [...] for descriptors [..., C]."""
        return torch.zeros(descriptors.shape[:-1], dtype=torch.long, device=descriptors.device)

    def initialise(self, descriptors: Tensor) -> None:
        """Do nothing: there are no prototypes."""

    def descriptor_loss(self, descriptors: Tensor) -> Tensor:
        """Return zero."""
        return descriptors.new_zeros(())

    def prototype_loss(self, descriptors: Tensor) -> Tensor:
        """Return zero."""
        return descriptors.new_zeros(())

    def quantize(self, descriptors: Tensor) -> Tensor:
        """Return the descriptors as they are."""
        return descriptors
