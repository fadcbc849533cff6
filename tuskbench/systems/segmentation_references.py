"""Reference points for masks: what a segmentation is worth that costs nothing."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from tuskbench.contracts import Batch, Prediction, TaskInfo


class SegmentationReference(nn.Module, ABC):
    """A system of masks that has no weights to train; its steps do nothing.

    Args:
        task: the task (wired by the runner).
        segments: number of masks; 0 for one more than the task's objects.
    """

    version = "1"
    provides = frozenset({"masks"})
    supervision = "none"
    settings = "references.toml"

    def __init__(self, task: TaskInfo, *, segments: Annotated[int, Ge(0)] = 0) -> None:
        super().__init__()
        self.trained = segments or 1 + (task.objects or 1)
        self.segments = self.trained

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Return no optimizer: nothing is trained by gradient."""
        return {}

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Do nothing and return no loss."""
        return {}

    def look_for(self, objects: int | None) -> None:
        """Make one mask more than there are objects; None: as many as in training."""
        self.segments = objects + 1 if objects else self.trained

    @abstractmethod
    def divide(self, images: Tensor) -> Tensor:
        """Return the segment of every pixel [B, H, W], in 0..segments - 1."""

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Predict hard masks for images [B, 3, H, W], and each segment's mean colour."""
        images = images.float()
        masks = F.one_hot(self.divide(images), self.segments).movedim(-1, 1).float()
        size = masks.sum((2, 3)).clamp_min(1)
        colour = torch.einsum("bkhw,bchw->bkc", masks, images) / size[..., None]
        picture = torch.einsum("bkhw,bkc->bchw", masks, colour)
        return Prediction(masks=masks, reconstruction=picture.clamp(0, 1))

    def figures(self) -> Mapping[str, Tensor]:
        """Return nothing: there are no prototypes."""
        return {}


class RandomMasks(SegmentationReference):
    """Each pixel belongs to the nearest of random points, which makes connected segments.

    An image's points depend on the seed and on its own pixels, so that neither the batch nor
    the device matters.

    Args:
        task: the task (wired by the runner).
        segments: number of masks; 0 for one more than the task's objects.
    """

    seed: Tensor

    def __init__(self, task: TaskInfo, *, segments: Annotated[int, Ge(0)] = 0) -> None:
        super().__init__(task, segments=segments)
        self.register_buffer("seed", torch.randint(2**31, ()))

    def divide(self, images: Tensor) -> Tensor:
        """Return the cells around uniform points."""
        height, width = images.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        pixels = torch.stack([x, y], -1).flatten(0, 1).float()
        cells = [
            torch.cdist(pixels, points * torch.tensor([width - 1, height - 1])).argmin(1)
            for points in self._points(images)
        ]
        return torch.stack(cells).view(-1, height, width).to(images.device)

    def _points(self, images: Tensor) -> list[Tensor]:
        drawn = []
        for image in images.mul(255).round().to(torch.uint8).cpu():
            mixed = zlib.crc32(image.contiguous().numpy().tobytes(), int(self.seed))
            generator = torch.Generator().manual_seed(mixed)
            drawn.append(torch.rand(self.segments, 2, generator=generator))
        return drawn


class ColourKMeans(SegmentationReference):
    """K-means on the colours of each image's pixels, for itself.

    The first centre is the colour farthest from the mean, each further one that farthest from
    all before it, so that nothing is random.

    Args:
        task: the task (wired by the runner).
        segments: number of clusters; 0 for one more than the task's objects.
        iterations: of Lloyd's algorithm.
    """

    def __init__(
        self,
        task: TaskInfo,
        *,
        segments: Annotated[int, Ge(0)] = 0,
        iterations: Annotated[int, Ge(0)] = 10,
    ) -> None:
        super().__init__(task, segments=segments)
        self.iterations = iterations

    def divide(self, images: Tensor) -> Tensor:
        """Return the clusters of colours."""
        pixels = images.flatten(2).transpose(1, 2)
        centres = self._first(pixels)
        for _ in range(self.iterations):
            member = F.one_hot(torch.cdist(pixels, centres).argmin(-1), self.segments)
            total = member.to(pixels.dtype).transpose(1, 2)
            count = total.sum(-1, keepdim=True)
            centres = torch.where(count > 0, total @ pixels / count.clamp_min(1), centres)
        cluster: Tensor = torch.cdist(pixels, centres).argmin(-1)
        return cluster.view(-1, *images.shape[2:])

    def _first(self, pixels: Tensor) -> Tensor:
        """Return colours [B, K, 3] of pixels [B, P, 3] that lie far apart."""
        image = torch.arange(len(pixels), device=pixels.device)
        distance = (pixels - pixels.mean(1, keepdim=True)).norm(dim=-1)
        centres = pixels[image, distance.argmax(1)][:, None]
        distance = torch.full_like(distance, torch.inf)
        for _ in range(1, self.segments):
            distance = distance.minimum((pixels - centres[:, -1:]).norm(dim=-1))
            centres = torch.cat([centres, pixels[image, distance.argmax(1)][:, None]], 1)
        return centres
