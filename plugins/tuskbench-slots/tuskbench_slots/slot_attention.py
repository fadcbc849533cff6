"""Slot Attention's autoencoder for object discovery (Locatello et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from tuskbench.contracts import TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.ops.alpha import composite
from tuskbench_slots.attention import SlotAttention
from tuskbench_slots.broadcast_decoder import BroadcastDecoder
from tuskbench_slots.grids import PositionEmbedding
from tuskbench_slots.initialisation import KERAS_EPSILON, keras
from tuskbench_slots.slot_system import SlotSystem


class SlotAttentionSystem(SlotSystem):
    """Slots compete for a CNN's features; each is decoded to a picture and a mask.

    Trained on the squared error of the composite alone. Defaults are the official code's for
    CLEVR6 at 128 x 128 pixels: learning rate 4e-4, warm-up over 10,000 of 500,000 steps, halved
    every 100,000. Slots start from noise; predictions always use the same, so that they can be
    repeated.

    Args:
        task: the task (wired by the runner).
        width: channels of encoder and features; 64 on CLEVR6, 32 on Tetrominoes.
        slot_size: channels of a slot.
        hidden: channels of the perceptron that refines slots.
        iterations: rounds of attention.
        kernel: side of the kernels of encoder and decoder, odd.
        encoder_layers: convolutions of the encoder.
        encoder_downsamplings: how many of them, from the first on, halve the resolution.
        decoder_width: channels of the decoder; by default those of the encoder.
        decoder_layers: convolutions of the decoder before the last.
        decoder_upsamplings: how many of all of these, the first ones, double the resolution: 4 on
            CLEVR6, 0 (decoded at full resolution) on Tetrominoes.
        warmup: share of training over which the learning rate rises linearly from 0.
        decay: factor that the learning rate has fallen by, exponentially, at the end of training.
        shared: settings of `SlotSystem`.
    """

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: Annotated[int, Ge(1)] = 64,
        slot_size: Annotated[int, Ge(1)] = 64,
        hidden: Annotated[int, Ge(1)] = 128,
        iterations: Annotated[int, Ge(1)] = 3,
        kernel: Annotated[int, Ge(1)] = 5,
        encoder_layers: Annotated[int, Ge(1)] = 4,
        encoder_downsamplings: Annotated[int, Ge(0)] = 0,
        decoder_width: Annotated[int, Ge(1)] | None = None,
        decoder_layers: Annotated[int, Ge(1)] = 5,
        decoder_upsamplings: Annotated[int, Ge(0)] = 4,
        warmup: Annotated[float, Ge(0), Le(1)] = 0.02,
        decay: Annotated[float, Gt(0), Le(1)] = 0.03125,
        **shared: Any,
    ) -> None:
        super().__init__(task, warmup=warmup, decay=decay, **shared)
        if encoder_downsamplings > encoder_layers:
            expected = f"at most {encoder_layers}, because there are no more layers for it"
            name = "encoder_downsamplings"
            raise ConfigurationError(type(self).__name__, name, encoder_downsamplings, expected)
        self.slot_size = slot_size
        size = task.image_size
        self.encoder = Encoder(size, width, kernel, encoder_layers, encoder_downsamplings)
        self.attention = SlotAttention(width, slot_size, hidden, iterations)
        self.decoder = BroadcastDecoder(
            slot_size,
            size,
            width=decoder_width or width,
            layers=decoder_layers,
            kernel=kernel,
            upsamplings=decoder_upsamplings,
            position="embedding",
        )
        self.apply(keras)

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(parameters, self.learning_rate, fused=True)

    def decompose(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return slots' pictures [B, K, 3, H, W] in [-1, 1] and logits, of images in [0, 1]."""
        features = self.encoder(2 * images - 1)
        slots = self.attention(features, self.noise(len(images), self.slots, self.slot_size))
        drawn: tuple[Tensor, Tensor] = self.decoder(slots)
        return drawn

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean squared error, on the scale of [-1, 1]."""
        picture, _ = composite(*self.decompose(images))
        return {"reconstruction": F.mse_loss(picture, 2 * images - 1)}

    def explain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the decoder's pictures and masks."""
        layers, logits = self.decompose(images)
        return layers.add(1).div(2), logits.softmax(1).squeeze(2)


class Encoder(nn.Module):
    """Convolutions with ReLU, position embedding, and a perceptron on every feature.

    Args:
        size: (H, W) of the images.
        width: channels.
        kernel: side of the kernels.
        layers: convolutions.
        downsamplings: how many of them, from the first on, halve the resolution.
    """

    def __init__(
        self, size: tuple[int, int], width: int, kernel: int, layers: int, downsamplings: int
    ) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        for layer in range(layers):
            stride = 2 if layer < downsamplings else 1
            inputs = width if layer else 3
            stack += [nn.Conv2d(inputs, width, kernel, stride, kernel // 2), nn.ReLU()]
        self.stack = nn.Sequential(*stack)
        height, breadth = (-(-side // 2**downsamplings) for side in size)
        self.position = PositionEmbedding(width, (height, breadth))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width, KERAS_EPSILON),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, N, C] of images [B, 3, H, W] in [-1, 1]."""
        features = self.position(self.stack(images))
        tokens: Tensor = self.perceptron(features.flatten(2).transpose(1, 2))
        return tokens
