"""What is in a scene: the CLEVR distribution of objects, camera and lamps."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tuskbench.data import counter

ABSENT = -1
"""Code of a place without an object."""
PLACES = 10
"""Objects that a scene has room for."""

# Codes count from 0 in the order of CLEVR's properties.json.
SHAPES = ("cube", "sphere", "cylinder")
MATERIALS = ("rubber", "metal")
SIZES = {"large": 0.7, "small": 0.35}
"""Half extents; the mesh of every shape spans [-1, 1] along each axis."""
COLOURS = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}

REACH = 3.0
"""Centres lie in a square of this half side."""
GAP = 0.25
"""Least distance of two objects, taken as discs."""
MARGIN = 0.4
"""Least offset of two centres along either ground axis of the image."""
TRIES = 50
"""Places tried for an object before the scene starts again."""
FAR = 1e6

# The image's right and the direction away from an unjittered camera, on the ground.
GROUND_AXES = np.array([[0.65631, 0.75449], [-0.75449, 0.65631]])

CAMERA = np.array([7.48113, -6.50764, 5.34367])
CAMERA_JITTER = 0.5
# Key, fill and back lamp.
LAMPS = np.array(
    [[6.44671, -2.90517, 4.25840], [-4.67112, -4.01360, 3.01122], [-1.16850, 2.64602, 5.81574]]
)
LAMP_JITTER = 1.0


@dataclass(frozen=True)
class SceneTable:
    """The content of N scenes; objects fill the first of the 10 places.

    Attributes:
        shape: [N, 10] int64 codes of `SHAPES`, `ABSENT` where there is no object. `size`,
            `material` and `colour` are alike.
        position: [N, 10, 3] centres in CLEVR's units, z up, the ground at 0.
        rotation: [N, 10] numbers in [0, 360), as records hold them. CLEVR's generator passes the
            number on as radians, and so it is used here.
        camera: [N, 3] positions; the camera looks at the origin.
        lamps: [N, 3, 3] positions of key, fill and back lamp.
    """

    shape: NDArray[np.int64]
    size: NDArray[np.int64]
    material: NDArray[np.int64]
    colour: NDArray[np.int64]
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    camera: NDArray[np.float64]
    lamps: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.shape)

    def take(self, index: NDArray | slice) -> SceneTable:
        """Return the scenes at `index`."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def put(self, index: NDArray[np.int64], scenes: SceneTable) -> None:
        """Write `scenes` over those at `index`."""
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(scenes, field.name)


def propose(
    count_range: tuple[int, int],
    seed: int,
    stream: str,
    index: NDArray[np.int64],
    attempt: int = 0,
) -> tuple[SceneTable, NDArray[np.bool_]]:
    """Draw scenes; an attempt draws all objects anew, under the same camera, lamps and number.

    Args:
        count_range: fewest and most objects, both included; every number is as likely.
        seed: of the data set.
        stream: keeps splits apart.
        index: [N] which scenes.
        attempt: which of a scene's attempts.

    Returns:
        The scenes, and [N] whether every object found a place.
    """
    draw = partial(counter.uniform, seed, index=index)
    fewest, most = count_range
    number = fewest + np.floor(draw(f"{stream}/number", count=1) * (most - fewest + 1))
    absent = np.arange(PLACES) >= number

    def category(name: str, choices: int) -> NDArray[np.int64]:
        drawn = draw(f"{stream}/{name}", count=PLACES, start=attempt * PLACES) * choices
        return np.where(absent, ABSENT, drawn.astype(np.int64))

    def jittered(name: str, base: NDArray[np.float64], span: float) -> NDArray[np.float64]:
        drawn = draw(f"{stream}/{name}", count=base.size).reshape(-1, *base.shape)
        return base + span * (2 * drawn - 1)

    size = category("size", len(SIZES))
    half = np.where(absent, 0.0, np.array([*SIZES.values(), 0.0])[size])
    steps = TRIES * 2
    darts = draw(f"{stream}/place", count=most * steps, start=attempt * PLACES * steps)
    ground, placed = _place(REACH * (2 * darts.reshape(-1, most, TRIES, 2) - 1), half, absent)
    turn = 360 * draw(f"{stream}/rotation", count=PLACES, start=attempt * PLACES)
    scenes = SceneTable(
        shape=category("shape", len(SHAPES)),
        size=size,
        material=category("material", len(MATERIALS)),
        colour=category("colour", len(COLOURS)),
        position=np.concatenate([ground, half[..., None]], -1),
        rotation=np.where(absent, 0.0, turn),
        camera=jittered("camera", CAMERA, CAMERA_JITTER),
        lamps=jittered("lamps", LAMPS, LAMP_JITTER),
    )
    return scenes, placed


def _place(
    darts: NDArray[np.float64], half: NDArray[np.float64], absent: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give every object the first of its darts that keeps clear of the objects before it.

    Args:
        darts: [N, M, T, 2] candidate centres.
        half: [N, 10] half extents.
        absent: [N, 10] places without an object.

    Returns:
        [N, 10, 2] centres, zero where absent, and [N] whether every object found one.
    """
    scenes, most = darts.shape[:2]
    # Far away until placed, and never in the way where absent.
    centres = np.full((scenes, PLACES, 2), FAR)
    complete = np.ones(scenes, bool)
    for place in range(most):
        gap = darts[:, place, :, None] - centres[:, None, :place]
        reach = half[:, place, None] + half[:, :place] + GAP
        along = gap[..., None, :] * GROUND_AXES
        clear = np.square(gap).sum(-1) >= np.square(reach)[:, None]
        clear &= (np.abs(along.sum(-1)) >= MARGIN).all(-1)
        free = clear.all(-1)
        present = ~absent[:, place]
        complete &= free.any(-1) | ~present
        chosen = darts[np.arange(scenes), place, free.argmax(-1)]
        centres[present, place] = chosen[present]
    return np.where(centres == FAR, 0.0, centres), complete
