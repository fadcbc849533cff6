"""The official MNIST-Hard folder of MIST (`mnist_hard.zip`, unpacked)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

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
        if not path.is_file():
            remedy = "unpack MIST's mnist_hard.zip there, or set TUSKBENCH_DATA"
            raise DataMissingError("mnist-hard", f"expected {path}", remedy)
    return paths


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
        DataFormatError: if the files do not belong together or an image cannot be read.
    """
    list_file, label_file, box_file = files(folder, split)
    names = list_file.read_text().split()[:count]
    try:
        labels = np.loadtxt(label_file, dtype=np.int64, delimiter=",", ndmin=2)[:count]
    except ValueError as error:
        raise DataFormatError(label_file, f"expected comma-separated digits ({error})") from error
    try:
        boxes = np.load(box_file)[:count].astype(np.float32)
    except (ValueError, EOFError, OSError) as error:
        raise DataFormatError(box_file, f"expected an array of boxes ({error})") from error
    if boxes.shape != (*labels.shape, 3) or len(names) != len(labels):
        problem = f"expected [{len(names)}, {labels.shape[1]}, 3] boxes, found {boxes.shape}"
        raise DataFormatError(box_file, problem)
    images = np.empty((len(names), 1, size, size), np.uint8)
    for row, name in enumerate(names):
        try:
            with Image.open(folder / name) as picture:
                boxes[row] *= size / picture.height
                grey = picture.convert("L")
                small = grey if grey.size == (size, size) else grey.resize((size, size))
                images[row, 0] = np.asarray(small)
        except (OSError, UnidentifiedImageError) as error:
            raise DataFormatError(folder / name, f"cannot be read as an image ({error})") from error
    return images, labels, boxes
