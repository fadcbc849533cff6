"""Human3.6M's skeleton, people and cameras, and the rules papers apply to them.

Joints, subjects and file names: Ionescu et al., "Human3.6M" (TPAMI 2014).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Subjects = Literal["lmdis", "tusk"]

JOINTS = (
    *("pelvis", "right hip", "right knee", "right ankle", "right toes", "right toe tips"),
    *("left hip", "left knee", "left ankle", "left toes", "left toe tips"),
    *("spine", "thorax", "neck", "head", "top of the head"),
    *("left collar", "left shoulder", "left elbow", "left wrist"),
    *("left thumb root", "left thumb", "left fingers", "left finger tips"),
    *("right collar", "right shoulder", "right elbow", "right wrist"),
    *("right thumb root", "right thumb", "right fingers", "right finger tips"),
)
"""The 32 joints. Some coincide: 11 with 0; 16 and 24 with 13; 20 with 19; 23 with 22; and so on."""

PARENTS = (
    *(-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14),
    *(12, 16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27, 30),
)

LEFT = (6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23)
RIGHT = (1, 2, 3, 4, 5, 24, 25, 26, 27, 28, 29, 30, 31)
"""The joints that have a partner on the other side, in the same order."""

FEET, TOP_OF_HEAD = (4, 10), 15
"""What TUSK's code crops by: right toes and left toe tips, and the head's top."""

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
"""Those whose poses are public."""

ACTIONS = ("Directions", "Discussion", "Greeting", "Posing", "Waiting", "Walking")
"""The six actions, of fifteen, of Zhang et al. (CVPR 2018) and of those who follow them."""

CAMERAS = ("54138969", "55011271", "58860488", "60457274")

FACING_SHARE = 0.67
"""Share of pairs that must be the right way round for labels to stay (TUSK's code)."""


def action_of(clip: str) -> str:
    """Return the action of a clip such as `Walking 1.54138969`: its name up to blank or full stop.

    Names that only begin alike, such as `WalkingDog` or `WalkTogether`, are other actions.
    """
    return clip.split(".")[0].split(" ")[0]


def in_test(subject: str, subjects: Subjects) -> bool:
    """Say whether a subject is in the test split.

    Args:
        subject: its name, such as `S11`.
        subjects: "lmdis" tests on S11 (Zhang et al., CVPR 2018, and TUSK's paper); "tusk" on
            every path that holds `S1`, that is on S1 and S11, as TUSK's code does.
    """
    return subject == "S11" if subjects == "lmdis" else subject.startswith("S1")


def facing_camera_swap(landmarks: NDArray[np.floating]) -> tuple[NDArray, NDArray[np.bool_]]:
    """Exchange left and right where TUSK's code does.

    Labels stay where more than `FACING_SHARE` of the pairs have the right joint to the right of
    the left one in the image, as in a person seen from behind. All others are exchanged,
    profiles too. Afterwards "right" means the right of the image, not the person's.

    Args:
        landmarks: [N, 32, 2] with anatomical labels.

    Returns:
        landmarks [N, 32, 2] and which images were exchanged [N].
    """
    right_is_right = landmarks[:, RIGHT, 0] > landmarks[:, LEFT, 0]
    swapped = right_is_right.sum(1) <= FACING_SHARE * len(RIGHT)
    return exchange_sides(landmarks, swapped), swapped


def exchange_sides(landmarks: NDArray, images: NDArray[np.bool_]) -> NDArray:
    """Return landmarks [N, 32, 2] with left and right exchanged in the given `images` [N]."""
    order = np.arange(len(JOINTS))
    order[[*RIGHT, *LEFT]] = [*LEFT, *RIGHT]
    return np.where(images[:, None, None], landmarks[:, order], landmarks)


def foreground_crop(joints: Floats, frame: tuple[int, int]) -> Floats:
    """Return the windows that TUSK's code cuts out of a frame.

    A window is as wide as it is high, but for the frame's border: from a tenth of the person's
    height above the head's top to as much below the lower toes, centred between the toes.

    Args:
        joints: [N, 32, 2] in pixels of the frame.
        frame: (height, width) of the frame.

    Returns:
        [N, 4] whole pixels: left, top, right, bottom; the last two exclusive.
    """
    centre = np.trunc(joints[:, FEET, 0].mean(1))
    top = np.trunc(joints[:, TOP_OF_HEAD, 1])
    bottom = np.trunc(joints[:, FEET, 1].max(1))
    height = bottom - top
    margin = np.trunc(height / 10)
    half = np.trunc((height + 2 * margin) / 2)
    window = np.stack([centre - half, top - margin, centre + half, bottom + margin], -1)
    clipped: Floats = np.clip(window, 0, [frame[1], frame[0], frame[1], frame[0]])
    return clipped


def into_window(joints: Floats, window: Floats, side: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Place joints in windows squashed to a square.

    Args:
        joints: [N, 32, 2] in pixels of the frame.
        window: [N, 4] from `foreground_crop`.
        side: of the square in pixels.

    Returns:
        joints [N, 32, 2] in pixels of the square, its corner the origin, and which images have
        every joint within [0, side - 1]; TUSK's code drops the others.
    """
    size = np.maximum(window[:, 2:] - window[:, :2], 1)
    placed = (joints - window[:, None, :2]) * (side / size)[:, None]
    inside = (placed >= 0) & (placed <= side - 1)
    return placed, np.asarray(inside.all((1, 2)))
