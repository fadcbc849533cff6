"""Detection on one score map for all objects: local softmax, suppression, top-k."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from tuskbench.contracts import TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.ops.peaks import top_peaks
from tuskbench_mist.heatmap import local_softmax
from tuskbench_mist.patch_system import PatchSystem


class SingleMapSystem(PatchSystem):
    """A detector with one map, whose K highest local maxima are the positions.

    Args:
        task: the task (wired by the runner).
        softmax_window: odd side of the local softmax's neighbourhood in pixels.
        strength: inverse temperature of the local softmax.
        suppression: odd side of the window of non-maximum suppression in pixels.
        shared: settings of `PatchSystem`.
    """

    version = "5"

    def __init__(
        self,
        task: TaskInfo,
        *,
        softmax_window: Annotated[int, Ge(3)] = 15,
        strength: Annotated[float, Gt(0)] = 10.0,
        suppression: Annotated[int, Ge(1)] = 5,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        for name, side in (("softmax_window", softmax_window), ("suppression", suppression)):
            if side % 2 == 0:
                raise ConfigurationError(type(self).__name__, name, side, "an odd number")
        self.softmax_window, self.strength = softmax_window, strength
        self.suppression = suppression

    def heatmap(self, images: Tensor) -> Tensor:
        """Return the score map [B, H, W] in (0, 1) of images [B, 3, H, W]."""
        return local_softmax(self.detector(images)[:, 0], self.softmax_window, self.strength)

    def peaks(self, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Return positions [B, K, 2] and scores [B, K] of the highest maxima of [B, H, W]."""
        peaks = top_peaks(heatmap, self.keypoints, self.suppression)
        index = peaks[..., 1] * heatmap.shape[-1] + peaks[..., 0]
        return peaks.to(heatmap.dtype), heatmap.flatten(1).gather(1, index)

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return integer positions [B, K, 2], scores [B, K] and the map [B, 1, H, W]."""
        heatmap = self.heatmap(images)
        xy, score = self.peaks(heatmap)
        return xy, score.clamp(0, 1), heatmap[:, None]


def peaks_only(heatmap: Tensor, window: int) -> Tensor:
    """Return maps [B, H, W] with zero but at peaks more than half a window apart.

    A peak is a pixel that no other within its window exceeds; of equal ones only the first in
    reading order can be one.
    """
    order = heatmap.detach().flatten(1).argsort(dim=1, descending=True, stable=True)
    # Ranks differ where scores are equal; as floats they are exact up to 4096 x 4096 pixels.
    places = torch.arange(order.shape[1], device=order.device, dtype=torch.float32)
    rank = torch.empty_like(order, dtype=torch.float32)
    rank = -rank.scatter_(1, order, places.expand_as(rank)).view_as(heatmap)
    highest = torch.nn.functional.max_pool2d(rank[:, None], window, 1, window // 2)[:, 0]
    return torch.where(rank == highest, heatmap, 0)
