"""Landmarks drawn as maps, each form in the units of the paper that it comes from.

Positions are half sides; so are widths and deviations. The forms differ: Jakab et al. leave out
the half of a Gaussian's exponent, Zhang et al. draw probability masses, Lorenz et al. draw heavy
tails.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuskbench_landmarks.coordinates import axis


def offsets(xy: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return x [B, K, 1, W] and y [B, K, H, 1] of the pixels relative to xy [B, K, 2]."""
    x = axis(size[1], xy.device) - xy[..., :1].float()
    y = axis(size[0], xy.device) - xy[..., 1:].float()
    return x[..., None, :], y[..., :, None]


def bells(xy: Tensor, size: tuple[int, int], width: float) -> Tensor:
    """Draw exp(-d^2 / width^2), without the usual half and with peak 1: [B, K, H, W].

    Jakab et al. 2018 use a width of 0.1 half sides; LatentKeypointGAN's exp(-d^2 / tau) is the
    width sqrt(tau).
    """
    x, y = offsets(xy, size)
    # The exponential of a sum of two axes costs far less as a product of two exponentials.
    return torch.exp(-(y / width).square()) * torch.exp(-(x / width).square())


def gaussian_mass(xy: Tensor, size: tuple[int, int], deviation: Tensor | float) -> Tensor:
    """Draw the probability that a normal deviate falls into each pixel: [B, K, H, W].

    The density exp(-d^2 / (2 s^2)) / (2 pi s^2) times a pixel's area (Zhang et al. 2018). It
    sums to 1 where the Gaussian lies within the image.

    Args:
        xy: [B, K, 2].
        size: (height, width).
        deviation: s in half sides, a number or [B, K].
    """
    x, y = offsets(xy, size)
    scale = torch.as_tensor(deviation, device=xy.device, dtype=torch.float32)[..., None, None]
    area = 4 / ((size[0] - 1) * (size[1] - 1))
    bell = torch.exp(-0.5 * (y / scale).square()) * torch.exp(-0.5 * (x / scale).square())
    return bell * (area / (2 * math.pi * scale.square()))


def student(xy: Tensor, size: tuple[int, int], precision: Tensor | float) -> Tensor:
    """Draw 1 / (1 + |P (u - xy)|^2), Student's form with heavy tails and peak 1: [B, K, H, W].

    Args:
        xy: [B, K, 2].
        size: (height, width).
        precision: P in 1 / half sides: a number (10 in the code of Lorenz et al. 2019) or lower
            triangular matrices [B, K, 2, 2] from `inverse_cholesky`.
    """
    x, y = offsets(xy, size)
    if isinstance(precision, Tensor):
        rows = precision[..., None, None]
        first = rows[:, :, 0, 0] * x
        second = rows[:, :, 1, 0] * x + rows[:, :, 1, 1] * y
        squared = first.square() + second.square()
    else:
        squared = float(precision) ** 2 * (x.square() + y.square())
    heat: Tensor = 1 / (1 + squared)
    return heat


def inverse_cholesky(covariance: Tensor, floor: float = 1e-6) -> Tensor:
    """Return the inverse of the lower Cholesky factor of covariances [B, K, 2, 2].

    Args:
        covariance: symmetric, at least 0.
        floor: added to the variances, in square half sides, so that a map of one pixel has one.
    """
    xx = covariance[..., 0, 0] + floor
    yy = covariance[..., 1, 1] + floor
    a = xx.sqrt()
    b = covariance[..., 0, 1] / a
    c = (yy - b.square()).clamp_min(floor).sqrt()
    rows = [1 / a, torch.zeros_like(a), -b / (a * c), 1 / c]
    inverse: Tensor = torch.stack(rows, -1).unflatten(-1, (2, 2))
    return inverse
