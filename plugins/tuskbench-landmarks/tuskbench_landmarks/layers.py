"""Layers that several of the networks are made of."""

from __future__ import annotations

from torch import nn


class ConvolutionNormReLU(nn.Sequential):
    """A convolution of stride 1 or 2, batch normalisation and a (leaky) ReLU.

    Args:
        before: channels of the input.
        after: channels of the output.
        kernel: side of the filters; the output keeps the size divided by the stride.
        stride: of the convolution.
        slope: of the ReLU below 0.
    """

    def __init__(
        self, before: int, after: int, kernel: int = 3, stride: int = 1, slope: float = 0.0
    ) -> None:
        super().__init__(
            nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True),
        )
