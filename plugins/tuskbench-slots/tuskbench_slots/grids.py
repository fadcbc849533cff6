"""Coordinates of pixels as channels, and their learned embedding."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def corner_grid(size: tuple[int, int]) -> Tensor:
    """Return the distances from the four borders [4, H, W]: y, x, 1 - y, 1 - x in [0, 1]."""
    place = linear_grid(size).add(1).div(2)
    return torch.cat([place, 1 - place])


def linear_grid(size: tuple[int, int]) -> Tensor:
    """Return y and x [2, H, W], from -1 at the first pixel to 1 at the last."""
    axes = [torch.linspace(-1, 1, count) for count in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def cosine_grid(size: tuple[int, int], frequencies: int) -> Tensor:
    """Return products of cosines [frequencies^2 - 1, H, W] of 0 to frequencies - 1 half waves.

    The constant one is left out.
    """
    y, x = linear_grid(size).add(1).mul(math.pi / 2)
    order = torch.arange(frequencies)[:, None, None]
    product = torch.cos(order * x)[:, None] * torch.cos(order * y)[None]
    return product.flatten(0, 1)[1:]


class PositionEmbedding(nn.Module):
    """Add a learned linear function of the distances from the borders to features.

    Args:
        channels: C of the features [..., C, H, W].
        size: (H, W).
    """

    grid: Tensor

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("grid", corner_grid(size), persistent=False)
        self.project = nn.Linear(4, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features [..., C, H, W] with their position added."""
        embedded: Tensor = self.project(self.grid.movedim(0, -1)).movedim(-1, 0)
        return features + embedded
