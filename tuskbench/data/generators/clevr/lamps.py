"""The lamps of CLEVR's base scene and how much of them a point sees.

Three square area lamps point at the origin, beside a sun. A lamp's visible share is exact for
whole shadow and whole light: solid and lamp are convex, so a solid that hides the corners hides
the lamp. Between them the share is counted on a grid over the lamp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tuskbench.data.generators.clevr.solids import Solids, by_kind, crossing, dot, to_local, turn

# Key, fill, back, sun.
SIDE = (0.5, 0.5, 1.0)
POWER = (100.0, 30.0, 50.0)
COLOUR = ((1.0, 0.932, 0.817), (0.762, 0.818, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
SUN_STRENGTH = 0.45
SUN_DIRECTION = (0.4145, -0.1946, 0.889)
# The sun is as good as infinitely far; its extent, a tenth of its distance, is our choice.
SUN_DISTANCE, SUN_SIDE = 100.0, 10.0

GRID = 4
"""Points along each side of a lamp that decide a penumbra."""
# Corners of a square a little larger than the lamp find solids that come in over a side.
OUTER = 1.2


@dataclass(frozen=True)
class Lamps:
    """The L = 4 lamps of N scenes.

    Attributes:
        position: [N, L, 3].
        axis: [N, L, 3] unit vectors towards the lit origin.
        edges: [N, L, 2, 3] half sides of the squares.
    """

    position: Tensor
    axis: Tensor
    edges: Tensor

    @classmethod
    def of(cls, area: Tensor) -> Lamps:
        """Build them from the positions [N, 3, 3] of the area lamps."""
        sun = area.new_tensor(SUN_DIRECTION)
        sun = SUN_DISTANCE * sun / sun.norm()
        position = torch.cat([area, sun.expand(len(area), 1, 3)], 1)
        axis = -position / position.norm(dim=-1, keepdim=True)
        up = torch.zeros_like(axis)
        up[..., 2] = 1
        across = torch.linalg.cross(axis, up)
        across = across / across.norm(dim=-1, keepdim=True)
        half = area.new_tensor([*SIDE, SUN_SIDE])[:, None, None] / 2
        return cls(
            position, axis, torch.stack([across, torch.linalg.cross(across, axis)], 2) * half
        )


@dataclass(frozen=True)
class Points:
    """Surface points to light, of all scenes.

    Attributes:
        xyz: [3, n].
        normal: [3, n].
        scene: [n] the scene of each.
        solid: [n] number of the solid each lies on, -1 on the ground.
    """

    xyz: Tensor
    normal: Tensor
    scene: Tensor
    solid: Tensor

    @classmethod
    def join(cls, *parts: Points) -> Points:
        """Return all points, in the given order."""
        return cls(
            torch.cat([part.xyz for part in parts], 1),
            torch.cat([part.normal for part in parts], 1),
            torch.cat([part.scene for part in parts]),
            torch.cat([part.solid for part in parts]),
        )

    def take(self, index: Tensor | slice) -> Points:
        """Return the points at `index`."""
        return Points(
            self.xyz[:, index], self.normal[:, index], self.scene[index], self.solid[index]
        )


@dataclass(frozen=True)
class Light:
    """Light that reaches n points from L lamps.

    Attributes:
        direction: [3, L, n] unit vectors to the lamps.
        irradiance: [L, n], without the lamps' colours, shadows included.
        visible: [L, n] visible share of each lamp; 0 from behind the surface.
    """

    direction: Tensor
    irradiance: Tensor
    visible: Tensor

    def total(self) -> Tensor:
        """Return the coloured irradiance [3, n]."""
        return self.irradiance.new_tensor(COLOUR).T @ self.irradiance


def light(points: Points, lamps: Lamps, solids: Solids | None) -> Light:
    """Return the light at the points; without `solids` nothing casts a shadow."""
    position = lamps.position.permute(2, 1, 0)[..., points.scene]
    axis = lamps.axis.permute(2, 1, 0)[..., points.scene]
    offset = position - points.xyz[:, None]
    squared = dot(offset, offset)
    direction = offset * squared.rsqrt()
    facing = dot(direction, points.normal[:, None]).clamp_min(0)
    leaving = -dot(direction, axis).clamp_max(0)
    power = squared.new_tensor(POWER)[:, None] / math.pi
    area = power * facing[:3] * leaving[:3] / squared[:3]
    unshadowed = torch.cat([area, SUN_STRENGTH * facing[3:]])
    visible = (facing > 0).to(squared.dtype)
    if solids is not None:
        visible = visible * (1 - hidden_share(points, facing > 0, lamps, solids))
    return Light(direction, unshadowed * visible, visible)


def hidden_share(points: Points, facing: Tensor, lamps: Lamps, solids: Solids) -> Tensor:
    """Return the share [L, n] of each lamp that solids hide from each point.

    Shares that several solids hide are added, at most to 1.

    Args:
        points: where; a point's own solid is convex and cannot hide a lamp that it faces.
        facing: [L, n] whether a lamp is before the surface at all.
        lamps: of every scene.
        solids: of every scene, as many each.
    """
    point, lamp, which = shadow_pairs(points, facing, lamps, solids)
    count = len(lamps.position[0])
    hidden = points.xyz.new_zeros(count * len(points.scene))
    square = _local_lamps(lamps, solids)
    corners = square.new_tensor([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * OUTER
    middles = (torch.arange(GRID, device=square.device, dtype=square.dtype) * 2 + 1) / GRID - 1
    grid = torch.cartesian_prod(middles, middles)
    for kind, chosen in by_kind(solids.kind[which]):
        where, lit = point[chosen], square[..., which[chosen] * count + lamp[chosen]]
        local = to_local(solids.frame[:, which[chosen]], points.xyz[:, where])
        share = _hidden(kind, local, lit, corners)
        penumbra = ((share > 0) & (share < 1)).nonzero().squeeze(1)
        share[penumbra] = _hidden(kind, local[:, penumbra], lit[..., penumbra], grid)
        hidden.index_add_(0, lamp[chosen] * len(points.scene) + where, share)
    return hidden.reshape(count, -1).clamp_max(1)


def _local_lamps(lamps: Lamps, solids: Solids) -> Tensor:
    """Return centre and half sides [3, 3, S * L] of each lamp in the axes of each solid."""
    scenes, count = lamps.position.shape[:2]
    shape = (scenes, len(solids.kind) // scenes, count)
    frame = solids.frame.reshape(6, *shape[:2], 1).expand(6, *shape).flatten(1)

    def spread(vectors: Tensor) -> Tensor:
        return vectors.permute(2, 0, 1)[:, :, None].expand(3, *shape).flatten(1)

    return torch.stack(
        [
            to_local(frame, spread(lamps.position)),
            turn(frame, spread(lamps.edges[:, :, 0])),
            turn(frame, spread(lamps.edges[:, :, 1])),
        ]
    )


def _hidden(kind: int, local: Tensor, square: Tensor, spots: Tensor) -> Tensor:
    """Return the share [n] of `spots` on the lamp that a solid hides from points [3, n].

    Args:
        kind: of the solids.
        local: [3, n] points in their axes.
        square: [3 (centre, two half sides), 3, n] lamps in their axes.
        spots: [K, 2] places on the lamp, in half sides.
    """
    centre, across, along = square[:, :, None]
    direction = (centre - local[:, None]) + spots[:, :1] * across + spots[:, 1:] * along
    near, far = crossing(kind, local[:, None], direction)
    blocked = (near < far) & (far > 0) & (near < 1)
    return blocked.to(local.dtype).mean(0)


def shadow_pairs(
    points: Points, facing: Tensor, lamps: Lamps, solids: Solids
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the solids that may hide a lamp: those whose ball is near the line between.

    Returns:
        [n] numbers of points, lamps and solids.
    """
    scenes, count = lamps.position.shape[:2]
    places = len(solids.kind) // scenes
    # Points are laid out scene by scene, so that one product gives all distances.
    order = points.scene.argsort(stable=True)
    held = points.scene.bincount(minlength=scenes)
    scene = points.scene[order]
    slot = torch.arange(len(order), device=order.device) - (held.cumsum(0) - held)[scene]
    width = int(held.max())
    xyz = points.xyz.new_zeros(3, scenes, width)
    xyz[:, scene, slot] = points.xyz[:, order]
    lit = facing.new_zeros(count, scenes, width)
    lit[:, scene, slot] = facing[:, order]
    own = points.solid.new_full((scenes, width), -1)
    own[scene, slot] = points.solid[order]
    number = torch.zeros_like(own)
    number[scene, slot] = order

    offset = xyz.permute(1, 2, 0)[:, None] - lamps.position[:, :, None]
    length = offset.norm(dim=-1)
    centre = solids.centre.T.unflatten(0, (scenes, 1, places)) - lamps.position[:, :, None]
    distance = centre.norm(dim=-1)
    ball = solids.ball.unflatten(0, (scenes, 1, places))
    # The bundle of lines to a lamp narrows towards the point.
    farthest = length.amax(-1, keepdim=True)
    half = lamps.edges.norm(dim=-1).square().sum(-1, keepdim=True).sqrt() * OUTER
    radius = ball + half * ((farthest - distance + ball) / farthest).clamp(0, 1)
    edge = (distance.square() - radius.square()).clamp_min(0).sqrt()
    edge = torch.where(ball < 0, torch.inf, edge)
    near = centre @ offset.transpose(2, 3) >= 0.9999 * edge[..., None] * length[:, :, None]
    solid = torch.arange(scenes * places, device=order.device).unflatten(0, (scenes, 1, places, 1))
    near &= (solid != own[:, None, None]) & lit.transpose(0, 1)[:, :, None]
    row, slot = near.flatten(0, 2).nonzero(as_tuple=True)
    place = row % places
    lamp = row.div(places, rounding_mode="floor") % count
    scene = row.div(places * count, rounding_mode="floor")
    return number[scene, slot], lamp, scene * places + place
