"""Networks and score maps against the published sizes and formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from tuskbench_mist.classifier import Classifier
from tuskbench_mist.detector import Detector
from tuskbench_mist.heatmap import local_softmax, point_map
from tuskbench_mist.losses import class_shares, heatmap_loss, histogram_loss


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_detector_has_the_published_size_and_keeps_the_resolution() -> None:
    detector = Detector(1, 32, 4)
    # 3x1x1 to 32, eight 3x3 convolutions, four GroupNorms, one BatchNorm, 32 to 1.
    assert parameters(detector) == 128 + 8 * (32 * 32 * 9 + 32) + 4 * 64 + 6 + 33
    assert detector(torch.rand(1, 3, 40, 48)).shape == (1, 1, 40, 48)


def test_detector_sees_four_pixels_a_block() -> None:
    detector = Detector(1, 4, 2)
    for module in detector.modules():
        if isinstance(module, nn.GroupNorm):
            # Its statistics are of the whole image; without them only convolutions look around.
            module.forward = lambda x: x  # type: ignore[method-assign]
    images = torch.rand(1, 3, 40, 40, requires_grad=True)
    detector.eval()(images)[0, 0, 20, 20].backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows.min() >= 12
    assert rows.max() <= 28


def test_classifier_has_the_published_size() -> None:
    assert parameters(Classifier(10, 32, 8)) == pytest.approx(2.10e6, rel=0.01)


@pytest.mark.parametrize("patch", [2, 8, 16])
def test_classifier_takes_any_power_of_two(patch: int) -> None:
    classifier = Classifier(4, patch, 4, 1)
    assert classifier(torch.rand(2, 5, 3, patch, patch)).shape == (2, 5, 4)


def test_local_softmax_by_hand() -> None:
    logits = torch.randn(1, 6, 7, dtype=torch.float64)
    share = local_softmax(logits, 3, 10.0)
    mass = torch.exp(10 * (logits[0] - logits.max()))
    y, x = 2, 4
    expected = mass[y, x] / (mass[y - 1 : y + 2, x - 1 : x + 2].sum() + 1e-6)
    torch.testing.assert_close(share[0, y, x], expected)
    flat = local_softmax(torch.zeros(1, 9, 9), 5, 10.0)
    torch.testing.assert_close(flat, torch.full((1, 9, 9), 1 / 25), atol=1e-6, rtol=0)


def test_local_softmax_near_the_border_compares_with_the_nearest_whole_window() -> None:
    logits = torch.randn(1, 9, 11, generator=torch.Generator().manual_seed(0)).double()
    share = local_softmax(logits, 5, 2.0)
    mass = torch.exp(2 * (logits - logits.max()))[0]
    assert share[0, 0, 0].item() == pytest.approx(mass[0, 0] / (mass[:5, :5].sum() + 1e-6))
    assert share[0, 8, 5].item() == pytest.approx(mass[8, 5] / (mass[4:, 3:8].sum() + 1e-6))
    assert share[0, 4, 5].item() == pytest.approx(mass[4, 5] / (mass[2:7, 3:8].sum() + 1e-6))


def test_point_map() -> None:
    xy = torch.tensor([[[1.4, 2.6], [9.0, -3.0], [0.0, 0.0]]])
    present = torch.tensor([[True, True, False]])
    maps = point_map(xy, (4, 5), present)
    expected = torch.zeros(1, 4, 5)
    expected[0, 3, 1] = expected[0, 0, 4] = 1
    assert torch.equal(maps, expected)


def test_histogram_loss_by_hand() -> None:
    labels = torch.tensor([[0, 0, 2], [1, -1, -1], [-1, -1, -1]])
    shares = class_shares(labels, 3)
    assert torch.equal(shares[1:], torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(shares[0], torch.tensor([2 / 3, 0, 1 / 3]))
    probabilities = torch.tensor([[[1.0, 0, 0], [0.5, 0.5, 0]]]).expand(3, -1, -1)
    # Means over the two patches are 0.75, 0.25, 0.
    expected = 0.5 * ((0.75 - 2 / 3) ** 2 + 0.25**2 + (1 / 3) ** 2)
    assert histogram_loss(probabilities, shares)[0].item() == pytest.approx(expected)


def test_right_patches_have_no_histogram_loss_in_any_order() -> None:
    labels = torch.tensor([[3, 1, 1, 0]])
    probabilities = torch.eye(4)[labels[:, [2, 3, 0, 1]]]
    assert histogram_loss(probabilities, class_shares(labels, 4)).item() == 0


def test_heatmap_loss_is_a_mean_over_pixels() -> None:
    maps = torch.zeros(2, 4, 5)
    target = point_map(torch.tensor([[[1.0, 1.0]], [[2.0, 2.0]]]), (4, 5))
    assert torch.equal(heatmap_loss(maps, target), torch.full((2,), 1 / 20))
    assert math.isclose(heatmap_loss(target, target).sum().item(), 0)
