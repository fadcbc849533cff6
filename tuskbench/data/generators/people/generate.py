"""People of Human3.6M's kind: subject, action, pose, place and camera drawn for every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuskbench.data import counter
from tuskbench.data.generators.people import camera as cameras
from tuskbench.data.generators.people.poses import draw_angles, repertoire
from tuskbench.data.generators.people.render import Figures, render
from tuskbench.data.generators.people.skeleton import joints as place_joints
from tuskbench.data.generators.people.wardrobe import capsule_ends, wardrobe
from tuskbench.data.human36m import ACTIONS, CAMERAS, SUBJECTS, foreground_crop, into_window

CHUNK = 64
# Attempts at a pose that the crop holds as a whole.
ATTEMPTS = 100
# Side, in pixels, of the crops whose rule decides whether a frame is kept (TUSK's code).
STORED_SIDE = 224
# Half the side of the square that people stand in, in metres.
ARENA = 0.8

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """What is generated.

    Attributes:
        canvas: side of the image in pixels.
        subjects: names of the subjects; images are dealt to them in turn.
        background: grey level in [0, 1].
    """

    canvas: int
    subjects: tuple[str, ...] = SUBJECTS
    background: float = 1.0


@dataclass(frozen=True)
class People:
    """Generated images and their truth.

    Attributes:
        images: [N, 3, S, S] uint8.
        masks: [N, S, S] uint8, 255 where the person is.
        landmarks: [N, 32, 2] float32, x and y in pixels, labelled by the person's own sides.
        subject: [N] int64 index into `SUBJECTS`.
        action: [N] int64 index into `ACTIONS`.
        camera: [N] int64 index into `CAMERAS`.
    """

    images: Tensor
    masks: Tensor
    landmarks: Tensor
    subject: Tensor
    action: Tensor
    camera: Tensor


@dataclass(frozen=True)
class _Frames:
    """People before the camera, without their looks.

    Attributes:
        subject, action, camera: [N].
        joints: [N, 32, 3] right, down and forward of the camera, in metres.
        facing: [N, 2, 3] forward and up of the head, in the same axes.
        window: [N, 4] what is cut out of the frame.
    """

    subject: Integers
    action: Integers
    camera: Integers
    joints: Floats
    facing: Floats
    window: Floats


def generate(
    scene: Scene,
    seed: int,
    stream: str,
    index: Integers,
    device: torch.device | None = None,
) -> People:
    """Generate the images of the given indices.

    Args:
        scene: what they show.
        seed: of the data set.
        stream: keeps splits apart.
        index: [N] which images.
        device: where to render.

    Raises:
        ValueError: if an image still has no pose that the crop holds after `ATTEMPTS`.
    """
    parts = [
        _generate_chunk(scene, seed, stream, index[start : start + CHUNK], device)
        for start in range(0, len(index), CHUNK)
    ]
    return People(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _generate_chunk(
    scene: Scene, seed: int, stream: str, index: Integers, device: torch.device | None
) -> tuple[Tensor, ...]:
    frames = draw_frames(scene, seed, stream, index)
    images, cover = render(
        _figures(frames, seed, stream, index, device), scene.canvas, scene.background
    )
    pixels = cameras.project(frames.joints)
    placed, _ = into_window(pixels, frames.window, scene.canvas)
    # From the corner of the image to the centre of its first pixel.
    landmarks = torch.from_numpy((placed - 0.5).astype(np.float32))
    drawn = (
        images.mul(255).round().clamp(0, 255).to(torch.uint8),
        (cover >= 0.5).to(torch.uint8) * 255,
        landmarks,
        *(torch.from_numpy(part) for part in (frames.subject, frames.action, frames.camera)),
    )
    return tuple(part.to(device) for part in drawn)


def draw_frames(scene: Scene, seed: int, stream: str, index: Integers) -> _Frames:
    """Draw people until the crop holds each of them, as TUSK's code keeps only such frames."""
    open_images = np.arange(len(index))
    found: dict[str, NDArray] = {}
    for attempt in range(ATTEMPTS):
        frames = _draw_frames(scene, seed, stream, index[open_images], attempt)
        _, kept = into_window(cameras.project(frames.joints), frames.window, STORED_SIDE)
        for name, values in vars(frames).items():
            whole = found.setdefault(name, np.zeros((len(index), *values.shape[1:]), values.dtype))
            whole[open_images[kept]] = values[kept]
        open_images = open_images[~kept]
        if not len(open_images):
            return _Frames(**found)
    raise ValueError(f"no pose fits the crop after {ATTEMPTS} attempts")


def _draw_frames(scene: Scene, seed: int, stream: str, index: Integers, attempt: int) -> _Frames:
    def draw(what: str, count: int) -> Floats:
        return counter.uniform(seed, f"{stream}/{what}", index, count, attempt * count)

    known = repertoire()
    chosen = np.array([SUBJECTS.index(name) for name in scene.subjects])
    subject = chosen[index % len(chosen)]
    kind = draw("kind", 2)
    action = (kind[:, 0] * len(ACTIONS)).astype(np.int64)
    camera = (kind[:, 1] * len(CAMERAS)).astype(np.int64)
    places = draw("place", 3)
    angles = draw_angles(action, draw("pose", 4 + len(known.angles)))
    world, parts = place_joints(angles, places[:, 2] * 2 * np.pi, wardrobe().lengths[subject])
    world[..., :2] += ((places[:, :2] * 2 - 1) * ARENA)[:, None]
    joints = cameras.to_camera(world, camera)
    facing = cameras.turn(np.stack([parts["head"][..., 0], parts["head"][..., 2]], 1), camera)
    window = foreground_crop(cameras.project(joints), cameras.FRAME)
    return _Frames(subject, action, camera, joints, facing, window)


def _figures(
    frames: _Frames, seed: int, stream: str, index: Integers, device: torch.device | None
) -> Figures:
    """Dress the people, on the device."""
    looks, who = wardrobe(), frames.subject
    ends = capsule_ends(frames.joints)
    # Lengths at a distance, in pixels of the frame.
    scale = cameras.FOCAL_LENGTH / ends[..., 2].mean(2)
    jitter = counter.uniform(seed, f"{stream}/light", index, 2) - 0.5
    light = np.stack(
        [jitter[:, 0] * 1.2, -0.75 + 0.4 * jitter[:, 1], np.full(len(index), -0.7)], -1
    )
    arrays = {
        "ends": cameras.project(ends),
        "depth": ends[..., 2] * scale[..., None],
        "radii": looks.radii[who] * scale[..., None],
        "colours": looks.colours[who],
        "border": looks.border[who],
        "stripes": looks.stripes[who],
        "facing": frames.facing,
        "light": light / np.linalg.norm(light, axis=-1, keepdims=True),
        "window": frames.window,
    }
    tensors = {name: torch.from_numpy(value).float().to(device) for name, value in arrays.items()}
    return Figures(**tensors, head=torch.from_numpy(looks.head).to(device))
