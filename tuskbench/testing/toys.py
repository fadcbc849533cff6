"""Toy tasks, images, features and keypoints, small and the same every time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tuskbench.contracts import Batch, Keypoints, TaskInfo, WarpSettings

SIZE = (32, 40)
"""Height and width of toy images; they differ, so that exchanged axes are noticed."""

CHANNELS = 8
"""Channels of toy features and descriptors."""

OBJECTS, CLASSES = 3, 4


def generator(seed: int = 0) -> torch.Generator:
    """Return a generator that does not depend on the global one."""
    return torch.Generator().manual_seed(seed)


def toy_task(size: tuple[int, int] = (32, 32)) -> TaskInfo:
    """Return a task of three squares of four classes in an image of (height, width)."""
    warp = WarpSettings(scale=(1.0, 0.05), displacement=0.05, offset=0.02, rotation=0.1)
    return TaskInfo("toy", size, (warp, warp), 0.0, CLASSES, OBJECTS, min(size) / 4)


def toy_batch(info: TaskInfo, count: int = 4) -> Batch:
    """Return images of bright squares on black, with the targets of MNIST-Hard.

    Targets are `labels` [B, 3] int64 and `boxes` [B, 3, 3]: centre x, centre y, half side in
    pixels. A square's class is its colour.
    """
    height, width = info.image_size
    half = max(1, min(height, width) // 10)
    colours = torch.tensor([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0], [1.0, 1.0, 0.2]])
    labels = torch.randint(CLASSES, (count, OBJECTS), generator=generator(1))
    room = torch.tensor([width - 2 * half, height - 2 * half])
    place = torch.rand(count, OBJECTS, 2, generator=generator(2))
    centres = (half + place * room).long().clamp_min(half)
    images = torch.zeros(count, 3, height, width)
    for image, points, classes in zip(images, centres.tolist(), labels.tolist(), strict=True):
        for (x, y), label in zip(points, classes, strict=True):
            patch = image[:, y - half : y + half + 1, x - half : x + half + 1]
            patch[:] = colours[label][:, None, None]
    sides = torch.full((count, OBJECTS, 1), half + 0.5)
    return Batch(images, {"labels": labels, "boxes": torch.cat([centres.float(), sides], -1)})


def toy_images(count: int = 3) -> Tensor:
    """Return random images [count, 3, 32, 40] in [0, 1]."""
    return torch.rand(count, 3, *SIZE, generator=generator())


def toy_features(count: int = 3) -> Tensor:
    """Return random features [count, 8, 32, 40]."""
    return torch.randn(count, CHANNELS, *SIZE, generator=generator())


def toy_descriptors(count: int = 24) -> Tensor:
    """Return unit vectors [count, 8] in four groups."""
    groups = F.normalize(torch.randn(4, CHANNELS, generator=generator(3)), dim=-1)
    noise = 0.1 * torch.randn(count, CHANNELS, generator=generator(4))
    return F.normalize(groups[torch.arange(count) % 4] + noise, dim=-1)


def toy_keypoints(count: int = 3, keypoints: int = 4) -> Keypoints:
    """Return keypoints inside images of 32 x 40 pixels, with unit descriptors of 8 channels."""
    height, width = SIZE
    place = torch.rand(count, keypoints, 2, generator=generator(5))
    xy = place * torch.tensor([width - 1.0, height - 1.0])
    score = torch.rand(count, keypoints, generator=generator(6)).sort(1, descending=True).values
    label = torch.arange(keypoints).expand(count, -1).clone()
    descriptor = torch.randn(count, keypoints, CHANNELS, generator=generator(7))
    return Keypoints(xy, score, label, F.normalize(descriptor, dim=-1))
