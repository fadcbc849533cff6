"""Radiance of ground, rubber and metal; constants tuned to official images.

Rubber, `diffuse` and a wide `highlight`, stands for the original's diffuse and velvet under a
rough gloss. Metal, albedo * (mirror + a narrow `highlight`), stands for its two glossy lobes
tinted by the colour.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuskbench.data.generators.clevr.lamps import COLOUR, POWER, Light
from tuskbench.data.generators.clevr.solids import dot

# Fit of reflectance * (irradiance + ambient) to the ground of official images.
GROUND_REFLECTANCE = 0.1421
GROUND_AMBIENT = 0.554
SKY = 0.14
"""What a mirror shows where it meets neither solid nor near ground."""

# Phong exponent, and weight of a lamp of power 100.
RUBBER_GLOSS = (30.0, 0.12)
METAL_GLOSS = (150.0, 1.2)


def ground(light: Light) -> Tensor:
    """Return the radiance [3, n] of the ground."""
    return GROUND_REFLECTANCE * (light.total() + GROUND_AMBIENT)


def diffuse(albedo: Tensor, normal: Tensor, light: Light) -> Tensor:
    """Return the radiance [3, n] of a matt solid with linear albedo [3, n]."""
    ambient = 0.9 * (0.55 + 0.45 * normal[2])
    return albedo * (0.6 / math.pi) * (light.total() + ambient)


def highlight(mirrored: Tensor, light: Light, exponent: float, weight: float) -> Tensor:
    """Return the Phong highlights [3, n] of the area lamps.

    Args:
        mirrored: [3, n] unit directions of the mirrored view.
        light: at the points.
        exponent: of the cosine between mirrored view and lamp.
        weight: of a lamp of power 100.
    """
    cosine = dot(light.direction[:, :3], mirrored[:, None]).clamp_min(0)
    strength = cosine.pow(exponent) * light.visible[:3]
    lobes = strength.new_tensor(COLOUR[:3]).T * (strength.new_tensor(POWER) * (weight / 100))
    return lobes @ strength


def to_bytes(radiance: Tensor) -> Tensor:
    """Encode radiance as sRGB, uint8."""
    linear = radiance.clamp(0, 1)
    curve = 1.055 * linear.pow(1 / 2.4) - 0.055
    encoded = torch.where(linear <= 0.0031308, 12.92 * linear, curve)
    return (255 * encoded).round().to(torch.uint8)
