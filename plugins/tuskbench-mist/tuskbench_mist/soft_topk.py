"""Top-k by entropic optimal transport (Xie et al. 2020) on MIST's networks."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor

from tuskbench.contracts import Batch, TaskInfo
from tuskbench_mist.losses import class_shares, histogram_loss
from tuskbench_mist.optimal_transport import soft_topk
from tuskbench_mist.single_map import SingleMapSystem, peaks_only


class SoftTopK(SingleMapSystem):
    """MIST's networks trained end to end through a soft top-k of the score map.

    How TUSK wired the operator to its patches is not published. Here the soft top-k of the
    score map after non-maximum suppression, divided by its maximum, gives every peak a degree
    of membership; the patches are those at the K highest peaks, their class probabilities are
    weighted by the membership, and the histogram loss of their sum trains both networks at
    once. Mass on peaks without a patch is missing from the histogram, so the loss also asks
    for K clear winners.

    Args:
        task: the task (wired by the runner).
        epsilon: entropic regularisation of the soft top-k, on scores in [0, 1].
        shared: settings of `SingleMapSystem`.
    """

    supervision = "class counts"

    def __init__(
        self, task: TaskInfo, *, epsilon: Annotated[float, Gt(0)] = 0.1, **shared: Any
    ) -> None:
        super().__init__(task, **shared)
        self.epsilon = epsilon

    def fit_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Take one step of both networks down the histogram loss."""
        self.set_rates(step)
        shares = class_shares(batch.targets["labels"], self.classes)
        heatmap = self.heatmap(batch.images)
        xy, member = self.members(heatmap)
        probabilities = self.classify(batch.images, xy).softmax(-1)
        loss = histogram_loss(member[..., None] * probabilities, shares).mean()
        self.update(loss, "detector", "classifier")
        return {"task": loss.detach(), "membership": member.mean().detach()}

    def members(self, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Return the K highest peaks [B, K, 2] of maps and their soft membership [B, K]."""
        with torch.no_grad():
            xy, _ = self.peaks(heatmap)
        candidates = peaks_only(heatmap, self.suppression).flatten(1)
        scores = candidates / candidates.detach().amax(1, keepdim=True)
        chosen = soft_topk(scores, self.keypoints, self.epsilon)
        index = (xy[..., 1] * heatmap.shape[-1] + xy[..., 0]).long()
        return xy, chosen.gather(1, index)
