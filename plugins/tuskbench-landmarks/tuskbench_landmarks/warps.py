"""Random warps as maps of positions, so that images and landmarks move by the same rule.

A warp tells where each position of the warped image comes from: warped(u) = image(warp(u)). A
landmark found at u in the warped image therefore belongs at warp(u) in the image. Positions are
half sides. Random numbers come from the CPU's default generator, so that a seed gives the same
warps on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tuskbench.contracts import WarpSettings
from tuskbench.ops.warp import Border, Points, random_control_points, thin_plate_spline
from tuskbench_landmarks.coordinates import mesh

Warp = Callable[[Tensor], Tensor]
"""Positions [1 or B, N, 2] in the warped images to positions [B, N, 2] in the images."""


@dataclass(frozen=True)
class Similarity:
    """Ranges of a random similarity.

    Attributes:
        rotation: standard deviation of the rotation, in radians.
        scale: standard deviation of the scale's logarithm.
        translation: half width of the uniform translation of either axis, in half sides.
        shift: standard deviation of a normal translation of either axis, in half sides.
    """

    rotation: float = 0.0
    scale: float = 0.0
    translation: float = 0.0
    shift: float = 0.0

    def draw(self, batch: int, device: torch.device) -> Warp:
        """Return a random similarity for each of `batch` images."""
        angle, size = self.rotation * torch.randn(batch), torch.exp(self.scale * torch.randn(batch))
        cosine, sine = size * torch.cos(angle), size * torch.sin(angle)
        matrix = torch.stack([cosine, -sine, sine, cosine], -1).view(batch, 2, 2)
        move = self.translation * (2 * torch.rand(batch, 1, 2) - 1)
        move = move + self.shift * torch.randn(batch, 1, 2)
        turned, moved = matrix.transpose(1, 2).to(device), move.to(device)
        return lambda points: points @ turned + moved


def control_grid(points: int) -> Tensor:
    """Return a regular grid [1, points^2, 2] of control points over the image."""
    return mesh((points, points), torch.device("cpu"))[None]


def displaced_spline(batch: int, points: int, deviation: float, device: torch.device) -> Warp:
    """Draw splines through a regular grid whose points are displaced.

    Args:
        batch: number of images.
        points: control points along each axis.
        deviation: standard deviation of their displacement, in half sides.
        device: where the warp is computed.
    """
    start = control_grid(points)
    moved = (start + deviation * torch.randn(batch, points**2, 2)).to(device)
    start = start.to(device)
    return lambda places: thin_plate_spline(start, moved, places)


def weighted_spline(
    batch: int, points: int, deviations: tuple[float, float], device: torch.device
) -> Warp:
    """Draw what a spline given by random kernel weights adds to an affine map.

    Weights are N times the first deviation plus, for half of them, N' times the second (Jakab
    et al. 2018, official code); the kernel is r^2 log r^2 with r in half sides. `superpose` it
    on a similarity.
    """
    first, second = deviations
    shape = (batch, points**2, 2)
    chosen = (torch.rand(shape) > 0.5).float()
    weights = first * torch.randn(shape) + second * chosen * torch.randn(shape)
    weights, centres = weights.to(device), control_grid(points).to(device)

    def warp(places: Tensor) -> Tensor:
        squared = (places[:, :, None] - centres[:, None]).square().sum(-1)
        return torch.xlogy(squared, squared) @ weights

    return warp


def scattered_spline(
    batch: int, control: Points, jitter: float, settings: WarpSettings, device: torch.device
) -> Warp:
    """Draw splines through jittered control points that are displaced, scaled and turned.

    The splines of Lorenz et al. 2019: those of `tuskbench.ops.warp`, which were made after them,
    without points that hold the border.

    Args:
        batch: number of images.
        control: P control points (x, y) in half sides.
        jitter: half width of the noise on where they start, in half sides.
        settings: ranges; the scale's half width is absolute, as in TUSK.
        device: where the warp is computed.
    """
    start, moved = random_control_points(batch, settings, control, jitter, fixed=()).to(device)
    return lambda places: thin_plate_spline(start, moved, places.expand(batch, -1, -1))


def compose(outer: Warp, inner: Warp) -> Warp:
    """Return the warp u -> outer(inner(u)): the image is warped by `outer`, then by `inner`."""
    return lambda points: outer(inner(points))


def superpose(first: Warp, addition: Warp) -> Warp:
    """Return the warp u -> first(u) + addition(u)."""
    return lambda points: first(points) + addition(points)


def move_points(points: Tensor, warp: Warp) -> Tensor:
    """Return where landmarks [B, N, 2] of the warped images lie in the images, in 32 bits."""
    with torch.autocast(points.device.type, enabled=False):
        return warp(points.float())


def warp_grid(warp: Warp, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return where each pixel of the warped images comes from: [B, H, W, 2] for `apply_warp`."""
    return move_points(mesh(size, device)[None], warp).view(-1, *size, 2)


def apply_warp(maps: Tensor, grid: Tensor, border: Border) -> Tensor:
    """Warp maps [B, C, H, W] by a grid; outside lies their mirror image or a constant."""
    mode, level = ("reflection", 0.0) if border == "reflect" else ("zeros", float(border))
    grid = grid.to(maps.dtype)
    warped = F.grid_sample(maps - level if level else maps, grid, "bilinear", mode, True)
    return warped + level if level else warped


def warp_images(images: Tensor, warp: Warp, border: Border) -> Tensor:
    """Warp images [B, C, H, W]; outside lies their mirror image or a grey level."""
    size = (images.shape[-2], images.shape[-1])
    return apply_warp(images, warp_grid(warp, size, images.device), border)
