"""The encoders and the renderer of Jakab et al. 2018."""

from __future__ import annotations

from torch import Tensor, nn

from tuskbench.ops.upsample import double
from tuskbench_landmarks.layers import ConvolutionNormReLU


class Trunk(nn.Sequential):
    """Pairs of convolutions, each pair but the first halving the size and doubling the channels.

    Args:
        width: channels at full resolution.
        levels: how often the size is halved.
    """

    def __init__(self, width: int, levels: int) -> None:
        layers = [ConvolutionNormReLU(3, width, 7), ConvolutionNormReLU(width, width)]
        for level in range(levels):
            channels = width * 2**level
            layers += [
                ConvolutionNormReLU(channels, 2 * channels, 3, 2),
                ConvolutionNormReLU(2 * channels, 2 * channels),
            ]
        super().__init__(*layers)


class Renderer(nn.Module):
    """Features and landmark maps at the trunk's resolution to an image.

    Args:
        channels: of the input.
        width: channels at full resolution, as of the trunk.
        levels: how often the size is doubled.
    """

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(levels, 0, -1):
            wide = width * 2**level
            pair = nn.Sequential(
                ConvolutionNormReLU(channels, wide), ConvolutionNormReLU(wide, wide)
            )
            self.levels.append(pair)
            channels = wide
        self.last = nn.Sequential(
            ConvolutionNormReLU(channels, width), nn.Conv2d(width, 3, 3, padding=1)
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """Map [B, channels, h, w] to an image [B, 3, H, W]; values are not bounded."""
        for level in self.levels:
            embedding = double(level(embedding))
        image: Tensor = self.last(embedding)
        return image
