"""Which solid a ray meets first.

Rays and solids are paired only where the ray passes near the solid's ball; pairs are then sorted
by kind of solid. An image has about as many pairs as pixels, whatever the number of objects.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuskbench.data.generators.clevr.camera import FOCAL, HEIGHT, WIDTH, View
from tuskbench.data.generators.clevr.solids import (
    Solids,
    by_kind,
    crossing,
    dot,
    to_local,
    turn,
)


def seen_pairs(
    camera: Tensor, basis: Tensor, size: tuple[int, int], view: View, solids: Solids
) -> tuple[Tensor, Tensor]:
    """Pair every solid with the pixels of the rectangle around its ball's image.

    Args:
        camera: [N, 3] positions.
        basis: [N, 3, 3] rows right, up, forward.
        size: pixels (H, W).
        view: part of the official frame that they divide.
        solids: those of N scenes, as many each, all before the camera.

    Returns:
        [n] numbers of a solid and [n] numbers of a pixel, counted through all scenes.
    """
    scenes = len(camera)
    places = len(solids.kind) // scenes
    offset = solids.centre.T.unflatten(0, (scenes, places)) - camera[:, None]
    right, up, forward = (offset @ basis.transpose(1, 2)).flatten(0, 1).unbind(1)
    top, left, height, width = view
    first_row, rows = _span(-up, forward, solids.ball, HEIGHT / 2 - top, height / size[0], size[0])
    first_column, columns = _span(
        right, forward, solids.ball, WIDTH / 2 - left, width / size[1], size[1]
    )
    area = torch.where(solids.ball > 0, rows * columns, 0)
    number = torch.arange(len(area), device=area.device)
    which = number.repeat_interleave(area)
    start = number.div(places, rounding_mode="floor") * size[0] + first_row
    place = torch.arange(len(which), device=area.device) - (area.cumsum(0) - area)[which]
    row = place.div(columns[which], rounding_mode="floor")
    column = place - row * columns[which]
    return which, (start[which] + row) * size[1] + first_column[which] + column


def _span(
    offset: Tensor, depth: Tensor, radius: Tensor, middle: float, pixel: float, pixels: int
) -> tuple[Tensor, Tensor]:
    """Return first pixel and number of pixels that balls cover along one side of an image.

    Args:
        offset: [S] of the balls from the optical axis along that side.
        depth: [S] along the axis.
        radius: [S].
        middle: where the axis meets the side, in pixels of the official frame.
        pixel: extent of a pixel, in those.
        pixels: how many there are.
    """
    angle = torch.atan2(offset, depth)
    half = torch.asin(radius / torch.hypot(offset, depth))
    low, high = ((middle + FOCAL * (angle + side).tan()) / pixel for side in (-half, half))
    first = low.floor().clamp(0, pixels)
    return first.long(), (high.ceil().clamp(0, pixels) - first).long()


def reflected_pairs(
    origin: Tensor, direction: Tensor, scene: Tensor, own: Tensor, solids: Solids, places: int
) -> tuple[Tensor, Tensor]:
    """Pair rays with the solids they may meet, except the one they leave.

    Args:
        origin: [3, R].
        direction: [3, R] of unit length.
        scene: [R] the scene of each.
        own: [R] number of the solid that each leaves.
        solids: of all scenes.
        places: solids a scene.

    Returns:
        [n] numbers of a solid and [n] numbers of a ray.
    """
    place = torch.arange(places, device=scene.device)[:, None]
    offset = by_scene(solids.centre, scene, places) - origin[:, None]
    ball = by_scene(solids.ball, scene, places)
    along = dot(offset, direction[:, None])
    lateral = dot(offset, offset) - along.square()
    near = (lateral <= ball.square()) & (along > 0) & (ball > 0)
    near &= place != own - scene * places
    place, ray = near.nonzero(as_tuple=True)
    return scene[ray] * places + place, ray


def by_scene(values: Tensor, scene: Tensor, places: int) -> Tensor:
    """Return values [..., S] of each solid in each of n scenes [..., places, n]."""
    table: Tensor = values.unflatten(-1, (-1, places)).transpose(-1, -2)
    return table.index_select(-1, scene)


def first_hits(
    solids: Solids, which: Tensor, ray: Tensor, origin: Tensor, direction: Tensor, rays: int
) -> tuple[Tensor, Tensor]:
    """Return the nearest solid of each ray among the given pairs.

    Args:
        solids: all of them.
        which: [n] solid of a pair.
        ray: [n] ray of a pair.
        origin: [3, n] where a pair's ray starts, outside the solid.
        direction: [3, n] its direction.
        rays: how many rays there are.

    Returns:
        [R] parameter of the hit, infinite where there is none, and [R] number of the solid, -1
        where there is none.
    """
    reached = torch.full_like(origin[0], torch.inf)
    for kind, chosen in by_kind(solids.kind[which]):
        frame = solids.frame.index_select(1, which[chosen])
        start = to_local(frame, origin.index_select(1, chosen))
        step = turn(frame, direction.index_select(1, chosen))
        near, far = crossing(kind, start, step)
        reached[chosen] = torch.where((near < far) & (near > 0), near, torch.inf)
    nearest = torch.full((rays,), torch.inf, device=origin.device, dtype=origin.dtype)
    nearest.scatter_reduce_(0, ray, reached, "amin")
    hit = torch.full((rays,), -1, device=origin.device)
    first = ((reached == nearest[ray]) & reached.isfinite()).nonzero().squeeze(1)
    hit[ray[first]] = which[first]
    return nearest, hit
