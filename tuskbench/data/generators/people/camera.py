"""Four cameras around an arena, as in Human3.6M, without lens distortion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FRAME = (1000, 1000)
"""Height and width of a frame in pixels."""

FOCAL_LENGTH = 1150.0
"""In pixels."""

# Azimuth (radians), distance from the arena's centre and height (metres) of each camera.
_AZIMUTH = np.deg2rad([65.0, 118.0, 242.0, 298.0])
_DISTANCE = np.array([5.2, 5.4, 5.2, 5.4])
_HEIGHT = np.array([1.55, 1.45, 1.60, 1.50])
# They look at the centre of the arena, at the height of a person's waist.
_TARGET = np.array([0.0, 0.0, 0.95])


def _poses() -> tuple[Floats, Floats]:
    """Return positions [4, 3] and axes [4, 3, 3]; the rows are right, down and forward."""
    ground = np.stack([np.cos(_AZIMUTH), np.sin(_AZIMUTH)], -1) * _DISTANCE[:, None]
    position = np.concatenate([ground, _HEIGHT[:, None]], -1)
    forward = _TARGET - position
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return position, np.stack([right, np.cross(forward, right), forward], 1)


POSITION, AXES = _poses()


def to_camera(points: Floats, camera: NDArray[np.int64]) -> Floats:
    """Return points [N, ..., 3] of the world as cameras [N] see them: right, down, forward."""
    shape = (len(camera), *(1,) * (points.ndim - 2), 3)
    return turn(points - POSITION[camera].reshape(shape), camera)


def turn(vectors: Floats, camera: NDArray[np.int64]) -> Floats:
    """Return directions [N, ..., 3] of the world in the axes of cameras [N]."""
    turned: Floats = np.einsum("nij,n...j->n...i", AXES[camera], vectors)
    return turned


def project(points: Floats) -> Floats:
    """Return the pixels [..., 2] of a frame that points [..., 3] before the camera fall on."""
    centre = np.array([FRAME[1] / 2, FRAME[0] / 2])
    pixels: Floats = centre + FOCAL_LENGTH * points[..., :2] / points[..., 2:]
    return pixels
