"""Paint faces over images: hair, ears, skin, eyes, brows, nose, mouth, beard, glasses, hat."""

from __future__ import annotations

import torch
from torch import Tensor

from tuskbench.data.generators.faces.geometry import PIVOT, Hit, Shape, View
from tuskbench.data.generators.faces.people import Looks

DARK = 0.12
TEETH = 0.9


def paint_body(canvas: Tensor, view: View, shape: Shape, looks: Looks) -> Tensor:
    """Return images with neck, shoulders and long hair painted over each.

    Several faces' bodies come before the first head, so that none hides a face.

    Args:
        canvas: [B, 3, H, W] in [0, 1].
        view: the pixels, as the head sees them.
        shape: proportions, [B] and [B, n].
        looks: appearance, [B] and [B, n].
    """
    brush = _Brush(canvas, view, shape, looks)
    brush.body()
    brush.long_hair()
    return brush.canvas


def paint_head(canvas: Tensor, view: View, shape: Shape, looks: Looks) -> Tensor:
    """Return images with one head painted over each; arguments as of `paint_body`."""
    brush = _Brush(canvas, view, shape, looks)
    skull = brush.skull()
    face = brush.face()
    brush.ears(face)
    brush.features(face)
    brush.nose(face)
    brush.hair_in_front(skull, face)
    return brush.canvas


class _Brush:
    """Paints one head an image; layers are called from back to front."""

    def __init__(self, canvas: Tensor, view: View, shape: Shape, looks: Looks) -> None:
        self.canvas, self.view, self.shape, self.looks = canvas, view, shape, looks
        # The light as the head sees it, and the frame's pixel for soft edges.
        self.light = (looks.light[:, None] @ view.rotation)[:, 0]
        self.pixel = view.pixel

    def body(self) -> None:
        """Neck and shoulders, seen from the front whatever the pose."""
        x, y = self.view.x, self.view.y
        skin = 0.8 * self.looks.skin
        neck = torch.maximum(x.abs() - 0.62, (y - 1.0).abs() - 1.2)
        self._cover(self._soft(neck), skin)
        shoulders = _ellipse(x, y - 3.6, 2.6, 2.1)
        self._cover(self._soft(shoulders), self.looks.cloth)

    def long_hair(self) -> None:
        """Long hair around the neck."""
        looks, x, y = self.looks, self.view.x, self.view.y
        end = _wide(looks.length)
        middle, half = (end - 0.9) / 2 - PIVOT[1], (end + 0.9) / 2
        hanging = _ellipse(x, y - middle, 1.3 * _wide(looks.volume), half)
        long_hair = looks.long_hair & ~looks.bald
        self._cover(self._soft(hanging) * _wide(long_hair), 0.75 * looks.hair)

    def skull(self) -> Hit:
        """The skull with its hair."""
        looks = self.looks
        grown = torch.where(looks.bald, 0.93, looks.volume)[:, None]
        axes = grown * grown.new_tensor([1.13, 1.1, 1.2])
        centre = grown.new_tensor([0.0, -0.02, -0.15]).expand(len(grown), 3)
        skull = self.view.cast(centre, axes)
        colour = torch.where(looks.bald[:, None], looks.skin, looks.hair)
        self._cover(skull.cover, self._shaded(skull, colour))
        return skull

    def face(self) -> Hit:
        """The ellipsoid of the face."""
        centre = self.shape.face.new_tensor(PIVOT).expand(len(self.shape.face), 3)
        face = self.view.cast(centre, self.shape.face)
        self._cover(face.cover, self._shaded(face, self.looks.skin))
        return face

    def ears(self, face: Hit) -> None:
        """Two small ellipsoids, hidden where the face is nearer."""
        for side in (-1.0, 1.0):
            place = self.shape.face.new_tensor([side, 0.0, 0.0])
            centre = place * self.shape.face + place.new_tensor([0.0, 0.28, -0.12])
            axes = place.new_tensor([0.14, 0.3, 0.2]).expand_as(centre)
            ear = self.view.cast(centre, axes)
            nearer = ((ear.depth > face.depth) | (face.cover < 0.5)).to(ear.cover.dtype)
            bare = 1 - 0.8 * _wide(self.looks.long_hair & ~self.looks.bald)
            colour = self._shaded(ear, 0.92 * self.looks.skin)
            self._cover(ear.cover * nearer * bare, colour)

    def features(self, face: Hit) -> None:
        """What is drawn on the skin; left and right are mirror images but for the gaze."""
        x, y, _ = face.point.unbind(1)
        front = face.cover * (face.point[:, 2] > 0).to(face.cover.dtype)
        self._beard(x, y, front)
        self._eyes(x, y, front)
        self._brows(x.abs(), y, front)
        self._mouth(x, y, front)
        self._glasses(x.abs(), y, front)

    def _eyes(self, x: Tensor, y: Tensor, front: Tensor) -> None:
        looks = self.looks
        opening = _wide(0.125 * looks.eye_opening)
        across = x.abs() - 0.5
        eye = _ellipse(across, y, 0.23, opening)
        white = self._soft(eye) * front
        self._cover(self._soft(eye - 0.05) * front, 0.72 * looks.skin)
        self._cover(white, white.new_full((len(x), 3), 0.93))
        shift = looks.gaze[:, :, None, None]
        sideways = across - shift[:, 0] * x.sign()
        iris = (sideways.square() + (y - shift[:, 1]).square()).sqrt()
        self._cover(self._soft(iris - 0.11) * white, looks.iris)
        self._cover(self._soft(iris - 0.05) * white, 0.2 * looks.iris)
        lid = (_ellipse(across, y, 0.24, opening + 0.01)).abs() - 0.025
        upper = self._soft(torch.maximum(lid, y - 0.01)) * front
        self._cover(upper, 0.35 * looks.skin)

    def _brows(self, across: Tensor, y: Tensor, front: Tensor) -> None:
        height, slope, thickness = self.looks.brow[:, :, None, None].unbind(1)
        along = across - 0.5
        line = -height - 0.03 + slope * along.abs() - 0.1 * (along + 0.1).clamp_min(0)
        stroke = torch.maximum((y - line).abs() - thickness, along.abs() - 0.3)
        self._cover(0.9 * self._soft(stroke) * front, 0.6 * self.looks.hair)

    def _mouth(self, x: Tensor, y: Tensor, front: Tensor) -> None:
        looks = self.looks
        half, height = self.shape.mouth[:, :, None, None].unbind(1)
        arch = 1 - (x / half).square()
        middle = height + _wide(looks.smile) * arch
        opening = _wide(looks.mouth_opening) * arch
        off = (y - middle).abs()
        within = x.abs() - half
        lips = torch.maximum(off - opening - _wide(looks.lip) * arch.clamp_min(0).sqrt(), within)
        self._cover(self._soft(lips) * front, looks.lips)
        inner = torch.maximum(off - opening, within)
        dark = looks.lips.new_full(looks.lips.shape, DARK) * looks.lips.new_tensor([1.6, 0.7, 0.7])
        self._cover(self._soft(inner) * front, dark)
        teeth = torch.maximum(inner + 0.02, y - middle)
        self._cover(self._soft(teeth) * front, torch.full_like(looks.lips, TEETH))
        line = torch.maximum(off - 0.018, within)
        self._cover(0.8 * self._soft(line) * front, dark)

    def _beard(self, x: Tensor, y: Tensor, front: Tensor) -> None:
        half, height = self.shape.mouth[:, :, None, None].unbind(1)
        upper = height - 0.22 - 0.35 * (x.abs() - 0.55).clamp_min(0) / 0.4
        grown = self._soft(upper - y) * front * _wide(self.looks.beard)
        bare = _ellipse(x, y - height - 0.02, half * 0.95, 0.13)
        self._cover(0.85 * grown * (1 - self._soft(bare)), 0.8 * self.looks.hair)

    def _glasses(self, across: Tensor, y: Tensor, front: Tensor) -> None:
        worn = front * _wide(self.looks.glasses)
        rim = _ellipse(across - 0.5, y - 0.03, 0.36, 0.29)
        frame = torch.minimum(rim.abs() - 0.03, torch.maximum(y.abs() - 0.03, across - 0.16))
        temple = torch.maximum((y + 0.02).abs() - 0.03, 0.85 - across)
        frame = torch.minimum(frame, temple)
        self._cover(0.95 * self._soft(frame) * worn, 0.25 * self.looks.hat)

    def nose(self, face: Hit) -> None:
        """An egg whose front is the tip, with two nostrils, hidden where the face is nearer."""
        tip = self.shape.nose
        axes = tip.new_tensor([0.17, 0.2, 0.3]).expand_as(tip)
        bridge_axes = tip.new_tensor([0.1, 0.42, 0.22]).expand_as(tip)
        bridge = tip - tip.new_tensor([0.0, 0.22, 0.28])
        for centre, half in ((bridge, bridge_axes), (tip - tip.new_tensor([0, 0, 0.3]), axes)):
            nose = self.view.cast(centre, half)
            nearer = nose.cover * (nose.depth > face.depth).to(nose.cover.dtype)
            self._cover(nearer, self._shaded(nose, 0.96 * self.looks.skin))
        x, y, _ = nose.point.unbind(1)
        below = y - tip[:, 1, None, None] - 0.12
        nostrils = self._soft(_ellipse(x.abs() - 0.085, below, 0.055, 0.04))
        self._cover(nearer * nostrils, 0.3 * self.looks.skin)

    def hair_in_front(self, skull: Hit, face: Hit) -> None:
        """Hair above the fringe and beside the face; a hat over it."""
        looks = self.looks
        x, y, z = skull.point.unbind(1)
        height, slope, curve = looks.fringe[:, :, None, None].unbind(1)
        line = height + slope * x + curve * x.square()
        sides = torch.maximum(z - 0.15, y - torch.where(looks.long_hair, 2.0, 0.15)[:, None, None])
        grown = torch.minimum(y - line, sides)
        nearer = ((skull.depth > face.depth) | (face.cover < 0.5)).to(skull.cover.dtype)
        outer = skull.cover * nearer
        self._cover(outer * self._soft(grown) * _wide(~looks.bald), self._shaded(skull, looks.hair))
        worn = outer * _wide(looks.hatted)
        self._cover(worn * self._soft(y + 0.55), self._shaded(skull, looks.hat))
        self._cover(worn * self._soft((y + 0.52).abs() - 0.06), 0.5 * looks.hat)

    def _soft(self, distance: Tensor) -> Tensor:
        """Return the share of a pixel inside a shape, from a signed distance to its edge."""
        return (0.5 - distance / self.pixel).clamp(0, 1)

    def _shaded(self, hit: Hit, colour: Tensor) -> Tensor:
        """Return colours [B, 3] under Lambert's law with ambient light: [B, 3, H, W]."""
        towards = (hit.normal * self.light[..., None, None]).sum(1).clamp_min(0)
        ambient = _wide(self.looks.ambient)
        return colour[..., None, None] * (ambient + (1 - ambient) * towards)[:, None]

    def _cover(self, share: Tensor, colour: Tensor) -> None:
        """Lay a colour [B, 3] or [B, 3, H, W] over the canvas."""
        if colour.ndim == 2:
            colour = colour[..., None, None]
        self.canvas = torch.lerp(self.canvas, colour, share[:, None])


def _wide(values: Tensor) -> Tensor:
    """Return values [B] as [B, 1, 1], to go with planes."""
    return values[:, None, None].float()


def _ellipse(x: Tensor, y: Tensor, across: Tensor | float, down: Tensor | float) -> Tensor:
    """Return about the distance to an ellipse's edge, negative inside."""
    radius = ((x / across).square() + (y / down).square()).sqrt()
    smaller = torch.minimum(torch.as_tensor(across), torch.as_tensor(down))
    distance: Tensor = (radius - 1) * smaller
    return distance
