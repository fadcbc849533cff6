"""TUSK without clustering, on reduced images: it finds objects and does not tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench import registry
from tuskbench.contracts import Batch, Keypoints, Prediction, TaskInfo
from tuskbench.errors import ConfigurationError


class ReducedTusk(nn.Module):
    """The system `tusk` without a regularizer, seen from images of the full size.

    Args:
        task: the task, with images of the full size.
        reduction: whole number that they are reduced by.
        settings: settings of `tusk`.
    """

    def __init__(self, task: TaskInfo, reduction: int, **settings: Any) -> None:
        super().__init__()
        height, width = task.image_size
        if height % reduction or width % reduction:
            expected = f"a whole number that divides the image's sides, {height} and {width}"
            raise ConfigurationError("views", "reduction", reduction, expected)
        self.reduction = reduction
        reduced = replace(task, image_size=(height // reduction, width // reduction))
        choice = {
            "name": "tusk",
            "regularizer": {"name": "none"},
            "clustering_weight": 0.0,
            "schedule": "cosine",
        }
        self.tusk = registry.build("system", {**choice, **settings}, reduced)

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make the optimizer, for as many steps as the detector is trained."""
        optimizers = self.tusk.configure(max(1, total_steps))
        return {f"detector.{name}": optimizer for name, optimizer in optimizers.items()}

    def fit_step(self, images: Tensor, step: int) -> Mapping[str, Tensor]:
        """Train on images [B, 3, H, W]; return the losses."""
        losses: Mapping[str, Tensor] = self.tusk.fit_step(Batch(self._reduced(images)), step)
        return losses

    @torch.no_grad()
    def locate(self, images: Tensor) -> Tensor:
        """Return the positions [B, K, 2] of the keypoints of images [B, 3, H, W]."""
        self.eval()
        keypoints, _ = self.tusk.head(self.tusk.encoder(self._reduced(images)))
        return self._enlarged(keypoints.xy.float())

    def predict(self, images: Tensor) -> Prediction:
        """Detect and decode images [B, 3, H, W]; every part has their size."""
        found = self.tusk.predict(self._reduced(images))
        assert found.keypoints is not None
        keypoints = Keypoints(self._enlarged(found.keypoints.xy), found.keypoints.score)
        return Prediction(
            keypoints,
            masks=self._resized(found.masks, images),
            reconstruction=self._resized(found.reconstruction, images),
            heatmap=self._resized(found.heatmap, images),
            layers=self._resized(found.layers, images),
        )

    def look_for(self, objects: int | None) -> None:
        """Detect for images of `objects` objects; None: as many as in training."""
        self.tusk.look_for(objects)

    def _reduced(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images, self.reduction) if self.reduction > 1 else images

    def _enlarged(self, xy: Tensor) -> Tensor:
        # A reduced pixel's centre is that of the pixels that it is the mean of.
        return (xy + 0.5) * self.reduction - 0.5

    def _resized(self, maps: Tensor | None, images: Tensor) -> Tensor | None:
        if maps is None or self.reduction == 1:
            return maps
        size = images.shape[-2:]
        large = F.interpolate(maps.flatten(0, -4).float(), size, mode="bilinear")
        resized: Tensor = large.unflatten(0, maps.shape[:-3])
        return resized
