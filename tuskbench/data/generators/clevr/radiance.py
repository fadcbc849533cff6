"""Radiance along camera rays: surfaces, what metal mirrors, and the light on both."""

from __future__ import annotations

import torch
from torch import Tensor

from tuskbench.data.generators.clevr import shading
from tuskbench.data.generators.clevr.lamps import Light, Points
from tuskbench.data.generators.clevr.scenes import PLACES
from tuskbench.data.generators.clevr.shadows import light
from tuskbench.data.generators.clevr.solids import dot, normals, unit
from tuskbench.data.generators.clevr.tracing import first_hits, reflected_pairs
from tuskbench.data.generators.clevr.world import World

MIRROR_REACH = 30.0
"""How far metal mirrors the ground."""


def radiance(
    world: World, scene: Tensor, direction: Tensor, depth: Tensor, solid: Tensor, *, full: bool
) -> Tensor:
    """Return the radiance [3, n] that camera rays find.

    Args:
        world: the scenes.
        scene: [n] scene of each ray.
        direction: [3, n] one unit of depth long.
        depth: [n] of the hit; any on the ground.
        solid: [n] number of the solid that is hit, -1 on the ground.
        full: whether there are shadows, highlights and mirrors.
    """
    origin = world.camera.T.index_select(1, scene)
    on_ground = solid < 0
    depth = torch.where(on_ground, -origin[2] / direction[2], depth)
    first = _surface(world, origin + depth * direction, scene, solid)
    if not full:
        return _matt(world, first, light(first, world.lamps, None))
    body = (~on_ground).nonzero().squeeze(1)
    normal = first.normal.index_select(1, body)
    view = unit(direction.index_select(1, body))
    mirrored = view - 2 * dot(view, normal) * normal
    shiny = world.metal[solid[body]].nonzero().squeeze(1)
    second, found = _mirror(world, first.take(body[shiny]), mirrored.index_select(1, shiny))
    lit_first, lit_second = light(Points.join(first, second), world.lamps, world.solids).split(
        len(solid)
    )

    painted = _matt(world, first, lit_first)
    lit_body = lit_first.take(body)
    painted[:, body] += shading.highlight(mirrored, lit_body, *shading.RUBBER_GLOSS)
    reflection = torch.where(found, _matt(world, second, lit_second), shading.SKY)
    painted[:, body[shiny]] = world.albedo.index_select(1, solid[body[shiny]]) * (
        reflection
        + shading.highlight(
            mirrored.index_select(1, shiny), lit_body.take(shiny), *shading.METAL_GLOSS
        )
    )
    return painted


def _surface(world: World, xyz: Tensor, scene: Tensor, solid: Tensor) -> Points:
    """Return the points with their normals."""
    normal = torch.zeros_like(xyz)
    normal[2] = 1
    body = (solid >= 0).nonzero().squeeze(1)
    which = solid[body]
    kind, frame = world.solids.kind[which], world.solids.frame.index_select(1, which)
    normal[:, body] = normals(kind, frame, xyz.index_select(1, body))
    return Points(xyz, normal, scene, solid)


def _matt(world: World, points: Points, lit: Light) -> Tensor:
    """Return the radiance [3, n] without highlights and mirrors."""
    solid = points.solid
    albedo = world.albedo.index_select(1, solid.clamp_min(0))
    return torch.where(solid < 0, shading.ground(lit), shading.diffuse(albedo, points.normal, lit))


def _mirror(world: World, points: Points, direction: Tensor) -> tuple[Points, Tensor]:
    """Return what metal mirrors at the points, and [n] whether it is anything but sky."""
    count = len(points.scene)
    which, ray = reflected_pairs(
        points.xyz, direction, points.scene, points.solid, world.solids, PLACES
    )
    distance, solid = first_hits(
        world.solids,
        which,
        ray,
        points.xyz.index_select(1, ray),
        direction.index_select(1, ray),
        count,
    )
    ground = -points.xyz[2] / direction[2]
    met = (solid < 0) & (direction[2] < 0) & (ground < MIRROR_REACH)
    distance = torch.where(met, ground, distance)
    found = met | (solid >= 0)
    distance = torch.where(found, distance, 0)
    return _surface(world, points.xyz + distance * direction, points.scene, solid), found
