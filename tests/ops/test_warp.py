"""Warps against TUSK's formulas worked out in NumPy and SciPy, in 64 bits, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

from tuskbench.contracts import WarpSettings
from tuskbench.ops import warp
from tuskbench.ops.warp import (
    FIXED,
    MOVABLE,
    carried,
    crop,
    pad,
    pivoted,
    random_control_points,
    random_pair,
    warp_grid,
    warped,
)

STRONG = WarpSettings(scale=(0.9, 0.1), displacement=0.1, offset=0.05, rotation=0.4)
FIRST = WarpSettings(scale=(0.98, 0.02), displacement=0.03, offset=0.02, rotation=0.05)
STILL = WarpSettings(scale=(1.0, 0.0), displacement=0.0, offset=0.0, rotation=0.0)


def spline_by_hand(start: np.ndarray, moved: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Solve the official code's linear system of one image in 64 bits."""

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        squared = ((first[:, None] - second[None]) ** 2).sum(-1)
        return squared * np.log(squared + 1e-6)

    def affine(at: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ones((len(at), 1)), at], 1)

    above = np.concatenate([affine(start), kernel(start, start)], 1)
    below = np.concatenate([np.zeros((3, 3)), affine(start).T], 1)
    system = np.concatenate([above, below])
    weights = np.linalg.inv(system) @ np.concatenate([moved, np.zeros((3, 2))])
    return np.concatenate([affine(points), kernel(points, start)], 1) @ weights


def places(size: tuple[int, int]) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-1, 1, size[1]), np.linspace(-1, 1, size[0]))
    return np.stack([x, y], -1).reshape(-1, 2)


def read(image: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Read [H, W] at a grid [H, W, 2] whose -1 and 1 are the image's edges; black beyond."""
    height, width = image.shape
    column = ((grid[..., 0] + 1) * width - 1) / 2
    row = ((grid[..., 1] + 1) * height - 1) / 2
    margin = 3
    padded = np.pad(image, margin)
    return map_coordinates(padded, [row + margin, column + margin], order=1, cval=0.0)


def test_control_points_are_the_official_ones() -> None:
    corners = {(x * r, y * r) for r in (0.7, 0.5) for x in (-1, 1) for y in (-1, 1)}
    assert set(MOVABLE) == corners
    assert len(FIXED) == 8
    assert set(FIXED) >= {(-0.95, 0.0), (0.99, 0.0), (0.0, -0.99), (0.99, 0.99)}
    start, moved = random_control_points(500, STRONG)
    torch.testing.assert_close(start[:, 8:], torch.tensor(FIXED).expand(500, -1, -1))
    assert torch.equal(start[:, 8:], moved[:, 8:])
    jitter = start[:, :8] - torch.tensor(MOVABLE)
    assert 0.099 < jitter.abs().max() <= 0.1001


def test_a_point_is_scaled_about_one_pivot_and_turned_about_the_other() -> None:
    # (0.5, 0) about (0.1, 0) by (0.5, 1): (0.3, 0). A quarter turn about (0, 0.2): (0.2, 0.5).
    found = pivoted(
        torch.tensor([[[0.5, 0.0]]]),
        torch.tensor([[[0.5, 1.0]]]),
        torch.tensor([math.pi / 2]),
        torch.tensor([[[0.1, 0.0]]]),
        torch.tensor([[[0.0, 0.2]]]),
    )
    torch.testing.assert_close(found, torch.tensor([[[0.2, 0.5]]]))


def test_pivots_move_nothing_where_nothing_is_scaled_or_turned() -> None:
    settings = WarpSettings(scale=(1.0, 0.0), displacement=0.0, offset=0.5, rotation=0.0)
    start, moved = random_control_points(50, settings)
    torch.testing.assert_close(start, moved)


def test_either_axis_has_a_scale_of_its_own() -> None:
    settings = WarpSettings(scale=(1.0, 0.2), displacement=0.0, offset=0.0, rotation=0.0)
    start, moved = random_control_points(50, settings)
    scale = (moved / start)[:, :8]
    torch.testing.assert_close(scale, scale[:, :1].expand_as(scale))
    assert (scale[:, 0, 0] - scale[:, 0, 1]).abs().max() > 0.1


@pytest.mark.parametrize("size", [(20, 20), (15, 25)])
def test_grid_solves_the_official_system(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    start, moved = random_control_points(2, STRONG).double()
    grid = warp_grid(start, moved, size)
    edge = size[0] // 5
    whole = (size[0] + 2 * edge, size[1] + 2 * edge)
    assert grid.shape == (2, *whole, 2)
    for image in range(2):
        expected = spline_by_hand(start[image].numpy(), moved[image].numpy(), places(whole))
        np.testing.assert_allclose(grid[image].reshape(-1, 2), expected, atol=1e-9)
        spline = RBFInterpolator(start[image], moved[image], kernel="thin_plate_spline")
        np.testing.assert_allclose(expected, spline(places(whole)), atol=2e-5)
    part = warp_grid(start, moved, size, cropped=True)
    assert torch.equal(part.movedim(-1, 1), crop(grid.movedim(-1, 1), size))


@pytest.mark.parametrize(("border", "mode"), [(0.0, 0.0), (1.0, 1.0), ("reflect", "reflect")])
def test_a_pair_is_warped_padded_and_cropped_last(border, mode, monkeypatch) -> None:
    torch.manual_seed(1)
    size, edge = (20, 25), 4
    image = torch.rand(1, 1, *size)
    drawn = [random_control_points(1, settings) for settings in (FIRST, STRONG)]
    draws = iter(drawn)
    monkeypatch.setattr(warp, "random_control_points", lambda *_: next(draws))
    first, second, grid = random_pair(image, (FIRST, STRONG), border)

    inside = image[0, 0].double().numpy()
    outside = {"mode": "reflect"} if mode == "reflect" else {"constant_values": mode}
    current = np.pad(inside, edge, **outside)
    middle = np.s_[edge:-edge, edge:-edge]
    for found, points in zip((first, second), drawn, strict=True):
        start, moved = points[:, 0].double().numpy()
        mapped = spline_by_hand(start, moved, places(current.shape)).reshape(*current.shape, 2)
        current = read(current, mapped)
        np.testing.assert_allclose(found[0, 0], current[middle], atol=2e-3)
    np.testing.assert_allclose(grid[0], mapped[middle], atol=1e-4)

    # Maps of the first image are mirrored beyond the border, whatever surrounds the image.
    mirrored = np.pad(inside, edge, mode="reflect")
    expected = read(mirrored, mapped)[middle]
    np.testing.assert_allclose(carried(image, grid)[0, 0], expected, atol=2e-3)


def test_still_warp_enlarges_by_half_a_pixel_at_the_edge() -> None:
    ramp = torch.arange(28.0).expand(1, 1, 28, 28) / 28
    grid = warp_grid(*random_control_points(1, STILL), (20, 20))
    # Of 28 pixels the first is read at -0.5 and the last at 27.5, the others evenly between.
    read_at = torch.linspace(-0.5, 27.5, 28)[1:-1]
    torch.testing.assert_close(warped(ramp, grid)[0, 0, 14, 1:-1], read_at / 28, atol=1e-3, rtol=0)


def test_cropping_undoes_padding() -> None:
    maps = torch.rand(2, 3, 15, 21)
    for border in (0.0, 1.0, "reflect"):
        assert torch.equal(crop(pad(maps, border), (15, 21)), maps)


def test_a_pairs_images_are_where_their_grid_says() -> None:
    """A blob of the first image, carried by the grid, lies where the second image has it."""
    torch.manual_seed(2)
    image = torch.zeros(8, 1, 40, 40)
    image[:, :, 14:20, 22:28] = 1
    first, second, grid = random_pair(image, (FIRST, STRONG), 0.0)
    assert (first - second).abs().mean() > 0.005
    torch.testing.assert_close(carried(first, grid), second, atol=1e-5, rtol=0)


def test_seed_decides_warp() -> None:
    image, pairs = torch.rand(4, 3, 10, 10), []
    for _ in range(2):
        torch.manual_seed(3)
        pairs.append(random_pair(image, (FIRST, STRONG), "reflect"))
    for one, other in zip(*pairs, strict=True):
        assert torch.equal(one, other)


def test_positions_keep_their_precision_under_autocast() -> None:
    image, grids = torch.rand(2, 3, 64, 64), []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            grids.append(random_pair(image, (FIRST, STRONG), 0.0)[2])
    torch.testing.assert_close(grids[0], grids[1])
