"""Random thin-plate-spline warps of image batches (TUSK section 3.3, equivariance)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tuskbench.contracts import WarpSettings

# Control points of TUSK's official code, in [-1, 1] of the padded image: eight that move ...
MOVABLE = [(-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7), (0.7, 0.7)]
MOVABLE += [(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)]
# ... and eight on the border that stay.
FIXED = [(-0.99, -0.99), (0.99, -0.99), (-0.99, 0.99), (0.99, 0.99)]
FIXED += [(-0.95, 0.0), (0.99, 0.0), (0.0, -0.99), (0.0, 0.99)]
JITTER = 0.1
# The spline lives on the image padded on every side by this share of its height.
PADDING = 0.2


def random_control_points(batch: int, settings: WarpSettings, device: torch.device) -> Tensor:
    """Draw matching control points before and after a random warp: [2, B, 16, 2].

    Coordinates are in [-1, 1] of the padded image. The random numbers come from the CPU's
    default generator, so that a seed gives the same warps on every device.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape) * 2 - 1

    start = torch.tensor(MOVABLE) + JITTER * uniform(batch, len(MOVABLE), 2)
    moved = start + settings.displacement * uniform(batch, len(MOVABLE), 2)
    centre, half_width = settings.scale
    moved = moved * (centre + half_width * uniform(batch, 1, 2))
    angle = settings.rotation * uniform(batch)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([cosine, -sine, sine, cosine], dim=-1).view(batch, 2, 2)
    moved = moved @ turn.transpose(1, 2)
    moved = moved + settings.offset * (uniform(batch, 1, 2) + uniform(batch, 1, 2))
    fixed = torch.tensor(FIXED).expand(batch, -1, -1)
    points = torch.stack([torch.cat([start, fixed], 1), torch.cat([moved, fixed], 1)])
    return points.to(device, non_blocking=True)


def thin_plate_spline(start: Tensor, moved: Tensor, points: Tensor) -> Tensor:
    """Map points [B, N, 2] by the splines that carry `start` to `moved`, both [B, P, 2].

    The interpolating spline of least bending, kernel r^2 log r (Bookstein 1989). kornia's spline
    mixes both point sets in its kernel and is not that one.
    """
    count = start.shape[1]
    affine = _with_one(start)
    system = start.new_zeros(len(start), count + 3, count + 3)
    system[:, :count, :count] = _kernel(start, start)
    system[:, :count, count:] = affine
    system[:, count:, :count] = affine.transpose(1, 2)
    target = torch.cat([moved, moved.new_zeros(len(moved), 3, 2)], dim=1)
    weights = torch.linalg.solve(system, target)
    basis = torch.cat([_kernel(points, start), _with_one(points)], dim=-1)
    mapped: Tensor = basis @ weights
    return mapped


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    difference = first[:, :, None] - second[:, None]
    squared = difference.square().sum(-1)
    # r^2 log r is half of r^2 log r^2, and 0 at 0.
    return 0.5 * torch.xlogy(squared, squared)


def _with_one(points: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(points[..., :1]), points], dim=-1)


def warp_grid(start: Tensor, moved: Tensor, size: tuple[int, int]) -> Tensor:
    """Return where each output pixel reads its input: [B, H, W, 2] for `grid_sample`.

    The spline carries `start` to `moved`, both [B, P, 2] in [-1, 1] of the padded image; the
    grid is in [-1, 1] of the image itself, corners aligned.
    """
    height, width = size
    reach_x = 1 + 2 * math.floor(height * PADDING) / width
    reach_y = 1 + 2 * math.floor(height * PADDING) / height
    xs = torch.linspace(-1, 1, width, device=start.device, dtype=start.dtype) / reach_x
    ys = torch.linspace(-1, 1, height, device=start.device, dtype=start.dtype) / reach_y
    pixels = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).view(1, -1, 2)
    mapped = thin_plate_spline(start, moved, pixels.expand(len(start), -1, -1))
    grid = mapped * mapped.new_tensor([reach_x, reach_y])
    return grid.view(-1, height, width, 2)


def random_warp_grid(
    batch: int, size: tuple[int, int], settings: WarpSettings, device: torch.device
) -> Tensor:
    """Draw a random warp for each image: a grid [B, H, W, 2] for `apply_warp`."""
    # In bfloat16 positions would be off by up to half a pixel.
    with torch.autocast(device.type, enabled=False):
        start, moved = random_control_points(batch, settings, device)
        return warp_grid(start, moved, size)


def apply_warp(
    maps: Tensor, grid: Tensor, border: Literal["reflect"] | float = "reflect"
) -> Tensor:
    """Warp maps [B, C, H, W] by a grid; outside lies their mirror image or a constant."""
    if border == "reflect":
        mode, level = "reflection", 0.0
    else:
        mode, level = "zeros", float(border)
    grid = grid.to(maps.dtype)
    warped = F.grid_sample(maps - level if level else maps, grid, "bilinear", mode, True)
    return warped + level if level else warped
