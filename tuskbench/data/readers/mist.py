"""The official MNIST-Hard folder of MIST (`mnist_hard.zip`, unpacked)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.readers.files import is_file, read_text, reading
from tuskbench.data.readers.idx import CLASSES
from tuskbench.data.readers.pictures import check_square, in_bytes, opened
from tuskbench.errors import DataFormatError, DataMissingError


def files(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Return the image list, the labels and the boxes of a split.

    Raises:
        DataMissingError: if one is not there.
    """
    paths = (
        folder / f"{split}.txt",
        folder / f"{split}_labels.txt",
        folder / f"{split}_keypoints.npy",
    )
    for path in paths:
        if not is_file(path):
            remedy = "unpack MIST's mnist_hard.zip there, or set TUSKBENCH_DATA"
            raise DataMissingError("mnist-hard", f"expected {path}", remedy)
    return paths


def read_labels(file: Path) -> NDArray[np.int64]:
    """Return the classes [N, digits] of a split.

    Raises:
        DataFormatError: if it holds anything but lines of as many classes from 0 to 9.
    """
    lines = read_text(file).splitlines()
    with reading(file, "comma-separated classes"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of a file without lines.
        labels = np.loadtxt(lines, dtype=np.int64, delimiter=",", ndmin=2)
    if not labels.size:
        raise DataFormatError(file, "holds no class")
    if labels.min() < 0 or labels.max() >= CLASSES:
        found = f"found {labels.min()} to {labels.max()}"
        raise DataFormatError(file, f"expected classes 0 to {CLASSES - 1}, {found}")
    return labels


def pictures(folder: Path, split: str) -> list[Path]:
    """Return the pictures that the list of a split names.

    Raises:
        DataMissingError: if the list is not there.
    """
    text = files(folder, split)[0].read_text(encoding="utf-8-sig", errors="surrogateescape")
    return [folder / name for name in text.split()]


def read_scenes(
    folder: Path, split: str, size: int, count: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
    """Return a split's images, labels and boxes, scaled to `size` pixels.

    Args:
        folder: the unpacked `mnist_hard` folder.
        split: `train` or `test`.
        size: side of the images returned.
        count: read only the first images.

    Returns:
        images [N, 1, size, size]; labels [N, 9] in 0..9; boxes [N, 9, 3]: centre x, centre y,
        half side, in pixels of the returned image.

    Raises:
        DataMissingError: if a file is not there.
        DataFormatError: if the files do not belong together, an image cannot be read or is not
            square, or a box has its centre outside of it.
    """
    list_file, label_file, box_file = files(folder, split)
    names = read_text(list_file).split()[:count]
    labels = read_labels(label_file)[:count]
    with reading(box_file, "an array of boxes"):
        # Mapped, so that a header that promises too much is refused and not filled with zeros.
        boxes = np.load(box_file, mmap_mode="r")[:count].astype(np.float32)
    if boxes.shape != (*labels.shape, 3) or len(names) != len(labels):
        problem = f"expected [{len(names)}, {labels.shape[1]}, 3] boxes, found {boxes.shape}"
        raise DataFormatError(box_file, problem)
    images = np.empty((len(names), 1, size, size), np.uint8)
    for row, name in enumerate(names):
        with opened(folder / name) as picture:
            check_square(folder / name, picture)
            _check_inside(box_file, boxes[row], name, picture.height)
            boxes[row] *= size / picture.height
            grey = in_bytes(folder / name, picture).convert("L")
            small = grey if grey.size == (size, size) else grey.resize((size, size))
            images[row, 0] = np.asarray(small)
    return images, labels, boxes


def _check_inside(file: Path, boxes: NDArray[np.float32], name: str, side: int) -> None:
    """Raise `DataFormatError` unless boxes [G, 3] have their centres in a picture."""
    centres = boxes[:, :2]
    if not ((centres >= -0.5) & (centres <= side)).all():
        problem = f"a box of {name} has its centre outside of the picture of {side} pixels a side"
        raise DataFormatError(file, problem)
