"""Scenes as DeepMind and TUSK's authors store CLEVR with masks and Tetrominoes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuskbench.data.generators.tetrominoes import COLOURS
from tuskbench.data.readers.multi_object import CLEVR, MARK, TETROMINOES, Format
from tuskbench.data.writers import hdf5, tfrecord

Arrays = Mapping[str, NDArray]
Features = dict[str, NDArray | bytes]


def write(path: Path, layout: Format, scenes: Iterable[Arrays]) -> None:
    """Write scenes to a file of the official layout, TFRecord or HDF5 by its ending.

    The file is marked, so that tuskbench never calls its scenes the original.

    Args:
        path: ends in .tfrecords or .h5.
        layout: of which data set.
        scenes: arrays of single scenes, as `Format.decode` returns them.
    """
    encoded = (encode(layout, scene) for scene in scenes)
    if path.suffix == ".h5":
        hdf5.write_features(path, encoded, MARK)
    else:
        tfrecord.write_records(path, (tfrecord.example(features) for features in encoded))


def encode(layout: Format, scene: Arrays) -> Features:
    """Return a scene's features, with the background as entity 0."""
    entities = 1 + len(scene["shape"])
    masks = scene["masks"] == np.arange(entities, dtype=np.uint8)[:, None, None]
    present = np.concatenate([[True], scene["shape"] >= 0])
    return {
        "image": np.ascontiguousarray(scene["images"].transpose(1, 2, 0)),
        "mask": np.where(masks, 255, 0).astype(np.uint8)[..., None],
        "visibility": present.astype(np.float32),
        **ENCODERS[layout.name](scene),
        MARK: b"tuskbench",
    }


def _entities(values: NDArray, dtype: type = np.float32) -> NDArray:
    """Return values of the objects behind a zero for the background."""
    return np.concatenate([np.zeros_like(values[:1]), values]).astype(dtype)


def _codes(values: NDArray) -> NDArray:
    return _entities(values + 1, np.uint8)


def _clevr(scene: Arrays) -> dict[str, NDArray]:
    position = dict(zip("xyz", scene["position"].T, strict=True))
    return {
        **{axis: _entities(values) for axis, values in position.items()},
        "rotation": _entities(scene["rotation"]),
        "pixel_coords": _entities(scene["pixel"]),
        "shape": _codes(scene["shape"]),
        "size": _codes(scene["size"]),
        "material": _codes(scene["material"]),
        "color": _codes(scene["colour"]),
    }


def _tetrominoes(scene: Arrays) -> dict[str, NDArray]:
    rgb = np.array([*COLOURS.values(), (0, 0, 0)])
    return {
        "x": _entities(scene["corner"][:, 0]),
        "y": _entities(scene["corner"][:, 1]),
        "shape": _entities(scene["shape"] + 1),
        # The last triple is that of an absent piece.
        "color": _entities(rgb[scene["colour"]]),
    }


ENCODERS: Mapping[str, Callable[[Arrays], dict[str, NDArray]]] = {
    CLEVR.name: _clevr,
    TETROMINOES.name: _tetrominoes,
}
