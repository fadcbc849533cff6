"""Pictures of every kind that Pillow reads, as 8 bits a channel, or one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tuskbench.data.readers.files import is_file, reading
from tuskbench.errors import DataFormatError

# Formats whose grey pictures of more than 8 bits Pillow scales to 16.
SIXTEEN_BITS = ("PNG", "PPM", "JPEG2000")
# Tags of TIFF files.
BITS_PER_SAMPLE, INTERPRETATION, SAMPLE_FORMAT = 258, 262, 339
UNSIGNED, WHITE_IS_ZERO = 1, 0


def open_picture(path: Path) -> Image.Image:
    """Return a picture upright, in RGB, on black where it is transparent.

    Raises:
        DataFormatError: if it is missing, cannot be read as a picture, or is of floats or
            integers whose range nothing tells.
    """
    with opened(path) as picture:
        return _on_black(in_bytes(path, ImageOps.exif_transpose(picture), picture))


def read_picture(
    path: Path, mode: str, size: tuple[int, int], *, square: bool = False
) -> NDArray[np.uint8]:
    """Return a picture as RGB [H, W, 3] or grey [H, W], as its file stores it.

    Args:
        path: its place.
        mode: "RGB" or "L".
        size: (width, height) that it is resized to, bilinearly, where it has another.
        square: refuse pictures that are not.

    Raises:
        DataFormatError: as `open_picture`, or if it is not square and has to be.
    """
    with opened(path) as picture:
        if square:
            check_square(path, picture)
        whole = in_bytes(path, picture).convert(mode)
        if whole.size != size:
            whole = whole.resize(size, Image.Resampling.BILINEAR)
        return np.asarray(whole)


def check_square(path: Path, picture: Image.Image) -> None:
    """Raise `DataFormatError` unless a picture is square, as what is known of it requires."""
    if picture.width != picture.height:
        found = f"found {picture.width} x {picture.height} pixels"
        raise DataFormatError(path, f"expected a square picture, {found}")


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Give an opened picture, whose pixels are read when they are used.

    Raises:
        DataFormatError: if it cannot be read as a picture, here or within the context.
    """
    if not is_file(path):
        raise DataFormatError(path, "is not a file that can be read")
    with reading(path, "a picture"), warnings.catch_warnings():
        # Pillow warns of pictures of half the size that it refuses.
        warnings.simplefilter("ignore")
        with Image.open(path) as picture:
            yield picture


def in_bytes(path: Path, picture: Image.Image, source: Image.Image | None = None) -> Image.Image:
    """Return a picture of any mode as one of 8 bits a channel; `source` knows its file.

    Raises:
        DataFormatError: if nothing tells the range of its values.
    """
    if picture.mode != "F" and not picture.mode.startswith("I"):
        return picture
    largest = _largest(source or picture)
    if largest is None:
        kind = "floats" if picture.mode == "F" else "integers"
        problem = f"holds {kind} of a range that nothing tells; save it with 8 or 16 bits a channel"
        raise DataFormatError(path, problem)
    levels = np.asarray(picture, np.float64) * (255 / largest)
    return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def _largest(picture: Image.Image) -> int | None:
    """Return the value of white in a picture of integers, or None where nothing tells it."""
    if picture.mode == "F":
        return None
    if picture.format in SIXTEEN_BITS:
        return 65535
    tags = getattr(picture, "tag_v2", None)
    if tags is None or not picture.mode.startswith("I;16"):
        return None
    if tags.get(INTERPRETATION) == WHITE_IS_ZERO:
        return None
    if tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] != UNSIGNED:
        return None
    return int(2 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1)


def _on_black(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        shown = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, "black"), shown).convert("RGB")
    return picture.convert("RGB")
