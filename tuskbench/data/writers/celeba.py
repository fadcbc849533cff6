"""Write generated faces in CelebA's official layout, with MAFL's lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from tuskbench.data.generators.faces import FaceScenes
from tuskbench.data.readers.celeba import BOXES, IMAGES, LANDMARKS, MAFL, PARTITION

LANDMARK_HEADER = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
    "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)
BOX_HEADER = "image_id x_1 y_1 width height"
QUALITY = 95


def write_celeba(folder: Path, splits: Mapping[str, FaceScenes]) -> None:
    """Write single faces as JPEG originals of their own aspect, and every list.

    Landmarks and boxes are rounded to whole pixels of the original, as CelebA's are.

    Args:
        folder: where the layout begins.
        splits: scenes of one face an image by split: `train`, `labelled`, `test`.
    """
    for name in (IMAGES, "Anno", "Eval", "MAFL"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    landmarks: list[str] = []
    boxes: list[str] = []
    members: dict[str, list[str]] = {split: [] for split in splits}
    for split, scenes in splits.items():
        for row in range(len(scenes.images)):
            name = f"{len(landmarks) + 1:06d}.jpg"
            members[split].append(name)
            points, box = _write_original(folder / IMAGES / name, scenes, row)
            landmarks.append(_line(name, points.reshape(-1)))
            boxes.append(_line(name, box))
    _write_list(folder / LANDMARKS, [str(len(landmarks)), LANDMARK_HEADER, *landmarks])
    _write_list(folder / BOXES, [str(len(boxes)), BOX_HEADER, *boxes])
    # MAFL's images are all of CelebA's training partition.
    names = [name for split in members.values() for name in split]
    _write_list(folder / PARTITION, [f"{name} 0" for name in names])
    for split, path in MAFL.items():
        _write_list(folder / path, members.get(split, []))


def _write_original(path: Path, scenes: FaceScenes, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Undo the squash of one image; return landmarks [5, 2] and box [4] in whole pixels."""
    image = Image.fromarray(scenes.images[row].permute(1, 2, 0).cpu().numpy())
    size, stretch = image.width, float(scenes.aspect[row]) ** 0.5
    sides = (round(size * stretch), round(size / stretch))
    image.resize(sides, Image.Resampling.BICUBIC).save(path, quality=QUALITY)
    scale = np.array(sides) / size
    points = (scenes.landmarks[row, 0].cpu().numpy() + 0.5) * scale - 0.5
    box = scenes.boxes[row, 0].cpu().numpy()
    corner, extent = (box[:2] + 0.5) * scale - 0.5, box[2:] * scale
    return points.round().astype(int), np.concatenate([corner, extent]).round().astype(int)


def _line(name: str, values: np.ndarray) -> str:
    return f"{name} " + " ".join(f"{value:4d}" for value in values.tolist())


def _write_list(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
