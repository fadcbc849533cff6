"""Keypoints on the user's own pictures, from a checkpoint of a finished cell."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from tuskbench import registry
from tuskbench.cell import Cell
from tuskbench.contracts import Keypoints, TaskInfo
from tuskbench.data.readers.pictures import open_picture
from tuskbench.errors import ConfigurationError, DataFormatError, TuskbenchError
from tuskbench.run import checkpoint
from tuskbench.run.device import resolve
from tuskbench.store import write_atomically

# Smallest side of a drawn picture, so that keypoints can be told apart on small images.
SMALLEST_DRAWING = 400
LARGEST_DRAWING = 4000
GOLDEN_ANGLE = 0.381966


@dataclass(frozen=True)
class Detection:
    """One keypoint of a picture: position in the picture's own pixels, score and label."""

    x: float
    y: float
    score: float
    label: int | None


class Predictor:
    """A trained system, ready for pictures of any size.

    Args:
        path: `checkpoint.safetensors` of a cell.
        keypoints: how many to detect, where it is not what the system was trained with.
        device: `cpu`, `cuda`, `cuda:N` or `auto`.

    Raises:
        StoreError: if the checkpoint cannot be read.
        ConfigurationError: if there is no such device, the system has no number of keypoints
            to change, or it cannot detect that many.
    """

    def __init__(self, path: Path, keypoints: int | None = None, device: str = "cpu") -> None:
        metadata = checkpoint.read_metadata(path)
        self.task = TaskInfo.from_json(metadata["task"])
        choice = dict(Cell.from_json(metadata["cell"]).system)
        if keypoints is not None:
            choice = _with_keypoints(choice, keypoints)
        self.system = registry.build("system", choice, self.task)
        checkpoint.load_weights(path, self.system)
        self.device = torch.device(resolve(device)[0])
        self.system.to(self.device).eval()

    def __call__(self, picture: Image.Image) -> list[Detection]:
        """Detect keypoints in a picture, by descending score.

        The picture is squashed to the size the system was trained at.
        """
        height, width = self.task.image_size
        small = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(small)).to(self.device)
        images = pixels.permute(2, 0, 1)[None].float() / 255
        found: Keypoints | None = self.system.predict(images).keypoints
        if found is None:
            raise ConfigurationError("predict", "system", type(self.system).__name__, "keypoints")
        # Pixel centres are integers in both pictures.
        scale = torch.tensor([picture.width / width, picture.height / height])
        xy = ((found.xy[0].float().cpu() + 0.5) * scale - 0.5).tolist()
        scores = found.score[0].tolist()
        labels = [None] * len(scores) if found.label is None else found.label[0].tolist()
        return [
            Detection(round(x, 2), round(y, 2), round(score, 4), label)
            for (x, y), score, label in zip(xy, scores, labels, strict=True)
        ]


def _with_keypoints(choice: dict[str, Any], keypoints: int) -> dict[str, Any]:
    """Return the system's choice with another number of keypoints."""
    if "keypoints" in choice.get("head", {}):
        return {**choice, "head": {**choice["head"], "keypoints": keypoints}}
    if "keypoints" in choice:
        return {**choice, "keypoints": keypoints}
    expected = f"nothing: system {choice['name']!r} has a fixed number of keypoints"
    raise ConfigurationError("predict", "keypoints", keypoints, expected)


def predict_files(
    predictor: Predictor,
    files: list[Path],
    out: Path,
    refuse: Callable[[TuskbenchError], object] | None = None,
) -> list[Path]:
    """Detect keypoints in picture files; write `NAME.keypoints.png` and `.json` for each.

    Files of the same name get numbers: `NAME-2.keypoints.png` is of the second.

    Args:
        predictor: the trained system.
        files: the pictures.
        out: the folder to write to.
        refuse: called with the error of every picture that cannot be read; the others go on.

    Returns:
        the drawn pictures.

    Raises:
        DataFormatError: if a file cannot be read as a picture, and `refuse` is None.
        StoreError: if the folder cannot be written.
    """
    drawn: list[Path] = []
    for file in files:
        try:
            picture = open_picture(file)
        except DataFormatError as error:
            if refuse is None:
                raise
            refuse(error)
            continue
        detections = predictor(picture)
        content = {
            "image": file.name,
            "width": picture.width,
            "height": picture.height,
            "keypoints": [asdict(detection) for detection in detections],
        }
        target = _free(out, file.stem, drawn)
        _save(target, draw(picture, detections))
        text = json.dumps(content, indent=1)
        _write(target.with_suffix(".json"), text)
        drawn.append(target)
    return drawn


def _free(out: Path, stem: str, taken: list[Path]) -> Path:
    """Return where a picture goes that does not hide one of the same call."""
    target, number = out / f"{stem}.keypoints.png", 2
    while target in taken:
        target, number = out / f"{stem}-{number}.keypoints.png", number + 1
    return target


def draw(picture: Image.Image, detections: list[Detection]) -> Image.Image:
    """Return an enlarged copy with a circle a keypoint, coloured by its label."""
    enlarge = max(1, round(SMALLEST_DRAWING / min(picture.size)))
    enlarge = max(1, min(enlarge, LARGEST_DRAWING // max(picture.size)))
    size = (picture.width * enlarge, picture.height * enlarge)
    canvas = picture.convert("RGB").resize(size, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(canvas)
    radius = max(4, min(size) // 60)
    for detection in detections:
        x, y = ((value + 0.5) * enlarge for value in (detection.x, detection.y))
        hue = ((detection.label or 0) * GOLDEN_ANGLE) % 1
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.9, 1))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=3)
        if detection.label is not None:
            pen.text((x + radius + 2, y - radius), str(detection.label), fill=colour)
    return canvas


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text))


def _save(path: Path, picture: Image.Image) -> None:
    write_atomically(path, lambda temporary: picture.save(temporary, format="PNG"))
