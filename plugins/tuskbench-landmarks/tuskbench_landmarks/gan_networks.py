"""The networks that look at LatentKeypointGAN's images: discriminator and keypoint detector."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench_landmarks.layers import ConvolutionNormReLU

SLOPE = 0.2
WIDEST = 8
"""Largest multiple of the first layer's channels."""


class DownBlock(nn.Module):
    """Two convolutions, the second of stride 2, beside a skip; their sum over sqrt(2)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, before, 3, padding=1)
        self.second = nn.Conv2d(before, after, 3, 2, 1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, before, H, W] to [B, after, H/2, W/2]."""
        inner = F.leaky_relu(self.first(x), SLOPE)
        inner = F.leaky_relu(self.second(inner), SLOPE)
        side = self.skip(F.avg_pool2d(x, 2, ceil_mode=True))
        output: Tensor = (inner + side) / math.sqrt(2)
        return output


class Discriminator(nn.Module):
    """Images to one logit: how real they look.

    Args:
        size: (height, width) of the images.
        width: multiplies the channels, 64 at first and doubled up to 512.
    """

    def __init__(self, size: tuple[int, int], width: float) -> None:
        super().__init__()
        channels = max(8, round(64 * width))
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1)]
        before, (height, west) = channels, size
        while min(height, west) > 3:
            after = min(2 * before, WIDEST * channels)
            layers.append(DownBlock(before, after))
            before, height, west = after, (height + 1) // 2, (west + 1) // 2
        self.features = nn.Sequential(*layers)
        self.score = nn.Sequential(
            nn.Linear(before * height * west, before), nn.LeakyReLU(SLOPE), nn.Linear(before, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] in [0, 1] to logits [B]."""
        logits: Tensor = self.score(self.features(2 * images - 1).flatten(1))
        return logits[:, 0].float()


class ResidualBlock(nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = ConvolutionNormReLU(before, after, 3, stride)
        self.second = nn.Sequential(
            nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)
        )
        same = before == after and stride == 1
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, before, H, W] to [B, after, H / stride, W / stride]."""
        return F.relu(self.second(self.first(x)) + self.skip(x))


class Detector(nn.Sequential):
    """A ResNet whose head gives one map of logits a keypoint, at a quarter of the size.

    Args:
        keypoints: K.
        width: multiplies the channels 64, 128, 256 and 512.
    """

    def __init__(self, keypoints: int, width: float) -> None:
        channels = [max(8, round(64 * width * 2**level)) for level in range(4)]
        layers: list[nn.Module] = [ConvolutionNormReLU(3, channels[0], 7, 2)]
        before = channels[0]
        for level, after in enumerate(channels):
            layers += [ResidualBlock(before, after, 2 if level == 1 else 1)]
            layers += [ResidualBlock(after, after, 1)]
            before = after
        super().__init__(*layers, nn.Conv2d(before, keypoints, 1))
