"""The five systems keep the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from tuskbench_landmarks.lorenz import JITTER

from tuskbench.plan import make_plan
from tuskbench.spec.load import load
from tuskbench.testing import SystemConformance

SPEC = Path(__file__).parents[3] / "specs" / "comparison_landmarks.toml"

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


@pytest.mark.skipif(not SPEC.exists(), reason="the spec is not beside the plugin")
@pytest.mark.parametrize("budget", ["smoke", "cpu", "gpu", "paper"])
def test_the_shipped_spec_has_every_system_at_every_budget(budget: str, tmp_path: Path) -> None:
    plan = make_plan(load(SPEC), budget=budget, out=tmp_path)
    cells = [planned.cell for planned in plan.cells if planned.state != "skipped"]
    found = {(cell.system["name"], cell.task) for cell in cells}
    assert found >= {(name, task) for name in SETTINGS for task in ("celeba-wild", "h36m")}


def test_all_views_of_an_image_change_colour_alike() -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    looks = JITTER(images.repeat(2, 1, 1, 1), 2)
    torch.testing.assert_close(looks[:3], looks[3:])
    assert (looks[0] - images[0]).abs().mean() > 0.01
