"""Human3.6M as Zhang et al. (CVPR 2018, `lmdis-rep`) pass it on, and most later papers read it.

For every subject k, clip and frame: `S{k}/WithBackground/<clip>/<frame>.jpg` (128x128),
`S{k}/BackgroudMask/<clip>/<frame>.png` (spelled so) and `S{k}/Landmarks/<clip>/<frame>.mat` with
`keypoints_2d` [32, 2] in fractions of the image, row first: so read them the independent
readers of tomasjakab/keypointgan (`swap_xy_points`) and neuroethology/BKinD, and joints lie on the
person only so, which `read` makes sure of.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuskbench.data.human36m import ACTIONS, JOINTS, SUBJECTS, Subjects, action_of, in_test
from tuskbench.data.readers.coordinates import check_in_masks, every
from tuskbench.data.readers.files import reading
from tuskbench.data.readers.h36m.frames import (
    REGISTER,
    Frames,
    read_mask,
    read_picture,
    spread,
    to_landmarks,
)
from tuskbench.errors import DataFormatError, DataMissingError

FOLDER = "h36m_lmdis"
PICTURES, MASKS, LANDMARKS = "WithBackground", "BackgroudMask", "Landmarks"
VARIABLE = "keypoints_2d"
QUALITY = 95
# The 64 numbers of a pose take half a KiB; what is much larger is something else.
LARGEST_POSE = 64 << 10
REMEDY = f"ask the authors of lmdis-rep for their frames; {REGISTER}"


def listed(folder: Path, split: str, subjects: Subjects) -> list[str]:
    """Return the frames `S{k}/<clip>/<frame>` of a split, of the six actions, in order.

    Raises:
        DataMissingError: if a subject of the split has no frames.
    """
    frames: list[str] = []
    for subject in SUBJECTS:
        if in_test(subject, subjects) != (split == "test"):
            continue
        pictures = folder / subject / PICTURES
        mine = sorted(
            f"{subject}/{file.parent.name}/{file.stem}"
            for file in pictures.glob("*/*.jpg")
            if action_of(file.parent.name) in ACTIONS
        )
        if not mine:
            raise DataMissingError("h36m", f"expected {pictures}/<clip>/<frame>.jpg", REMEDY)
        frames += mine
    return frames


def paths(folder: Path, frame: str) -> list[Path]:
    """Return picture, mask and landmarks of a frame that `listed` gave."""
    subject, clip, name = frame.split("/")
    endings = ((PICTURES, "jpg"), (MASKS, "png"), (LANDMARKS, "mat"))
    return [folder / subject / kind / clip / f"{name}.{ending}" for kind, ending in endings]


def check_complete(folder: Path, frames: Iterable[str]) -> None:
    """Raise `DataMissingError` unless every frame that `listed` gave has mask and landmarks."""
    for subject, mine in groupby(frames, lambda frame: frame.split("/")[0]):
        own = list(mine)
        for kind, ending in ((MASKS, "png"), (LANDMARKS, "mat")):
            _check_kind(folder, subject, own, kind, ending)


def _check_kind(folder: Path, subject: str, frames: list[str], kind: str, ending: str) -> None:
    files = (folder / subject / kind).glob(f"*/*.{ending}")
    there = {f"{subject}/{file.parent.name}/{file.stem}" for file in files}
    lacking = [frame for frame in frames if frame not in there]
    if lacking:
        _, clip, name = lacking[0].split("/")
        first = folder / subject / kind / clip / f"{name}.{ending}"
        others = f", and {len(lacking) - 1} others of {subject}" if len(lacking) > 1 else ""
        raise DataMissingError("h36m", f"expected {first}{others}", REMEDY)


def read(
    folder: Path, split: str, subjects: Subjects, size: int, count: int, background: float
) -> Frames:
    """Return a split's images, their background replaced, and landmarks.

    Args:
        folder: the folder of `S1`, `S5`, ...
        split: `train` or `test`.
        subjects: who is in the test split.
        size: side of the images returned.
        count: at most so many, evenly spread.
        background: grey level in [0, 1] where the mask is 0; 0.5 in lmdis-rep.

    Raises:
        DataMissingError: if a subject has no frames.
        DataFormatError: if an image, mask or landmark file is missing or damaged, or joints lie
            in the masks only once their coordinates are exchanged.
    """
    frames = spread(listed(folder, split, subjects), count)
    images = np.empty((len(frames), 3, size, size), np.uint8)
    fractions = np.empty((len(frames), len(JOINTS), 2))
    checked, masks = every(len(frames)), []
    looked_at = set(range(len(frames))[checked])
    for row, (image, pose, frame) in enumerate(zip(images, fractions, frames, strict=True)):
        subject, clip, name = frame.split("/")
        place = folder / subject
        picture = read_picture(place / PICTURES / clip / f"{name}.jpg", "RGB", size)
        mask = read_mask(place / MASKS / clip / f"{name}.png", size)
        if row in looked_at:
            masks.append(mask > 0.5)
        seen = picture * mask[..., None] + 255 * background * (1 - mask[..., None])
        image[:] = np.round(seen).astype(np.uint8).transpose(2, 0, 1)
        pose[:] = _read_pose(place / LANDMARKS / clip / f"{name}.mat")
    landmarks = to_landmarks(fractions, size)
    check_in_masks(folder, landmarks[checked], np.array(masks), "joints")
    return Frames(images, landmarks)


def _read_pose(file: Path) -> NDArray[np.floating]:
    """Return joints [32, 2], x first."""
    from scipy.io import loadmat

    with reading(file, "landmarks"):
        if file.stat().st_size > LARGEST_POSE:
            raise DataFormatError(file, f"larger than {LARGEST_POSE >> 10} KiB, and no landmarks")
        pose = np.asarray(loadmat(file)[VARIABLE], np.float64)
    if pose.shape != (len(JOINTS), 2) or not np.isfinite(pose).all():
        problem = f"expected {VARIABLE} [32, 2] of finite numbers, found shape {pose.shape}"
        raise DataFormatError(file, problem)
    return pose[:, ::-1]


def write(
    folder: Path,
    names: Iterable[str],
    images: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    fractions: NDArray[np.floating],
) -> None:
    """Write images in this layout.

    Args:
        folder: where; made if it is not there.
        names: [N] `S{k}/<clip>/<frame>`.
        images: [N, 3, S, S].
        masks: [N, S, S], 255 where the person is.
        fractions: [N, 32, 2] joints, x first, as fractions of the image from its corner.
    """
    from scipy.io import savemat

    for name, image, mask, pose in zip(names, images, masks, fractions, strict=True):
        subject, clip, frame = name.split("/")
        place = {part: folder / subject / part / clip for part in (PICTURES, MASKS, LANDMARKS)}
        for path in place.values():
            path.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image.transpose(1, 2, 0))
        picture.save(place[PICTURES] / f"{frame}.jpg", quality=QUALITY)
        Image.fromarray(mask).save(place[MASKS] / f"{frame}.png")
        savemat(place[LANDMARKS] / f"{frame}.mat", {VARIABLE: pose[:, ::-1]})
