"""Where faces lie in an image: one that fills it, or several in rooms of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tuskbench.data.generators.draws import Draws

# Share of its side by which a single face's box may hang over the border.
OVERHANG = 0.06
# The image is squashed to a square from this range of width by height.
ASPECT = (0.7, 1.4)
# How much of its room the box of one of several faces fills.
FILL = (0.8, 0.98)


@dataclass(frozen=True)
class Placement:
    """Boxes of faces, in shares of the image.

    Attributes:
        centre: [N, F, 2] of the box.
        scale: [N, F, 2] length across and down of the head's unit.
        aspect: [N] width by height of the original, before it was squashed to a square.
    """

    centre: Tensor
    scale: Tensor
    aspect: Tensor


def place_one(draws: Draws, extent: Tensor, share: tuple[float, float]) -> Placement:
    """Place one face an image; its box covers a share of the image drawn from a range.

    Args:
        draws: the images' random numbers.
        extent: [N, 1, 2] half width and half height of the box in the head's unit.
        share: range of the box's area by the image's.
    """
    aspect = _aspect(draws)
    area = draws.uniform("area", 1, low=share[0], high=share[1])
    squash = torch.stack([aspect.rsqrt(), aspect.sqrt()], -1)[:, None]
    scale = squash * (area / (4 * extent.prod(-1))).sqrt()[..., None]
    half = scale * extent
    # A box as large as the image may still be off the middle by its overhang.
    room = (0.5 - half).clamp_min(0) + 2 * OVERHANG * half
    jitter = draws.uniform("centre/a", 1, 2) - draws.uniform("centre/b", 1, 2)
    return Placement(0.5 + room * jitter, scale, aspect)


def place_several(draws: Draws, extent: Tensor, faces: int) -> Placement:
    """Cut every image into `faces` rooms, 2 to 4, and place a face in each.

    Args:
        draws: the images' random numbers.
        extent: [N, F, 2] half width and half height of the boxes in the head's unit.
        faces: how many faces an image.
    """
    aspect = _aspect(draws)
    low, high = _rooms(draws, faces)
    fill = draws.uniform("fill", faces, low=FILL[0], high=FILL[1])
    unit = torch.stack([aspect.rsqrt(), aspect.sqrt()], -1)[:, None]
    size = fill * ((high - low) / (2 * extent * unit)).amin(-1)
    scale = unit * size[..., None]
    slack = (high - low) / 2 - scale * extent
    jitter = draws.uniform("centre", faces, 2, low=-1.0)
    return Placement((low + high) / 2 + slack * jitter, scale, aspect)


def _aspect(draws: Draws) -> Tensor:
    low, high = torch.tensor(ASPECT).log().tolist()
    return draws.uniform("aspect", low=low, high=high).exp()


def _rooms(draws: Draws, faces: int) -> tuple[Tensor, Tensor]:
    """Cut the unit square in two, and one or both halves again; return corners [N, F, 2]."""
    cuts = draws.uniform("cuts", 3, low=0.44, high=0.56)
    first, upper, lower = cuts.unbind(-1)
    zero, one = torch.zeros_like(first), torch.ones_like(first)

    def room(*sides: Tensor) -> Tensor:
        return torch.stack(sides, -1)

    if faces == 2:
        rooms = [room(zero, zero, first, one), room(first, zero, one, one)]
    else:
        rooms = [room(zero, zero, upper, first), room(upper, zero, one, first)]
        rooms += [room(zero, first, one, one)] if faces == 3 else []
    if faces == 4:
        rooms += [room(zero, first, lower, one), room(lower, first, one, one)]
    corners = torch.stack(rooms, 1)
    # Rows for columns in half of the images.
    turned = draws.chance("turned", 0.5)[:, None, None]
    corners = torch.where(turned, corners[..., [1, 0, 3, 2]], corners)
    return corners[..., :2], corners[..., 2:]
