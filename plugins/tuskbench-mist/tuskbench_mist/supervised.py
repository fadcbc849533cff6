"""MIST's networks with full supervision, the CNN row of TUSK's Table 1."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from tuskbench.contracts import Batch, TaskInfo
from tuskbench_mist.heatmap import point_map
from tuskbench_mist.losses import heatmap_loss
from tuskbench_mist.single_map import SingleMapSystem


class SupervisedCNN(SingleMapSystem):
    """Detector and classifier trained on true positions and classes.

    TUSK calls the row a fully supervised version of MIST and does not publish its loss. Here
    the detector regresses a map with 1 at every true centre, by the loss of MIST's detector
    phase, and the classifier learns by cross-entropy from patches at the true centres, moved
    by up to `jitter` so that it has seen what an inexact detector will give it.

    Args:
        task: the task (wired by the runner).
        jitter: largest move of a training patch along each axis, as a share of the box side.
        shared: settings of `SingleMapSystem`.
    """

    supervision = "boxes and classes"

    def __init__(
        self, task: TaskInfo, *, jitter: Annotated[float, Ge(0)] = 0.1, **shared: Any
    ) -> None:
        super().__init__(task, **shared)
        self.jitter = jitter

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Take one step of each network towards the truth."""
        self.set_rates(step)
        images, labels = batch.images, batch.targets["labels"]
        centres, present = batch.targets["boxes"][..., :2].float(), labels >= 0
        size = (images.shape[-2], images.shape[-1])
        heatmap = self.heatmap(images)
        detector = heatmap_loss(heatmap, point_map(centres, size, present)).mean()
        self.update(detector, "detector")
        # Drawn on the CPU, so that a seed moves patches alike on every device.
        move = (2 * torch.rand(centres.shape) - 1).to(centres.device) * self.jitter * self.side
        logits = self.classify(images, centres + move)
        classifier = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1)
        self.update(classifier, "classifier")
        return {"detector": detector.detach(), "classifier": classifier.detach()}
