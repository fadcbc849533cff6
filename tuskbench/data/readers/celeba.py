"""CelebA in its official layout, unaligned, with the lists of MAFL.

Below the data set's folder lie `Img/img_celeba/` with the photographs,
`Anno/list_landmarks_celeba.txt`, `Anno/list_bbox_celeba.txt`, `Eval/list_eval_partition.txt`,
and MAFL's `MAFL/training.txt` and `MAFL/testing.txt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.readers.coordinates import check_in_boxes
from tuskbench.data.readers.files import is_file, is_folder, read_text
from tuskbench.data.readers.pictures import opened, read_picture
from tuskbench.errors import DataFormatError, DataMissingError

IMAGES = "Img/img_celeba"
LANDMARKS = "Anno/list_landmarks_celeba.txt"
BOXES = "Anno/list_bbox_celeba.txt"
PARTITION = "Eval/list_eval_partition.txt"
MAFL = {"labelled": "MAFL/training.txt", "test": "MAFL/testing.txt"}
TRAINING_PARTITION = 0
# Photographs decoded at a time.
CHUNK = 256
# No photograph has more pixels a side.
LARGEST_NUMBER = 1 << 20


@dataclass(frozen=True)
class Photographs:
    """Photographs squashed to squares, and what is known of them, in pixels of the square.

    Attributes:
        images: [N, 3, S, S] uint8.
        landmarks: [N, 5, 2] float32: eyes, nose, mouth corners, image-left first.
        boxes: [N, 4] float32: left, top, width, height.
        names: the files' names.
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    boxes: NDArray[np.float32]
    names: list[str]


def files(folder: Path) -> list[Path]:
    """Return the lists that every split is made from.

    Raises:
        DataMissingError: if one of them, or the folder of photographs, is not there.
    """
    if not is_folder(folder / IMAGES):
        remedy = "unpack CelebA's In-The-Wild Images there, or set TUSKBENCH_DATA"
        raise DataMissingError("celeba-wild", f"expected the folder {folder / IMAGES}", remedy)
    paths = [folder / name for name in (LANDMARKS, BOXES, PARTITION, *MAFL.values())]
    for path in paths:
        if not is_file(path):
            source = "MAFL" if path.parent.name == "MAFL" else "CelebA"
            remedy = f"put {source}'s official list there, or set TUSKBENCH_DATA"
            raise DataMissingError("celeba-wild", f"expected {path}", remedy)
    return paths


def photographs(folder: Path) -> list[Path]:
    """Return the photographs that the list of partitions and MAFL's lists name.

    Raises:
        DataMissingError: if a list is not there.
    """
    files(folder)
    names = set()
    for listed, ends in ((PARTITION, False), *((name, True) for name in MAFL.values())):
        text = (folder / listed).read_text(encoding="utf-8-sig", errors="surrogateescape")
        names |= {line.split()[0] for line in text.splitlines() if line.strip()}
        names |= set(text.split()) if ends else set()
    return [folder / IMAGES / name for name in sorted(names)]


def hdf5_file(path: Path) -> Path:
    """Return AutoLink's file of CelebA in the wild, read by `celeba_hdf5`.

    Raises:
        DataMissingError: if it is not there.
    """
    if not is_file(path):
        remedy = "make it with AutoLink's preprocessing script, or set TUSKBENCH_DATA"
        raise DataMissingError("celeba-wild", f"expected {path}", remedy)
    return path


def read_photographs(
    folder: Path,
    split: str,
    size: int,
    *,
    smallest_face: float = 0.3,
    whole: bool = True,
    count: int | None = None,
) -> Photographs:
    """Read a split, squash its photographs to squares and leave out small faces.

    Args:
        folder: the data set's folder.
        split: `train` (all but MAFL's test images), `labelled` (MAFL's training images) or
            `test` (MAFL's test images).
        size: side of the squares in pixels.
        smallest_face: a face's box has to cover more than this share of the photograph.
        whole: train on every partition, as the paper says, instead of the first, as its code.
        count: read at most so many, the first in the list's order.

    Raises:
        DataMissingError: if a file is not there.
        DataFormatError: if a list or a photograph is damaged, or the lists do not agree, as where
            landmarks lie in the boxes only once their coordinates are exchanged.
    """
    files(folder)
    landmarks = _read_rows(folder / LANDMARKS, 10, header=2)
    boxes = _read_rows(folder / BOXES, 4, header=2)
    wanted = _names(folder, split, whole)
    for path, rows in ((folder / LANDMARKS, landmarks), (folder / BOXES, boxes)):
        missing = next((name for name in wanted if name not in rows), None)
        if missing:
            raise DataFormatError(path, f"has no row for {missing}")
    kept = islice(_large_faces(folder / IMAGES, wanted, boxes, smallest_face), count)
    chosen = list(kept)
    if not chosen:
        problem = f"no photograph of {split} has a face above {smallest_face:.0%} of its area"
        raise DataFormatError(folder / BOXES, problem)
    names = [name for name, _ in chosen]
    scale = size / np.array([sides for _, sides in chosen], np.float64)
    points = np.array([landmarks[name] for name in names], np.float64).reshape(-1, 5, 2)
    corners = np.array([boxes[name] for name in names], np.float64).reshape(-1, 2, 2)
    check_in_boxes(folder / LANDMARKS, points, corners.reshape(-1, 4), "landmarks")
    return Photographs(
        _squash(folder / IMAGES, names, size),
        _rescale(points, scale).astype(np.float32),
        np.concatenate([_rescale(corners[:, :1], scale)[:, 0], corners[:, 1] * scale], 1).astype(
            np.float32
        ),
        names,
    )


def _rescale(points: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale positions [N, P, 2] of pixels whose centres are whole numbers, by [N, 2]."""
    return (points + 0.5) * scale[:, None] - 0.5


def _names(folder: Path, split: str, whole: bool) -> list[str]:
    """Return the names of a split's photographs before the face-size filter."""
    if split != "train":
        return read_text(folder / MAFL[split]).split()
    held_out = set(read_text(folder / MAFL["test"]).split())
    parts = _read_rows(folder / PARTITION, 1, header=0)
    return [
        name
        for name, (part,) in parts.items()
        if name not in held_out and (whole or part == TRAINING_PARTITION)
    ]


def _read_rows(path: Path, columns: int, header: int) -> dict[str, list[int]]:
    """Return a list's integers by file name; the header of two lines starts with the count."""
    lines = read_text(path).splitlines()
    rows = {}
    for number, line in enumerate(lines[header:], start=header + 1):
        name, *values = line.split() or [""]
        if not name:
            continue
        try:
            rows[name] = [int(value) for value in values]
        except ValueError as error:
            raise DataFormatError(path, f"line {number}: {str(error)[:200]}") from error
        if len(values) != columns:
            problem = f"line {number}: expected a name and {columns} numbers, found {len(values)}"
            raise DataFormatError(path, problem)
        if any(abs(value) > LARGEST_NUMBER for value in rows[name]):
            raise DataFormatError(path, f"line {number}: a number is beyond {LARGEST_NUMBER}")
    told = lines[0].strip() if lines else "nothing"
    if header and told != str(len(rows)):
        raise DataFormatError(path, f"the first line says {told}, but there are {len(rows)} rows")
    return rows


def _large_faces(
    folder: Path, names: list[str], boxes: dict[str, list[int]], smallest: float
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield name and (width, height) of photographs whose face is large enough, in order."""

    def sides(name: str) -> tuple[int, int]:
        path = folder / name
        if not is_file(path):
            remedy = "the lists name it; unpack all of CelebA's In-The-Wild Images"
            raise DataMissingError("celeba-wild", f"expected {path}", remedy)
        with opened(path) as picture:
            return picture.size

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            for name, (width, height) in zip(chunk, pool.map(sides, chunk), strict=True):
                box_width, box_height = boxes[name][2:]
                if box_width * box_height > smallest * width * height:
                    yield name, (width, height)


def _squash(folder: Path, names: list[str], size: int) -> NDArray[np.uint8]:
    """Return photographs resized to squares without regard to their aspect: [N, 3, S, S]."""

    def squash(name: str) -> NDArray[np.uint8]:
        return read_picture(folder / name, "RGB", (size, size)).transpose(2, 0, 1)

    images = np.empty((len(names), 3, size, size), np.uint8)
    with ThreadPoolExecutor() as pool:
        for row, image in enumerate(pool.map(squash, names)):
            images[row] = image
    return images
