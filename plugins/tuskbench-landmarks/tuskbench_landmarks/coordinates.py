"""The one unit of positions in this package: half image sides.

A position (x, y) is -1 at the centre of the first pixel of its axis and 1 at the centre of the
last, as `grid_sample` has it with corners aligned, so it means the same on maps of every size.
Constants that a paper gives in pixels or in image sides are converted where they are defined:
one image side is 2 half sides.
"""

from __future__ import annotations

import torch
from torch import Tensor


def axis(size: int, device: torch.device) -> Tensor:
    """Return the positions [size] of an axis of that many pixels; a lone pixel is at 0."""
    if size == 1:
        return torch.zeros(1, device=device)
    return torch.linspace(-1, 1, size, device=device)


def mesh(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the positions [H W, 2] of the pixels of a map of (height, width), row by row."""
    y, x = torch.meshgrid(axis(size[0], device), axis(size[1], device), indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


def to_pixels(xy: Tensor, size: tuple[int, int]) -> Tensor:
    """Turn positions [..., 2] in half sides to pixels of an image of (height, width)."""
    height, width = size
    return (xy + 1) / 2 * xy.new_tensor([width - 1, height - 1])
