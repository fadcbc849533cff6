"""AutoLink's `celeba_wild.h5`: CelebA in the wild, filtered and squashed to 128 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from tuskbench.data.readers.celeba import hdf5_file
from tuskbench.data.readers.coordinates import check_upright
from tuskbench.data.readers.files import reading
from tuskbench.data.readers.hdf5 import read_array
from tuskbench.errors import DataFormatError

PREFIX = {"train": "train", "labelled": "mafl_train", "test": "mafl_test"}
CHUNK = 512


def read_images(
    path: Path, split: str, size: int, count: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Return a split's images and landmarks, resized to `size` pixels.

    The file's landmarks are (y, x), in pixels or, where none exceeds 1, in fractions.

    Args:
        path: the file.
        split: `train`, `labelled` or `test`.
        size: side of the images returned.
        count: read only the first images.

    Returns:
        images [N, 3, size, size]; landmarks [N, 5, 2] as (x, y) in pixels of the returned
        images, or None where the file has none for the split.

    Raises:
        DataMissingError: if the file is not there.
        DataFormatError: if it is no HDF5 file or lacks a data set, or its faces are upright only
            once coordinates are exchanged.
    """
    import h5py

    file = hdf5_file(path)
    with reading(path, "HDF5"), h5py.File(file, "r") as content:
        images = _array(path, content, f"{PREFIX[split]}_img", count)
        name = f"{PREFIX[split]}_landmark"
        points = None
        if name in content or split != "train":
            points = _array(path, content, name, count).astype(np.float64)
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        problem = f"expected {PREFIX[split]}_img [N, 3, H, W] of bytes, found {images.shape}"
        raise DataFormatError(path, problem)
    if points is None:
        return _resize(images, size), None
    if points.shape != (len(images), 5, 2):
        problem = f"expected {name} [{len(images)}, 5, 2], found {points.shape}"
        raise DataFormatError(path, problem)
    sides = np.array(images.shape[-2:])
    fractions = points if points.max(initial=0) <= 1 else (points + 0.5) / sides
    landmarks = (fractions[..., ::-1] * size - 0.5).astype(np.float32)
    check_upright(path, landmarks)
    return _resize(images, size), landmarks


def _array(path: Path, content: object, name: str, count: int | None) -> NDArray:
    if name not in content:  # type: ignore[operator]
        raise DataFormatError(path, f"has no data set {name!r}")
    return read_array(path, content[name], count)  # type: ignore[index]


def _resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if images.shape[-2:] == (size, size):
        return images
    resized = np.empty((len(images), 3, size, size), np.uint8)
    for start in range(0, len(images), CHUNK):
        part = torch.from_numpy(images[start : start + CHUNK])
        resized[start : start + CHUNK] = F.interpolate(
            part, (size, size), mode="bilinear", antialias=True
        ).numpy()
    return resized
