"""Cubes, spheres and cylinders: where a line passes through them, and their normals.

Vectors are stored component first, [3, ...], so that every operation runs over long rows. All
three solids are convex, so a line is inside for one interval of its parameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CUBE, SPHERE, CYLINDER = range(3)
KINDS = (CUBE, SPHERE, CYLINDER)

# Radius of the smallest ball around a solid of half extent 1.
BALL = (3**0.5, 1.0, 2**0.5)

BEVEL = 0.06
"""Edges look rounded over this share of the half extent."""


@dataclass(frozen=True)
class Solids:
    """S solids in a row, those of all scenes.

    Attributes:
        kind: [S] int64, negative where there is none.
        centre: [3, S].
        frame: [6, S]: cosine and sine of the yaw over the half extent, the inverse half extent,
            and the translation of `to_local`.
        ball: [S] radius of a ball around each, negative where there is none.
    """

    kind: Tensor
    centre: Tensor
    frame: Tensor
    ball: Tensor

    @classmethod
    def of(cls, kind: Tensor, position: Tensor, half: Tensor, yaw: Tensor) -> Solids:
        """Build them from kinds, centres [S, 3], half extents and angles about z [S]."""
        x, y, z = centre = position.T.contiguous()
        scale = 1 / half
        cosine, sine = yaw.cos() * scale, yaw.sin() * scale
        shift = (-cosine * x - sine * y, sine * x - cosine * y, -z * scale)
        frame = torch.stack([cosine, sine, scale, *shift])
        radius = half.new_tensor([*BALL, 0.0])[kind] * half
        return cls(kind, centre, frame, torch.where(kind < 0, -torch.ones_like(half), radius))


def to_local(frame: Tensor, points: Tensor) -> Tensor:
    """Return points [3, n] in the axes of solids of half extent 1; `frame` is [6, n]."""
    return turn(frame, points) + frame[3:]


def turn(frame: Tensor, vectors: Tensor) -> Tensor:
    """Return vectors [3, n] in the axes of solids of half extent 1; `frame` is [6, n]."""
    cosine, sine, scale = frame[:3]
    x, y, z = vectors
    return torch.stack([cosine * x + sine * y, cosine * y - sine * x, scale * z])


def by_kind(kind: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield every kind and the places [n] where `kind` has it."""
    for value in KINDS:
        yield value, (kind == value).nonzero().squeeze(1)


def crossing(kind: int, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parameters at which lines enter and leave a solid of half extent 1.

    The line misses where the first is not below the second; either may then be NaN.

    Args:
        kind: one of `KINDS`.
        origin: [3, ...] in the solid's axes.
        direction: [3, ...], of any length.
    """
    if kind == SPHERE:
        return _ball(origin, direction)
    if kind == CUBE:
        near, far = _slabs(origin, direction)
        return near.amax(0), far.amin(0)
    near, far = _ball(origin[:2], direction[:2])
    bottom, top = _slabs(origin[2], direction[2])
    return torch.maximum(near, bottom), torch.minimum(far, top)


def _ball(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    # From the point nearest to the centre: no cancellation for distant origins.
    inverse = 1 / dot(direction, direction)
    middle = -dot(origin, direction) * inverse
    nearest = origin + middle * direction
    reach = ((1 - dot(nearest, nearest)) * inverse).sqrt()
    return middle - reach, middle + reach


def _slabs(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    # The tiny number keeps lines parallel to a slab finite.
    inverse = 1 / (direction + 1e-20)
    middle, reach = -origin * inverse, inverse.abs()
    return middle - reach, middle + reach


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner products over the first dimension."""
    product: Tensor = (a * b).sum(0)
    return product


def unit(vectors: Tensor) -> Tensor:
    """Return vectors [3, ...] scaled to length 1."""
    return vectors * dot(vectors, vectors).clamp_min(1e-12).rsqrt()


def normals(kind: Tensor, frame: Tensor, points: Tensor) -> Tensor:
    """Return unit normals [3, n] at points of the surface, edges bevelled.

    Args:
        kind: [n] kinds.
        frame: [6, n] the solids' frames.
        points: [3, n] on their surfaces.
    """
    local = to_local(frame, points)
    # Solids stand on the ground, so the edge at their foot stays sharp.
    top = _slope(local[2:])
    walls = local[:2].sign() * _slope(local[:2].abs())
    radius = dot(local[:2], local[:2]).sqrt()
    barrel = local[:2] * (_slope(radius) / radius.clamp_min(1e-6))
    flat = torch.cat([torch.where(kind == CUBE, walls, barrel), top])
    normal = torch.where(kind == SPHERE, local, flat)
    cosine, sine, scale = frame[:3]
    x, y, z = normal
    world = torch.stack([cosine * x - sine * y, sine * x + cosine * y, scale * z])
    return unit(world)


def _slope(distance: Tensor) -> Tensor:
    """Return how much a face's normal counts, by the distance from the centre along it.

    Near an edge the normals of both faces blend, at the edge in equal parts.
    """
    return (1 + (distance - 1) / BEVEL).clamp(0, 1)
