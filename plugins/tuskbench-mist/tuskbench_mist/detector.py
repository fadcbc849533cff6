"""MIST's detector: a residual network that keeps the image's resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ValidResidualBlock(nn.Module):
    """Two unpadded 3x3 convolutions beside a cropped skip; the output is 4 px smaller.

    Both convolutions share one GroupNorm of one group, as in MIST's official code.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3)
        self.second = nn.Conv2d(width, width, 3)
        self.norm = nn.GroupNorm(1, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C, H - 4, W - 4]."""
        inner = F.relu(self.norm(self.first(x)))
        return F.relu(self.norm(self.second(inner)) + x[..., 2:-2, 2:-2])


class Detector(nn.Module):
    """Images to one or more maps of logits, of the same height and width.

    Args:
        maps: number of maps: 1 for MIST, K for the channel-wise baseline.
        width: channels of every layer.
        blocks: residual blocks; each widens what a pixel sees by 4 px on every side.
    """

    def __init__(self, maps: int, width: int, blocks: int) -> None:
        super().__init__()
        self.padding = 2 * blocks
        self.norm = nn.BatchNorm2d(3)
        self.first = nn.Conv2d(3, width, 1)
        self.blocks = nn.Sequential(*(ValidResidualBlock(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, maps, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, maps, H, W]."""
        padded = F.pad(images, (self.padding,) * 4, mode="reflect")
        features = self.blocks(self.first(self.norm(padded)))
        # In bfloat16 neighbouring logits tie, and every one of them is a maximum.
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.last(features.float())
        return logits
