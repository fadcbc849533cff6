"""The perceptual loss where its weights cannot be had."""

from __future__ import annotations

import pytest
import torch

from tuskbench.errors import WeightsMissingError
from tuskbench.ops.torchvision_schemas import declare_missing_operators
from tuskbench.reconstruction.perceptual import PerceptualLoss


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    declare_missing_operators()
    import timm

    create = timm.create_model

    def reach_nothing(*args: object, pretrained: bool, **options: object) -> object:
        if pretrained:
            raise OSError("no network")
        return create(*args, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", reach_nothing)


@pytest.mark.usefixtures("offline")
def test_random_weights_take_the_place_of_missing_ones_and_say_so() -> None:
    with pytest.warns(UserWarning, match=r"vgg16.*going on with random weights"):
        fallen_back = PerceptualLoss(size=32)
    named = PerceptualLoss(weights="random", size=32)
    assert fallen_back.note == named.note == "perceptual loss on features of random weights"
    first, second = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert fallen_back(first, second) == named(first, second) > 0


@pytest.mark.usefixtures("offline")
def test_weights_asked_for_by_name_are_not_replaced() -> None:
    with pytest.raises(WeightsMissingError, match="random"):
        PerceptualLoss(weights="imagenet", size=32)
