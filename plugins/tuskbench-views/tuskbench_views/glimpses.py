"""Glimpses: round windows cut around keypoints, as they are or through a random view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Slope of the window's edge, in half sides of the glimpse.
EDGE = 12.0
# Steps towards the centre of what a window shows: each brings more of it into the window.
RECENTRINGS = 2


@dataclass(frozen=True)
class ViewRanges:
    """Half widths of the uniform ranges that a random view is drawn from.

    Attributes:
        rotation: in radians.
        scale: of the logarithm of the scale.
        aspect: of the logarithm of width over height.
        shear: of the horizontal shear.
        bend: amplitude of a sine across the glimpse, in half sides.
        shift: in half sides.
        gamma: of the logarithm of the exponent of the intensities.
    """

    rotation: float = 0.25
    scale: float = 0.3
    aspect: float = 0.25
    shear: float = 0.25
    bend: float = 0.1
    shift: float = 0.18
    gamma: float = 0.9

    def times(self, factor: float) -> ViewRanges:
        """Return all ranges multiplied."""
        return ViewRanges(**{name: factor * value for name, value in vars(self).items()})


def plain_grid(size: int, device: torch.device) -> Tensor:
    """Return the offsets [size, size, 2] of a glimpse's samples, in half sides, x before y."""
    steps = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)


def random_grid(count: int, size: int, ranges: ViewRanges, device: torch.device) -> Tensor:
    """Draw the offsets [count, size, size, 2] of as many views, in half sides.

    The random numbers come from the CPU's default generator, so that a seed gives the same views
    on every device.
    """

    def uniform(half_width: float, *shape: int) -> Tensor:
        drawn = (torch.rand(count, *shape) * 2 - 1) * half_width
        return drawn.to(device)

    angle, shear = uniform(ranges.rotation), uniform(ranges.shear)
    across, aspect = uniform(ranges.scale), uniform(ranges.aspect)
    down = across - aspect
    zero = torch.zeros_like(shear)
    stretch = torch.stack([across.exp(), shear, zero, down.exp()], -1).view(-1, 2, 2)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(-1, 2, 2)
    plain = plain_grid(size, device).view(1, -1, 2)
    # Each axis bends along the other one.
    phase = uniform(math.pi, 1, 2)
    bend = uniform(ranges.bend, 1, 2) * torch.sin(math.pi * plain.flip(-1) + phase)
    grid = (plain + bend) @ (turn @ stretch).transpose(1, 2) + uniform(ranges.shift, 1, 2)
    return grid.view(count, size, size, 2)


def cut(images: Tensor, xy: Tensor, side: float, grid: Tensor) -> Tensor:
    """Sample a window around every position through a grid of offsets.

    Args:
        images: [B, C, H, W]; black outside.
        xy: [B, K, 2] centres in pixels.
        side: of the window without a view, in pixels.
        grid: [S, S, 2] for all, or [B * K, S, S, 2], in half sides.

    Returns:
        [B * K, C, S, S], faded out beyond a circle of that side.
    """
    height, width = images.shape[-2:]
    batch, count = xy.shape[:2]
    size = grid.shape[-2]
    offsets = grid.expand(batch * count, size, size, 2) * (side / 2)
    pixels = offsets.view(batch, count, size, size, 2) + xy[:, :, None, None]
    scale = xy.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)])
    where = (pixels * scale - 1).flatten(1, 2)
    sampled = F.grid_sample(images.to(xy.dtype), where, align_corners=True)
    glimpses = sampled.unflatten(2, (count, size)).transpose(1, 2).flatten(0, 1)
    radius = plain_grid(size, xy.device).square().sum(-1).sqrt()
    faded: Tensor = glimpses * torch.sigmoid(EDGE * (1 - radius))
    return faded


def random_views(images: Tensor, xy: Tensor, side: float, size: int, ranges: ViewRanges) -> Tensor:
    """Cut a randomly transformed glimpse [B * K, C, size, size] around every position."""
    count = xy.shape[0] * xy.shape[1]
    glimpses = cut(images, xy, side, random_grid(count, size, ranges, xy.device))
    power = ((torch.rand(count, 1, 1, 1) * 2 - 1) * ranges.gamma).exp().to(xy.device)
    # The root's slope at 0 is infinite, but nothing behind a glimpse is trained.
    return glimpses.clamp(0, 1) ** power


def recentred(images: Tensor, xy: Tensor, side: float, size: int) -> Tensor:
    """Return positions [B, K, 2] moved to the centre of what stands out in the window around each.

    A detector may settle on the same edge of all objects. What stands out is the distance of a
    pixel from the image's median; a flat window leaves its position where it is.

    Args:
        images: [B, C, H, W].
        xy: [B, K, 2] positions in pixels.
        side: of the window, in pixels.
        size: samples along a side of the window.
    """
    height, width = images.shape[-2:]
    background = images.flatten(2).median(-1).values[..., None, None]
    outstanding = (images - background).abs().mean(1, keepdim=True)
    grid = plain_grid(size, xy.device)
    for _ in range(RECENTRINGS):
        weight = cut(outstanding, xy, side, grid).view(*xy.shape[:2], -1, 1)
        weight = weight / weight.sum(2, keepdim=True).clamp_min(1e-6)
        xy = xy + (weight * grid.view(-1, 2)).sum(2) * (side / 2)
        xy = xy.clamp(min=xy.new_zeros(2), max=xy.new_tensor([width - 1.0, height - 1.0]))
    return xy
