"""What MIST and the systems beside it share: networks, optimizers, prediction."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import Batch, Keypoints, Prediction, TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.ops.patches import sample_patches
from tuskbench_mist.classifier import Classifier
from tuskbench_mist.detector import Detector


class PatchSystem(nn.Module, ABC):
    """Detect K positions, cut a patch around each, classify the patches.

    Patches reach from edge to edge of their box, as in MIST's code, and are black outside the
    image.

    Args:
        task: the task (wired by the runner).
        maps: score maps of the detector (given by the subclass); None for one a keypoint.
        keypoints: K, number of detections.
        patch: side of the patches that the classifier sees, in their own pixels; a power of 2.
        width: channels of the detector.
        blocks: residual blocks of the detector, each of which widens its view by 4 pixels.
        classifier_width: channels of the classifier's first level.
        classifier_blocks: residual blocks of each of the classifier's levels.
        learning_rate: of Adam for the detector.
        classifier_learning_rate: of Adam for the classifier.
        schedule: learning rates over time: "constant", or "cosine" down to zero.
    """

    version = "4"
    provides = frozenset({"keypoints", "labels"})
    settings = "mnist_hard.toml"

    def __init__(
        self,
        task: TaskInfo,
        maps: int | None = 1,
        *,
        keypoints: Annotated[int, Ge(1)] = 9,
        patch: Annotated[int, Ge(2)] = 32,
        width: Annotated[int, Ge(1)] = 32,
        blocks: Annotated[int, Ge(1)] = 4,
        classifier_width: Annotated[int, Ge(1)] = 8,
        classifier_blocks: Annotated[int, Ge(1)] = 3,
        learning_rate: Annotated[float, Gt(0)] = 1e-4,
        classifier_learning_rate: Annotated[float, Gt(0)] = 1e-4,
        schedule: Literal["constant", "cosine"] = "constant",
    ) -> None:
        super().__init__()
        self.task = task
        name = type(self).__name__
        if task.classes is None or task.box_side is None:
            expected = "a task with classes and a box side, such as mnist-hard"
            raise ConfigurationError(name, "task", task.name, expected)
        if patch & (patch - 1):
            raise ConfigurationError(name, "patch", patch, "a power of 2")
        if min(task.image_size) <= 2 * blocks:
            expected = f"fewer than half the image's side, {min(task.image_size) / 2:g}"
            raise ConfigurationError(name, "blocks", blocks, expected)
        self.classes, self.side = task.classes, task.box_side
        self.keypoints, self.patch = keypoints, patch
        self.detector = Detector(keypoints if maps is None else maps, width, blocks)
        self.classifier = Classifier(self.classes, patch, classifier_width, classifier_blocks)
        self.rates = {"detector": learning_rate, "classifier": classifier_learning_rate}
        self.schedule, self.total_steps = schedule, 0

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make one optimizer for the detector and one for the classifier."""
        self.total_steps = total_steps
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(self.get_submodule(name).parameters(), rate)
            for name, rate in self.rates.items()
        }
        return self.optimizers

    def set_rates(self, step: int) -> None:
        """Set the learning rates of a step, by the schedule."""
        if self.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * step / max(1, self.total_steps)))
            for name, optimizer in self.optimizers.items():
                for group in optimizer.param_groups:
                    group["lr"] = self.rates[name] * factor

    def update(self, loss: Tensor, *names: str) -> None:
        """Take one step of the named optimizers down `loss`."""
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        for name in names:
            self.optimizers[name].step()

    def classify(self, images: Tensor, xy: Tensor) -> Tensor:
        """Return class logits [B, K, classes] of the patches of images at xy [B, K, 2]."""
        patches = sample_patches(images, xy, self.side, self.patch, edges=True)
        logits: Tensor = self.classifier(patches)
        return logits

    @abstractmethod
    def detect(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return positions [B, K, 2], scores [B, K] in [0, 1] and score maps [B, M, H, W]."""

    @abstractmethod
    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Train on one batch; return the losses."""

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Detect and classify in images [B, 3, H, W]; labels are classes."""
        # In bfloat16 neighbouring scores near 1 are equal, and every one of them a maximum.
        with torch.autocast(images.device.type, enabled=False):
            xy, score, heatmap = self.detect(images)
            score, order = score.sort(dim=1, descending=True)
            xy = xy.gather(1, order[..., None].expand_as(xy))
            label = self.classify(images, xy).argmax(-1)
        return Prediction(Keypoints(xy, score, label), heatmap=heatmap, named=True)

    def figures(self) -> Mapping[str, Tensor]:
        """Return nothing: there are no prototypes."""
        return {}
