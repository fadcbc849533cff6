"""The paper's decoder for object discovery: one RGBA image a keypoint, composited."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor, nn

from tuskbench.contracts import Keypoints
from tuskbench.ops.alpha import composite
from tuskbench.ops.gaussian import splat
from tuskbench.ops.unet import UNet


class UNetAlphaDecoder(nn.Module):
    """Decode every keypoint alone to RGBA and blend by a softmax over alphas (section 3.2).

    There is no background layer, as in the official code. One decoder pass a keypoint makes
    this K times as costly as `unet-sum`.

    Args:
        channels: channels C of the descriptors (wired by the system).
        width: channels of the U-Net at full resolution.
        depth: number of resolutions of the U-Net.
        variance: of the Gaussians, in square pixels; 0.05 in the official code.
    """

    version = "1"
    provides = frozenset({"masks"})

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
        self.network = UNet(channels, 4, width, depth)

    def forward(self, keypoints: Keypoints, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Decode to the picture [B, 3, H, W] in [0, 1] and masks [B, K, H, W].

        Raises:
            ConfigurationError: if a side of `size` cannot be halved often enough.
        """
        return composite(*self.layers(keypoints, size))

    def layers(self, keypoints: Keypoints, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Decode to what is blended: pictures [B, K, 3, H, W] in [0, 1], logits [B, K, 1, H, W].

        Raises:
            ConfigurationError: if a side of `size` cannot be halved often enough.
        """
        self.check_size(size)
        assert keypoints.descriptor is not None
        values = keypoints.score[..., None] * keypoints.descriptor
        batch, count, _ = values.shape
        canvas = splat(
            keypoints.xy.flatten(0, 1)[:, None], values.flatten(0, 1)[:, None], size, self.variance
        )
        decoded = self.network(canvas).float().unflatten(0, (batch, count))
        return decoded[:, :, :3].sigmoid(), decoded[:, :, 3:]

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `ConfigurationError` unless (height, width) can be halved often enough."""
        self.network.check_size(size)
