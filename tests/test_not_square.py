"""Images higher than wide and wider than high, through every reader, generator, metric, drawing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.test_h36m import names, write_lmdis, write_tusk
from tuskbench.contracts import Keypoints, Metrics, Prediction, Split
from tuskbench.data.generators.digits import Layout, generate
from tuskbench.data.generators.people import Scene
from tuskbench.data.generators.people import generate as generate_people
from tuskbench.data.readers import celeba, mist
from tuskbench.data.readers.celeba_hdf5 import read_images
from tuskbench.data.readers.h36m import lmdis, tusk
from tuskbench.data.scenes import Framing, Scenes
from tuskbench.errors import DataFormatError
from tuskbench.metrics import landmarks, multi_instance, object_discovery, several_faces
from tuskbench.metrics.pixel_kmeans import pixel_kmeans
from tuskbench.report.figures import detections, prototypes, segmentation
from tuskbench.report.figures import landmarks as landmark_figure
from tuskbench.report.figures import several_faces as faces_figure
from tuskbench.tasks.mnist_hard import MnistHard

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

Size = tuple[int, int]
SIZES: list[Size] = [(20, 32), (32, 20)]
"""Height and width."""

# Eyes, nose and corners of the mouth of an upright face, in fractions of the image.
FACE = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]])


def ink(image: torch.Tensor) -> tuple[float, float]:
    """Return the height and width of what is drawn on black [H, W], from its variance."""
    weight = image.double() / image.sum()
    rows, columns = (torch.arange(n, dtype=torch.float64) for n in image.shape)
    spread = []
    for position, axis in ((rows, 1), (columns, 0)):
        share = weight.sum(axis)
        spread.append(float((share * (position - (share * position).sum()).square()).sum()))
    return (12 * spread[0]) ** 0.5, (12 * spread[1]) ** 0.5


def dotted(size: Size, scale: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture [3, H, W] with white dots at the points [5, 2] of a face, in pixels."""
    height, width = size[0] * scale, size[1] * scale
    points = np.rint(FACE * [width, height]).astype(int)
    image = np.zeros((3, height, width), np.uint8)
    for x, y in points:
        image[:, y - 6 : y + 7, x - 6 : x + 7] = 255
    return image, points


def assert_dots(image: np.ndarray, points: np.ndarray) -> None:
    for x, y in np.rint(points).astype(int):
        assert image[0, y, x] > 150


def digits_generator(size: Size, _folder: Path) -> None:
    layout = Layout(80, digits=(1, 1), tile=(0.24, 0.24))
    tiles = np.full((2, *size), 200, np.uint8)
    made = generate(tiles, np.arange(2), layout, 0, "test", np.arange(4))
    for image in made.images[:, 0]:
        height, width = ink(image)
        assert height / width == pytest.approx(size[0] / size[1], rel=0.03)
        assert max(height, width) == pytest.approx(0.24 * 80, rel=0.03)


def idx_reader(size: Size, folder: Path, transpose: bool = False) -> None:
    tiles = np.full((10, *size), 200, np.uint8)
    for split in ("train", "t10k"):
        shape = struct.pack(">3I", *tiles.shape)
        images = folder / f"{split}-images-idx3-ubyte"
        images.write_bytes(b"\0\0\x08\3" + shape + tiles.tobytes())
        labels = folder / f"{split}-labels-idx1-ubyte"
        labels.write_bytes(b"\0\0\x08\1" + struct.pack(">I", 10) + bytes(range(10)))
    task = MnistHard(
        source="idx", path=str(folder), transpose=transpose, fewest=1, most=1, test_images=2
    )
    height, width = ink(task.split("test").images[0, 0])
    expected = size[1] / size[0] if transpose else size[0] / size[1]
    assert height / width == pytest.approx(expected, rel=0.05)


def idx_reader_transposed(size: Size, folder: Path) -> None:
    idx_reader(size, folder, transpose=True)


def mist_reader(size: Size, folder: Path) -> None:
    write_mist(folder, size, 10.0)
    with pytest.raises(DataFormatError, match=rf"a\.png.*square.*{size[1]} x {size[0]}"):
        mist.read_scenes(folder, "test", 20)


def lmdis_reader(size: Size, folder: Path) -> None:
    people = generate_people(Scene(tusk.STORED_SIDE), 0, "layout", np.arange(7))
    write_lmdis(folder, people)
    whole = lmdis.read(folder, "test", "lmdis", 32, 9, 1.0)
    for file in [*folder.rglob("*.jpg"), *folder.rglob("*.png")]:
        with Image.open(file) as picture:
            squashed = picture.resize((size[1] * 8, size[0] * 8))
        squashed.save(file)
    found = lmdis.read(folder, "test", "lmdis", 32, 9, 1.0)
    np.testing.assert_allclose(found.landmarks, whole.landmarks)
    assert np.abs(found.images.astype(float) - whole.images).mean() < 4


def tusk_reader(size: Size, folder: Path) -> None:
    people = generate_people(Scene(tusk.STORED_SIDE), 0, "layout", np.arange(7))
    write_tusk(folder, people)
    for name in names(people, "Cropped_Images/{1}/{0}/{1}.{2}/{3:04}.jpg"):
        Image.new("RGB", (size[1], size[0])).save(folder / name)
    with pytest.raises(DataFormatError, match="expected a square picture"):
        tusk.read(folder, "test", "tusk", 32, 9)


def celeba_reader(size: Size, folder: Path) -> None:
    image, points = dotted(size)
    (height, width), name = image.shape[1:], "000001.jpg"
    for part in (celeba.IMAGES, "Anno", "Eval", "MAFL"):
        (folder / part).mkdir(parents=True)
    Image.fromarray(image.transpose(1, 2, 0)).save(folder / celeba.IMAGES / name)
    numbers = " ".join(map(str, points.ravel()))
    (folder / celeba.LANDMARKS).write_text(f"1\nx\n{name} {numbers}\n")
    (folder / celeba.BOXES).write_text(f"1\nx\n{name} 1 1 {width - 2} {height - 2}\n")
    (folder / celeba.PARTITION).write_text(f"{name} 0\n")
    for listed in celeba.MAFL.values():
        (folder / listed).write_text(f"{name}\n")
    found = celeba.read_photographs(folder, "test", 64)
    assert_dots(found.images[0], found.landmarks[0])


def autolink_reader(size: Size, folder: Path) -> None:
    image, points = dotted(size)
    with h5py.File(folder / "celeba_wild.h5", "w") as content:
        content["mafl_test_img"] = image[None]
        content["mafl_test_landmark"] = points[None, :, ::-1].astype(np.float32)
    images, found = read_images(folder / "celeba_wild.h5", "test", 64)
    assert found is not None
    assert_dots(images[0], found[0])


def framing(size: Size, _folder: Path) -> None:
    image, points = dotted(size)
    scenes = Scenes(image[None], (image[None, 0] > 0).astype(np.uint8), {})
    for resize in ("nearest", "bilinear"):
        cut = Framing(None, None, 64, resize).apply(scenes)
        moved = (points + 0.5) * 64 / np.array(image.shape[:0:-1]) - 0.5
        assert_dots(cut.images[0], moved)
        assert_dots(255 * cut.masks, moved)


def face_split(size: Size) -> Split:
    points = torch.from_numpy(FACE * size[::-1] - 0.5).float()
    shift = torch.linspace(-1, 1, 6)[:, None, None] * torch.tensor([1.0, 0.5])
    boxes = torch.tensor([0.0, 0, size[1], size[0]]).expand(6, 4)
    targets = {"landmarks": points + shift, "boxes": boxes}
    return Split(torch.zeros(6, 3, *size, dtype=torch.uint8), targets)


def at(xy: torch.Tensor, label: torch.Tensor | None = None) -> list[Prediction]:
    return [Prediction(Keypoints(xy, torch.ones(xy.shape[:2]), label))]


def landmark_metric(size: Size, _folder: Path) -> Metrics:
    split = face_split(size)
    truth = split.targets["landmarks"]
    label = torch.arange(5).expand(6, 5)
    rules = landmarks.Regression()
    metrics = landmarks.score(rules, (0, 1), (split, at(truth, label)), (split, at(truth, label)))
    assert metrics.values["error"] < 1e-2
    # Against the plain definition, in pixels of the image.
    away = (truth - truth.mean(0)).norm(dim=-1).mean(1)
    eyes = (truth[:, 0] - truth[:, 1]).norm(dim=-1)
    assert metrics.values["mean_landmark_error"] == pytest.approx(
        float((away / eyes).mean()), rel=1e-4
    )
    by_side = landmarks.score(rules, None, (split, at(truth, label)), (split, at(truth, label)))
    assert by_side.values["mean_landmark_error"] == pytest.approx(
        float(away.mean()) / max(size), rel=1e-4
    )
    return metrics


def faces_metric(size: Size, _folder: Path) -> None:
    split = face_split(size)
    found = several_faces.cover(split, at(split.targets["landmarks"]), 0.05)
    assert found.covered.all()
    assert not found.false.any()


def scenes_of_boxes(size: Size) -> Split:
    """Return images with a white square near the corner farthest from the origin."""
    height, width = size
    images = torch.zeros(4, 1, height, width, dtype=torch.uint8)
    boxes = torch.tensor([[[width - 6.0, height - 6.0, 4.0], [5.0, 5.0, 4.0]]]).expand(4, 2, 3)
    images[..., height - 10 : height - 2, width - 10 : width - 2] = 255
    return Split(images, {"labels": torch.tensor([[0, 1]]).expand(4, 2), "boxes": boxes.clone()})


def box_metric(size: Size, _folder: Path) -> Metrics:
    split = scenes_of_boxes(size)
    xy, label = split.targets["boxes"][..., :2], split.targets["labels"]
    rules = multi_instance.Protocol(
        matching="hungarian",
        mapping=None,
        majority=False,
        box_side=8.0,
        smallest_score=0,
        classes=2,
    )
    metrics = multi_instance.score(rules, split, at(xy, label), None)
    assert metrics.values["localisation"] == metrics.values["both"] == 1
    swapped = multi_instance.score(rules, split, at(xy.flip(-1), label), None)
    assert swapped.values["localisation"] == 0.5
    return metrics


def pixel_metric(size: Size, _folder: Path) -> None:
    assert pixel_kmeans(scenes_of_boxes(size), 8.0, 2) == 1


def mask_metric(size: Size, _folder: Path) -> Metrics:
    images = scenes_of_boxes(size).images
    truth = (images[:, 0] > 0).to(torch.uint8)
    split = Split(images.expand(-1, 3, -1, -1), {"masks": truth, "shape": torch.zeros(4, 1).long()})
    masks = torch.stack([truth == 0, truth == 1], 1).float()
    found = [Prediction(None, masks=masks, reconstruction=split.images / 255)]
    metrics = object_discovery.score(split, found, (), (split, found), None)
    assert metrics.values["ari_all"] == metrics.values["best_iou"] == 1
    return metrics


def limits(figure: Figure) -> list[tuple[float, float]]:
    """Return the (height, width) that every picture of a figure is drawn with."""
    shown = [axes for axes in figure.axes if axes.images]
    found = []
    for axes in shown:
        assert axes.get_aspect() in ("equal", 1)
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        found.append((bottom - top, right - left))
    return found


def drawings(size: Size, folder: Path) -> None:
    pictures = {
        detections: box_metric(size, folder).figures,
        landmark_figure: landmark_metric(size, folder).figures,
        segmentation: mask_metric(size, folder).figures,
    }
    split = face_split(size)
    covered = several_faces.cover(split, at(split.targets["landmarks"]), 0.05)
    shown = several_faces.figures(split, covered, 2)
    shown["faces_2_boxes"] = shown["faces_2_boxes"].reshape(-1, 1, 4)
    pictures[faces_figure] = shown
    for module, arrays in pictures.items():
        figure = module.draw({"one": arrays}, "caption")
        assert figure is not None, module.__name__
        assert set(limits(figure)) == {size}, module.__name__
    sheet = prototypes.draw({"one": {"prototype_images": np.zeros((3, *size, 3), np.uint8)}}, "")
    assert sheet is not None
    assert limits(sheet) == [(size[0], 3 * size[1] + 4)]


CHECKS: list[Callable[[Size, Path], object]] = [
    *(idx_reader, idx_reader_transposed, mist_reader, lmdis_reader, tusk_reader),
    *(celeba_reader, autolink_reader, framing, digits_generator),
    *(landmark_metric, faces_metric, box_metric, pixel_metric, mask_metric, drawings),
]


@pytest.mark.parametrize("size", SIZES, ids=["wide", "high"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_images_that_are_not_square(
    check: Callable[[Size, Path], object],
    size: Size,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    check(size, folder)


def write_mist(folder: Path, size: Size, centre: float) -> None:
    Image.new("RGB", (size[1], size[0])).save(folder / "a.png")
    (folder / "test.txt").write_text("a.png\n")
    (folder / "test_labels.txt").write_text("1,2\n")
    np.save(folder / "test_keypoints.npy", np.full((1, 2, 3), centre))


def test_boxes_outside_of_their_picture_are_refused(tmp_path: Path) -> None:
    write_mist(tmp_path, (20, 20), 10.0)
    assert mist.read_scenes(tmp_path, "test", 40)[2][0, 0].tolist() == [20, 20, 20]
    write_mist(tmp_path, (20, 20), 21.0)
    with pytest.raises(DataFormatError, match=r"box of a\.png has its centre outside"):
        mist.read_scenes(tmp_path, "test", 40)
