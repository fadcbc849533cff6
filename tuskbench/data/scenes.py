"""Scenes of several objects: images, label maps and factors, from whatever source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ABSENT = -1
"""What a categorical factor holds where a scene has no such object."""


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes; arrays may be memory-mapped.

    Attributes:
        images: [N, 3, H, W] uint8.
        masks: [N, H, W] uint8 label maps: 0 for background, g for object g of 1..G.
        factors: named arrays [N, G, ...]. Categorical ones count from 0 and are `ABSENT` where
            there is no object; others are 0 there.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    factors: Mapping[str, NDArray]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def arrays(self) -> dict[str, NDArray]:
        """Return every array by name."""
        return {"images": self.images, "masks": self.masks, **self.factors}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray]) -> Scenes:
        """Return the scenes that `arrays` gave."""
        rest = {name: value for name, value in arrays.items() if name not in ("images", "masks")}
        return cls(arrays["images"], arrays["masks"], rest)

    def take(self, index: NDArray[np.int64] | slice) -> Scenes:
        """Return the scenes at `index`, in memory."""
        return Scenes.of({name: np.asarray(value[index]) for name, value in self.arrays.items()})


@dataclass(frozen=True)
class Framing:
    """How a paper cuts and scales its input.

    Attributes:
        rows: first row and row after the last; None for all.
        columns: first column and column after the last; None for all.
        side: side of the result in pixels; 0 leaves the size as it is.
        resize: "nearest" reads the pixel at floor(i * scale), torch's default; "bilinear"
            interpolates between pixel centres without smoothing, and reads label maps at the
            nearest centre.
    """

    rows: tuple[int, int] | None
    columns: tuple[int, int] | None
    side: int
    resize: Literal["nearest", "bilinear"]

    def apply(self, scenes: Scenes) -> Scenes:
        """Return the scenes, cut and scaled; factors stay as they are."""
        import torch
        import torch.nn.functional as F

        rows, columns = slice(*(self.rows or (None,))), slice(*(self.columns or (None,)))
        images = np.ascontiguousarray(scenes.images[:, :, rows, columns])
        masks = np.ascontiguousarray(scenes.masks[:, rows, columns])
        if self.side and images.shape[2:] != (self.side, self.side):
            size = (self.side, self.side)
            pixels, labels = torch.from_numpy(images), torch.from_numpy(masks)[:, None]
            if self.resize == "nearest":
                pixels, labels = F.interpolate(pixels, size), F.interpolate(labels, size)
            else:
                smooth = F.interpolate(pixels.float(), size, mode="bilinear", align_corners=False)
                pixels = smooth.round().to(torch.uint8)
                labels = F.interpolate(labels, size, mode="nearest-exact")
            images, masks = pixels.numpy(), labels[:, 0].numpy()
        return Scenes(images, masks, scenes.factors)


def areas(masks: NDArray[np.uint8], objects: int) -> NDArray[np.int64]:
    """Return how many pixels each object has in label maps [N, H, W]: [N, objects]."""
    count, labels = len(masks), objects + 1
    index = masks.reshape(count, -1).astype(np.int64) + labels * np.arange(count)[:, None]
    pixels = np.bincount(index.ravel(), minlength=count * labels)
    return pixels.reshape(count, labels)[:, 1:]
