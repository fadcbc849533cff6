"""The channel-wise baseline: one heatmap a keypoint, the label is the channel."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from tuskbench.contracts import Faithful, Keypoints
from tuskbench.ops.peaks import global_soft_argmax, sample_bilinear, sample_truncated


class ChannelwiseHead(nn.Module):
    """K score maps, each read by a soft-argmax over the whole map (paper, section 4.1).

    This is the paradigm that the paper argues against: a map with two equal objects places
    its keypoint between them. Do not expect it to work on several equal objects.

    Args:
        channels: channels C of the features (wired by the system).
        keypoints: K, the number of maps and of detections.
        faithful_to: descriptors are interpolated ("paper") or read at the position cut to
            integers ("code").
    """

    version = "1"

    def __init__(
        self,
        channels: int,
        *,
        keypoints: Annotated[int, Ge(1)] = 9,
        faithful_to: Faithful = "code",
    ) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.sample = sample_bilinear if faithful_to == "paper" else sample_truncated
        self.score = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(channels, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, keypoints, 3, padding=1),
        )

    def forward(self, features: Tensor) -> tuple[Keypoints, Tensor]:
        """Detect keypoints in features [B, C, H, W]; the score maps are [B, K, H, W].

        A keypoint's score is the highest value of its map's sigmoid.
        """
        logits = self.score(features).float()
        xy = global_soft_argmax(logits)
        heatmap = logits.sigmoid()
        score, order = heatmap.flatten(2).amax(-1).sort(dim=1, descending=True)
        rows = torch.arange(len(order), device=order.device)[:, None]
        descriptor = self.sample(features, xy).float()
        return Keypoints(xy[rows, order], score, order, descriptor[rows, order]), heatmap
