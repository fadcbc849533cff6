"""Shaded, tapered capsules drawn into small images, with anti-aliased outlines.

A capsule is drawn as the outline it has in the image: the pixels nearer to its axis than its
radius there. Its surface bulges towards the camera as a sphere does, which gives depth and normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

AMBIENT = 0.42
# How sharply hair gives way to face, and how much of the head is face.
HAIRLINE = 6.0
FACE_FROM, FACE_TO = 0.05, 0.62


@dataclass(frozen=True)
class Figures:
    """N people made of Q capsules, as a camera sees them; lengths in frame pixels.

    Attributes:
        ends: [N, Q, 2, 2] begin and end of each axis in the frame.
        depth: [N, Q, 2] distance from the camera along its axis.
        radii: [N, Q, 2].
        colours: [N, Q, 2, 3] in [0, 1].
        border: [N, Q] where along the axis the second colour begins.
        stripes: [N, Q, 2] depth and number.
        head: [Q] which capsule is the head.
        facing: [N, 2, 3] forward and up of the head: right, down, away from the camera.
        light: [N, 3] direction to the light.
        window: [N, 4] left, top, right, bottom of what the image shows.
    """

    ends: Tensor
    depth: Tensor
    radii: Tensor
    colours: Tensor
    border: Tensor
    stripes: Tensor
    head: Tensor
    facing: Tensor
    light: Tensor
    window: Tensor


@dataclass
class _Canvas:
    """What is drawn so far, a row a pixel: colours [N, P, 3], cover and depth [N, P]."""

    colours: Tensor
    cover: Tensor
    depth: Tensor


def render(figures: Figures, size: int, background: float) -> tuple[Tensor, Tensor]:
    """Draw the figures before a plain background.

    Args:
        figures: N people.
        size: side of the images in pixels; windows are squashed to squares.
        background: grey level in [0, 1].

    Returns:
        images [N, 3, size, size] in [0, 1] and how much of each pixel the person covers
        [N, size, size].
    """
    count, capsules = figures.border.shape
    pixels = size * size
    like = figures.ends
    canvas = _Canvas(
        like.new_full((count, pixels, 3), background),
        like.new_zeros(count, pixels),
        like.new_full((count, pixels), torch.inf),
    )
    # From far to near, so that the edge of what is in front blends with what is behind.
    order = figures.depth.mean(-1).argsort(dim=1, descending=True, stable=True)
    for place in range(capsules):
        _draw(figures, order[:, place], canvas, size)
    images = canvas.colours.unflatten(1, (size, size)).permute(0, 3, 1, 2)
    return images, canvas.cover.unflatten(1, (size, size))


def _draw(figures: Figures, which: Tensor, canvas: _Canvas, size: int) -> None:
    """Draw one capsule `which` [N] of every image."""
    row = torch.arange(len(which), device=which.device)
    ends, radii, depth = (t[row, which] for t in (figures.ends, figures.radii, figures.depth))
    corner = figures.window[:, :2]
    scale = (figures.window[:, 2:] - corner) / size
    index, point = _pixels(ends, radii, corner, scale, size)

    axis = (ends[:, 1] - ends[:, 0])[:, None]
    # A capsule seen end on is a disc.
    squared = axis.square().sum(-1).clamp_min(1e-6)
    along = (((point - ends[:, None, 0]) * axis).sum(-1) / squared).clamp(0, 1)
    offset = point - ends[:, None, 0] - along[..., None] * axis
    radius = radii[:, :1] + along * (radii[:, 1:] - radii[:, :1])
    distance = offset.square().sum(-1).sqrt()
    pixel = (scale[:, 0] * scale[:, 1]).sqrt()[:, None]
    cover = ((radius - distance) / pixel + 0.5).clamp(0, 1)
    bulge = (1 - (distance / radius).square()).clamp_min(0).sqrt()
    near = depth[:, :1] + along * (depth[:, 1:] - depth[:, :1]) - radius * bulge
    # Right, down, away from the camera.
    normal = torch.cat([offset / radius[..., None], -bulge[..., None]], -1)

    colour = _colour(figures, row, which, along, normal)
    lit = (normal * figures.light[:, None]).sum(-1).clamp_min(0)
    colour = colour * (AMBIENT + (1 - AMBIENT) * lit)[..., None]

    behind = canvas.depth.gather(1, index)
    over = cover * (near < behind)
    seen = index[..., None].expand(-1, -1, 3)
    below = canvas.colours.gather(1, seen)
    canvas.colours.scatter_(1, seen, below + over[..., None] * (colour - below))
    covered = canvas.cover.gather(1, index)
    canvas.cover.scatter_(1, index, covered + (1 - covered) * cover)
    canvas.depth.scatter_(1, index, torch.where(over > 0.5, near, behind))


def _pixels(
    ends: Tensor, radii: Tensor, corner: Tensor, scale: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """Return the pixels around a capsule an image, [N, P], and their centres in the frame.

    All images get as many, enough for the largest; too many do no harm.
    """
    reach = radii.amax(1)[:, None] + scale
    low = ((ends.amin(1) - reach - corner) / scale).floor().clamp(0, size - 1)
    high = ((ends.amax(1) + reach - corner) / scale).ceil().clamp(1, size)
    width, height = (high - low).amax(0).long().clamp(1, size).tolist()
    first = torch.minimum(low, low.new_tensor([size - width, size - height])).long()
    columns = first[:, :1] + torch.arange(width, device=ends.device)
    rows = first[:, 1:] + torch.arange(height, device=ends.device)
    index = (rows[:, :, None] * size + columns[:, None]).flatten(1)
    x = corner[:, :1] + (columns + 0.5) * scale[:, :1]
    y = corner[:, 1:] + (rows + 0.5) * scale[:, 1:]
    shape = (len(ends), height, width)
    point = torch.stack([x[:, None].expand(shape), y[..., None].expand(shape)], -1)
    return index, point.flatten(1, 2)


def _colour(figures: Figures, row: Tensor, which: Tensor, along: Tensor, normal: Tensor) -> Tensor:
    """Return the unlit colour [N, P, 3] of points `along` the capsules' axes."""
    first, second = figures.colours[row, which].unbind(1)
    beyond = (along > figures.border[row, which][:, None]).to(along.dtype)
    forward, up = ((normal * vector[:, None]).sum(-1) for vector in figures.facing.unbind(1))
    face = ((forward - FACE_FROM) * HAIRLINE).clamp(0, 1)
    face = face * ((FACE_TO - up) * HAIRLINE).clamp(0, 1)
    share = torch.where(figures.head[which][:, None], face, beyond)[..., None]
    colour = first[:, None] + share * (second - first)[:, None]
    depth, number = figures.stripes[row, which].unbind(-1)
    dark = ((along * number[:, None]) % 1 < 0.5) * depth[:, None] * beyond
    return colour * (1 - dark)[..., None]
