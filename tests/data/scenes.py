"""Invented CLEVR scenes for tests of files and protocols: discs on grey."""

from __future__ import annotations

import numpy as np

from tuskbench.data.scenes import Scenes


def clevr_like(count: int, seed: int = 0, most: int = 10) -> Scenes:
    """Return scenes [240, 320] of 3 to `most` discs with every factor of the original."""
    rng = np.random.default_rng(seed)
    present = np.arange(10) < rng.integers(3, most + 1, count)[:, None]
    y, x = np.mgrid[:240, :320]
    masks = np.zeros((count, 240, 320), np.uint8)
    images = np.full((count, 3, 240, 320), 120, np.uint8)
    pixel = np.zeros((count, 10, 3), np.float32)
    pixel[..., 0] = np.tile(90 + 35 * (np.arange(10) % 5), (count, 1))
    pixel[..., 1] = np.tile(70 + 70 * (np.arange(10) // 5), (count, 1))
    pixel[..., :2] += rng.integers(-5, 6, (count, 10, 2))
    for scene, number in zip(*np.nonzero(present), strict=True):
        centre = pixel[scene, number]
        disc = np.hypot(x - centre[0], y - centre[1]) <= 12
        masks[scene][disc] = number + 1
        images[scene][:, disc] = rng.integers(0, 256, (3, 1))
    factors = {
        name: np.where(present, rng.integers(0, codes, (count, 10)), -1).astype(np.int8)
        for name, codes in (("shape", 3), ("size", 2), ("material", 2), ("colour", 8))
    }
    floats = {
        "position": rng.normal(size=(count, 10, 3)),
        "rotation": rng.uniform(0, 360, (count, 10)),
        "pixel": pixel,
    }
    for name, values in floats.items():
        shape = present.shape + (1,) * (values.ndim - 2)
        factors[name] = np.where(present.reshape(shape), values, 0).astype(np.float32)
    return Scenes(images, masks, factors)
