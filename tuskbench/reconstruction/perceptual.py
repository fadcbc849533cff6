"""Perceptual loss: L1 distance of VGG16 features (Johnson et al. 2016)."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuskbench.errors import WeightsMissingError
from tuskbench.ops.pretrained import feature_extractor, imagenet_normalisation


class PerceptualLoss(nn.Module):
    """Mean L1 distance of VGG16's relu1_2, relu2_2, relu3_3 and relu4_3, weighted equally.

    Images are normalised as for ImageNet and resized, as in TUSK's official code; the paper
    gives weights c_l without their values.

    Args:
        weights: "imagenet" loads timm's VGG16 weights; "random" keeps an initialisation of a
            fixed seed, a weaker but free texture measure; "auto" takes the former where they can
            be had, else the latter, and says so: in a warning and in the record.
        size: side in pixels to which images are resized; 224 in the code, 0 keeps theirs.
    """

    version = "1"
    layers = 4
    """How many layers of features there are."""

    def __init__(
        self, *, weights: Literal["auto", "imagenet", "random"] = "auto", size: int = 224
    ) -> None:
        super().__init__()
        self.size = size
        self.note = ""
        try:
            self.network = _vgg16(pretrained=weights != "random")
        except WeightsMissingError as error:
            if weights == "imagenet":
                raise
            warnings.warn(f"{error}; going on with random weights", stacklevel=2)
            self.network, weights = _vgg16(pretrained=False), "random"
        if weights == "random":
            self.note = "perceptual loss on features of random weights"
        self.network.requires_grad_(False)
        self.normalise = imagenet_normalisation()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare [B, 3, H, W] with [B, 3, H, W], both in [0, 1]; return a scalar."""
        with torch.no_grad():
            truth = self.features(target)
        losses = [
            F.l1_loss(ours, theirs)
            for ours, theirs in zip(self.features(prediction), truth, strict=True)
        ]
        return torch.stack(losses).sum()

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the features of images [B, 3, H, W], one [B, C, h, w] a layer, fine to coarse."""
        normalised: Tensor = self.normalise(images)
        if self.size:
            normalised = F.interpolate(normalised, (self.size, self.size), mode="bilinear")
        found: list[Tensor] = self.network(normalised)
        return found


def _vgg16(*, pretrained: bool) -> nn.Module:
    """Return VGG16 up to relu4_3; without ImageNet's weights, that of a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return feature_extractor(
            "perceptual",
            "vgg16",
            pretrained,
            without='set weights = "random"',
            out_indices=(0, 1, 2, 3),
        )
