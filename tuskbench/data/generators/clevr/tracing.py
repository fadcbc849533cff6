"""Which solid a ray meets first.

Rays and solids are paired only where the ray passes near the solid's ball; pairs are then sorted
by kind of solid. An image has about as many pairs as pixels, whatever the number of objects.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuskbench.data.generators.clevr.solids import Solids, by_kind, crossing, dot, to_local, turn


def seen_pairs(
    camera: Tensor, basis: Tensor, rays: Tensor, solids: Solids, slack: float
) -> tuple[Tensor, Tensor]:
    """Pair every solid with the pixels it may cover.

    Args:
        camera: [N, 3] positions.
        basis: [N, 3, 3] rows right, up, forward.
        rays: [3, P] a ray a pixel, in camera axes.
        solids: those of N scenes, as many each.
        slack: half the extent of a pixel's rays at unit depth.

    Returns:
        [n] numbers of a solid and [n] numbers of a pixel, scene * P + its place in `rays`.
    """
    scenes, places = len(camera), len(solids.kind) // len(camera)
    offset = solids.centre.T.unflatten(0, (scenes, places)) - camera[:, None]
    seen = offset @ basis.transpose(1, 2)
    distance = seen.square().sum(-1)
    ball = solids.ball.unflatten(0, (scenes, places))
    radius = ball + slack * distance.sqrt()
    # The ray lies in the cone around the ball; an absent solid's cone is empty.
    edge = torch.where(ball < 0, torch.inf, (distance - radius.square()).sqrt())
    near = seen @ (rays / rays.norm(dim=0)) >= 0.9999 * edge[..., None]
    place, pixel = _indices(near)
    return place, pixel + place.div(places, rounding_mode="floor") * rays.shape[1]


def _indices(near: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first two dimensions' common index and the last one's where `near` holds."""
    first, last = near.flatten(0, 1).nonzero(as_tuple=True)
    return first, last


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
    which = scene[:, None] * places + torch.arange(places, device=scene.device)
    offset = solids.centre[:, which] - origin[..., None]
    along = dot(offset, direction[..., None])
    ball = solids.ball[which]
    lateral = dot(offset, offset) - along.square()
    near = (lateral <= ball.square()) & (along > 0) & (ball > 0) & (which != own[:, None])
    ray, place = near.nonzero(as_tuple=True)
    return scene[ray] * places + place, ray


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
        frame = solids.frame[:, which[chosen]]
        start, step = to_local(frame, origin[:, chosen]), turn(frame, direction[:, chosen])
        near, far = crossing(kind, start, step)
        reached[chosen] = torch.where((near < far) & (near > 0), near, torch.inf)
    nearest = torch.full((rays,), torch.inf, device=origin.device, dtype=origin.dtype)
    nearest.scatter_reduce_(0, ray, reached, "amin")
    hit = torch.full((rays,), -1, device=origin.device)
    first = ((reached == nearest[ray]) & reached.isfinite()).nonzero().squeeze(1)
    hit[ray[first]] = which[first]
    return nearest, hit
