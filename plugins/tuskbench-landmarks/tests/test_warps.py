"""Images and landmarks move by the same rule; carried moments and the alignment use it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tuskbench_landmarks.colour import ColourJitter
from tuskbench_landmarks.coordinates import mesh
from tuskbench_landmarks.lorenz import CONTROL, CONTROL_JITTER, WARP, area_change, carried_moments
from tuskbench_landmarks.rendering import gaussian_mass
from tuskbench_landmarks.soft_argmax import mean, normalised
from tuskbench_landmarks.thewlis import alignment, diversity
from tuskbench_landmarks.warps import (
    Similarity,
    Warp,
    compose,
    control_grid,
    displaced_spline,
    move_points,
    scattered_spline,
    superpose,
    warp_images,
    weighted_spline,
)

from tuskbench.contracts import WarpSettings

CPU = torch.device("cpu")
SIZE = (64, 80)
BATCH = 6
SIMILARITY = Similarity(rotation=0.1, scale=0.1, translation=0.1, shift=0.05)
DRAWS: dict[str, Callable[[], Warp]] = {
    "similarity": lambda: SIMILARITY.draw(BATCH, CPU),
    "displaced": lambda: displaced_spline(BATCH, 5, 0.05, CPU),
    "weighted": lambda: superpose(
        SIMILARITY.draw(BATCH, CPU), weighted_spline(BATCH, 10, (0.001, 0.005), CPU)
    ),
    "scattered": lambda: scattered_spline(BATCH, CONTROL, 0.2, WARP, CPU),
    "composed": lambda: compose(displaced_spline(BATCH, 5, 0.05, CPU), SIMILARITY.draw(BATCH, CPU)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_landmark_of_the_warped_image_is_carried_back(name: str) -> None:
    """A blob is found in the warped image; the warp says where it was."""
    torch.manual_seed(1)
    warp = DRAWS[name]()
    xy = torch.tensor([[[0.1, -0.2]]]).expand(BATCH, -1, -1)
    image = gaussian_mass(xy, SIZE, 0.06)
    found = mean(normalised(warp_images(image, warp, 0.0)))
    torch.testing.assert_close(move_points(found, warp), xy, atol=0.02, rtol=0)


def test_splines_pass_through_their_control_points() -> None:
    torch.manual_seed(2)
    warp = displaced_spline(3, 4, 0.1, CPU)
    torch.manual_seed(2)
    expected = control_grid(4) + 0.1 * torch.randn(3, 16, 2)
    torch.testing.assert_close(warp(control_grid(4)), expected, atol=1e-4, rtol=0)


def test_lorenz_warps_have_the_official_codes_control_points_and_pivots() -> None:
    assert set(CONTROL) == {(x * r, y * r) for r in (0.5, 0.2) for x in (-1, 1) for y in (-1, 1)}
    # Scales of 0.8 times 1 +- 0.05, and pivots that move nothing by themselves.
    assert WARP.scale == pytest.approx((0.8, 0.8 * 0.05))
    assert (WARP.displacement, WARP.offset, WARP.rotation) == (0.05, 0.15, 0.1)
    places = mesh((9, 9), CPU)[None]
    pivots = WarpSettings(scale=(1.0, 0.0), displacement=0.0, offset=0.15, rotation=0.0)
    still = scattered_spline(3, CONTROL, CONTROL_JITTER, pivots, CPU)(places)
    torch.testing.assert_close(still, places.expand(3, -1, -1), atol=1e-4, rtol=0)
    # Scaled by 0.8 about a pivot o, the centre goes to 0.2 o, of which the mean distance along
    # an axis is 0.1 of the pivots' half width.
    torch.manual_seed(8)
    scaled = WarpSettings(scale=(0.8, 0.0), displacement=0.0, offset=0.15, rotation=0.0)
    centre = scattered_spline(2000, CONTROL, CONTROL_JITTER, scaled, CPU)(torch.zeros(1, 1, 2))
    assert centre.abs().mean().item() == pytest.approx(0.015, rel=0.05)


@pytest.mark.parametrize("name", DRAWS)
def test_warps_depend_on_the_seed_alone(name: str) -> None:
    points = mesh((5, 5), CPU)[None]
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(DRAWS[name]()(points))
    assert torch.equal(drawn[0], drawn[1])
    assert drawn[0].shape == (BATCH, 25, 2)
    assert not torch.equal(drawn[0][0], drawn[0][1])


def test_autocast_does_not_touch_positions() -> None:
    torch.manual_seed(4)
    warp = displaced_spline(1, 5, 0.1, CPU)
    image = torch.rand(1, 3, *SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        inside = warp_images(image, warp, "reflect")
    torch.testing.assert_close(inside, warp_images(image, warp, "reflect"))


def test_area_change_of_a_similarity_is_its_squared_scale() -> None:
    places = mesh((7, 9), CPU).view(1, 7, 9, 2)
    cosine, sine = torch.cos(torch.tensor(0.3)), torch.sin(torch.tensor(0.3))
    turn = 0.5 * torch.stack([cosine, -sine, sine, cosine]).view(2, 2)
    ratio = area_change(places @ turn) / area_change(places)
    torch.testing.assert_close(ratio, torch.full((1, 7, 9), 0.25))


def test_carried_moments_are_those_in_the_images_own_frame() -> None:
    torch.manual_seed(5)
    warp = scattered_spline(4, CONTROL, 0.2, WARP, CPU)
    xy = torch.tensor([[[0.1, -0.1]]]).expand(4, -1, -1)
    image = gaussian_mass(xy, (128, 128), 0.1)
    warped = normalised(warp_images(image, warp, 0.0))
    centre, covariance = carried_moments(warped, warp)
    torch.testing.assert_close(centre, xy, atol=0.005, rtol=0)
    expected = (0.01 * torch.eye(2)).expand(4, 1, 2, 2)
    torch.testing.assert_close(covariance, expected, atol=0.001, rtol=0)


def test_alignment_is_the_sum_over_all_pairs_of_pixels() -> None:
    torch.manual_seed(6)
    first, second = (normalised(torch.rand(2, 3, 5, 6)) for _ in range(2))
    warp = SIMILARITY.draw(2, CPU)
    here = mesh((5, 6), CPU)[None]
    squared = torch.cdist(here.expand(2, -1, -1), warp(here)).square()
    expected = torch.einsum("bku,bkv,buv->bk", first.flatten(2), second.flatten(2), squared).mean()
    torch.testing.assert_close(alignment(first, second, warp), expected)


def test_diversity_of_equal_and_of_distant_maps() -> None:
    maps = torch.zeros(1, 3, 16, 16)
    maps[0, :, 5, 5] = 1
    assert diversity(maps, 4).item() == 2
    maps.zero_()
    maps[0, 0, 1, 1] = maps[0, 1, 9, 1] = maps[0, 2, 14, 14] = 1
    assert diversity(maps, 4).item() == 0
    # Two landmarks in one square of 4 pixels share it.
    maps[0, 1] = maps[0, 0].roll(1, -1)
    assert diversity(maps, 4).item() == 1


def test_colours_change_and_shapes_do_not() -> None:
    torch.manual_seed(7)
    images = torch.zeros(5, 3, 8, 8)
    images[:, :, 2:5, 3:6] = torch.tensor([0.8, 0.3, 0.1])[:, None, None]
    changed = ColourJitter(contrast=0.5, brightness=0.3, saturation=0.1, hue=0.3)(images)
    assert changed.min() >= 0
    assert changed.max() <= 1
    square, rest = changed[:, :, 2:5, 3:6], changed[:, :, 6:]
    for part in (square, rest):
        torch.testing.assert_close(part, part[..., :1, :1].expand_as(part))
    assert (changed[0] - changed[1]).abs().max() > 0.05
