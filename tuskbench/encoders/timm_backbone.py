"""Any timm backbone with feature maps, brought back to the image's resolution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError
from tuskbench.ops.pretrained import (
    feature_channels,
    feature_extractor,
    feature_maps,
    imagenet_normalisation,
)
from tuskbench.ops.unet import ConvolutionPair


class TimmEncoder(nn.Module):
    """A timm backbone's feature pyramid under a U-Net's upsampling path.

    From the deepest feature map up, each step resizes to the next larger map, concatenates it
    and applies two 3x3 convolutions of `width` channels; the last step joins convolutions of
    the image itself, so that detail finer than the backbone's stride is kept.

    Args:
        model: timm's name of the backbone, such as "resnet18"; it must support
            `features_only`.
        pretrained: start from timm's weights (cached or downloaded).
        width: channels of the features.
        levels: how many of the backbone's feature maps are used, from the finest.
    """

    version = "1"

    def __init__(
        self,
        *,
        model: str = "resnet18",
        pretrained: bool = False,
        width: Annotated[int, Ge(1)] = 32,
        levels: Annotated[int, Ge(1)] = 4,
    ) -> None:
        super().__init__()
        self.channels, self.model = width, model
        self.backbone = feature_extractor("timm", model, pretrained)
        channels = feature_channels(self.backbone)[:levels]
        self.normalise = imagenet_normalisation()
        self.levels = len(channels)
        self.stem = ConvolutionPair(3, width, width)
        deep = [channels[-1], *[width] * len(channels)]
        skips = [*channels[-2::-1], width]
        self.up = nn.ModuleList(
            ConvolutionPair(below + skip, width, width)
            for below, skip in zip(deep, skips, strict=False)
        )
        self.last = nn.Conv2d(width, width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1] to features [B, width, H, W].

        Raises:
            ConfigurationError: if the backbone takes no images of that size.
        """
        with self._sized((images.shape[-2], images.shape[-1])):
            maps = feature_maps(self.backbone, self.normalise(images))[: self.levels]
        skips = [self.stem(images), *maps]
        x = skips.pop()
        for block in self.up:
            skip = skips.pop()
            resized = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=True)
            x = block(torch.cat([resized, skip], dim=1))
        features: Tensor = self.last(x)
        return features

    @torch.no_grad()
    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `ConfigurationError` unless the backbone takes images of (height, width)."""
        training = self.training
        self.eval()
        try:
            self(torch.zeros(1, 3, *size, device=self.last.weight.device))
        finally:
            self.train(training)

    @contextmanager
    def _sized(self, size: tuple[int, int]) -> Iterator[None]:
        """Turn what backbones raise for a size that is not theirs into one sentence."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError, ValueError) as error:
            expected = f"a size that {self.model} takes ({str(error).splitlines()[0]})"
            raise ConfigurationError("timm", "image_size", size, expected) from error
