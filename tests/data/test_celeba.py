"""CelebA's official layout, written from generated faces and read back; damaged files."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from tuskbench.data.generators.faces import FaceScenes, generate
from tuskbench.data.readers import celeba
from tuskbench.data.readers.celeba import read_photographs
from tuskbench.data.readers.celeba_hdf5 import read_images
from tuskbench.data.status import statuses
from tuskbench.data.writers.celeba import write_celeba
from tuskbench.errors import DataFormatError, DataMissingError

SPLITS = {"train": 6, "labelled": 4, "test": 5}


@pytest.fixture(scope="module")
def scenes() -> dict[str, FaceScenes]:
    return {
        split: generate(96, 1, (0.31, 0.6), 0, split, np.arange(count))
        for split, count in SPLITS.items()
    }


@pytest.fixture
def folder(tmp_path, scenes):
    write_celeba(tmp_path / "celeba", scenes)
    return tmp_path / "celeba"


def test_round_trip(folder, scenes) -> None:
    for split in SPLITS:
        found = read_photographs(folder, split, 96)
        if split == "train":
            # MAFL's training images are in CelebA's training partition too.
            assert len(found.names) == SPLITS["train"] + SPLITS["labelled"]
        rows = slice(0, SPLITS[split])
        truth = scenes[split].landmarks[:, 0].numpy()
        assert np.abs(found.landmarks[rows] - truth).max() < 0.8
        assert np.abs(found.boxes[rows] - scenes[split].boxes[:, 0].numpy()).max() < 1.6
        difference = np.abs(found.images[rows].astype(float) - scenes[split].images.numpy())
        assert difference.mean() < 6


def test_originals_have_their_own_aspect(folder) -> None:
    sizes = {Image.open(path).size for path in (folder / celeba.IMAGES).iterdir()}
    assert len(sizes) > 5


def test_the_first_partition_alone(folder) -> None:
    path = folder / celeba.PARTITION
    path.write_text(path.read_text().replace("000002.jpg 0", "000002.jpg 1"))
    assert "000002.jpg" in read_photographs(folder, "train", 16).names
    assert "000002.jpg" not in read_photographs(folder, "train", 16, whole=False).names


def test_small_faces_are_left_out(folder) -> None:
    everything = read_photographs(folder, "test", 16)
    share = everything.boxes[:, 2:].prod(1) / 16**2
    threshold = float(np.sort(share)[2]) + 1e-3
    kept = read_photographs(folder, "test", 16, smallest_face=threshold)
    assert len(kept.names) == 2
    with pytest.raises(DataFormatError, match="no photograph"):
        read_photographs(folder, "test", 16, smallest_face=0.99)


def test_a_face_at_the_threshold_is_left_out(tmp_path) -> None:
    image = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    boxes = torch.tensor([[[0.0, 0, 12, 10]], [[0.0, 0, 12, 11]]])
    landmarks = torch.full((2, 1, 5, 2), 5.0)
    scenes = FaceScenes(image, landmarks, boxes, torch.ones(2))
    write_celeba(tmp_path, {"test": scenes})
    assert read_photographs(tmp_path, "test", 20).names == ["000002.jpg"]


def test_count_takes_the_first(folder) -> None:
    names = read_photographs(folder, "train", 16).names
    assert read_photographs(folder, "train", 16, count=3).names == names[:3]


def test_official_spacing_is_read(folder) -> None:
    path = folder / celeba.LANDMARKS
    path.write_text(path.read_text().replace(" ", "    "))
    assert len(read_photographs(folder, "test", 16).names) == SPLITS["test"]


def test_squash_scales_each_axis(tmp_path) -> None:
    scenes = generate(64, 1, (0.4, 0.5), 0, "squash", np.arange(1))
    write_celeba(tmp_path, {"test": scenes})
    width, height = Image.open(tmp_path / celeba.IMAGES / "000001.jpg").size
    found = read_photographs(tmp_path, "test", 40)
    line = (tmp_path / celeba.LANDMARKS).read_text().splitlines()[2].split()[1:]
    original = np.array(line, float).reshape(5, 2)
    expected = (original + 0.5) * [40 / width, 40 / height] - 0.5
    assert np.allclose(found.landmarks[0], expected, atol=1e-4)


@pytest.mark.parametrize("name", [celeba.LANDMARKS, celeba.BOXES, celeba.PARTITION])
def test_missing_lists_are_named(folder, name) -> None:
    (folder / name).unlink()
    with pytest.raises(DataMissingError, match=name):
        read_photographs(folder, "test", 16)


def test_missing_photographs_are_named(folder) -> None:
    next(iter((folder / celeba.IMAGES).iterdir()))
    (folder / celeba.IMAGES / "000001.jpg").unlink()
    with pytest.raises(DataMissingError, match="000001"):
        read_photographs(folder, "train", 16)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        (celeba.LANDMARKS, "000003.jpg", "000003.jpg x", "line 5"),
        (celeba.BOXES, "000003.jpg", "000003.jpg 1", "line 5: expected a name and 4"),
        (celeba.LANDMARKS, "15\n", "16\n", "first line says 16"),
        (celeba.MAFL["test"], "000015.jpg", "100015.jpg", "no row for 100015"),
    ],
)
def test_damaged_lists(folder, name, old, new, problem) -> None:
    path = folder / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataFormatError, match=problem):
        read_photographs(folder, "test", 16)


def test_a_truncated_photograph(folder) -> None:
    path = folder / celeba.IMAGES / "000001.jpg"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataFormatError, match="cannot be read as a picture"):
        read_photographs(folder, "train", 16)


def write_hdf5(path, scenes) -> None:
    with h5py.File(path, "w") as content:
        for split, prefix in (
            ("train", "train"),
            ("labelled", "mafl_train"),
            ("test", "mafl_test"),
        ):
            content[f"{prefix}_img"] = scenes[split].images.numpy()
            points = scenes[split].landmarks[:, 0].numpy()[..., ::-1]
            content[f"{prefix}_landmark"] = points


def test_autolinks_file(tmp_path, scenes) -> None:
    path = tmp_path / "celeba_wild.h5"
    write_hdf5(path, scenes)
    images, landmarks = read_images(path, "test", 96)
    assert np.array_equal(images, scenes["test"].images.numpy())
    assert np.allclose(landmarks, scenes["test"].landmarks[:, 0].numpy(), atol=1e-4)
    small, moved = read_images(path, "train", 48, count=2)
    assert small.shape == (2, 3, 48, 48)
    expected = (scenes["train"].landmarks[:2, 0].numpy() + 0.5) / 2 - 0.5
    assert np.allclose(moved, expected, atol=1e-4)


def test_autolinks_landmarks_in_fractions(tmp_path, scenes) -> None:
    path = tmp_path / "celeba_wild.h5"
    write_hdf5(path, scenes)
    with h5py.File(path, "a") as content:
        content["mafl_test_landmark"][...] = (content["mafl_test_landmark"][...] + 0.5) / 96
    _, landmarks = read_images(path, "test", 96)
    assert np.allclose(landmarks, scenes["test"].landmarks[:, 0].numpy(), atol=1e-3)


def test_autolinks_landmarks_in_the_other_order_are_refused(tmp_path, scenes) -> None:
    path = tmp_path / "celeba_wild.h5"
    write_hdf5(path, scenes)
    with h5py.File(path, "a") as content:
        content["mafl_test_landmark"][...] = content["mafl_test_landmark"][...][..., ::-1]
    assert read_images(path, "labelled", 48)[1] is not None
    with pytest.raises(DataFormatError, match=r"upright.*once their coordinates are exchanged"):
        read_images(path, "test", 48)


def test_landmarks_in_the_other_order_are_refused(folder) -> None:
    path = folder / celeba.LANDMARKS
    head, rows = (lines := path.read_text().splitlines())[:2], lines[2:]
    exchanged = []
    for row in rows:
        name, *values = row.split()
        pairs = np.array(values).reshape(5, 2)[:, ::-1]
        exchanged.append(" ".join([name, *pairs.ravel()]))
    path.write_text("\n".join([*head, *exchanged]) + "\n")
    with pytest.raises(DataFormatError, match=r"landmarks.*once their coordinates are exchanged"):
        read_photographs(folder, "train", 16)


def test_landmarks_of_the_aligned_pictures_are_refused(folder) -> None:
    path = folder / celeba.BOXES
    head, rows = (lines := path.read_text().splitlines())[:2], lines[2:]
    far = [f"{row.split()[0]} 4000 4000 96 96" for row in rows]
    path.write_text("\n".join([*head, *far]) + "\n")
    with pytest.raises(DataFormatError, match="do not belong together"):
        read_photographs(folder, "train", 16)


def test_damaged_hdf5(tmp_path) -> None:
    path = tmp_path / "celeba_wild.h5"
    with pytest.raises(DataMissingError, match="celeba_wild"):
        read_images(path, "test", 48)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataFormatError, match="HDF5"):
        read_images(path, "test", 48)
    with h5py.File(path, "w") as content:
        content["other"] = np.zeros(3)
    with pytest.raises(DataFormatError, match="mafl_test_img"):
        read_images(path, "test", 48)


def test_status_says_what_is_missing(monkeypatch, tmp_path, folder) -> None:
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path))
    found = {status.name: status for status in statuses()}
    assert found["celeba"].missing == ""
    assert "celeba_wild.h5" in found["celeba_wild.h5"].missing
    assert "non-commercial" in found["celeba"].licence
    (folder / celeba.MAFL["test"]).unlink()
    assert "testing.txt" in {s.name: s for s in statuses()}["celeba"].missing
