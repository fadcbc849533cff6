"""Blobs: discs of known places are found, whatever the background, and answer by their size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_laplace

from tuskbench.ops.blobs import blob_response, find_blobs

CENTRES = [(8, 9), (30, 12), (15, 31)]


def discs(radius: float, ink: float, background: float) -> torch.Tensor:
    y, x = np.mgrid[:40, :40]
    image = np.full((40, 40), background, np.float32)
    for column, row in CENTRES:
        image[np.hypot(x - column, y - row) <= radius] = ink
    return torch.from_numpy(image).expand(1, 3, 40, 40)


@pytest.mark.parametrize(("ink", "background"), [(1.0, 0.0), (0.0, 1.0), (0.8, 0.5)])
def test_discs_are_found(ink: float, background: float) -> None:
    xy, score = find_blobs(discs(5, ink, background), 3, 10.0)
    assert {tuple(point) for point in xy[0].int().tolist()} == set(CENTRES)
    assert score.min() > 0.8
    assert score.max() == 1


def test_a_matching_size_answers_most() -> None:
    image = discs(5, 1.0, 0.0)
    answers = {side: blob_response(image, side)[0, 9, 8].item() for side in (4.0, 10.0, 24.0)}
    assert max(answers, key=answers.get) == 10.0


def test_against_scipy() -> None:
    image = discs(4, 1.0, 0.0)
    ours = blob_response(image, 10.0)[0].numpy()
    theirs = np.clip(
        -gaussian_laplace(image[0, 0].numpy(), 5 / np.sqrt(2), mode="nearest"), 0, None
    )
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99


def test_a_blank_image_has_no_score() -> None:
    xy, score = find_blobs(torch.zeros(2, 3, 24, 24), 4, 6.0)
    assert xy.shape == (2, 4, 2)
    assert torch.isfinite(score).all()


@pytest.mark.parametrize("side", range(1, 21))
def test_plain_squares_are_found_at_their_middle(side: int) -> None:
    corners = [(5, 9), (9 + 2 * side, 5), (7, 12 + 3 * side)]
    image = torch.zeros(1, 3, 20 + 4 * side, 14 + 4 * side)
    for x, y in corners:
        image[..., y : y + side, x : x + side] = 1
    xy, score = find_blobs(image, len(corners), float(side))
    middles = torch.tensor(corners, dtype=torch.float32) + (side - 1) / 2
    gaps = (xy[0][:, None] - middles).abs().amax(-1)
    # An even side has its middle between pixels.
    assert gaps.amin(0).max() <= 0.5
    assert score.min() > 0.9
