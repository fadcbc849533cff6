"""The paper's encoder: a GroupNorm U-Net."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn

from tuskbench.ops.unet import UNet


class UNetEncoder(nn.Module):
    """Images to features of `width` channels through a U-Net (TUSK section 3.1).

    Args:
        width: channels of the features and of the U-Net at full resolution.
        depth: number of resolutions; the image's sides must be divisible by 2^(depth-1).
    """

    version = "1"

    def __init__(
        self, *, width: Annotated[int, Ge(1)] = 32, depth: Annotated[int, Ge(1)] = 4
    ) -> None:
        super().__init__()
        self.channels = width
        self.network = UNet(3, width, width, depth)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1] to features [B, width, H, W].

        Raises:
            ConfigurationError: if a side of the image cannot be halved often enough.
        """
        self.check_size((images.shape[-2], images.shape[-1]))
        features: Tensor = self.network(images)
        return features

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `ConfigurationError` unless (height, width) can be halved often enough."""
        self.network.check_size(size)
