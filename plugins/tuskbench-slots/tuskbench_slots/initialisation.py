"""TensorFlow's and Sonnet's initial weights, from which the published numbers were trained."""

from __future__ import annotations

import math

from torch import nn

KERAS_EPSILON = 1e-3
"""What Keras adds to the variance in layer normalisation, a hundred times what torch does."""


def keras(module: nn.Module) -> None:
    """Give one layer Keras' initial weights: Glorot-uniform, orthogonal recurrence, no bias."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.GRUCell):
        # Torch stacks the three gates, whose kernels Keras initialises as one.
        nn.init.xavier_uniform_(module.weight_ih)
        nn.init.orthogonal_(module.weight_hh)
        nn.init.zeros_(module.bias_ih)
        nn.init.zeros_(module.bias_hh)


def sonnet(module: nn.Module) -> None:
    """Give one layer Sonnet's initial weights: normal of variance 1 / inputs, cut at two sigma."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        inputs = module.weight[0].numel()
        if isinstance(module, nn.ConvTranspose2d):
            inputs = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
        _truncated(module, "weight", inputs)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LSTMCell):
        for name in ("weight_ih", "weight_hh"):
            _truncated(module, name, module.input_size + module.hidden_size)
        nn.init.zeros_(module.bias_hh)
        nn.init.zeros_(module.bias_ih)
        # Gates are in the order input, forget, cell, output; the forget gate starts open.
        nn.init.ones_(module.bias_ih[module.hidden_size : 2 * module.hidden_size])


def _truncated(module: nn.Module, name: str, inputs: int) -> None:
    scale = 1 / math.sqrt(inputs)
    nn.init.trunc_normal_(getattr(module, name), std=scale, a=-2 * scale, b=2 * scale)
