"""Square patches cut from images at any position, by bilinear interpolation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_patches(
    images: Tensor, xy: Tensor, side: float, size: int, *, edges: bool = False
) -> Tensor:
    """Cut a square patch around every position: a spatial transformer without rotation.

    Args:
        images: [B, C, H, W]; black outside.
        xy: [B, K, 2] centres in pixels.
        side: side of the square in pixels.
        size: side of the patch in its own pixels.
        edges: read the outermost of these at the square's edges, as MIST's code does, not within
            it by half a pixel of the patch.

    Returns:
        [B, K, C, size, size]; differentiable with respect to `images` and `xy`.
    """
    height, width = images.shape[-2:]
    reach = 0.5 if edges else 0.5 - 0.5 / size
    offset = side * torch.linspace(-reach, reach, size, device=xy.device, dtype=xy.dtype)
    columns = (xy[..., :1] + offset) * (2 / max(width - 1, 1)) - 1
    rows = (xy[..., 1:] + offset) * (2 / max(height - 1, 1)) - 1
    shape = (*xy.shape[:2], size, size)
    grid = torch.stack([columns[:, :, None].expand(shape), rows[..., None].expand(shape)], -1)
    cut = F.grid_sample(images.to(xy.dtype), grid.flatten(1, 2), align_corners=True)
    patches: Tensor = cut.unflatten(2, (xy.shape[1], size)).transpose(1, 2)
    return patches
