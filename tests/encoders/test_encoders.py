"""Both encoders: sizes, parameter counts from the official code, clear errors."""

from __future__ import annotations

import pytest
import torch

from tuskbench.encoders.timm_backbone import TimmEncoder
from tuskbench.encoders.unet import UNetEncoder
from tuskbench.errors import ConfigurationError, WeightsMissingError
from tuskbench.heads.single_heatmap import SingleHeatmapHead
from tuskbench.ops.pretrained import feature_maps
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


def corner_response(encoder: TimmEncoder, size: tuple[int, int]) -> tuple[int, int]:
    """Return (y, x) of the features that another top right corner of the image changes most."""
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    changed = images.clone()
    changed[..., :8, -8:] = 1 - changed[..., :8, -8:]
    with torch.no_grad():
        difference = (encoder(images) - encoder(changed)).abs().sum(1)[0]
    y, x = divmod(int(difference.argmax()), size[1])
    return y, x


# Channels last: Swin and MambaOut. Maps of one stride: ViT.
@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("swin_tiny_patch4_window7_224", (224, 224)),
        ("mambaout_femto", (75, 83)),
        ("convnext_atto", (96, 64)),
        ("resnet18", (75, 83)),
        ("vit_tiny_patch16_224", (224, 224)),
    ],
)
def test_timm_maps_of_either_layout_lie_where_the_image_has_them(
    model: str, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    encoder = TimmEncoder(model=model, width=8).eval()
    encoder.check_size(size)
    assert encoder(torch.rand(2, 3, *size)).shape == (2, 8, *size)
    y, x = corner_response(encoder, size)
    assert y < 12
    assert x >= size[1] - 12


@pytest.mark.parametrize("model", ["swin_tiny_patch4_window7_224", "mambaout_femto"])
def test_channels_last_maps_have_the_channels_and_strides_that_timm_tells(model: str) -> None:
    encoder = TimmEncoder(model=model)
    info = encoder.backbone.feature_info
    maps = feature_maps(encoder.backbone.eval(), torch.rand(1, 3, 224, 224))
    expected = [
        (1, channels, 224 // stride, 224 // stride)
        for channels, stride in zip(info.channels(), info.reduction(), strict=True)
    ]
    assert [tuple(found.shape) for found in maps] == expected


def test_a_size_that_a_backbone_does_not_take_is_one_sentence() -> None:
    encoder = TimmEncoder(model="swin_tiny_patch4_window7_224", width=4)
    with pytest.raises(ConfigurationError, match="swin_tiny_patch4_window7_224 takes"):
        encoder.check_size((80, 80))
    with pytest.raises(ConfigurationError, match="swin_tiny_patch4_window7_224 takes"):
        encoder(torch.rand(1, 3, 96, 64))


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
