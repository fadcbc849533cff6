"""MIST's classifier of patches."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = 3


class ResidualBlock(nn.Module):
    """Two padded 3x3 convolutions with GroupNorm of one group, beside a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, h, w] to the same shape."""
        inner = F.relu(self.norm(self.first(x)))
        return F.relu(self.norm(self.second(inner)) + x)


class Classifier(nn.Module):
    """Patches to class logits: channels double while the side halves, down to one pixel.

    With a patch of 32 and a width of 8 the levels have 8, 16, 32, 64 and 128 channels and a
    last one of 128 sees a single pixel, as in MIST's official code.

    Args:
        classes: number of classes.
        patch: side of a patch, a power of 2.
        width: channels of the first level.
        blocks: residual blocks a level; 3 in MIST's code.
    """

    def __init__(self, classes: int, patch: int, width: int, blocks: int = BLOCKS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        levels = patch.bit_length() - 1
        for level in range(levels + 1):
            channels = width * 2 ** min(level, levels - 1)
            layers.append(nn.Conv2d(before, channels, 1))
            layers.extend(ResidualBlock(channels) for _ in range(blocks))
            if level < levels:
                layers.append(nn.MaxPool2d(2))
            before = channels
        self.features = nn.Sequential(*layers)
        self.last = nn.Linear(before, classes)

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches [..., 3, P, P] to logits [..., classes], in 32 bits."""
        features = self.features(patches.flatten(0, -4)).flatten(1)
        logits: Tensor = self.last(features).float().unflatten(0, patches.shape[:-3])
        return logits
