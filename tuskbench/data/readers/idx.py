"""The IDX format of MNIST and its relatives, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.readers.files import is_file
from tuskbench.errors import DataFormatError, DataMissingError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# Ends of EMNIST's own names, which begin with `emnist-digits-` or the like.
_EMNIST = {stem: stem.replace("t10k", "test") for stems in FILES.values() for stem in stems}
UNSIGNED_BYTE = 8
MOST_DIMENSIONS = 8
# EMNIST's largest file has 0.6 GB.
LARGEST = 4 << 30
CLASSES = 10


# Commonly listed as CC BY-SA 3.0 (Y. LeCun, C. Cortes, C. Burges).
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def locate(folder: Path, name: str, split: str) -> tuple[Path, Path]:
    """Return the image and label files of a split, gzipped or not.

    Raises:
        DataMissingError: if one is not there.
    """
    found = []
    for stem in FILES[split]:
        candidates = [folder / f"{stem}.gz", folder / stem, folder / stem.replace("-idx", ".idx")]
        present = [path for path in candidates if is_file(path)]
        if not present:
            remedy = "put the IDX file there"
            emnist = sorted(folder.glob(f"emnist-*-{_EMNIST[stem]}*"))
            if emnist:
                remedy = (
                    f"{emnist[0].name} looks like EMNIST, which stores its pictures transposed: "
                    f"name its files so, and set transpose = true for source 'idx'"
                )
            if name == "mnist":
                remedy += f" (from {MNIST}), or set TUSKBENCH_DATA to the folder above"
            raise DataMissingError(name, f"expected {candidates[0]} or {candidates[1]}", remedy)
        found.append(present[0])
    return found[0], found[1]


def read_array(path: Path) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes in an IDX file.

    Raises:
        DataFormatError: if the file is no IDX file of unsigned bytes, or is cut short.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            return _read(path, stream)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFormatError(path, f"truncated or damaged gzip file ({error})") from error
    except OSError as error:
        raise DataFormatError(path, f"cannot be read ({error.strerror or error})") from error


def _read(path: Path, stream: BinaryIO) -> NDArray[np.uint8]:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != UNSIGNED_BYTE:
        raise DataFormatError(path, "not an IDX file of unsigned bytes")
    dimensions = head[3]
    if dimensions > MOST_DIMENSIONS:
        problem = f"has {dimensions} dimensions; at most {MOST_DIMENSIONS} are read"
        raise DataFormatError(path, problem)
    sides = stream.read(4 * dimensions)
    if dimensions == 0 or len(sides) < 4 * dimensions:
        raise DataFormatError(path, "truncated IDX header")
    shape = struct.unpack(f">{dimensions}I", sides)
    expected = math.prod(shape)
    if expected > LARGEST:
        raise DataFormatError(path, f"promises {expected} bytes; at most {LARGEST} are read")
    # One byte more tells what is too long, and no promise is believed before it is kept.
    content = stream.read(expected + 1)
    if len(content) != expected:
        problem = f"expected {expected} bytes of data for shape {shape}"
        found = len(content) if len(content) < expected else "more"
        raise DataFormatError(path, f"{problem}, found {found}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_digits(folder: Path, name: str, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images [N, H, W] and labels [N] of a split.

    Raises:
        DataMissingError: if a file is not there.
        DataFormatError: if a file is damaged or empty, the two do not belong together, or there
            are more than ten classes.
    """
    image_file, label_file = locate(folder, name, split)
    images, labels = read_array(image_file), read_labels(label_file)
    if images.ndim != 3:
        raise DataFormatError(image_file, f"expected images [N, H, W], found shape {images.shape}")
    if labels.shape != images.shape[:1]:
        problem = f"expected {len(images)} labels to match {image_file.name}, found {labels.shape}"
        raise DataFormatError(label_file, problem)
    if not len(images):
        raise DataFormatError(image_file, "holds no image")
    return images, labels.astype(np.int64)


def read_labels(file: Path) -> NDArray[np.uint8]:
    """Return the classes of a split.

    Raises:
        DataFormatError: if the file is damaged, or a class is above 9.
    """
    labels = read_array(file)
    if labels.max(initial=0) >= CLASSES:
        problem = f"expected classes 0 to {CLASSES - 1}, found {labels.max()}"
        raise DataFormatError(file, problem)
    return labels
