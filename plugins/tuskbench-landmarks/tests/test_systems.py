"""The five systems keep the contract."""

from __future__ import annotations

from typing import Any, ClassVar

from tuskbench.testing import SystemConformance

SETTINGS: dict[str, dict[str, Any]] = {
    "thewlis": {"keypoints": 3, "width": 0.2},
    "zhang": {"keypoints": 3, "width": 0.125},
    "jakab": {"keypoints": 3, "width": 4, "reconstruction": {"name": "mse"}},
    "lorenz": {"keypoints": 5, "width": 8, "depth": 2, "features": 4, "decoder_width": 0.0625},
    "latent-keypoint-gan": {
        "keypoints": 3,
        "width": 0.125,
        "detector_width": 0.125,
        "embedding": 8,
        "gan_share": 0.1,
    },
}


class TestThewlis(SystemConformance):
    name = "thewlis"
    settings: ClassVar[dict[str, Any]] = SETTINGS["thewlis"]


class TestZhang(SystemConformance):
    name = "zhang"
    settings: ClassVar[dict[str, Any]] = SETTINGS["zhang"]


class TestJakab(SystemConformance):
    name = "jakab"
    settings: ClassVar[dict[str, Any]] = SETTINGS["jakab"]


class TestLorenz(SystemConformance):
    name = "lorenz"
    settings: ClassVar[dict[str, Any]] = SETTINGS["lorenz"]


class TestLatentKeypointGAN(SystemConformance):
    """With one step of ten for the GAN, the second step and the resumed one train the detector."""

    name = "latent-keypoint-gan"
    settings: ClassVar[dict[str, Any]] = SETTINGS["latent-keypoint-gan"]


class TestLatentKeypointGANResumesInTheGAN(SystemConformance):
    name = "latent-keypoint-gan"
    settings: ClassVar[dict[str, Any]] = {**SETTINGS["latent-keypoint-gan"], "gan_share": 0.8}
