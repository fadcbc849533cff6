"""The channel-wise baseline of MIST and TUSK, weakly supervised."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt
from torch import Tensor

from tuskbench.contracts import Batch, TaskInfo
from tuskbench.ops.peaks import global_soft_argmax
from tuskbench_mist.losses import class_shares, histogram_loss
from tuskbench_mist.patch_system import PatchSystem


class ChannelwiseWeak(PatchSystem):
    """MIST's networks with one score map a keypoint, trained end to end by class counts.

    A keypoint is the mean position under its map's softmax over the whole image, so a map
    that rises on two digits places it between them: the failure that this row shows. The
    wiring is described in words only (TUSK, section 4.1); the histogram loss, MIST's
    optimizers and softmax strength, and the score, the highest softmax weight of a map, are
    choices made here.

    Args:
        task: the task (wired by the runner).
        strength: inverse temperature of the softmax; without one young maps are so flat that
            every keypoint starts at the image's centre.
        shared: settings of `PatchSystem`.
    """

    supervision = "class counts"

    def __init__(
        self, task: TaskInfo, *, strength: Annotated[float, Gt(0)] = 10.0, **shared: Any
    ) -> None:
        super().__init__(task, None, **shared)
        self.strength = strength

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return positions [B, K, 2], scores [B, K] and maps [B, K, H, W]."""
        logits = self.strength * self.detector(images)
        weights = logits.flatten(2).softmax(-1)
        return global_soft_argmax(logits), weights.amax(-1), weights.view_as(logits)

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Take one step of both networks down the histogram loss."""
        self.set_rates(step)
        shares = class_shares(batch.targets["labels"], self.classes)
        xy = global_soft_argmax(self.strength * self.detector(batch.images))
        probabilities = self.classify(batch.images, xy).softmax(-1)
        loss = histogram_loss(probabilities, shares).mean()
        self.update(loss, "detector", "classifier")
        return {"task": loss.detach()}
