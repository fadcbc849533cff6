"""The pinhole camera of CLEVR: 35 mm lens, 32 mm sensor, looking at the origin."""

from __future__ import annotations

import torch
from torch import Tensor

# Lengths of the image plane are in pixels of the official frame.
HEIGHT, WIDTH = 240, 320
FOCAL = 350.0

View = tuple[float, float, float, float]
FULL_VIEW: View = (0, 0, HEIGHT, WIDTH)


def camera_basis(camera: Tensor) -> Tensor:
    """Return rows right, up, forward [N, 3, 3] of cameras [N, 3] that look at the origin."""
    forward = -camera / camera.norm(dim=-1, keepdim=True)
    right = torch.stack([forward[:, 1], -forward[:, 0], torch.zeros_like(forward[:, 0])], -1)
    right = right / right.norm(dim=-1, keepdim=True)
    up = torch.linalg.cross(right, forward)
    return torch.stack([right, up, forward], 1)


def project(camera: Tensor, points: Tensor) -> Tensor:
    """Project points [N, P, 3] of the scene.

    Returns:
        [N, P, 3]: x and y in pixels of the official frame, with (0, 0) at its top left corner,
        and depth along the view.
    """
    seen = (points - camera[:, None]) @ camera_basis(camera).transpose(1, 2)
    depth = seen[..., 2]
    x = WIDTH / 2 + FOCAL * seen[..., 0] / depth
    y = HEIGHT / 2 - FOCAL * seen[..., 1] / depth
    return torch.stack([x, y, depth], -1)


def pixel_rays(
    size: tuple[int, int],
    view: View,
    device: torch.device | str,
    dtype: torch.dtype,
    grid: int = 1,
) -> Tensor:
    """Return rays [3, H * W, grid * grid] in camera axes, one unit of depth long.

    Args:
        size: pixels (H, W) that the view is divided into.
        view: top, left, height and width in the official frame.
        device: where to make them.
        dtype: of the result.
        grid: samples along each side of a pixel; 1 is its centre.
    """
    top, left, height, width = view
    offset = (torch.arange(grid, device=device, dtype=dtype) + 0.5) / grid
    rows = torch.arange(size[0], device=device, dtype=dtype)[:, None] + offset
    columns = torch.arange(size[1], device=device, dtype=dtype)[:, None] + offset
    y = (HEIGHT / 2 - top - rows * height / size[0]) / FOCAL
    x = (left + columns * width / size[1] - WIDTH / 2) / FOCAL
    shape = (size[0], size[1], grid, grid)
    x, y = x[None, :, None, :].expand(shape), y[:, None, :, None].expand(shape)
    return torch.stack([x, y, torch.ones_like(x)]).reshape(3, size[0] * size[1], grid * grid)
