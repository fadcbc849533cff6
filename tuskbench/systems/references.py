"""Reference points that look at no image: what a number is worth that costs nothing."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from tuskbench.contracts import Batch, Keypoints, Prediction, TaskInfo


class Reference(nn.Module, ABC):
    """A system that has no weights to train; its steps do nothing.

    Args:
        task: the task (wired by the runner).
    """

    version = "1"
    provides = frozenset({"keypoints", "labels"})
    supervision = "none"
    settings = "references.toml"

    def __init__(self, task: TaskInfo) -> None:
        super().__init__()
        self.task = task

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Return no optimizer: nothing is trained by gradient."""
        return {}

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Do nothing and return no loss."""
        return {}

    @abstractmethod
    def locate(self, images: Tensor) -> Keypoints:
        """Return labelled keypoints of images [B, 3, H, W]."""

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Predict for images [B, 3, H, W]."""
        return Prediction(self.locate(images))

    def figures(self) -> Mapping[str, Tensor]:
        """Return nothing: there are no prototypes."""
        return {}


class ConstantGrid(Reference):
    """The same grid of keypoints in every image; a cell of the grid is a label.

    Args:
        task: the task (wired by the runner).
        rows: rows of the grid.
        columns: columns of the grid.
    """

    def __init__(
        self, task: TaskInfo, *, rows: Annotated[int, Ge(1)] = 3, columns: Annotated[int, Ge(1)] = 3
    ) -> None:
        super().__init__(task)
        self.rows, self.columns = rows, columns

    def locate(self, images: Tensor) -> Keypoints:
        """Return the centres of the grid's cells, each with score 1."""
        height, width = images.shape[-2:]
        x = (torch.arange(self.columns, device=images.device) + 0.5) / self.columns * width - 0.5
        y = (torch.arange(self.rows, device=images.device) + 0.5) / self.rows * height - 0.5
        xy = torch.stack([x.repeat(self.rows), y.repeat_interleave(self.columns)], -1)
        label = torch.arange(len(xy), device=images.device).expand(len(images), -1)
        score = torch.ones(label.shape, device=images.device)
        return Keypoints(xy.expand(len(images), -1, -1).contiguous(), score, label.contiguous())


class RandomPoints(Reference):
    """Keypoints anywhere, with any label.

    An image's points depend on the seed and on its own pixels, so that neither the batch nor
    the device matters.

    Args:
        task: the task (wired by the runner).
        keypoints: K, number of points.
        prototypes: M, number of labels.
    """

    seed: Tensor

    def __init__(
        self,
        task: TaskInfo,
        *,
        keypoints: Annotated[int, Ge(1)] = 9,
        prototypes: Annotated[int, Ge(1)] = 10,
    ) -> None:
        super().__init__(task)
        self.keypoints, self.prototypes = keypoints, prototypes
        self.register_buffer("seed", torch.randint(2**31, ()))

    def locate(self, images: Tensor) -> Keypoints:
        """Return uniform positions, sorted by a uniform score."""
        limit = torch.tensor([images.shape[-1] - 1, images.shape[-2] - 1])
        drawn = []
        for image in images.mul(255).round().to(torch.uint8).cpu():
            mixed = zlib.crc32(image.contiguous().numpy().tobytes(), int(self.seed))
            generator = torch.Generator().manual_seed(mixed)
            drawn.append(torch.rand(self.keypoints, 4, generator=generator))
        values = torch.stack(drawn)
        score = values[..., 2].sort(dim=1, descending=True).values
        label = (values[..., 3] * self.prototypes).long().clamp_max(self.prototypes - 1)
        found = (values[..., :2] * limit, score, label)
        return Keypoints(*(value.to(images.device) for value in found))
