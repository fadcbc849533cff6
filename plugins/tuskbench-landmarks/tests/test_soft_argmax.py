"""Positions from maps, against scipy, numpy, kornia and maps made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass
from tuskbench_landmarks.coordinates import axis, mesh, to_pixels
from tuskbench_landmarks.soft_argmax import (
    concentration,
    mean,
    moments,
    normalised,
    peak_means,
    separable_maps,
    spatial_softmax,
)

from tuskbench.ops.peaks import global_soft_argmax

SIZE = (9, 13)


def random_maps() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return spatial_softmax(3 * torch.randn(2, 3, *SIZE, generator=generator))


def test_units() -> None:
    places = to_pixels(mesh(SIZE, torch.device("cpu")), SIZE)
    expected = torch.tensor([[x, y] for y in range(9) for x in range(13)]).float()
    torch.testing.assert_close(places, expected)
    assert axis(1, torch.device("cpu")).tolist() == [0]


def test_mean_is_the_centre_of_mass() -> None:
    maps = random_maps()
    xy = to_pixels(mean(maps), SIZE)
    for flat, got in zip(maps.flatten(0, 1).numpy(), xy.flatten(0, 1).tolist(), strict=True):
        assert got == pytest.approx(center_of_mass(flat)[::-1], abs=1e-4)


def test_mean_of_a_softmax_is_the_global_soft_argmax() -> None:
    logits = torch.randn(2, 3, *SIZE)
    got = to_pixels(mean(spatial_softmax(logits)), SIZE)
    torch.testing.assert_close(got, global_soft_argmax(logits), atol=1e-4, rtol=1e-4)


def test_moments_against_numpy() -> None:
    maps = random_maps()
    centre, covariance = moments(maps)
    torch.testing.assert_close(centre, mean(maps))
    places = mesh(SIZE, maps.device).double().numpy()
    for flat, got in zip(maps.flatten(0, 1).flatten(1), covariance.flatten(0, 1), strict=True):
        expected = np.cov(places.T, aweights=flat.double().numpy(), bias=True)
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


def test_separable_maps_by_hand() -> None:
    logits = torch.randn(1, 1, 3, 4)
    maps = separable_maps(logits)
    rows = np.exp(logits[0, 0].mean(1).numpy())
    columns = np.exp(logits[0, 0].mean(0).numpy())
    expected = np.outer(rows / rows.sum(), columns / columns.sum())
    np.testing.assert_allclose(maps[0, 0].numpy(), expected, atol=1e-6)


def test_concentration() -> None:
    maps = torch.zeros(3, 41, 41)
    maps[0, 10, 30] = 1
    maps[1, 20, 2] = maps[1, 20, 38] = 0.5
    maps[2] = 1 / 41**2
    score = concentration(maps, mean(maps[None])[0])
    assert score[0] == 1
    assert score[1] == 0
    # A disc of radius 0.2 in a square of side 2.
    assert score[2].item() == pytest.approx(np.pi * 0.04 / 4, rel=0.1)


def test_several_modes_of_a_map() -> None:
    maps = torch.zeros(1, 2, 33, 33)
    maps[0, 0, 8, 8] = 0.6
    maps[0, 0, 24, 20] = maps[0, 0, 24, 22] = 0.2
    maps[0, 1, 16, 4] = maps[0, 1, 3, 28] = 0.5
    xy, share = peak_means(maps, 2)
    pixels = to_pixels(xy, (33, 33))[0]
    found = [
        {tuple(point) for point in pixels[label::2].round(decimals=3).tolist()} for label in (0, 1)
    ]
    assert found == [{(8, 8), (21, 24)}, {(4, 16), (28, 3)}]
    torch.testing.assert_close(share[0, 0::2].sort().values, torch.tensor([0.4, 0.6]))


def test_an_empty_map_has_finite_moments() -> None:
    maps = normalised(torch.zeros(1, 1, 5, 5)).requires_grad_()
    centre, covariance = moments(maps)
    (centre.sum() + covariance.sum()).backward()
    assert torch.isfinite(maps.grad).all()
