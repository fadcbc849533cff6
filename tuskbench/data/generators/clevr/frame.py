"""From scenes to pixels: label maps and shaded images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuskbench.data.generators.clevr import shading
from tuskbench.data.generators.clevr.camera import View, camera_basis, pixel_rays
from tuskbench.data.generators.clevr.lamps import Lamps, Light, Points
from tuskbench.data.generators.clevr.scenes import COLOURS, MATERIALS, PLACES, SIZES, SceneTable
from tuskbench.data.generators.clevr.shadows import light
from tuskbench.data.generators.clevr.solids import Solids, dot, normals, unit
from tuskbench.data.generators.clevr.tracing import first_hits, reflected_pairs, seen_pairs

GRID = 2
"""Rays along each side of a pixel that shows an object."""
MIRROR_REACH = 30.0
"""How far metal mirrors the ground."""
FLAT_GROUND = 124
"""Grey of the ground without shading."""


@dataclass(frozen=True)
class World:
    """N scenes on a device, ready to trace.

    Attributes:
        solids: N * 10, scene by scene.
        albedo: [3, N * 10] linear colour.
        metal: [N * 10] which are of metal.
        camera: [N, 3] positions.
        basis: [N, 3, 3] rows right, up, forward.
        lamps: of each scene.
    """

    solids: Solids
    albedo: Tensor
    metal: Tensor
    camera: Tensor
    basis: Tensor
    lamps: Lamps

    @classmethod
    def of(cls, scenes: SceneTable, device: torch.device | str, dtype: torch.dtype) -> World:
        """Bring a table of scenes to a device."""

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(device, dtype)

        # Absent solids have any size but 0.
        half = np.array([*SIZES.values(), 1.0])[scenes.size].reshape(-1)
        colours = np.array([*COLOURS.values(), (0, 0, 0)])[scenes.colour.reshape(-1)]
        kind = torch.from_numpy(scenes.shape.reshape(-1)).to(device)
        position = tensor(scenes.position.reshape(-1, 3))
        camera = tensor(scenes.camera)
        return cls(
            Solids.of(kind, position, tensor(half), tensor(scenes.rotation.reshape(-1))),
            tensor(colours.T / 255).contiguous(),
            torch.from_numpy(scenes.material.reshape(-1)).to(device) == MATERIALS.index("metal"),
            camera,
            camera_basis(camera),
            Lamps.of(tensor(scenes.lamps)),
        )


def label_maps(world: World, size: tuple[int, int], view: View) -> Tensor:
    """Return int64 label maps [N, H, W]: 0 for the ground, g for the solid of place g - 1."""
    dtype, device = world.camera.dtype, world.camera.device
    rays = pixel_rays(size, view, device, dtype)
    pairs = seen_pairs(world.camera, world.basis, size, view, world.solids)
    _, hit = _trace_pixels(world, rays, *pairs)
    return torch.where(hit < 0, 0, hit % PLACES + 1).reshape(-1, *size)


def _to_world(world: World, scene: Tensor, seen: Tensor) -> Tensor:
    """Turn vectors [3, n] from the axes of their scenes' cameras."""
    basis = world.basis.permute(1, 2, 0).index_select(2, scene)
    turned: Tensor = (basis * seen[:, None]).sum(0)
    return turned


def _trace_pixels(
    world: World, rays: Tensor, which: Tensor, pixel: Tensor
) -> tuple[Tensor, Tensor]:
    """Return depth and solid [N * P, S] at the S rays [3, P, S] of each pixel."""
    pixels, samples = rays.shape[1:]
    scene = which.div(PLACES, rounding_mode="floor")
    seen = rays.index_select(1, pixel % pixels)
    basis = world.basis.permute(1, 2, 0).index_select(2, scene)
    direction = (basis[..., None] * seen[:, None]).sum(0).flatten(1)
    origin = world.camera.T.index_select(1, scene)[..., None].expand(-1, -1, samples).flatten(1)
    ray = pixel[:, None] * samples + torch.arange(samples, device=pixel.device)
    count = len(world.camera) * pixels * samples
    which = which[:, None].expand(-1, samples).flatten()
    depth, hit = first_hits(world.solids, which, ray.flatten(), origin, direction, count)
    return depth.unflatten(0, (-1, samples)), hit.unflatten(0, (-1, samples))


def paint_flat(world: World, labels: Tensor) -> Tensor:
    """Return images [N, 3, H, W] uint8 of plain colours."""
    scene = torch.arange(len(labels), device=labels.device)[:, None, None] * PLACES
    colour = (255 * world.albedo).round()[:, scene + (labels - 1).clamp_min(0)]
    painted = torch.where(labels > 0, colour, FLAT_GROUND)
    return painted.transpose(0, 1).contiguous().to(torch.uint8)


def paint_shaded(world: World, size: tuple[int, int], view: View, *, full: bool) -> Tensor:
    """Return shaded images [N, 3, H, W] uint8.

    Pixels that show any object are the mean of `GRID` x `GRID` rays; the ground between changes
    slowly and takes one.
    """
    dtype, device = world.camera.dtype, world.camera.device
    rays = pixel_rays(size, view, device, dtype, GRID)
    centres = pixel_rays(size, view, device, dtype)[..., 0]
    pairs = seen_pairs(world.camera, world.basis, size, view, world.solids)
    depth, hit = _trace_pixels(world, rays, *pairs)

    shows = (hit >= 0).any(1)
    plain, mixed = (~shows).nonzero().squeeze(1), shows.nonzero().squeeze(1)
    pixels, samples = rays.shape[1:]
    scene = torch.cat([plain, mixed.repeat_interleave(samples)]).div(pixels, rounding_mode="floor")
    seen = torch.cat(
        [
            centres.index_select(1, plain % pixels),
            rays.index_select(1, mixed % pixels).flatten(1),
        ],
        1,
    )
    solid = torch.cat([hit.new_full(plain.shape, -1), hit[mixed].flatten()])
    depth = torch.cat([depth.new_full(plain.shape, torch.inf), depth[mixed].flatten()])
    direction = _to_world(world, scene, seen)
    radiance = _radiance(world, scene, direction, depth, solid, full=full)

    image = radiance.new_empty(3, len(world.camera) * pixels)
    image[:, plain] = radiance[:, : len(plain)]
    image[:, mixed] = radiance[:, len(plain) :].unflatten(1, (-1, samples)).mean(-1)
    encoded = shading.to_bytes(image).reshape(3, -1, *size)
    return encoded.transpose(0, 1).contiguous()


def _radiance(
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
        lit = light(first, world.lamps, None)
        return _matt(world, first, lit)
    body = (~on_ground).nonzero().squeeze(1)
    view = unit(direction.index_select(1, body))
    normal = first.normal.index_select(1, body)
    mirrored = view - 2 * dot(view, normal) * normal
    shiny = world.metal[solid[body]].nonzero().squeeze(1)
    second, found = _mirror(world, first.take(body[shiny]), mirrored.index_select(1, shiny))
    lit = light(Points.join(first, second), world.lamps, world.solids)
    lit_first, lit_second = lit.split(len(solid))
    radiance = _matt(world, first, lit_first)
    reflection = torch.where(found, _matt(world, second, lit_second), shading.SKY)
    lit_body = lit_first.take(body)
    radiance[:, body] += shading.highlight(mirrored, lit_body, 30, 0.12)
    radiance[:, body[shiny]] = shading.metal(
        world.albedo.index_select(1, solid[body[shiny]]),
        reflection,
        mirrored.index_select(1, shiny),
        lit_body.take(shiny),
    )
    return radiance


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
