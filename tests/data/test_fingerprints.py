"""A byte changed anywhere that a task reads, in any original data set, changes its fingerprint."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.data.test_h36m import COUNT, write_lmdis, write_tusk
from tests.data.test_idx import write_set
from tuskbench.data import digit_sources, face_sources, human36m_sources, scene_sources
from tuskbench.data.generators import faces
from tuskbench.data.generators.people import Scene, generate
from tuskbench.data.readers.h36m import official
from tuskbench.data.readers.multi_object import FORMATS
from tuskbench.data.writers.celeba import write_celeba
from tuskbench.tasks.celeba_wild import CelebAWild
from tuskbench.tasks.tetrominoes import Tetrominoes

LONG_AGO = 10**18


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUSKBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def write_mist(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    noise = np.random.default_rng(0)
    for split in ("train", "test"):
        names = [f"images/{split}{i}.png" for i in range(2)]
        for name in names:
            Image.fromarray(noise.integers(0, 256, (160, 160), np.uint8)).save(folder / name)
        (folder / f"{split}.txt").write_text("\n".join(names))
        (folder / f"{split}_labels.txt").write_text("\n".join(["0,1,2,3,4,5,6,7,8"] * 2))
        np.save(folder / f"{split}_keypoints.npy", np.full((2, 9, 3), 40.0))


def write_faces(folder: Path) -> None:
    splits = (("train", 1), ("labelled", 1), ("test", 2))
    write_celeba(
        folder,
        {s: faces.generate(64, 1, (0.31, 0.6), 0, s, np.arange(count)) for s, count in splits},
    )


def write_autolink(file: Path, landmark: float = 20) -> None:
    noise = np.random.default_rng(0)
    with h5py.File(file, "w") as content:
        for part, count in (("train", 30), ("mafl_train", 20), ("mafl_test", 10)):
            pictures = noise.integers(0, 256, (count, 3, 128, 128), np.uint8)
            points = np.full((count, 5, 2), landmark, np.float32)
            content[f"{part}_img"] = pictures
            content[f"{part}_landmark"] = points + np.arange(10, dtype=np.float32).reshape(5, 2)


def write_official(folder: Path) -> None:
    parts = ((official.POSES, "cdf"), (official.VIDEOS, "mp4"), (official.MASKS, "mp4"))
    for subject in ("S1", "S11"):
        for part, ending in parts:
            file = folder / subject / part / f"Walking.54138969.{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(np.random.default_rng(len(part)).bytes(500))


def write_people(write: Callable) -> Callable[[Path], None]:
    return lambda folder: write(folder, generate(Scene(224), 0, "layout", np.arange(COUNT)))


def write_scenes(folder: Path) -> None:
    folder.mkdir()
    for file in FORMATS[folder.name].files(folder.parent):
        file.write_bytes(np.random.default_rng(0).bytes(3 << 20))


def scenes_of(name: str, number: int) -> Callable[[], scene_sources.SceneSource]:
    """Return what resolves to a data set's TFRecord or its HDF5 file."""

    def resolve() -> scene_sources.SceneSource:
        layout = FORMATS[name]
        return scene_sources.SceneSource(layout, layout.files(scene_sources.data_root())[number])

    return resolve


SOURCES: dict[str, tuple[Callable[[Path], None], str, Callable, list[str]]] = {
    "MNIST": (
        lambda folder: write_set(folder, compress=False),
        "mnist",
        lambda: digit_sources.resolve("mnist", ""),
        ["train-images*", "train-labels*", "t10k-images*", "t10k-labels*"],
    ),
    "IDX": (
        write_set,
        "letters",
        lambda: digit_sources.resolve("idx", str(scene_sources.data_root() / "letters")),
        ["train-images*", "t10k-labels*"],
    ),
    "MIST": (
        write_mist,
        "mnist_hard",
        lambda: digit_sources.resolve("mist", ""),
        ["images/train1.png", "images/test0.png", "test_keypoints.npy", "train_labels.txt"],
    ),
    "CelebA": (
        write_faces,
        "celeba",
        lambda: face_sources.resolve("celeba"),
        ["Img/img_celeba/000001.jpg", "Img/img_celeba/000004.jpg", "Anno/*", "Eval/*", "MAFL/*"],
    ),
    "AutoLink": (
        write_autolink,
        "celeba_wild.h5",
        lambda: face_sources.resolve("autolink"),
        [""],
    ),
    "lmdis": (
        write_people(write_lmdis),
        "h36m_lmdis",
        lambda: human36m_sources.resolve("lmdis"),
        ["S11/WithBackground/*/*", "S1/BackgroudMask/*/*", "S11/Landmarks/*/*"],
    ),
    "TUSK's crops": (
        write_people(write_tusk),
        "crop_foreground_h36m",
        lambda: human36m_sources.resolve("tusk"),
        ["Cropped_Images/*/*/*/*", "cropped_pose.h5", "*_img_list.txt"],
    ),
    "Human3.6M": (
        write_official,
        "h36m",
        lambda: human36m_sources.resolve("official"),
        [f"S11/{part}/*" for part in (official.POSES, official.VIDEOS, official.MASKS)],
    ),
    "CLEVR": (write_scenes, "clevr_with_masks", scenes_of("clevr_with_masks", 0), ["*s"]),
    "Tetrominoes, HDF5": (write_scenes, "tetrominoes", scenes_of("tetrominoes", 1), ["*.h5"]),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_byte_in_the_middle_of_any_file_changes_the_fingerprint(data: Path, kind: str) -> None:
    write, name, resolve, changed = SOURCES[kind]
    write(data / name)
    for path in data.rglob("*"):
        os.utime(path, ns=(0, LONG_AGO))
    first = resolve().fingerprint()
    seen, files = {first}, 0
    for pattern in changed:
        for file in sorted((data / name).glob(pattern)) if pattern else [data / name]:
            files += 1
            source, content = resolve(), bytearray(file.read_bytes())
            place = len(content) // 2
            for shift in (1, -1):
                content[place] = (content[place] + shift) % 256
                file.write_bytes(content)
                # What a list names may have changed, so that the same source is asked.
                seen.add(source.fingerprint() if shift == 1 else first)
            assert resolve().fingerprint() == first
    assert files >= len(changed)
    assert len(seen) == 1 + files


def test_landmarks_corrected_in_place_are_read_again(data: Path) -> None:
    found = []
    for landmark in (20.0, 90.0):
        write_autolink(data / "celeba_wild.h5", landmark)
        task = CelebAWild(source="autolink")
        found.append((task.fingerprint(), task.split("test").targets["landmarks"][0, 0, 1].item()))
    (before, old), (after, new) = found
    assert before != after
    assert (old, new) == pytest.approx((12.3, 56.1), abs=0.1)


def _write_tetrominoes(file: Path, count: int) -> None:
    noise = np.random.default_rng(0)
    masks = np.zeros((4, 35, 35, 1), np.uint8)
    masks[0] = 255
    for number, top in enumerate((2, 12, 22), start=1):
        masks[0, top : top + 7, 3:11], masks[number, top : top + 7, 3:11] = 0, 255
    with h5py.File(file, "w") as content:
        # As far from both ends as in the middle of the original.
        content["0_padding"] = noise.integers(0, 256, 1 << 20, np.uint8)
        for key in (f"{number:06d}" for number in range(count)):
            content[f"image/{key}"] = noise.integers(0, 255, (35, 35, 3), np.uint8)
            content[f"mask/{key}"] = masks
            content[f"shape/{key}"] = np.array([0, 1, 2, 3], np.uint8)
            content[f"x/{key}"] = content[f"y/{key}"] = np.zeros(4, np.float32)
            content[f"visibility/{key}"] = np.ones(4, np.float32)
            content[f"color/{key}"] = np.eye(4, 3, -1, dtype=np.float32)
        content["z_padding"] = noise.integers(0, 256, 1 << 20, np.uint8)


def test_pictures_replaced_in_place_are_converted_again(data: Path) -> None:
    file = data / "tetrominoes" / "tetrominoes_train.h5"
    file.parent.mkdir()
    _write_tetrominoes(file, 100)
    os.utime(file, ns=(0, LONG_AGO))
    before = Tetrominoes(source="official")
    first = before.fingerprint()
    assert not (before.split("test").images[0] == 7).all()
    with h5py.File(file, "r+") as content:
        for number in range(80, 100):
            content[f"image/{number:06d}"][...] = 7
    after = Tetrominoes(source="official")
    assert after.fingerprint() != first
    assert (after.split("test").images[0] == 7).all()
