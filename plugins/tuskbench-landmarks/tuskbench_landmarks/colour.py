"""Random changes of colour that leave shapes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ColourJitter:
    """Half widths of uniform changes.

    Attributes:
        contrast: of the factor around 1 by which deviations from the mean grow.
        brightness: of the added level.
        saturation: of the factor around 1.
        hue: of the turn of the hue, in full turns.
    """

    contrast: float
    brightness: float
    saturation: float
    hue: float

    def __call__(self, images: Tensor, views: int = 1) -> Tensor:
        """Return images with changed colours.

        Args:
            images: [V * B, 3, H, W] in [0, 1].
            views: V, how many views of the same B images there are, one after the other. All
                views of an image get the same change.

        Returns:
            [V * B, 3, H, W] in [0, 1].
        """
        from kornia.enhance import adjust_hue, adjust_saturation

        draws = 2 * torch.rand(4, len(images) // views, 1, 1, 1) - 1
        draws = draws.repeat(1, views, 1, 1, 1).to(images.device)
        middle = images.mean((-2, -1), keepdim=True)
        images = middle + (images - middle) * (1 + self.contrast * draws[0])
        images = (images + self.brightness * draws[1]).clamp(0, 1)
        if self.saturation:
            images = adjust_saturation(images, (1 + self.saturation * draws[2]).view(-1))
        if self.hue:
            images = adjust_hue(images, 2 * math.pi * self.hue * draws[3].view(-1))
        return images.clamp(0, 1)
