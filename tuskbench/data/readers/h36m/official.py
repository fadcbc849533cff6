"""Human3.6M as its authors distribute it: videos, background masks and CDF poses.

For every subject and clip: `S?/Videos/<action>.<camera>.mp4` (1000x1002 or 1000x1000, 50 Hz),
`S?/MySegmentsMat/ground_truth_bs/<action>.<camera>.mp4` and
`S?/MyPoseFeatures/D2_Positions/<action>.<camera>.cdf` with the variable `Pose` [1, T, 64]. The
archives' own folders above `S?`, such as `Poses_D2_Positions_Walking`, may be there or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuskbench.data.human36m import (
    ACTIONS,
    JOINTS,
    Subjects,
    action_of,
    foreground_crop,
    in_test,
    into_window,
)
from tuskbench.data.readers.coordinates import check_in_masks, every
from tuskbench.data.readers.h36m.frames import REGISTER, Frames, spread, to_landmarks
from tuskbench.data.readers.h36m.tusk import STORED_SIDE
from tuskbench.errors import DataFormatError, DataMissingError

FOLDER = "h36m"
POSES = "MyPoseFeatures/D2_Positions"
VIDEOS = "Videos"
MASKS = "MySegmentsMat/ground_truth_bs"
VARIABLE = "Pose"
# A pixel belongs to the person where the mask is brighter (TUSK's code).
MASK_LEVEL = 100
INSTALL = "install tuskbench[h36m]"


@dataclass(frozen=True)
class Clip:
    """One camera's recording of a subject's action."""

    subject: str
    poses: Path
    video: Path
    masks: Path


def clips(folder: Path, split: str, subjects: Subjects, *, strict: bool = False) -> list[Clip]:
    """Return the whole clips of a split, of the six actions, in order.

    Args:
        folder: where the archives are unpacked.
        split: `train` or `test`.
        subjects: who is in the test split.
        strict: stop where a clip lacks its video, masks or poses, instead of leaving it out.

    Raises:
        DataMissingError: if a subject has no whole clip, or one lacks a file and `strict` is set.
    """
    found, missing = _sorted_out(folder, split, subjects)
    if missing and strict:
        raise DataMissingError("h36m", f"expected {missing[0][1]}", REGISTER)
    whole = {clip.subject for clip in found}
    for (subject, _), expected in missing:
        if subject not in whole:
            raise DataMissingError("h36m", f"expected {expected}", REGISTER)
    if not found:
        raise DataMissingError("h36m", f"expected {folder}/**/S?/{POSES}/*.cdf", REGISTER)
    return found


def lacking(folder: Path) -> list[str]:
    """Return the clips of both splits that are left out, such as `S11 Directions.54138969`."""
    missing = [m for split in ("train", "test") for m in _sorted_out(folder, split, "lmdis")[1]]
    return [f"{subject} {name}" for (subject, name), _ in missing]


def _sorted_out(
    folder: Path, split: str, subjects: Subjects
) -> tuple[list[Clip], list[tuple[tuple[str, str], str]]]:
    """Return the whole clips, and subject, name and lacking file of the others."""
    parts = ((POSES, "cdf"), (VIDEOS, "mp4"), (MASKS, "mp4"))
    there = [_by_clip(folder, part, ending) for part, ending in parts]
    found, missing = [], []
    for subject, name in sorted({key for files in there for key in files}):
        if action_of(name) not in ACTIONS or in_test(subject, subjects) != (split == "test"):
            continue
        lacks = [p for p, files in zip(parts, there, strict=True) if (subject, name) not in files]
        if lacks:
            expected = f"{folder}/**/{subject}/{lacks[0][0]}/{name}.{lacks[0][1]}"
            missing.append(((subject, name), expected))
        else:
            found.append(Clip(subject, *(files[subject, name] for files in there)))
    return found, missing


def _by_clip(folder: Path, part: str, extension: str) -> dict[tuple[str, str], Path]:
    """Return the files of one kind by subject and `<action>.<camera>`, in order."""
    depth = part.count("/") + 1
    files = sorted(folder.rglob(f"S*/{part}/*.{extension}"))
    return {(path.parents[depth].name, path.stem): path for path in files}


def read_poses(file: Path) -> NDArray[np.float64]:
    """Return a clip's joints [T, 32, 2] in pixels of the frame.

    Raises:
        DataMissingError: if cdflib is not installed.
        DataFormatError: if the file holds no such poses.
    """
    try:
        from cdflib.cdfread import CDF
    except ImportError as error:
        raise DataMissingError("h36m", "cdflib, which reads its poses", INSTALL) from error
    try:
        content = np.asarray(CDF(file).varget(VARIABLE), np.float64)
    except (OSError, ValueError) as error:
        raise DataFormatError(file, f"cannot be read as CDF poses ({error})") from error
    if content.ndim != 3 or content.shape[0] != 1 or content.shape[2] != 2 * len(JOINTS):
        raise DataFormatError(file, f"expected {VARIABLE} [1, T, 64], found {content.shape}")
    joints: NDArray[np.float64] = content[0].reshape(-1, len(JOINTS), 2)
    return joints


def read(
    folder: Path, split: str, subjects: Subjects, size: int, count: int, background: float
) -> Frames:
    """Cut persons out of the videos, as TUSK's code does, and return them with their landmarks.

    Args:
        folder: where the archives are unpacked.
        split: `train` or `test`.
        subjects: who is in the test split.
        size: side of the images returned.
        count: at most so many, evenly spread over the frames that the crop holds whole.
        background: grey level in [0, 1] where the mask is not above `MASK_LEVEL`.

    Raises:
        DataMissingError: if files, cdflib or PyAV are not there.
        DataFormatError: if a file is damaged, or joints lie in the masks only once their
            coordinates are exchanged.
    """
    chosen = _choose(clips(folder, split, subjects), count)
    total = sum(len(frames) for _, _, frames in chosen)
    images = np.empty((total, 3, size, size), np.uint8)
    landmarks = np.empty((total, len(JOINTS), 2), np.float32)
    row, checked = 0, every(total)
    masks, looked_at = [], set(range(total)[checked])
    for clip, poses, frames in chosen:
        for frame, picture, person in _people(clip, frames, background):
            height, width = picture.shape[:2]
            window = foreground_crop(poses[frame : frame + 1], (height, width))
            images[row] = _cut(picture, window[0], size)
            if row in looked_at:
                masks.append(
                    _cut(np.where(person, np.uint8(255), np.uint8(0)), window[0], size)[0] > 127
                )
            placed, _ = into_window(poses[frame : frame + 1], window, STORED_SIDE)
            landmarks[row] = to_landmarks(placed[0] / STORED_SIDE, size)
            row += 1
    check_in_masks(folder, landmarks[checked], np.array(masks), "joints")
    return Frames(images, landmarks)


# The largest frame; cropping to it decides which frames are kept before any video is opened.
_FRAME = (1002, 1000)


def _choose(found: list[Clip], count: int) -> list[tuple[Clip, NDArray[np.float64], list[int]]]:
    """Return each clip with its poses and the frames to take of it."""
    poses = [read_poses(clip.poses) for clip in found]
    whole: list[tuple[int, int]] = []
    for place, joints in enumerate(poses):
        _, kept = into_window(joints, foreground_crop(joints, _FRAME), STORED_SIDE)
        whole += [(place, int(frame)) for frame in np.flatnonzero(kept)]
    frames: list[list[int]] = [[] for _ in found]
    for place, frame in spread(whole, count):
        frames[place].append(frame)
    return list(zip(found, poses, frames, strict=True))


def _cut(picture: NDArray[np.uint8], window: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    left, top, right, bottom = (int(edge) for edge in window)
    person = Image.fromarray(picture[top:bottom, left:right])
    squashed = person.resize((size, size), Image.Resampling.BOX)
    return np.asarray(squashed).transpose(2, 0, 1)


def _people(
    clip: Clip, frames: list[int], background: float
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Yield frames' numbers, pictures [H, W, 3] with another background, and persons [H, W, 3]."""
    pictures, masks = (_decode(path, frames) for path in (clip.video, clip.masks))
    for frame, picture, mask in zip(frames, pictures, masks, strict=True):
        person = mask > MASK_LEVEL
        if person.shape != picture.shape:
            raise DataFormatError(clip.masks, f"expected masks of {picture.shape[:2]} pixels")
        yield frame, np.where(person, picture, np.uint8(round(255 * background))), person


def _decode(file: Path, frames: list[int]) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames [H, W, 3] of a video with the given, ascending numbers."""
    try:
        import av
    except ImportError as error:
        raise DataMissingError("h36m", "PyAV, which reads its videos", INSTALL) from error
    wanted = iter(frames)
    following = next(wanted, None)
    if following is None:
        return
    try:
        with av.open(str(file)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number == following:
                    yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                    following = next(wanted, None)
                    if following is None:
                        return
    except (av.FFmpegError, IndexError) as error:
        raise DataFormatError(file, f"cannot be read as a video ({error})") from error
    raise DataFormatError(file, f"ends before frame {following}")


def write_poses(file: Path, joints: NDArray[np.floating]) -> None:
    """Write joints [T, 32, 2], in pixels of the frame, as the official CDF files hold them."""
    from cdflib.cdfwrite import CDF

    file.parent.mkdir(parents=True, exist_ok=True)
    flat = joints.reshape(1, len(joints), -1).astype(np.float32)
    shape = {"Variable": VARIABLE, "Data_Type": CDF.CDF_FLOAT, "Num_Elements": 1, "Rec_Vary": True}
    content = CDF(file)
    content.write_var({**shape, "Dim_Sizes": list(flat.shape[1:])}, var_data=flat)
    content.close()
