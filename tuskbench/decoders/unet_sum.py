"""The paper's decoder: keypoints summed into one feature map, one U-Net pass."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import Keypoints
from tuskbench.ops.gaussian import splat
from tuskbench.ops.unet import UNet


class UNetSumDecoder(nn.Module):
    """Draw score-weighted descriptors as Gaussians, sum them, decode once (section 3.2).

    Args:
        channels: channels C of the descriptors (wired by the system).
        width: channels of the U-Net at full resolution.
        depth: number of resolutions of the U-Net.
        variance: of the Gaussians, in square pixels; 0.05 in the official code.
    """

    version = "1"

    def __init__(
        self,
        channels: int,
        *,
        width: Annotated[int, Ge(1)] = 32,
        depth: Annotated[int, Ge(1)] = 4,
        variance: Annotated[float, Gt(0)] = 0.05,
    ) -> None:
        super().__init__()
        self.variance = variance
        self.network = UNet(channels, 3, width, depth)

    def forward(self, keypoints: Keypoints, size: tuple[int, int]) -> tuple[Tensor, None]:
        """Decode keypoints with descriptors to [B, 3, H, W] in [0, 1]; there are no masks.

        Raises:
            ConfigurationError: if a side of `size` cannot be halved often enough.
        """
        self.check_size(size)
        assert keypoints.descriptor is not None
        values = keypoints.score[..., None] * keypoints.descriptor
        canvas = splat(keypoints.xy, values, size, self.variance)
        return self.network(canvas).float().sigmoid(), None

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `ConfigurationError` unless (height, width) can be halved often enough."""
        self.network.check_size(size)
