"""CLEVR with masks and Tetrominoes as DeepMind and TUSK's authors store them.

Both kinds of file hold the same features: DeepMind's a record a scene in one gzipped TFRecord
file, the authors' an HDF5 group a feature with a data set a scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.readers import hdf5, tfrecord
from tuskbench.data.readers.coordinates import check_in_masks
from tuskbench.data.scenes import ABSENT
from tuskbench.errors import DataFormatError

Features = Mapping[str, NDArray]

# What tuskbench adds to the files it writes, so that they are not taken for the original.
MARK = "generator"
# Scenes looked at before any is handed on.
SCENES_CHECKED = 16


@dataclass(frozen=True)
class Format:
    """How a data set lays its scenes out.

    Attributes:
        name: of its folder, and of its files before the ending.
        title: its name in tables.
        size: (height, width) in pixels.
        factors: makes named arrays [G, ...] of a record's features.
        records: how many records are converted.
    """

    name: str
    title: str
    size: tuple[int, int]
    factors: Callable[[Features], dict[str, NDArray]]
    records: int

    def files(self, folder: Path) -> list[Path]:
        """Return where the data set is looked for."""
        stem = folder / self.name / f"{self.name}_train"
        return [stem.with_suffix(".tfrecords"), stem.with_suffix(".h5")]

    def decode(self, features: Features) -> dict[str, NDArray]:
        """Return the arrays of a scene: `images` [3, H, W], `masks` [H, W] and its factors.

        Raises:
            ValueError: if a feature is missing or of another size.
        """
        height, width = self.size
        try:
            image = features["image"].reshape(height, width, 3)
            entities = features["mask"].reshape(-1, height, width)
            factors = self.factors(features)
        except KeyError as error:
            raise ValueError(f"feature {error} is missing") from error
        if len(entities) < 2:
            raise ValueError("no masks of objects")
        labels = entities.argmax(0).astype(np.uint8)
        return {"images": image.transpose(2, 0, 1).astype(np.uint8), "masks": labels, **factors}


def _category(values: NDArray) -> NDArray[np.int8]:
    """Return the codes of the objects, counted from 0, `ABSENT` for the unused ones.

    Entity 0 is the background; codes start at 1, and 0 is "no object".
    """
    return values.reshape(-1)[1:].astype(np.int8) + np.int8(ABSENT)


def _clevr_factors(features: Features) -> dict[str, NDArray]:
    position = np.stack([features[axis].reshape(-1)[1:] for axis in "xyz"], -1)
    return {
        "shape": _category(features["shape"]),
        "size": _category(features["size"]),
        "material": _category(features["material"]),
        "colour": _category(features["color"]),
        "position": position.astype(np.float32),
        "rotation": features["rotation"].reshape(-1)[1:].astype(np.float32),
        "pixel": features["pixel_coords"].reshape(-1, 3)[1:].astype(np.float32),
    }


def _tetromino_factors(features: Features) -> dict[str, NDArray]:
    shape = _category(features["shape"])
    rgb = np.rint(features["color"].reshape(-1, 3)[1:]).astype(np.int64)
    if rgb.min(initial=0) < 0 or rgb.max(initial=0) > 1:
        raise ValueError(f"expected colours of 0 and 1, found {rgb.min()} to {rgb.max()}")
    # Red, green, blue, cyan, magenta, yellow, by the bits of their triples.
    by_bits = np.array([ABSENT, 2, 1, 3, 0, 4, 5, ABSENT], np.int8)
    corner = np.stack([features[axis].reshape(-1)[1:] for axis in "xy"], -1)
    return {
        "shape": shape,
        "colour": np.where(shape >= 0, by_bits[rgb @ [4, 2, 1]], ABSENT).astype(np.int8),
        "corner": corner.astype(np.int16),
    }


CLEVR = Format("clevr_with_masks", "CLEVR6", (240, 320), _clevr_factors, 70_000)
TETROMINOES = Format("tetrominoes", "Tetrominoes", (35, 35), _tetromino_factors, 80_000)
FORMATS = {layout.name: layout for layout in (CLEVR, TETROMINOES)}


def read_features(path: Path, start: int = 0) -> Iterator[Features]:
    """Yield the features of every record from number `start`, of either kind of file.

    Raises:
        DataFormatError: if the file is damaged or of another format.
    """
    if path.suffix == ".h5":
        yield from hdf5.read_features(path, start)
        return
    for number, record in enumerate(tfrecord.read_records(path)):
        if number >= start:
            try:
                yield tfrecord.parse_example(record)
            except ValueError as error:
                raise DataFormatError(path, f"record {number}: {error}") from error


def read_scenes(path: Path, layout: Format, start: int = 0) -> Iterator[dict[str, NDArray]]:
    """Yield the arrays of every scene from number `start`; see `Format.decode`.

    Raises:
        DataFormatError: if the file is damaged, empty or holds another data set, or objects lie in
            their masks only once the coordinates of their pixels are exchanged.
    """
    scenes = _decoded(path, layout, start)
    first = list(islice(scenes, SCENES_CHECKED))
    _check_order(path, first)
    yield from first
    yield from scenes


def _check_order(path: Path, scenes: list[dict[str, NDArray]]) -> None:
    """Compare the pixels of CLEVR's objects with their masks, of which others may hide a part."""
    found = [
        (scene["pixel"][number, :2], scene["masks"] == number + 1)
        for scene in scenes
        for number in range(len(scene.get("pixel", ())))
        if (scene["masks"] == number + 1).any()
    ]
    if found:
        points, masks = (np.array(part) for part in zip(*found, strict=True))
        check_in_masks(path, points[:, None], masks, "objects' pixels", least=0)


def _decoded(path: Path, layout: Format, start: int) -> Iterator[dict[str, NDArray]]:
    number = start - 1
    for number, features in enumerate(read_features(path, start), start):
        try:
            yield layout.decode(features)
        except ValueError as error:
            problem = f"record {number} is not of {layout.name}: {error}"
            raise DataFormatError(path, problem) from error
    if number < 0:
        raise DataFormatError(path, f"no record is in it; expected scenes of {layout.name}")


def is_marked(path: Path) -> bool:
    """Return whether tuskbench wrote the file.

    Raises:
        DataFormatError: if the first record cannot be read.
    """
    if path.suffix == ".h5":
        return hdf5.has(path, MARK)
    return MARK in next(iter(read_features(path)), {})
