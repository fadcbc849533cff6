"""The GroupNorm U-Net that TUSK uses as encoder trunk and as decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError
from tuskbench.ops.upsample import double


class ConvolutionPair(nn.Sequential):
    """Two 3x3 convolutions, each followed by GroupNorm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.GroupNorm(groups, out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.GroupNorm(groups, out_channels),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """A U-Net of `depth` levels, `width` channels at full resolution, doubled at each halving.

    GroupNorm has `width` groups at every level, bilinear upsampling aligns corners, and the
    last layer is a bare 1x1 convolution, as in TUSK's official code. Nothing depends on the
    batch, so the network is deterministic at inference.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        width: channels at full resolution.
        depth: number of resolutions, the full one included.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, depth: int = 4) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(depth)]
        self.depth = depth
        self.down = nn.ModuleList(
            ConvolutionPair(before, after, width)
            for before, after in zip([in_channels, *channels[:-1]], channels, strict=True)
        )
        self.up = nn.ModuleList(
            ConvolutionPair(deep + skip, skip, width)
            for deep, skip in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, in_channels, H, W] to [B, out_channels, H, W]."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(torch.cat([double(x), skips.pop()], dim=1))
        output: Tensor = self.last(x)
        return output

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `ConfigurationError` unless (height, width) can be halved at every level."""
        factor = 2 ** (self.depth - 1)
        if size[0] % factor or size[1] % factor:
            expected = f"height and width divisible by {factor} (a U-Net of depth {self.depth})"
            raise ConfigurationError("U-Net", "image_size", size, expected)
