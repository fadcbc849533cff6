"""The network that turns a glimpse into a descriptor, and the one that draws it back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Describer(nn.Module):
    """Glimpses to unit descriptors: four convolutions and two linear layers with BatchNorm.

    Args:
        in_channels: channels of a glimpse.
        channels: C, width of the descriptor.
        size: side of a glimpse in its own pixels, a multiple of 4.
        width: channels of the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, size: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        plan = [(width, 5, 2), (2 * width, 3, 1), (2 * width, 3, 2), (4 * width, 3, 1)]
        before = in_channels
        for after, kernel, stride in plan:
            layers += [
                nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
            before = after
        hidden = 8 * width
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.project = nn.Sequential(
            nn.Linear(before * (size // 4) ** 2, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels),
        )

    def forward(self, glimpses: Tensor) -> Tensor:
        """Map glimpses [N, C_in, S, S] to unit descriptors [N, C], in at least 32 bits."""
        # Channels last are a sixth faster on CPU; the weights stay as optimizers' states are saved.
        first = self.features[0](glimpses).contiguous(memory_format=torch.channels_last)
        features = self.features[1:](first)
        return F.normalize(self.project(features).float(), dim=-1)


class Painter(nn.Module):
    """Descriptors to the glimpse that one of them stands for: two linear layers.

    Args:
        channels: C, width of the descriptor.
        out_channels: channels of a glimpse.
        size: side of a glimpse in its own pixels.
        width: units of the hidden layer.
    """

    def __init__(self, channels: int, out_channels: int, size: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, out_channels * size**2),
            nn.Sigmoid(),
            nn.Unflatten(-1, (out_channels, size, size)),
        )

    def forward(self, descriptors: Tensor) -> Tensor:
        """Map unit descriptors [N, C] to glimpses [N, C_out, S, S] in [0, 1]."""
        glimpses: Tensor = self.layers(descriptors)
        return glimpses
