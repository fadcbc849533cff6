"""MONet's component autoencoder: one masked part of the image as a few latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError
from tuskbench_slots.broadcast_decoder import BroadcastDecoder

LAYERS, KERNEL = 4, 3


class ComponentVAE(nn.Module):
    """Image and log-mask to a latent distribution, and back to a picture and a mask logit.

    Args:
        size: (H, W) of the images.
        latent: number of latents.
        width: channels of the first two convolutions of the encoder; the others have twice as
            many.
        hidden: channels of the encoder's perceptron.
        decoder_width: channels of the decoder.
        upsamplings: how many of the decoder's layers double the resolution. With 0 its
            convolutions are not padded, as published.
    """

    def __init__(
        self,
        size: tuple[int, int],
        latent: int,
        width: int,
        hidden: int,
        decoder_width: int,
        upsamplings: int,
    ) -> None:
        super().__init__()
        rows, columns = size
        for _ in range(LAYERS):
            rows, columns = (rows - KERNEL) // 2 + 1, (columns - KERNEL) // 2 + 1
        if min(rows, columns) < 1:
            raise ConfigurationError("Monet", "task", size, "images of at least 31 x 31 pixels")
        widths = [width, width, 2 * width, 2 * width]
        stack: list[nn.Module] = []
        for inputs, outputs in zip([4, *widths[:-1]], widths, strict=True):
            stack += [nn.Conv2d(inputs, outputs, KERNEL, stride=2), nn.ReLU()]
        self.encoder = nn.Sequential(
            *stack,
            nn.Flatten(),
            nn.Linear(widths[-1] * rows * columns, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * latent),
        )
        self.decoder = BroadcastDecoder(
            latent,
            size,
            width=decoder_width,
            layers=LAYERS,
            kernel=KERNEL,
            upsamplings=upsamplings,
            padded=upsamplings > 0,
            output_kernel=1,
        )

    def encode(self, images: Tensor, log_masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation [B, K, L] of every part's latents.

        Args:
            images: [B, 3, H, W].
            log_masks: [B, K, H, W].
        """
        batch, slots = log_masks.shape[:2]
        seen = images[:, None].expand(-1, slots, -1, -1, -1)
        parts = torch.cat([seen, log_masks[:, :, None]], 2)
        encoded = self.encoder(parts.flatten(0, 1)).float()
        mean, log_scale = encoded.view(batch, slots, -1).chunk(2, -1)
        return mean, log_scale

    def decode(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return colours [B, K, 3, H, W] in [0, 1] and mask logits [B, K, H, W] of [B, K, L]."""
        colours, logits = self.decoder(latents)
        return colours.sigmoid(), logits.squeeze(2)
