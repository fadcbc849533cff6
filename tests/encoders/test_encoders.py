"""Both encoders: sizes, parameter counts from the official code, clear errors."""

from __future__ import annotations

import pytest
import torch

from tuskbench.encoders.timm_backbone import TimmEncoder
from tuskbench.encoders.unet import UNetEncoder
from tuskbench.errors import ConfigurationError, WeightsMissingError
from tuskbench.heads.single_heatmap import SingleHeatmapHead
from tuskbench.ops.unet import UNet


def parameters(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def test_unet_has_the_official_number_of_parameters() -> None:
    assert parameters(UNetEncoder(), SingleHeatmapHead(32)) == 1_960_323
    assert parameters(UNet(32, 3, 32)) == 1_958_115
    assert parameters(UNet(32, 4, 32)) == 1_958_148


def test_unet_keeps_the_size() -> None:
    assert UNetEncoder(width=8, depth=3)(torch.rand(2, 3, 16, 24)).shape == (2, 8, 16, 24)


def test_unet_refuses_sizes_it_cannot_halve() -> None:
    with pytest.raises(ConfigurationError, match="divisible by 8"):
        UNetEncoder(width=4)(torch.rand(1, 3, 20, 24))


@pytest.mark.parametrize("model", ["resnet18", "mobilenetv3_small_050"])
def test_timm_backbone_comes_back_to_full_size(model: str) -> None:
    encoder = TimmEncoder(model=model, width=8, levels=3).eval()
    assert encoder(torch.rand(1, 3, 40, 48)).shape == (1, 8, 40, 48)


def test_unknown_timm_model_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="resnet"):
        TimmEncoder(model="resnet81")


def test_missing_weights_are_one_sentence(monkeypatch) -> None:
    import timm

    def fail(*_args, **_options):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(WeightsMissingError, match="pretrained = false"):
        TimmEncoder(pretrained=True)
