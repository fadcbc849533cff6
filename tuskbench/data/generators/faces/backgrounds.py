"""What is behind the faces: gradients, clouds, texture, stripes, polygons, distractors."""

from __future__ import annotations

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from tuskbench.data.generators.draws import Draws
from tuskbench.data.generators.faces.people import SKIN, along

KINDS = 5
POLYGONS = 5
DISTRACTORS = 2
SATURATION = 0.55
# Backgrounds are calmer than what is before them, as those of portraits, out of focus, are.
CONTRAST = 0.2


def draw_backgrounds(draws: Draws, size: int) -> Tensor:
    """Return images [N, 3, size, size] in [0, 1]; no picture depends on the others."""
    kind = draws.integer("kind", KINDS)[:, None, None, None]
    first = _muted(draws.uniform("first", 3, low=0.2, high=0.8))[..., None, None]
    second = first + CONTRAST * draws.uniform("second", 3, 1, 1, low=-1.0)
    x, y = _grid(size, first)
    clouds = _noise(draws, "clouds", 4, size)
    texture = _noise(draws, "texture", 14, size)
    angle = draws.uniform("angle", 1, 1, high=2 * pi)
    along_angle = x * angle.cos() + y * angle.sin()
    gradient = (0.5 + 0.7 * along_angle)[:, None].clamp(0, 1)
    wave = draws.uniform("wave", 1, 1, low=2, high=9)
    stripes = (0.5 + 2 * (2 * pi * wave * along_angle).sin())[:, None].clamp(0, 1)
    mixed = torch.where(kind == 2, texture, torch.where(kind == 3, stripes, gradient))
    image = torch.lerp(first, second, mixed.expand(-1, 3, -1, -1))
    image = torch.where(kind == 1, first + CONTRAST * (2 * clouds - 1), image)
    image = torch.where(kind == 4, _polygons(draws, image, x, y), image)
    # Nothing in a photograph is of one colour throughout.
    image = image + 0.4 * CONTRAST * (2 * clouds - 1)
    return _distract(draws, image, x, y).clamp(0, 1)


def _grid(size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return x [1, 1, size] and y [1, size, 1], from -1/2 to 1/2 across the image."""
    place = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size - 0.5
    return place[None, None], place[None, :, None]


def _muted(colours: Tensor) -> Tensor:
    """Return colours [..., 3] nearer to their grey, as most of what is photographed is."""
    return torch.lerp(colours.mean(-1, keepdim=True), colours, SATURATION)


def _noise(draws: Draws, name: str, cells: int, size: int) -> Tensor:
    """Return smooth noise [N, 3, size, size] of about that many cells a side."""
    coarse = draws.uniform(name, 3, cells * cells).transpose(1, 2)
    coarse = _muted(coarse).transpose(1, 2).unflatten(2, (cells, cells))
    return F.interpolate(coarse, (size, size), mode="bilinear")


def _polygons(draws: Draws, image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Lay triangles and larger pieces, each the meeting of three half planes, over images."""
    angle = draws.uniform("polygons/angle", POLYGONS, 1, 1, high=2 * pi)
    centre = draws.uniform("polygons/centre", POLYGONS, 2, 1, 1, low=-0.5, high=0.5)
    reach = draws.uniform("polygons/reach", POLYGONS, 3, 1, 1, low=0.05, high=0.3)
    shift = CONTRAST * draws.uniform("polygons/colour", POLYGONS, 3, 1, 1, low=-1.0)
    across, down = x[:, None] - centre[:, :, 0], y[:, None] - centre[:, :, 1]
    sides = [
        across * (angle + turn).cos() + down * (angle + turn).sin() - reach[:, :, side]
        for side, turn in enumerate((0.0, 2.2, 4.1))
    ]
    inside = (0.5 - torch.stack(sides).amax(0) * image.shape[-1]).clamp(0, 1)
    for polygon in range(POLYGONS):
        image = image + shift[:, polygon] * inside[:, polygon, None]
    return image


def _distract(draws: Draws, image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Lay ellipses of the colour of skin over one image in five."""
    shown = draws.chance("distracted", 0.2)[:, None, None]
    colour = along(SKIN, draws.uniform("distractors/skin", DISTRACTORS))[..., None, None]
    centre = draws.uniform("distractors/centre", DISTRACTORS, 2, 1, 1, low=-0.5, high=0.5)
    radius = draws.uniform("distractors/radius", DISTRACTORS, 2, 1, 1, low=0.06, high=0.2)
    for one in range(DISTRACTORS):
        across, down = (x - centre[:, one, 0]), (y - centre[:, one, 1])
        distance = (across / radius[:, one, 0]).square() + (down / radius[:, one, 1]).square()
        cover = ((1 - distance) * 0.1 * image.shape[-1]).clamp(0, 1) * shown
        image = torch.lerp(image, colour[:, one], cover[:, None])
    return image
