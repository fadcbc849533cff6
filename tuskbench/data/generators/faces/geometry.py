"""A head in three dimensions: pose, ray casting of ellipsoids, landmarks, box.

The head's frame has its origin between the eyes, x to the image's right, y down and z towards
the viewer in a frontal pose; its unit is the distance between the eyes. The view is weakly
perspective: rotation about the pivot, then the same scale at every depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# The pivot of a pose: the middle of the face's ellipsoid.
PIVOT = (0.0, 0.5, 0.0)


@dataclass(frozen=True)
class Shape:
    """Proportions of a head, each [N, F].

    Attributes:
        face: [N, F, 3] half axes of the ellipsoid of the face about the pivot.
        nose: [N, F, 3] tip of the nose, x being 0.
        mouth: [N, F, 2] half width of the mouth and height of its corners.
    """

    face: Tensor
    nose: Tensor
    mouth: Tensor

    def of(self, face: int) -> Shape:
        """Return the proportions of every image's face of that number: [N, n]."""
        return Shape(self.face[:, face], self.nose[:, face], self.mouth[:, face])

    def landmarks(self) -> Tensor:
        """Return the eyes, nose tip and mouth corners, image-left first: [N, F, 5, 3]."""
        half, height = self.mouth.unbind(-1)
        zero, eye = torch.zeros_like(half), torch.full_like(half, 0.5)
        points = [
            self._on_face(-eye, zero),
            self._on_face(eye, zero),
            self.nose,
            self._on_face(-half, height),
            self._on_face(half, height),
        ]
        return torch.stack(points, -2)

    def _on_face(self, x: Tensor, y: Tensor) -> Tensor:
        across, down, deep = self.face.unbind(-1)
        inside = 1 - (x / across).square() - ((y - PIVOT[1]) / down).square()
        return torch.stack([x, y, deep * inside.clamp_min(0).sqrt()], -1)


def rotations(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Return matrices [..., 3, 3] from the head's frame to the view's; angles in radians."""

    def turn(angle: Tensor, first: int, second: int) -> Tensor:
        matrix = torch.eye(3, device=angle.device).expand(*angle.shape, 3, 3).clone()
        matrix[..., first, first] = matrix[..., second, second] = angle.cos()
        matrix[..., first, second], matrix[..., second, first] = angle.sin(), -angle.sin()
        return matrix

    matrix: Tensor = turn(roll, 1, 0) @ turn(yaw, 0, 2) @ turn(pitch, 1, 2)
    return matrix


def project(points: Tensor, rotation: Tensor) -> Tensor:
    """Return points [..., P, 3] of the head's frame in the view, relative to the pivot."""
    pivot = points.new_tensor(PIVOT)
    return (points - pivot) @ rotation.transpose(-1, -2)


def half_extent(shape: Shape, rotation: Tensor) -> Tensor:
    """Return half width and half height [N, F, 2] of the face's ellipsoid in the view."""
    extent: Tensor = (rotation * shape.face[..., None, :]).norm(dim=-1)
    return extent[..., :2]


@dataclass(frozen=True)
class Hit:
    """Where the rays of pixels meet an ellipsoid.

    Attributes:
        cover: [B, H, W] in [0, 1], soft at the outline.
        depth: [B, H, W] towards the viewer.
        point: [B, 3, H, W] in the head's frame.
        normal: [B, 3, H, W] in the head's frame, of unit length.
    """

    cover: Tensor
    depth: Tensor
    point: Tensor
    normal: Tensor


@dataclass(frozen=True)
class View:
    """The pixels of B images as one head sees them.

    Attributes:
        x: [B, 1, W] position relative to the pivot, in the head's unit.
        y: [B, H, 1] the same, down.
        rotation: [B, 3, 3].
        pixel: [B, 1, 1] side of a pixel in the head's unit.
    """

    x: Tensor
    y: Tensor
    rotation: Tensor
    pixel: Tensor

    def cast(self, centre: Tensor, axes: Tensor) -> Hit:
        """Meet the ellipsoid with that centre [B, 3] and those half axes [B, 3]."""
        offset = torch.tensor(PIVOT, device=axes.device) - centre
        # Rows of the rotation are the view's axes in the head's frame.
        across, down, deep = ((self.rotation[:, row] / axes)[..., None, None] for row in range(3))
        start = across * self.x[:, None] + down * self.y[:, None]
        start = start + (offset / axes)[..., None, None]
        square = deep.square().sum(1)
        middle = -(start * deep).sum(1) / square
        # 1 on the axis of view, 0 on the outline.
        inside = 1 - (start + middle[:, None] * deep).square().sum(1)
        depth = middle + (inside.clamp_min(0) / square).sqrt()
        unit = start + depth[:, None] * deep
        radius = axes.mean(1)[:, None, None] / self.pixel
        cover = (0.5 + radius * (1 - (1 - inside).clamp_min(0).sqrt())).clamp(0, 1)
        point = unit * axes[..., None, None] + centre[..., None, None]
        normal = unit / axes[..., None, None]
        # `norm` over a strided dimension is many times slower.
        length = normal.square().sum(1, keepdim=True).sqrt()
        return Hit(cover, depth, point, normal / length)
