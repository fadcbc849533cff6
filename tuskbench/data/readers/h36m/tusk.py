"""Human3.6M as TUSK's authors prepare it: the folder `crop_foreground_h36m`.

Persons before white, cut out and squashed to 224x224 JPEG files
`Cropped_Images/<action>/<subject>/<action>.<camera>/<frame>.jpg`; their paths in
`train_img_list.txt` and `test_img_list.txt`; their joints in `cropped_pose.h5`, a data set of
64 numbers (x, y of 32 joints, in pixels of 224) a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuskbench.data.human36m import JOINTS, Subjects, in_test
from tuskbench.data.readers.files import is_file, read_text, reading
from tuskbench.data.readers.h36m.frames import (
    REGISTER,
    Frames,
    read_picture,
    spread,
    to_landmarks,
)
from tuskbench.errors import DataFormatError, DataMissingError

FOLDER = "crop_foreground_h36m"
LISTS = ("train_img_list.txt", "test_img_list.txt")
POSES = "cropped_pose.h5"
STORED_SIDE = 224
QUALITY = 95


def files(folder: Path) -> list[Path]:
    """Return the lists and the poses.

    Raises:
        DataMissingError: if one is not there.
    """
    found = [folder / name for name in (*LISTS, POSES)]
    for path in found:
        if not is_file(path):
            remedy = f"make it with datasets/preprocess/h36m.ipynb of ubc-vision/TUSK; {REGISTER}"
            raise DataMissingError("h36m", f"expected {path}", remedy)
    return found


def listed(folder: Path, split: str, subjects: Subjects) -> list[str]:
    """Return the paths of a split, in the order of the lists.

    Raises:
        DataMissingError: if a list is not there.
        DataFormatError: if a path names no subject.
    """
    lists = files(folder)[: len(LISTS)]
    paths = [(file, line) for file in lists for line in read_text(file).splitlines() if line]
    return [
        path for file, path in paths if in_test(_subject(file, path), subjects) == (split == "test")
    ]


def _subject(file: Path, path: str) -> str:
    match = re.search(r"(?:^|/)(S\d+)/", path)
    if match is None:
        raise DataFormatError(file, f"expected <action>/<subject>/... but found {path!r}")
    return match.group(1)


def read(folder: Path, split: str, subjects: Subjects, size: int, count: int) -> Frames:
    """Return a split's images and landmarks.

    Args:
        folder: `crop_foreground_h36m`.
        split: `train` or `test`.
        subjects: who is in the test split.
        size: side of the images returned.
        count: at most so many, evenly spread over the list.

    Raises:
        DataMissingError: if the lists or the poses are not there.
        DataFormatError: if a listed image or its pose is missing or damaged, or the image is
            not square.
    """
    import h5py

    paths = spread(listed(folder, split, subjects), count)
    poses = np.empty((len(paths), len(JOINTS), 2))
    file = folder / POSES
    with reading(file, "poses"), h5py.File(file, "r") as content:
        for pose, path in zip(poses, paths, strict=True):
            if path not in content:
                raise DataFormatError(file, f"has no pose of a listed image, {path!r}")
            if getattr(content[path], "size", 0) != pose.size:
                raise DataFormatError(file, f"expected {pose.size} numbers at {path!r}")
            pose[:] = np.asarray(content[path]).reshape(pose.shape)
    images = np.empty((len(paths), 3, size, size), np.uint8)
    for image, path in zip(images, paths, strict=True):
        picture = read_picture(folder / path, "RGB", size, square=True)
        image[:] = picture.transpose(2, 0, 1)
    return Frames(images, to_landmarks(poses / STORED_SIDE, size))


def write(
    folder: Path,
    names: Iterable[str],
    images: NDArray[np.uint8],
    fractions: NDArray[np.floating],
) -> None:
    """Write images in this layout, split as TUSK's code does.

    Args:
        folder: where; made if it is not there.
        names: [N] paths within it, such as
            `Cropped_Images/Walking/S1/Walking.54138969/0001.jpg`.
        images: [N, 3, 224, 224].
        fractions: [N, 32, 2] joints as fractions of the image from its corner.
    """
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    paths = list(names)
    with h5py.File(folder / POSES, "w") as content:
        for path, image, pose in zip(paths, images, fractions, strict=True):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / path, quality=QUALITY)
            content[path] = (pose * STORED_SIDE).reshape(-1)
    for file, test in zip(LISTS, (False, True), strict=True):
        mine = [p for p in paths if in_test(_subject(folder / file, p), "tusk") == test]
        (folder / file).write_text("".join(f"{path}\n" for path in mine))
