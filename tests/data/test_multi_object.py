"""Official layouts of CLEVR with masks and Tetrominoes: what is written is read back."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.data.scenes import clevr_like
from tuskbench.data import scene_store
from tuskbench.data.generators import tetrominoes
from tuskbench.data.readers.multi_object import CLEVR, FORMATS, TETROMINOES, is_marked, read_scenes
from tuskbench.data.scenes import Scenes
from tuskbench.data.writers import tfrecord
from tuskbench.data.writers.multi_object import encode, write
from tuskbench.errors import DataFormatError


def scenes(name: str) -> Scenes:
    if name == CLEVR.name:
        return clevr_like(3)
    return tetrominoes.render((3, 3), 0, "official", np.arange(20))


@pytest.mark.parametrize("ending", ["tfrecords", "h5"])
@pytest.mark.parametrize("name", list(FORMATS))
def test_round_trip(tmp_path: Path, name: str, ending: str) -> None:
    path, made = tmp_path / f"some.{ending}", scenes(name)
    write(path, FORMATS[name], scene_store.iterate(made))
    found = list(read_scenes(path, FORMATS[name]))
    assert len(found) == len(made)
    for number, scene in enumerate(found):
        assert scene.keys() == made.arrays.keys()
        for factor, value in scene.items():
            expected = made.arrays[factor][number]
            assert value.dtype == expected.dtype, factor
            assert np.array_equal(value, expected), factor
    later = list(read_scenes(path, FORMATS[name], start=2))
    assert np.array_equal(later[0]["images"], made.images[2])
    assert is_marked(path)


def test_features_have_the_shapes_and_codes_of_the_original() -> None:
    scene = next(iter(scene_store.iterate(clevr_like(1))))
    features = encode(CLEVR, scene)
    shapes = {name: np.shape(value) for name, value in features.items() if name != "generator"}
    assert shapes == {
        "image": (240, 320, 3),
        "mask": (11, 240, 320, 1),
        **dict.fromkeys(("x", "y", "z", "rotation", "visibility"), (11,)),
        "pixel_coords": (11, 3),
        **dict.fromkeys(("size", "material", "shape", "color"), (11,)),
    }
    assert set(np.unique(features["mask"])) == {0, 255}
    # Disjoint and exhaustive.
    assert (features["mask"].astype(int).sum(0) == 255).all()
    present = scene["shape"] >= 0
    for name, largest in (("size", 2), ("material", 2), ("shape", 3), ("color", 8)):
        codes = features[name]
        assert codes[0] == 0
        assert (codes[1:][~present] == 0).all()
        assert codes[1:][present].min() >= 1
        assert codes.max() <= largest


def test_tetromino_colours_are_triples_in_the_order_of_tusk() -> None:
    made = tetrominoes.render((3, 3), 0, "official", np.arange(40))
    for scene in scene_store.iterate(made):
        features = encode(TETROMINOES, scene)
        triple = features["color"][1:]
        order = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
        assert [order.index(list(map(int, rgb))) for rgb in triple] == scene["colour"].tolist()
        assert features["shape"][1:].tolist() == (scene["shape"] + 1).tolist()


def test_one_long_string_a_feature_is_read_too(tmp_path: Path) -> None:
    made = tetrominoes.render((3, 3), 0, "official", np.arange(2))
    records = []
    for scene in scene_store.iterate(made):
        features = encode(TETROMINOES, scene)
        for name in ("image", "mask"):
            features[name] = features[name].tobytes()
        records.append(tfrecord.example(features))
    tfrecord.write_records(tmp_path / "joined.tfrecords", records)
    found = list(read_scenes(tmp_path / "joined.tfrecords", TETROMINOES))
    assert np.array_equal(found[1]["images"], made.images[1])
    assert np.array_equal(found[1]["masks"], made.masks[1])


def test_another_data_set(tmp_path: Path) -> None:
    path = tmp_path / "some.tfrecords"
    write(path, TETROMINOES, scene_store.iterate(scenes("tetrominoes")))
    with pytest.raises(DataFormatError, match="record 0 is not of clevr_with_masks"):
        list(read_scenes(path, CLEVR))
    tfrecord.write_records(path, [tfrecord.example({"label": b"cat"})])
    with pytest.raises(DataFormatError, match="feature 'image' is missing"):
        list(read_scenes(path, CLEVR))
    tfrecord.write_records(path, [b"\xff\xff"])
    with pytest.raises(DataFormatError, match="record 0: a number does not end"):
        list(read_scenes(path, CLEVR))


def test_hdf5_files_that_are_not_of_the_layout(tmp_path: Path) -> None:
    path = tmp_path / "some.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(DataFormatError, match="cannot be read as HDF5"):
        list(read_scenes(path, CLEVR))
    with h5py.File(path, "w") as file:
        file["image"] = np.zeros(3)
    with pytest.raises(DataFormatError, match="no group 'image'"):
        list(read_scenes(path, CLEVR))
    write(path, TETROMINOES, scene_store.iterate(scenes("tetrominoes")))
    with h5py.File(path, "a") as file:
        del file["mask/000004"]
    with pytest.raises(DataFormatError, match="scene 000004 lacks mask"):
        list(read_scenes(path, TETROMINOES))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataFormatError, match="cannot be read as HDF5"):
        list(read_scenes(path, TETROMINOES))


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_a_file_without_records_is_said_to_be_empty(tmp_path, content) -> None:
    file = tmp_path / "tetrominoes_train.tfrecords"
    file.write_bytes(content)
    with pytest.raises(DataFormatError, match="no record is in it"):
        list(read_scenes(file, TETROMINOES))


@pytest.mark.parametrize("ending", ["tfrecords", "h5"])
def test_pixels_in_the_other_order_are_refused(tmp_path: Path, ending: str) -> None:
    path, made = tmp_path / f"some.{ending}", clevr_like(20)
    made.factors["pixel"][..., :2] = made.factors["pixel"][..., 1::-1]
    write(path, CLEVR, scene_store.iterate(made))
    with pytest.raises(DataFormatError, match=r"objects' pixels.*once their coordinates are exch"):
        next(read_scenes(path, CLEVR))
