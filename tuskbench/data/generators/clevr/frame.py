"""From scenes to pixels: label maps and shaded images."""

from __future__ import annotations

import torch
from torch import Tensor

from tuskbench.data.generators.clevr.camera import View, pixel_rays
from tuskbench.data.generators.clevr.radiance import radiance
from tuskbench.data.generators.clevr.scenes import PLACES
from tuskbench.data.generators.clevr.shading import to_bytes
from tuskbench.data.generators.clevr.tracing import first_hits, seen_pairs
from tuskbench.data.generators.clevr.world import World

GRID = 2
"""Rays along each side of a pixel that shows an object."""
FLAT_GROUND = 124
"""Grey of the ground without shading."""


def label_maps(world: World, size: tuple[int, int], view: View) -> Tensor:
    """Return int64 label maps [N, H, W]: 0 for the ground, g for the solid of place g - 1."""
    dtype, device = world.camera.dtype, world.camera.device
    rays = pixel_rays(size, view, device, dtype)
    pairs = seen_pairs(world.camera, world.basis, size, view, world.solids)
    _, hit = _trace_pixels(world, rays, *pairs)
    return torch.where(hit < 0, 0, hit % PLACES + 1).reshape(-1, *size)


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
    direction = world.turn(scene, seen)
    painted = radiance(world, scene, direction, depth, solid, full=full)

    image = painted.new_empty(3, len(world.camera) * pixels)
    image[:, plain] = painted[:, : len(plain)]
    image[:, mixed] = painted[:, len(plain) :].unflatten(1, (-1, samples)).mean(-1)
    encoded = to_bytes(image).reshape(3, -1, *size)
    return encoded.transpose(0, 1).contiguous()
