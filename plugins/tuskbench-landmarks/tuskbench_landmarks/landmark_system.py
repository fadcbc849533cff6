"""What the landmark systems share: one map a landmark, one optimizer, prediction."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import Batch, Keypoints, Prediction, TaskInfo
from tuskbench_landmarks.coordinates import to_pixels
from tuskbench_landmarks.soft_argmax import concentration, peak_means


@dataclass
class Detection:
    """What a network says of a batch of images.

    Attributes:
        maps: [B, K, h, w] probability of each landmark's place; each map sums to 1.
        xy: [B, K, 2] positions in half sides; they may lie a little outside the image.
        reconstruction: [B, 3, H, W] in [0, 1], where the system decodes an image.
    """

    maps: Tensor
    xy: Tensor
    reconstruction: Tensor | None = None


class LandmarkSystem(nn.Module, ABC):
    """A detector with one map a landmark, trained without labels.

    A landmark's label is its channel. Its score is the share of its map within a tenth of the
    image side of it: a landmark that could be in two places scores low.

    Args:
        task: the task (wired by the runner).
        keypoints: K, number of landmarks.
        sharpness: multiplies the maps' logits before their softmax. 1 is published; with more,
            landmarks leave the image's centre in fewer steps.
        learning_rate: of Adam.
        schedule: learning rate over time: "published", or "cosine" down to zero.
    """

    version = "2"
    provides = frozenset({"keypoints", "labels"})
    supervision = "none"
    settings = "landmarks.toml"

    betas = (0.9, 0.999)
    """Of Adam."""

    def __init__(
        self,
        task: TaskInfo,
        *,
        keypoints: Annotated[int, Ge(1)] = 10,
        sharpness: Annotated[float, Gt(0)] = 1.0,
        learning_rate: Annotated[float, Gt(0)] = 1e-3,
        schedule: Literal["published", "cosine"] = "published",
    ) -> None:
        super().__init__()
        self.task = task
        self.keypoints, self.sharpness = keypoints, sharpness
        self.learning_rate, self.schedule = learning_rate, schedule
        self.total_steps = 0
        self.modes = 1

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make the optimizer of all networks."""
        self.total_steps = total_steps
        self.optimizer = torch.optim.Adam(
            self.parameter_groups(), self.learning_rate, self.betas, fused=True
        )
        return {"networks": self.optimizer}

    def parameter_groups(self) -> list[dict[str, object]]:
        """Return what the optimizer trains, with its weight decay."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def progress(self, step: int) -> float:
        """Return the share of training that is done, in [0, 1)."""
        return step / max(1, self.total_steps)

    def published_rate(self, progress: float) -> float:
        """Return the learning rate's published factor; constant where a paper has no schedule."""
        return 1.0

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Take one step down the sum of the losses; return them weighted, by name."""
        done = self.progress(step)
        factor = 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "published":
            factor = self.published_rate(done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        losses = self.losses(batch.images, done)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.clip_gradients()
        self.optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def clip_gradients(self) -> None:
        """Bound the gradients before a step, where a paper does."""
        return

    @abstractmethod
    def losses(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses of images [B, 3, H, W], by name, as 32-bit scalars.

        Args:
            images: in [0, 1].
            progress: share of training that is done.
        """

    @abstractmethod
    def detect(self, images: Tensor) -> Detection:
        """Return what is detected in images [B, 3, H, W]."""

    def look_for(self, objects: int | None) -> None:
        """Find each landmark `objects` times, at the highest modes of its map; None: once.

        Trained to one mode a map, the systems promise nothing for a second one; this is all
        that one map a landmark has to offer for images of several objects.
        """
        self.modes = max(1, round(objects / (self.task.objects or 1))) if objects else 1

    @torch.no_grad()
    def predict(self, images: Tensor) -> Prediction:
        """Detect landmarks in images [B, 3, H, W] in [0, 1]."""
        found = self.detect(images)
        if self.modes == 1:
            xy, score = found.xy, concentration(found.maps, found.xy)
        else:
            xy, score = peak_means(found.maps, self.modes)
        score, order = score.sort(dim=1, descending=True)
        size = (images.shape[-2], images.shape[-1])
        pixels = to_pixels(xy, size)
        limit = pixels.new_tensor([size[1] - 1, size[0] - 1])
        pixels = pixels.clamp(torch.zeros_like(limit), limit)
        pixels = pixels.gather(1, order[..., None].expand_as(pixels))
        heatmap = found.maps / found.maps.amax((-2, -1), keepdim=True).clamp_min(1e-30)
        heatmap = F.interpolate(heatmap, size, mode="bilinear", align_corners=True)
        label = order % found.maps.shape[1]
        return Prediction(
            Keypoints(pixels, score, label), None, found.reconstruction, heatmap.clamp(0, 1)
        )

    def figures(self) -> Mapping[str, Tensor]:
        """Return nothing: there are no prototypes."""
        return {}
