"""Random thin-plate-spline warps of image batches (TUSK section 3.3, official code).

A warp tells where each pixel of its result is read, in [-1, 1] of the image padded on every side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tuskbench.contracts import WarpSettings

Border = Literal["reflect"] | float
Points = Sequence[tuple[float, float]]

# Control points (x, y) of TUSK's official code: eight that move ...
MOVABLE: Points = [(x * r, y * r) for r in (0.7, 0.5) for x in (-1, 1) for y in (-1, 1)]
# ... and eight on the border that stay.
FIXED: Points = [(-0.99, -0.99), (0.0, -0.99), (0.99, -0.99), (0.99, 0.0)]
FIXED = [*FIXED, (0.99, 0.99), (0.0, 0.99), (-0.99, 0.99), (-0.95, 0.0)]
JITTER = 0.1
# The kernel's, which keeps its logarithm finite.
TINY = 1e-6


def pivoted(points: Tensor, scale: Tensor, angle: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Scale points [B, P, 2] about one pivot and turn them about another.

    R (s (c - o1) + o1 - o2) + o2: where nothing is scaled or turned, pivots move nothing.

    Args:
        points: c, positions (x, y).
        scale: [B, 1, 2] s, of either axis.
        angle: [B] of R, in radians.
        first: [B, 1, 2] o1, the pivot of the scale.
        second: [B, 1, 2] o2, the pivot of the rotation.
    """
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([cosine, -sine, sine, cosine], dim=-1).view(-1, 2, 2)
    scaled = scale * (points - first) + first
    return (scaled - second) @ turn.transpose(1, 2) + second


def random_control_points(
    batch: int,
    settings: WarpSettings,
    movable: Points = MOVABLE,
    jitter: float = JITTER,
    fixed: Points = FIXED,
) -> Tensor:
    """Draw matching control points before and after a random warp: [2, B, P, 2] on the CPU.

    The random numbers come from the CPU's default generator, so that a seed gives the same warps
    on every device.

    Args:
        batch: number of images.
        settings: ranges of the draws, in half sides of the padded image.
        movable: control points that move.
        jitter: half width of the noise on where they start.
        fixed: control points that stay.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape) * 2 - 1

    start = torch.tensor(movable) + jitter * uniform(batch, len(movable), 2)
    moved = start + settings.displacement * uniform(batch, len(movable), 2)
    first, second = (settings.offset * uniform(batch, 1, 2) for _ in range(2))
    centre, half_width = settings.scale
    scale = centre + half_width * uniform(batch, 1, 2)
    moved = pivoted(moved, scale, settings.rotation * uniform(batch), first, second)
    stay = torch.tensor(fixed).view(-1, 2).expand(batch, -1, -1)
    return torch.stack([torch.cat([start, stay], 1), torch.cat([moved, stay], 1)])


def thin_plate_spline(start: Tensor, moved: Tensor, points: Tensor) -> Tensor:
    """Map points [B, N, 2] by the splines that carry `start` to `moved`, both [B, P, 2].

    The interpolating spline of least bending (Bookstein 1989), its kernel with the official
    code's guard: r^2 log(r^2 + 1e-6).
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
    # Axis by axis, a quarter of the time that differences [B, N, P, 2] take.
    x = first[..., 0, None] - second[:, None, :, 0]
    y = first[..., 1, None] - second[:, None, :, 1]
    squared = torch.addcmul(x * x, y, y)
    return squared * torch.log(squared + TINY)


def _with_one(points: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(points[..., :1]), points], dim=-1)


def margin(height: int) -> int:
    """Return how many pixels are padded on every side of an image of this height: a fifth."""
    return height // 5


def pad(maps: Tensor, border: Border) -> Tensor:
    """Pad maps [B, C, H, W] by their mirror image or a constant."""
    sides = (margin(maps.shape[-2]),) * 4
    if border == "reflect":
        return F.pad(maps, sides, mode="reflect")
    return F.pad(maps, sides, value=float(border))


def crop(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo `pad`: the middle (height, width) of maps [..., H, W]."""
    height, width = size
    edge = margin(height)
    return maps[..., edge : edge + height, edge : edge + width]


def warp_grid(
    start: Tensor, moved: Tensor, size: tuple[int, int], *, cropped: bool = False
) -> Tensor:
    """Return where each pixel of the warped padded image is read: a grid for `warped`.

    Args:
        start: [B, P, 2] control points, in [-1, 1] of the padded image.
        moved: [B, P, 2] where the spline carries them.
        size: (height, width) of the image without padding.
        cropped: only the grid of the pixels that `crop` keeps.

    Returns:
        [B, H, W, 2] if cropped, else with the padding around it.
    """
    height, width = (side + 2 * margin(size[0]) for side in size)
    xs, ys = (
        torch.linspace(-1, 1, side, device=start.device, dtype=start.dtype)
        for side in (width, height)
    )
    pixels = torch.stack(torch.meshgrid(xs, ys, indexing="xy"))
    if cropped:
        pixels = crop(pixels, size)
    places = pixels.flatten(1).T.expand(len(start), -1, -1)
    return thin_plate_spline(start, moved, places).view(-1, *pixels.shape[1:], 2)


def warped(padded: Tensor, grid: Tensor) -> Tensor:
    """Read padded maps [B, C, H', W'] at a grid [B, H, W, 2]; outside of them is black.

    As in the official code, the grid's corners are the corner pixels' centres, but are read as
    their outer corners: a warp that moves no control point enlarges by half a pixel at the edge.
    """
    return F.grid_sample(padded, grid.to(padded.dtype), "bilinear", "zeros", align_corners=False)


def random_pair(
    images: Tensor, settings: tuple[WarpSettings, WarpSettings], border: Border
) -> tuple[Tensor, Tensor, Tensor]:
    """Warp images [B, 3, H, W] once, and the result again, both before they are cropped.

    Returns:
        The image warped once and warped twice, both [B, 3, H, W], and the second warp's grid
        [B, H, W, 2] for `carried`.
    """
    size = (images.shape[-2], images.shape[-1])
    # In bfloat16 positions would be off by up to half a pixel.
    with torch.autocast(images.device.type, enabled=False):
        (start, moved), (start_again, moved_again) = (
            random_control_points(len(images), ranges).to(images.device) for ranges in settings
        )
        once = warp_grid(start, moved, size)
        again = warp_grid(start_again, moved_again, size, cropped=True)
        first = warped(pad(images, border), once)
        return crop(first, size), warped(first, again), again


def carried(maps: Tensor, grid: Tensor) -> Tensor:
    """Warp maps [B, C, H, W] of a pair's first image to where its second image's should be.

    They are padded by their mirror image, whatever surrounds the image (official code).
    """
    return warped(pad(maps, "reflect"), grid)
