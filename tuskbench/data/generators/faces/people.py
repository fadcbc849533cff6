"""Who is drawn: proportions, pose and looks of every face, at random.

Proportions follow 102 frontal photographs of the Face Research Lab London Set (DeBruine and
Jones 2017), in units of the distance between the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import radians

import torch
from torch import Tensor

from tuskbench.data.generators.draws import Draws
from tuskbench.data.generators.faces.geometry import Shape, rotations

# From light to dark skin, and families of hair colour, in sRGB.
SKIN = ((1.0, 0.878, 0.769), (0.776, 0.525, 0.380), (0.275, 0.157, 0.110))
HAIR = (
    (0.07, 0.06, 0.06),
    (0.23, 0.14, 0.09),
    (0.42, 0.27, 0.16),
    (0.80, 0.64, 0.38),
    (0.58, 0.25, 0.12),
    (0.72, 0.71, 0.70),
)
IRIS = ((0.22, 0.13, 0.07), (0.42, 0.30, 0.14), (0.28, 0.42, 0.30), (0.33, 0.48, 0.66))


@dataclass(frozen=True)
class Looks:
    """Appearance of faces; every field is [N, F] or, where said, [N, F, n].

    Attributes:
        skin, hair, iris, lips, cloth, hat: [N, F, 3] colours in [0, 1].
        light: [N, F, 3] unit vector to the light, in the view.
        ambient: share of the light that comes from everywhere.
        eye_opening: 0.2 nearly shut, 1 wide open.
        gaze: [N, F, 2] shift of the irises.
        brow: [N, F, 3] height above the eyes, slope and thickness.
        smile: height of the mouth's corners above its middle.
        mouth_opening: half height of the open mouth.
        lip: half height of the closed lips.
        fringe: [N, F, 3] height, slope and curvature of the hair line.
        volume: size of the hair against the skull.
        length: height at which long hair ends.
        bald, long_hair, beard, glasses, hatted: bool.
    """

    skin: Tensor
    hair: Tensor
    iris: Tensor
    lips: Tensor
    cloth: Tensor
    hat: Tensor
    light: Tensor
    ambient: Tensor
    eye_opening: Tensor
    gaze: Tensor
    brow: Tensor
    smile: Tensor
    mouth_opening: Tensor
    lip: Tensor
    fringe: Tensor
    volume: Tensor
    length: Tensor
    bald: Tensor
    long_hair: Tensor
    beard: Tensor
    glasses: Tensor
    hatted: Tensor

    def of(self, face: int) -> Looks:
        """Return the looks of every image's face of that number: [N] and [N, n]."""
        return Looks(**{field.name: getattr(self, field.name)[:, face] for field in fields(self)})


def draw_shapes(draws: Draws, faces: int) -> Shape:
    """Draw the proportions of `faces` heads an image."""
    size = (draws.normal("face", faces, 3) * 0.05).clamp(-0.12, 0.12)
    face = size.new_tensor([1.12, 1.36, 1.2]) * (1 + size)
    nose_y, nose_z = draws.normal("nose", faces, 2).clamp(-2.5, 2.5).unbind(-1)
    nose = torch.stack(
        [torch.zeros_like(nose_y), 0.48 + 0.06 * nose_y, face[..., 2] + 0.33 + 0.05 * nose_z], -1
    )
    mouth = draws.normal("mouth", faces, 2).clamp(-2.5, 2.5)
    mouth = mouth.new_tensor([0.40, 1.10]) + mouth * mouth.new_tensor([0.03, 0.06])
    return Shape(face, nose, mouth)


def draw_poses(draws: Draws, faces: int) -> Tensor:
    """Draw rotations [N, F, 3, 3]: yaw N(0, 25 degrees) within 60, pitch 10, roll 12."""
    deviation, limit = (25.0, 10.0, 12.0), (60.0, 25.0, 36.0)
    angle = draws.normal("pose", faces, 3)
    bound = angle.new_tensor(limit)
    angle = (angle * angle.new_tensor(deviation)).clamp(-bound, bound) * radians(1)
    return rotations(*angle.unbind(-1))


def draw_looks(draws: Draws, faces: int) -> Looks:
    """Draw the appearance of `faces` heads an image."""
    skin = along(SKIN, draws.uniform("skin", faces).pow(1.4))
    smile, lip = draws.uniform("smile", faces, low=-0.03, high=0.16), draws.uniform("lip", faces)
    redness = draws.uniform("lips", faces, 1, low=0.35, high=0.8)
    light = draws.normal("light", faces, 3) * skin.new_tensor([0.7, 0.4, 0.0])
    light = light + skin.new_tensor([0.0, -0.35, 1.0])
    brow = draws.uniform("brow", faces, 3)
    fringe = draws.uniform("fringe", faces, 3)
    opened = draws.chance("opened", 0.35, faces)
    opening = opened * draws.uniform("opening", faces, low=0.03, high=0.16)
    return Looks(
        skin=skin,
        hair=_one_of(HAIR, draws, "hair", faces),
        iris=_one_of(IRIS, draws, "iris", faces),
        lips=skin + redness * (skin.new_tensor([0.66, 0.2, 0.22]) - skin),
        cloth=draws.uniform("cloth", faces, 3, low=0.1, high=0.75),
        hat=draws.uniform("hat", faces, 3, low=0.05, high=0.95),
        light=light / light.norm(dim=-1, keepdim=True),
        ambient=draws.uniform("ambient", faces, low=0.3, high=0.65),
        eye_opening=draws.uniform("eyes", faces, low=0.2, high=1.0).sqrt(),
        gaze=draws.uniform("gaze", faces, 2, low=-1.0) * skin.new_tensor([0.07, 0.03]),
        brow=brow.new_tensor([0.24, -0.06, 0.035]) + brow * brow.new_tensor([0.14, 0.18, 0.045]),
        smile=smile,
        mouth_opening=opening,
        lip=0.05 + 0.05 * lip,
        fringe=fringe.new_tensor([-0.75, -0.2, -0.1])
        + fringe * fringe.new_tensor([0.35, 0.4, 0.45]),
        volume=draws.uniform("volume", faces, low=1.0, high=1.2),
        length=draws.uniform("length", faces, low=1.0, high=2.6),
        bald=draws.chance("bald", 0.08, faces),
        long_hair=draws.chance("long", 0.45, faces),
        beard=draws.chance("beard", 0.15, faces),
        glasses=draws.chance("glasses", 0.2, faces),
        hatted=draws.chance("hatted", 0.1, faces),
    )


def along(colours: tuple[tuple[float, ...], ...], place: Tensor) -> Tensor:
    """Return the colours [..., 3] at places from 0 to 1 along a line of three colours."""
    first, middle, last = place.new_tensor(colours)
    place = 2 * place[..., None]
    return torch.where(
        place < 1, first + place * (middle - first), middle + (place - 1) * (last - middle)
    )


def _one_of(colours: tuple[tuple[float, ...], ...], draws: Draws, name: str, faces: int) -> Tensor:
    """Return one of the colours for each face, a little changed: [N, F, 3]."""
    chosen = draws.integer(name, len(colours), faces)
    shade = draws.uniform(f"{name}/shade", faces, 1, low=0.75, high=1.25)
    return (shade.new_tensor(colours)[chosen] * shade).clamp(0, 1)
