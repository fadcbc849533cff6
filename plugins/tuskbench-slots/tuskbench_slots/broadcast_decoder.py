"""The spatial broadcast decoder (Watters et al. 2019): a latent everywhere, then convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError
from tuskbench_slots.grids import PositionEmbedding, linear_grid

OUTPUTS = 4
"""Channels drawn for a slot: red, green, blue, and the logit of its mask."""


class BroadcastDecoder(nn.Module):
    """Draw every latent as a picture and the logit of a mask, all in one pass.

    The latent is copied to every cell of a grid that knows its place, and convolved; each of the
    first `upsamplings` layers doubles the grid, which is cut to the image's size at the end.

    Args:
        latent: channels of a latent.
        size: (H, W) of the pictures.
        width: channels of the hidden layers.
        layers: number of hidden layers.
        kernel: side of their kernels, odd.
        upsamplings: how many of them double the resolution; one more doubles it at the last
            convolution too.
        position: how the grid knows its place: a learned embedding added to the latent, or two
            coordinates beside it.
        padded: pad convolutions with zeros; else the grid begins larger by what they cut off.
        output_kernel: side of the last convolution's kernel, odd.
        activation: makes the non-linearity after every hidden layer.

    Raises:
        ConfigurationError: if the kernel is even or there are fewer layers than upsamplings.
    """

    def __init__(
        self,
        latent: int,
        size: tuple[int, int],
        *,
        width: int,
        layers: int,
        kernel: int,
        upsamplings: int = 0,
        position: Literal["embedding", "coordinates"] = "coordinates",
        padded: bool = True,
        output_kernel: int = 3,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ConfigurationError("decoder", "kernel", kernel, "an odd number")
        if upsamplings > layers + 1:
            expected = f"at most {layers + 1}, because there are no more layers for it"
            raise ConfigurationError("decoder", "decoder_upsamplings", upsamplings, expected)
        self.size = size
        cut = 0 if padded else layers * (kernel - 1) + output_kernel - 1
        rows, columns = (-(-side // 2**upsamplings) + cut for side in size)
        self.grid = (rows, columns)
        self.place: nn.Module = (
            PositionEmbedding(latent, self.grid)
            if position == "embedding"
            else Coordinates(self.grid)
        )
        channels = latent if position == "embedding" else latent + 2
        stack: list[nn.Module] = []
        for layer in range(layers):
            stack += [_layer(channels, width, kernel, layer < upsamplings, padded), activation()]
            channels = width
        stack.append(_layer(channels, OUTPUTS, output_kernel, layers < upsamplings, padded))
        self.stack = nn.Sequential(*stack)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Draw latents [B, K, C].

        Returns:
            Linear colours [B, K, 3, H, W] and mask logits [B, K, 1, H, W], in 32 bits.
        """
        batch, slots, channels = latents.shape
        spread = latents.reshape(batch * slots, channels, 1, 1).expand(-1, -1, *self.grid)
        height, width = self.size
        drawn = self.stack(self.place(spread))[..., :height, :width].float()
        colours, logits = drawn.view(batch, slots, OUTPUTS, height, width).split([3, 1], 2)
        return colours, logits


class Coordinates(nn.Module):
    """Put y and x in [-1, 1] beside features [B, C, H, W]: [B, C + 2, H, W]."""

    grid: Tensor

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("grid", linear_grid(size), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with their coordinates."""
        return torch.cat([features, self.grid.expand(len(features), -1, -1, -1)], 1)


def _layer(inputs: int, outputs: int, kernel: int, doubles: bool, padded: bool) -> nn.Module:
    margin = kernel // 2 if padded else 0
    if not doubles:
        return nn.Conv2d(inputs, outputs, kernel, padding=margin)
    return nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=2, padding=kernel // 2, output_padding=1
    )
