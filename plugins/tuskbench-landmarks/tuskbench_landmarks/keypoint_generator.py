"""The generator of LatentKeypointGAN: noise to keypoints and embeddings to an image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench.ops.upsample import double
from tuskbench_landmarks.appearance import paint
from tuskbench_landmarks.rendering import bells

NOISE = 256
STYLE = 128
"""Channels of the hidden layer of a conditional normalisation."""
SLOPE = 0.2
SMALLEST = 4
WIDEST = 512


def mapping(after: int, layers: int = 3) -> nn.Sequential:
    """Return a network from noise [B, 256] to [B, after]."""
    inner: list[nn.Module] = []
    for _ in range(layers - 1):
        inner += [nn.Linear(NOISE, NOISE), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*inner, nn.Linear(NOISE, after))


class SpatialNorm(nn.Module):
    """Batch normalisation whose scale and shift at each pixel come from the style map (SPADE)."""

    def __init__(self, channels: int, style: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Conv2d(style, hidden, 3, padding=1)
        self.scale = nn.Conv2d(hidden, channels, 3, padding=1)
        self.shift = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalise [B, C, H, W] by a style map [B, S, H, W]."""
        hidden = F.leaky_relu(self.shared(style), SLOPE)
        output: Tensor = self.norm(x) * (1 + self.scale(hidden)) + self.shift(hidden)
        return output


class StyledBlock(nn.Module):
    """A residual block whose normalisations know where the keypoints are."""

    def __init__(self, before: int, after: int, style: int, hidden: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(SpatialNorm(c, style, hidden) for c in (before, after, before))
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map [B, before, H, W] to [B, after, H, W]."""
        inner = self.first(F.leaky_relu(self.norms[0](x, style), SLOPE))
        inner = self.second(F.leaky_relu(self.norms[1](inner, style), SLOPE))
        output: Tensor = inner + self.skip(self.norms[2](x, style))
        return output


class Generated(NamedTuple):
    """Images and what they were made from.

    Attributes:
        images: [B, 3, H, W] in [0, 1].
        xy: [B, K, 2] keypoints in half sides, in (-1, 1).
        background: [B, 1, H, W] how little each pixel belongs to a keypoint, in [0, 1].
    """

    images: Tensor
    xy: Tensor
    background: Tensor


class Generator(nn.Module):
    """Noise to keypoints, keypoints and embeddings to style maps, style maps to an image.

    Args:
        keypoints: K.
        size: (height, width) of the images.
        width: multiplies the channels.
        embedding: channels of a keypoint's embedding.
        tau: of a keypoint's extent exp(-d^2 / tau), in square half sides.
        spread: multiplies the keypoint network's output before its tanh; below 1 keypoints start
            near the centre.
    """

    def __init__(
        self,
        keypoints: int,
        size: tuple[int, int],
        width: float,
        embedding: int,
        tau: float,
        spread: float,
    ) -> None:
        super().__init__()
        self.size, self.tau, self.spread = size, tau, spread
        self.pose = mapping(2 * keypoints)
        self.look, self.scene = mapping(embedding), mapping(embedding)
        self.identity = nn.Parameter(torch.randn(keypoints, embedding))
        levels = 0
        while not any(side % 2 ** (levels + 1) for side in size) and min(size) >> levels > SMALLEST:
            levels += 1
        channels = [min(WIDEST, round(64 * width * 2**up)) for up in range(levels, -1, -1)]
        small = (size[0] >> levels, size[1] >> levels)
        self.start = nn.Parameter(torch.randn(1, channels[0], *small))
        hidden = max(16, round(STYLE * width))
        self.blocks = nn.ModuleList(
            StyledBlock(before, after, embedding, hidden)
            for before, after in zip([channels[0], *channels[:-1]], channels, strict=True)
        )
        self.last = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def noise(self, count: int, device: torch.device) -> Tensor:
        """Draw noise [3, count, 256] for pose, look and scene, the same on every device."""
        return torch.randn(3, count, NOISE).to(device)

    def forward(self, noise: Tensor) -> Generated:
        """Generate from noise [3, B, 256]."""
        pose, look, scene = noise
        xy = torch.tanh(self.spread * self.pose(pose).float()).unflatten(-1, (-1, 2))
        embedding = self.identity * self.look(look)[:, None]
        background = self.scene(scene)[:, None]
        x = self.start.expand(len(xy), -1, -1, -1)
        for index, block in enumerate(self.blocks):
            x = double(x) if index else x
            extents = self.extents(xy, (x.shape[-2], x.shape[-1]))
            x = block(x, paint(torch.cat([embedding, background], 1).float(), extents))
        image = torch.sigmoid(self.last(F.leaky_relu(x, SLOPE)).float())
        return Generated(image, xy, self.extents(xy, self.size)[:, -1:])

    def extents(self, xy: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where the keypoints and, last, the background are: [B, K + 1, H, W]."""
        near = bells(xy, size, math.sqrt(self.tau))
        return torch.cat([near, 1 - near.amax(1, keepdim=True)], 1)
