"""Both decoders: shapes, ranges, and what they depend on."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tuskbench.contracts import Keypoints
from tuskbench.decoders.unet_alpha import UNetAlphaDecoder
from tuskbench.decoders.unet_sum import UNetSumDecoder
from tuskbench.errors import ConfigurationError


def keypoints(count: int = 3) -> Keypoints:
    torch.manual_seed(0)
    xy = torch.rand(2, count, 2) * 15
    return Keypoints(xy, torch.rand(2, count), None, F.normalize(torch.randn(2, count, 8), dim=-1))


def test_sum_decoder() -> None:
    image, masks = UNetSumDecoder(8, width=4, depth=3)(keypoints(), (16, 16))
    assert image.shape == (2, 3, 16, 16)
    assert ((image >= 0) & (image <= 1)).all()
    assert masks is None


def test_sum_decoder_does_not_depend_on_order() -> None:
    decoder, points = UNetSumDecoder(8, width=4, depth=2), keypoints()
    turned = Keypoints(points.xy.flip(1), points.score.flip(1), None, points.descriptor.flip(1))
    torch.testing.assert_close(decoder(points, (16, 16))[0], decoder(turned, (16, 16))[0])


def test_alpha_decoder_masks_share_every_pixel() -> None:
    image, masks = UNetAlphaDecoder(8, width=4, depth=3)(keypoints(), (16, 16))
    assert image.shape == (2, 3, 16, 16)
    assert masks.shape == (2, 3, 16, 16)
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 16, 16))


def test_one_alpha_layer_is_its_own_colour() -> None:
    image, masks = UNetAlphaDecoder(8, width=4, depth=2)(keypoints(1), (8, 8))
    assert torch.equal(masks, torch.ones_like(masks))
    assert ((image >= 0) & (image <= 1)).all()


@pytest.mark.parametrize("decoder", [UNetSumDecoder, UNetAlphaDecoder])
def test_size_that_cannot_be_halved(decoder) -> None:
    with pytest.raises(ConfigurationError, match="divisible by 8"):
        decoder(8, width=4, depth=4)(keypoints(), (20, 16))
