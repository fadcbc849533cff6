"""TUSK's head: one heatmap for every keypoint, whatever it shows."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import Faithful, Keypoints
from tuskbench.errors import ConfigurationError
from tuskbench.ops.peaks import local_soft_argmax, sample_bilinear, sample_truncated, top_peaks


class SingleHeatmapHead(nn.Module):
    """One score map, non-maximum suppression, the K best, local soft-argmax (section 3.1).

    The score map is standardised by a one-channel GroupNorm before its sigmoid, so a score is
    relative to the image. Descriptors are the features at the keypoints, not normalised.

    Args:
        channels: channels C of the features (wired by the system).
        keypoints: K, how many are detected in each image.
        window: odd side, in pixels, of the suppression and soft-argmax window.
        temperature: of the soft-argmax; 0.2 in the official code.
        faithful_to: descriptors are interpolated ("paper") or read at the position cut to
            integers ("code").
    """

    version = "2"

    def __init__(
        self,
        channels: int,
        *,
        keypoints: Annotated[int, Ge(1)] = 9,
        window: Annotated[int, Ge(1)] = 13,
        temperature: Annotated[float, Gt(0)] = 0.2,
        faithful_to: Faithful = "code",
    ) -> None:
        super().__init__()
        if window % 2 == 0:
            raise ConfigurationError("single-heatmap", "window", window, "an odd number of pixels")
        self.trained, self.keypoints = keypoints, keypoints
        self.window, self.temperature = window, temperature
        self.sample = sample_bilinear if faithful_to == "paper" else sample_truncated
        self.hidden = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(channels, channels),
            nn.ReLU(inplace=True),
        )
        self.score = nn.Sequential(
            nn.Conv2d(channels, 1, 3, padding=1), nn.GroupNorm(1, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> tuple[Keypoints, Tensor]:
        """Detect keypoints in features [B, C, H, W]; the score map is [B, 1, H, W].

        Raises:
            ConfigurationError: if the map cannot hold K maxima.
        """
        self.check_size((features.shape[-2], features.shape[-1]))
        hidden = self.hidden(features)
        # In bfloat16 neighbouring scores near 1 are equal, and every one of them a maximum.
        with torch.autocast(features.device.type, enabled=False):
            logits = self.score[:-1](hidden.float())
            heatmap = self.score[-1](logits)
        # Of the logits, because their sigmoid reaches 1 on whole objects.
        peaks = top_peaks(logits[:, 0], self.keypoints, self.window)
        xy = local_soft_argmax(heatmap[:, 0], peaks, self.window, self.temperature)
        score = sample_bilinear(heatmap, xy)[..., 0]
        descriptor = self.sample(features, xy).float()
        if not self.training:
            # The refined score can order neighbours differently from the peaks.
            order = score.argsort(dim=1, descending=True)
            xy = xy.gather(1, order[..., None].expand_as(xy))
            score = score.gather(1, order)
            descriptor = descriptor.gather(1, order[..., None].expand_as(descriptor))
        return Keypoints(xy, score, descriptor=descriptor), heatmap

    def look_for(self, keypoints: int | None) -> None:
        """Detect this many keypoints from now on; None: as many as in training."""
        self.keypoints = keypoints or self.trained

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `ConfigurationError` unless a map of (height, width) can hold K maxima."""
        spacing = self.window // 2 + 1
        room = math.ceil(size[0] / spacing) * math.ceil(size[1] / spacing)
        if self.keypoints > room:
            expected = (
                f"at most {room}: a {size[0]}x{size[1]} map holds no more maxima "
                f"{spacing} pixels apart (window {self.window})"
            )
            raise ConfigurationError("single-heatmap", "keypoints", self.keypoints, expected)
