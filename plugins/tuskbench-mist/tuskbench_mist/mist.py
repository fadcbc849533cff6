"""MIST: a differentiable top-k by lifting the patches' positions (Angles et al. 2021)."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from tuskbench.contracts import Batch, TaskInfo
from tuskbench_mist.heatmap import point_map
from tuskbench_mist.lifting import lift
from tuskbench_mist.losses import class_shares, heatmap_loss, histogram_loss
from tuskbench_mist.single_map import SingleMapSystem


class Mist(SingleMapSystem):
    """Multiple Instance Spatial Transformer, weakly supervised by class counts.

    Each batch is trained on in four phases: the detector gives the K highest peaks; with the
    classifier held, these positions alone are moved down the task's loss; the classifier
    takes a step on the moved positions; the detector takes a step towards a score map with
    1 at each of them, where images on which the task's loss is still high count less. No
    gradient passes through the top-k. The detector is the same in the first and the last
    phase, so it sees the images once.

    Where the official code leaves a choice: the loss of an image with fewer objects than K
    compares the shares of the classes, not their counts; a position step uses the image's own
    loss rather than the batch's mean, and the published rate of 1e4 is divided by the batch
    of 32 it was used with, so that the step does not depend on the batch.

    Args:
        task: the task (wired by the runner).
        lift_steps: position steps a batch; 2 in MIST's code.
        lift_rate: pixels a unit of gradient of an image's loss; 1e4 / 32 in MIST's code.
        certainty: s of the detector loss's weight exp(-s task loss); 5 in MIST's code.
        detector_start: share of training before the detector begins to learn, so that it does
            not follow a classifier that knows nothing; 0 follows MIST's code.
        shared: settings of `SingleMapSystem`.
    """

    supervision = "class counts"

    def __init__(
        self,
        task: TaskInfo,
        *,
        lift_steps: Annotated[int, Ge(0)] = 2,
        lift_rate: Annotated[float, Ge(0)] = 312.5,
        certainty: Annotated[float, Ge(0)] = 5.0,
        detector_start: Annotated[float, Ge(0)] = 0.0,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        self.lift_steps, self.lift_rate, self.certainty = lift_steps, lift_rate, certainty
        self.detector_start = detector_start

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Detect, lift, train the classifier, train the detector."""
        self.set_rates(step)
        images = batch.images
        size = (images.shape[-2], images.shape[-1])
        shares = class_shares(batch.targets["labels"], self.classes)

        def task_loss(xy: Tensor) -> Tensor:
            return histogram_loss(self.classify(images, xy).softmax(-1), shares)

        learns = step >= self.detector_start * self.total_steps
        with torch.set_grad_enabled(learns):
            heatmap = self.heatmap(images)
        with torch.no_grad():
            peaks, _ = self.peaks(heatmap)
        lifted = lift(peaks, task_loss, self.lift_steps, self.lift_rate)
        task = task_loss(lifted)
        self.update(task.mean(), "classifier")
        weight = torch.exp(-self.certainty * task.detach())
        detector = (weight * heatmap_loss(heatmap, point_map(lifted, size))).mean()
        if learns:
            self.update(detector, "detector")
        moved = (lifted - peaks).norm(dim=-1).mean()
        return {"task": task.mean().detach(), "detector": detector.detach(), "moved_pixels": moved}
