"""Faces-like images: heads in three dimensions, with the five landmarks of CelebA, exact."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.data.generators.draws import Draws
from tuskbench.data.generators.faces.backgrounds import draw_backgrounds
from tuskbench.data.generators.faces.geometry import View, half_extent, project
from tuskbench.data.generators.faces.paint import paint_body, paint_head
from tuskbench.data.generators.faces.people import draw_looks, draw_poses, draw_shapes
from tuskbench.data.generators.faces.placement import Placement, place_one, place_several

CHUNK = 32


@dataclass(frozen=True)
class FaceScenes:
    """Generated images and their truth, in pixels of the square image.

    Attributes:
        images: [N, 3, S, S] uint8.
        landmarks: [N, F, 5, 2] float32: eyes, nose tip, mouth corners, image-left first.
        boxes: [N, F, 4] float32: left, top, width, height of the face from forehead to chin.
        aspect: [N] float32: width by height of the original, which was squashed to a square.
    """

    images: Tensor
    landmarks: Tensor
    boxes: Tensor
    aspect: Tensor


def generate(
    size: int,
    faces: int,
    share: tuple[float, float],
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    device: torch.device | None = None,
) -> FaceScenes:
    """Generate the images of the given indices.

    Args:
        size: side of the square images in pixels.
        faces: how many faces an image, 1 to 4.
        share: range of the box's area by the image's, for single faces.
        seed: of the data set.
        stream: keeps splits apart.
        index: [N] which images.
        device: where to render.
    """
    parts = [
        _generate_chunk(size, faces, share, Draws(seed, stream, chunk, device))
        for chunk in np.array_split(index, max(1, -(-len(index) // CHUNK)))
    ]
    names = [field.name for field in fields(FaceScenes)]
    return FaceScenes(**{n: torch.cat([getattr(part, n) for part in parts]) for n in names})


def _generate_chunk(size: int, faces: int, share: tuple[float, float], draws: Draws) -> FaceScenes:
    shape, rotation = draw_shapes(draws, faces), draw_poses(draws, faces)
    extent = half_extent(shape, rotation)
    single = faces == 1
    place = place_one(draws, extent, share) if single else place_several(draws, extent, faces)
    looks = draw_looks(draws, faces)
    image = draw_backgrounds(draws, size)
    heads = [
        (_view(place, rotation, face, size), shape.of(face), looks.of(face))
        for face in range(faces)
    ]
    for paint in (paint_body, paint_head):
        for head in heads:
            image = paint(image, *head)
    gain = draws.uniform("gain", 1, 1, 1, low=0.75, high=1.15)
    tint = 1 + draws.uniform("tint", 3, 1, 1, low=-0.06, high=0.06)
    image = (image * gain * tint * 255).round().clamp(0, 255).to(torch.uint8)
    flat = project(shape.landmarks(), rotation)[..., :2]
    landmarks = place.centre[:, :, None] + flat * place.scale[:, :, None]
    corner, sides = place.centre - place.scale * extent, 2 * place.scale * extent
    boxes = torch.cat([corner * size - 0.5, sides * size], -1)
    return FaceScenes(image, landmarks * size - 0.5, boxes, place.aspect)


def _view(place: Placement, rotation: Tensor, face: int, size: int) -> View:
    """Return the pixels as the face of that number sees them."""
    scale = place.scale[:, face] * size
    pixel = torch.arange(size, device=scale.device, dtype=scale.dtype) + 0.5
    offset = pixel[None, :, None] - place.centre[:, face, None] * size
    x, y = (offset / scale[:, None]).unbind(-1)
    side = scale.prod(-1).rsqrt()[:, None, None]
    return View(x[:, None], y[:, :, None], rotation[:, face], side)
