"""Light at surface points, with the soft shadows that solids cast.

A lamp's hidden share is exact in whole shadow: solid and lamp are convex, so a solid that hides
the corners hides the lamp. In a penumbra the share is counted on a grid over the lamp.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuskbench.data.generators.clevr.lamps import POWER, SUN_STRENGTH, Lamps, Light, Points
from tuskbench.data.generators.clevr.solids import Solids, by_kind, crossing, dot, to_local, turn

GRID = 4
"""Points along each side of a lamp that decide a penumbra."""
# Corners of a square a little larger than the lamp find solids that come in over a side.
OUTER = 1.2


def light(points: Points, lamps: Lamps, solids: Solids | None) -> Light:
    """Return the light at the points; without `solids` nothing casts a shadow."""
    position = lamps.position.permute(2, 1, 0).index_select(2, points.scene)
    axis = lamps.axis.permute(2, 1, 0).index_select(2, points.scene)
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
        where, solid, lamps_of = point[chosen], which[chosen], lamp[chosen]
        lit = square.index_select(2, solid * count + lamps_of)
        frame = solids.frame.index_select(1, solid)
        local = to_local(frame, points.xyz.index_select(1, where))
        share = _hidden(kind, local, lit, corners)
        penumbra = ((share > 0) & (share < 1)).nonzero().squeeze(1)
        share[penumbra] = _hidden(
            kind, local.index_select(1, penumbra), lit.index_select(2, penumbra), grid
        )
        hidden.index_add_(0, lamps_of * len(points.scene) + where, share)
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

    Points are laid out scene by scene, so that one product gives all distances.

    Returns:
        [n] numbers of points, lamps and solids.
    """
    scenes, count = lamps.position.shape[:2]
    places = len(solids.kind) // scenes
    number, used = _rows(points.scene, scenes)
    lit = facing.index_select(1, number.flatten()).unflatten(1, number.shape) & used
    own = points.solid[number][:, None, None]
    xyz = points.xyz.index_select(1, number.flatten()).unflatten(1, number.shape)

    offset = xyz.transpose(0, 1)[:, None] - lamps.position[..., None]
    length = offset.square().sum(2).sqrt()
    centre = solids.centre.T.unflatten(0, (scenes, 1, places)) - lamps.position[:, :, None]
    distance = centre.norm(dim=-1)
    ball = solids.ball.unflatten(0, (scenes, 1, places))
    # The bundle of lines to a lamp narrows towards the point.
    farthest = length.amax(-1, keepdim=True)
    half = lamps.edges.norm(dim=-1).square().sum(-1, keepdim=True).sqrt() * OUTER
    radius = ball + half * ((farthest - distance + ball) / farthest).clamp(0, 1)
    edge = (distance.square() - radius.square()).clamp_min(0).sqrt()
    edge = torch.where(ball < 0, torch.inf, edge)
    # No cone holds a point infinitely far away.
    length = torch.where(lit.transpose(0, 1), length, torch.inf)
    near = centre @ offset >= 0.9999 * edge[..., None] * length[:, :, None]
    solid = torch.arange(scenes * places, device=own.device).unflatten(0, (scenes, 1, places, 1))
    near &= solid != own
    row, slot = near.flatten(0, 2).nonzero(as_tuple=True)
    place = row % places
    lamp = row.div(places, rounding_mode="floor") % count
    scene = row.div(places * count, rounding_mode="floor")
    return number[scene, slot], lamp, scene * places + place


def _rows(scene: Tensor, scenes: int) -> tuple[Tensor, Tensor]:
    """Lay points out scene by scene.

    Returns:
        [N, W] numbers of the points of each scene, filled up with any, and [N, W] which places
        hold a point.
    """
    order = scene.argsort(stable=True)
    held = scene.bincount(minlength=scenes)
    row = scene[order]
    slot = torch.arange(len(order), device=order.device) - (held.cumsum(0) - held)[row]
    number = order.new_zeros(scenes, int(held.max()))
    number[row, slot] = order
    return number, torch.arange(number.shape[1], device=order.device) < held[:, None]
