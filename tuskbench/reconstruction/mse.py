"""Mean squared error of the pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class MeanSquaredError(nn.Module):
    """The mean over images, channels and pixels of the squared difference."""

    version = "1"

    def __init__(self) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare [B, 3, H, W] with [B, 3, H, W]; return a scalar."""
        return F.mse_loss(prediction, target)
