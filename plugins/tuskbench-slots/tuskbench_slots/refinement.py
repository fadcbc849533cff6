"""IODINE's refinement network: from what is wrong with an explanation to a better one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, Tensor] | None
"""Hidden and cell state [B * K, C] of the LSTM; None before the first step or without one."""


class ImageNorm(nn.Module):
    """Normalise features [..., C, H, W] over C, H and W; scale and shift every channel.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the normalised features, in 32 bits."""
        return F.layer_norm(features.float(), features.shape[-3:]) * self.weight + self.bias


class RefinementNetwork(nn.Module):
    """A strided CNN, averaged over the image, a perceptron, an LSTM, and a linear update.

    Args:
        spatial: channels of the inputs that are images.
        parameters: number of parameters of a slot's distribution, P.
        width: channels of the convolutions.
        layers: number of convolutions, each of stride 2.
        kernel: side of their kernels, odd.
        hidden: channels of the perceptron and the LSTM.
        hidden_layers: layers of the perceptron.
        recurrent: whether there is an LSTM.
    """

    def __init__(
        self,
        spatial: int,
        parameters: int,
        *,
        width: int,
        layers: int,
        kernel: int,
        hidden: int,
        hidden_layers: int,
        recurrent: bool,
    ) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        for layer in range(layers):
            inputs = width if layer else spatial
            stack += [nn.Conv2d(inputs, width, kernel, 2, kernel // 2), nn.ELU()]
        stack += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        for layer in range(hidden_layers):
            stack += [nn.Linear(hidden if layer else width, hidden), nn.ELU()]
        # Sonnet's perceptron leaves its last layer linear.
        self.encoder = nn.Sequential(*stack[:-1])
        # Beside the encoded images: the parameters, their gradients and a constant.
        joined = hidden + 2 * parameters + 1
        self.memory = nn.LSTMCell(joined, hidden) if recurrent else None
        self.update = nn.Linear(hidden if recurrent else joined, parameters)

    def forward(self, images: Tensor, vectors: Tensor, state: State) -> tuple[Tensor, State]:
        """Return what to add to the parameters.

        Args:
            images: [B, K, C, H, W] inputs that are images.
            vectors: [B, K, 2 P + 1] inputs that are not.
            state: what the previous step returned.

        Returns:
            the update [B, K, P] in 32 bits, and the state of the next step.
        """
        batch, slots = images.shape[:2]
        encoded = self.encoder(images.flatten(0, 1))
        joined = torch.cat([encoded.float(), vectors.flatten(0, 1)], 1)
        if self.memory is not None:
            state = self.memory(joined, state)
            joined = state[0]
        update = self.update(joined).float()
        return update.view(batch, slots, -1), state
