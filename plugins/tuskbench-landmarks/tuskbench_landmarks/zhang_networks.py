"""The hourglass of Zhang et al. 2018, from which all of their networks are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench_landmarks.layers import ConvolutionNormReLU

SLOPE = 0.2
"""Of the leaky ReLUs below 0, as in lmdis-rep."""


@dataclass(frozen=True)
class Level:
    """One resolution of an hourglass.

    Attributes:
        down: channels of the convolutions on the way down.
        up: channels of as many convolutions on the way up, from the one that undoes the last.
    """

    down: tuple[int, ...]
    up: tuple[int, ...]


def chain(channels: Sequence[int]) -> nn.Sequential:
    """Return 3x3 convolutions from each number of channels to the next."""
    return nn.Sequential(*(ConvolutionNormReLU(a, b, slope=SLOPE) for a, b in pairwise(channels)))


class Hourglass(nn.Module):
    """Convolutions and pooling down, the mirrored way up, skips of convolutions that are added.

    The very last layer is linear. Sizes need not be divisible: pooling rounds up and upsampling
    by nearest neighbours returns to the size of the skip.

    Args:
        before: channels of the input.
        levels: from full resolution down.
        skips: convolutions of each skip.
        after: channels of the linear output; None leaves the last layer of `up` as it is.
    """

    def __init__(
        self, before: int, levels: Sequence[Level], skips: int, after: int | None = None
    ) -> None:
        super().__init__()
        self.down, self.up, self.skips = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        above = before
        for level in levels:
            self.down.append(chain([above, *level.down]))
            above = level.down[-1]
        below = levels[-1].down[-1]
        for index, level in reversed(list(enumerate(levels))):
            if index < len(levels) - 1:
                wide = max(level.down[-1], below)
                self.skips.append(chain([level.down[-1], *[wide] * (skips - 1), below]))
            self.up.append(chain([below, *level.up]))
            below = level.up[-1]
        self.channels = below if after is None else after
        self.last = nn.Identity() if after is None else nn.Conv2d(below, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, before, H, W] to [B, channels, H, W]."""
        kept: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2, ceil_mode=True) if index else x)
            kept.append(x)
        x = self.up[0](kept.pop())
        for block, skip in zip(self.up[1:], self.skips, strict=True):
            side = kept.pop()
            x = F.interpolate(x, side.shape[-2:], mode="nearest")
            x = block(x + skip(side))
        output: Tensor = self.last(x)
        return output


def scaled(width: float, *channels: int) -> tuple[int, ...]:
    """Return channels times a width, at least 4."""
    return tuple(max(4, round(width * number)) for number in channels)


def detector(maps: int, width: float) -> Hourglass:
    """Return the landmark detector: images to `maps` logits, three poolings deep."""
    narrow, wide = scaled(width, 32, 64)
    inner = Level((wide, wide), (wide, wide))
    levels = [Level((narrow, narrow), (narrow,)), Level((wide, wide), (wide, narrow))]
    return Hourglass(3, [*levels, inner, inner], 3, maps)


def describer(width: float) -> Hourglass:
    """Return the feature network: images to a map of 64 features."""
    c32, c64, c128, c256, c512 = scaled(width, 32, 64, 128, 256, 512)
    levels = [
        Level((c32, c64), (c64, c64)),
        Level((c128,), (c64,)),
        Level((c256,), (c128,)),
        Level((c512,), (c256,)),
    ]
    return Hourglass(3, levels, 2)


def renderer(channels: int, width: float) -> Hourglass:
    """Return the image decoder: landmark and feature maps to RGB logits."""
    c32, c64, c128, c256, c512 = scaled(width, 32, 64, 128, 256, 512)
    levels = [
        Level((c64, c64), (c32,)),
        Level((c128,), (c64,)),
        Level((c256,), (c128,)),
        Level((c512,), (c256,)),
        Level((c512,), (c512,)),
    ]
    return Hourglass(channels, levels, 2, 3)


class GroupLinear(nn.Module):
    """A linear layer of its own for each part.

    Args:
        parts: number of parts.
        before: channels of the input.
        after: channels of the output.
    """

    def __init__(self, parts: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(parts, before, after) / math.sqrt(before))
        self.bias = nn.Parameter(torch.zeros(parts, after))

    def forward(self, features: Tensor) -> Tensor:
        """Map [B, parts, before] to [B, parts, after]."""
        return torch.einsum("bpi,pio->bpo", features, self.weight) + self.bias
