"""Warps against SciPy's thin-plate spline and hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator

from tuskbench.contracts import WarpSettings
from tuskbench.ops.warp import apply_warp, random_control_points, random_warp_grid, warp_grid

STRONG = WarpSettings(scale=(0.9, 0.1), displacement=0.1, offset=0.05, rotation=0.4)
STILL = WarpSettings(scale=(1.0, 0.0), displacement=0.0, offset=0.0, rotation=0.0)


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_grid_equals_scipys_thin_plate_spline(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    start, moved = random_control_points(2, STRONG, torch.device("cpu")).double()
    grid = warp_grid(start, moved, size)
    height, width = size
    reach = np.array([1 + 2 * (height // 5) / width, 1 + 2 * (height // 5) / height])
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    pixels = np.stack([x, y], -1).reshape(-1, 2) / reach
    for image in range(2):
        spline = RBFInterpolator(start[image], moved[image], kernel="thin_plate_spline")
        expected = (spline(pixels) * reach).reshape(height, width, 2)
        np.testing.assert_allclose(grid[image], expected, atol=1e-9)


def test_still_warp_changes_nothing() -> None:
    images = torch.rand(2, 3, 10, 14)
    grid = random_warp_grid(2, (10, 14), STILL, torch.device("cpu"))
    torch.testing.assert_close(apply_warp(images, grid), images, atol=1e-4, rtol=0)


@given(shift=st.integers(-3, 3))
@settings(max_examples=7, deadline=None)
def test_shift_by_whole_pixels(shift: int) -> None:
    images = torch.rand(1, 1, 8, 8)
    x = (torch.arange(8.0) + shift) * 2 / 7 - 1
    y = torch.arange(8.0) * 2 / 7 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
    warped = apply_warp(images, grid, 1.0)
    for column in range(8):
        inside = 0 <= column + shift < 8
        expected = images[..., column + shift] if inside else torch.ones(1, 1, 8)
        torch.testing.assert_close(warped[..., column], expected, atol=1e-5, rtol=0)


def test_seed_decides_warp() -> None:
    grids = []
    for _ in range(2):
        torch.manual_seed(3)
        grids.append(random_warp_grid(4, (8, 8), STRONG, torch.device("cpu")))
    assert torch.equal(*grids)


def test_positions_keep_their_precision_under_autocast() -> None:
    settings_ = WarpSettings(scale=(0.95, 0.05), displacement=0.1, offset=0.01, rotation=0.25)
    grids = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            grids.append(random_warp_grid(2, (64, 64), settings_, torch.device("cpu")))
    torch.testing.assert_close(grids[0], grids[1])
