"""What every layout of Human3.6M is read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuskbench.data.readers import pictures

Entry = TypeVar("Entry")

REGISTER = (
    "Human3.6M is licensed: register at http://vision.imar.ro/human3.6m and download it there"
)


@dataclass(frozen=True)
class Frames:
    """Images of one person each, with anatomical labels.

    Attributes:
        images: [N, 3, S, S] uint8.
        landmarks: [N, 32, 2] float32, x and y in pixels of the image.
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]


def spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Return at most `count` entries, evenly spread, in their order."""
    if len(entries) <= count:
        return list(entries)
    return [entries[place * len(entries) // count] for place in range(count)]


def to_landmarks(fractions: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Return positions [N, 32, 2], given as fractions of the image from its corner, in pixels."""
    return (fractions * size - 0.5).astype(np.float32)


def to_fractions(landmarks: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Return positions [N, 32, 2] in pixels as fractions of the image from its corner."""
    return (landmarks.astype(np.float64) + 0.5) / size


def read_mask(path: Path, size: int) -> NDArray[np.float64]:
    """Return a mask [S, S] in [0, 1]; white may be stored as 255 or as 1.

    Raises:
        DataFormatError: if it is missing or cannot be read.
    """
    with pictures.opened(path) as picture:
        levels = np.asarray(pictures.in_bytes(path, picture).convert("L"))
        levels = levels * np.uint8(255) if levels.max(initial=0) <= 1 else levels
        mask = Image.fromarray(levels)
        if mask.size != (size, size):
            mask = mask.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(mask) / 255


def read_picture(path: Path, mode: str, size: int, *, square: bool = False) -> NDArray[np.uint8]:
    """Return an image file as RGB [S, S, 3] or grey [S, S].

    Args:
        path: its place.
        mode: "RGB" or "L".
        size: side of the square that it is resized to.
        square: refuse pictures that are not.

    Raises:
        DataFormatError: if it is missing or cannot be read.
    """
    return pictures.read_picture(path, mode, (size, size), square=square)
