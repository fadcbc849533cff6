"""Reference points without training: what a number on a task of boxes is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import Batch, Keypoints, Prediction, TaskInfo
from tuskbench.ops.blobs import find_blobs
from tuskbench.ops.patches import sample_patches


class Reference(nn.Module, ABC):
    """A system whose predictions do not come from training."""

    version = "1"
    provides = frozenset({"keypoints", "labels"})
    supervision = "none"
    settings = "references.toml"

    def __init__(self, task: TaskInfo) -> None:
        super().__init__()
        self.task = task

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Return no optimizer."""
        self.total_steps = total_steps
        return {}

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Do nothing."""
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


