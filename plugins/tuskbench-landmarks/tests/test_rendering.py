"""Drawn landmarks against scipy's densities and the papers' formulas, and the appearance stream."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from tuskbench_landmarks.appearance import paint, pool
from tuskbench_landmarks.coordinates import mesh
from tuskbench_landmarks.rendering import bells, gaussian_mass, inverse_cholesky, student

SIZE = (41, 61)
XY = torch.tensor([[[0.1, -0.2], [0.0, 0.5]]])


def test_a_bell_has_no_half_in_its_exponent() -> None:
    maps = bells(torch.zeros(1, 1, 2), (41, 41), 0.1)
    # Two pixels are 0.1 half sides.
    assert maps[0, 0, 20, 20].item() == 1
    assert maps[0, 0, 20, 22].item() == pytest.approx(math.exp(-1), rel=1e-4)
    assert maps[0, 0, 18, 22].item() == pytest.approx(math.exp(-2), rel=1e-4)


def test_gaussian_mass_is_scipys_density_times_a_pixels_area() -> None:
    deviation = torch.tensor([[0.1, 0.2]])
    maps = gaussian_mass(XY, SIZE, deviation)
    places = mesh(SIZE, XY.device).numpy()
    for k, s in enumerate((0.1, 0.2)):
        density = multivariate_normal(XY[0, k].numpy(), s**2).pdf(places)
        expected = density * (2 / 40) * (2 / 60)
        np.testing.assert_allclose(maps[0, k].flatten().numpy(), expected, atol=1e-6)
    assert maps[0, 0].sum().item() == pytest.approx(1, abs=1e-3)


def test_student_with_a_covariance_is_a_mahalanobis_distance() -> None:
    covariance = torch.tensor([[[[0.04, 0.01], [0.01, 0.09]], [[0.01, 0.0], [0.0, 0.01]]]])
    maps = student(XY, SIZE, inverse_cholesky(covariance, floor=0.0))
    places = mesh(SIZE, XY.device).double().numpy()
    for k in range(2):
        offset = places - XY[0, k].double().numpy()
        inverse = np.linalg.inv(covariance[0, k].double().numpy())
        squared = np.einsum("pi,ij,pj->p", offset, inverse, offset)
        np.testing.assert_allclose(maps[0, k].flatten().numpy(), 1 / (1 + squared), rtol=1e-3)
    circle = student(XY[:, 1:], SIZE, 10.0)
    torch.testing.assert_close(circle, maps[:, 1:], rtol=1e-3, atol=1e-5)


def test_inverse_cholesky_of_a_map_of_one_pixel_is_finite() -> None:
    covariance = torch.zeros(1, 1, 2, 2, requires_grad=True)
    inverse_cholesky(covariance).sum().backward()
    assert torch.isfinite(covariance.grad).all()


def test_pool_reads_and_paint_lays_out() -> None:
    features = torch.randn(1, 5, 6, 7)
    maps = torch.zeros(1, 2, 6, 7)
    maps[0, 0, 2, 3] = 0.5
    maps[0, 1, 1, 1] = maps[0, 1, 4, 5] = 2
    read = pool(features, maps)
    torch.testing.assert_close(read[0, 0], features[0, :, 2, 3])
    torch.testing.assert_close(read[0, 1], (features[0, :, 1, 1] + features[0, :, 4, 5]) / 2)
    painted = paint(read, maps)
    torch.testing.assert_close(painted[0, :, 2, 3], 0.5 * read[0, 0])
    assert painted[0, :, 0, 0].abs().sum() == 0
