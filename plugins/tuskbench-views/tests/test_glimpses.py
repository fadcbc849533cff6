"""Glimpses show the square around a keypoint; views move what they say they move."""

from __future__ import annotations

import torch
from tuskbench_views.glimpses import (
    ViewRanges,
    cut,
    plain_grid,
    random_grid,
    random_views,
    recentred,
)

NOTHING = ViewRanges(0, 0, 0, 0, 0, 0, 0)


def test_a_plain_glimpse_is_the_image_around_the_keypoint() -> None:
    image = torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    # The centre of an even number of samples lies between two pixels.
    glimpse = cut(image, torch.tensor([[[19.5, 11.5]]]), 8.0, plain_grid(8, image.device))
    # Away from the window's edge it is what lies there, x before y.
    torch.testing.assert_close(
        glimpse[0, :, 3:5, 3:5], image[0, :, 11:13, 19:21], atol=1e-3, rtol=0
    )
    assert glimpse[0, :, 0, 0].max() < 0.06


def test_a_view_of_no_range_is_the_plain_glimpse() -> None:
    image = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    xy = torch.tensor([[[10.0, 12.0], [20.0, 9.0]]]).expand(2, -1, -1)
    plain = cut(image, xy, 9.0, plain_grid(8, image.device))
    torch.testing.assert_close(random_views(image, xy, 9.0, 8, NOTHING), plain)


def test_a_shifted_view_shifts() -> None:
    torch.manual_seed(0)
    ranges = ViewRanges(0, 0, 0, 0, 0, 0.5, 0)
    moved = random_grid(500, 4, ranges, torch.device("cpu")) - plain_grid(4, torch.device("cpu"))
    assert torch.allclose(moved, moved[:, :1, :1].expand_as(moved), atol=1e-6)
    assert 0.45 < moved.max() <= 0.5
    assert abs(moved.mean()) < 0.05


def test_a_turned_and_scaled_view_keeps_angles() -> None:
    torch.manual_seed(0)
    grid = random_grid(50, 2, ViewRanges(0.5, 0.3, 0, 0, 0, 0, 0), torch.device("cpu"))
    across, down = grid[:, 0, 1] - grid[:, 0, 0], grid[:, 1, 0] - grid[:, 0, 0]
    assert (across * down).sum(-1).abs().max() < 1e-5
    torch.testing.assert_close(across.norm(dim=-1), down.norm(dim=-1))
    angle = torch.atan2(across[:, 1], across[:, 0])
    assert 0.4 < angle.abs().max() <= 0.5


def test_equal_seeds_give_equal_views() -> None:
    grids = []
    for _ in range(2):
        torch.manual_seed(3)
        grids.append(random_grid(4, 8, ViewRanges(), torch.device("cpu")))
    assert torch.equal(*grids)


def test_keypoints_move_to_the_centre_of_what_stands_out() -> None:
    """From the edge of a bright or dark rectangle on grey; on a plain image they stay."""
    for level in (0.0, 1.0):
        image = torch.full((1, 3, 40, 50), 0.5)
        image[..., 17:24, 26:31] = level
        moved = recentred(image, torch.tensor([[[25.0, 17.0]]]), 16.0, 16)
        torch.testing.assert_close(moved, torch.tensor([[[28.0, 20.0]]]), atol=0.5, rtol=0)
    plain = torch.full((1, 3, 40, 50), 0.5)
    xy = torch.tensor([[[25.0, 17.0]]])
    assert torch.equal(recentred(plain, xy, 16.0, 16), xy)
