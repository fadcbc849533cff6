"""Both heads on hand-made features."""

from __future__ import annotations

import pytest
import torch

from tuskbench.errors import ConfigurationError
from tuskbench.heads.channelwise import ChannelwiseHead
from tuskbench.heads.single_heatmap import SingleHeatmapHead


@pytest.mark.parametrize("faithful_to", ["paper", "code"])
def test_single_heatmap_shapes_order_and_ranges(faithful_to) -> None:
    torch.manual_seed(0)
    head = SingleHeatmapHead(8, keypoints=5, window=5, faithful_to=faithful_to).eval()
    keypoints, heatmap = head(torch.randn(3, 8, 24, 16))
    assert heatmap.shape == (3, 1, 24, 16)
    assert keypoints.xy.shape == (3, 5, 2)
    assert keypoints.descriptor.shape == (3, 5, 8)
    assert (keypoints.score.diff(dim=1) <= 0).all()
    assert ((heatmap >= 0) & (heatmap <= 1)).all()


def test_single_heatmap_descriptors_are_the_features_at_the_keypoints() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 8, 16, 16)
    keypoints, _ = SingleHeatmapHead(8, keypoints=3, window=5)(features)
    for k in range(3):
        x, y = keypoints.xy[0, k].long().tolist()
        torch.testing.assert_close(keypoints.descriptor[0, k], features[0, :, y, x])


def test_gradients_reach_features_through_position_and_score() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 8, 16, 16, requires_grad=True)
    keypoints, _ = SingleHeatmapHead(8, keypoints=3, window=5)(features)
    for output in (keypoints.xy, keypoints.score):
        (gradient,) = torch.autograd.grad(output.sum(), features, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_more_keypoints_than_the_map_can_hold() -> None:
    head = SingleHeatmapHead(4, keypoints=10, window=13)
    with pytest.raises(ConfigurationError, match="at most 9"):
        head(torch.randn(1, 4, 20, 20))


def test_even_window() -> None:
    with pytest.raises(ConfigurationError, match="odd"):
        SingleHeatmapHead(4, window=6)


def test_channelwise_labels_are_channels() -> None:
    torch.manual_seed(0)
    keypoints, heatmap = ChannelwiseHead(8, keypoints=4).eval()(torch.randn(2, 8, 12, 12))
    assert heatmap.shape == (2, 4, 12, 12)
    for image in range(2):
        assert sorted(keypoints.label[image].tolist()) == [0, 1, 2, 3]
    highest = heatmap.flatten(2).amax(-1)
    torch.testing.assert_close(highest.gather(1, keypoints.label), keypoints.score)


@pytest.mark.parametrize("scale", [1, 3, 6, 30])
def test_saturated_scores_give_one_keypoint_a_blob(scale: float) -> None:
    head = SingleHeatmapHead(1, keypoints=2, window=7).eval()
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    blobs = torch.exp(-((x - 10) ** 2 + (y - 10) ** 2) / 6)
    blobs = blobs + 0.8 * torch.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 6)
    with torch.no_grad():
        head.hidden[0].weight.zero_()[0, 0, 1, 1] = 1
        head.score[0].weight.zero_()[0, 0, 1, 1] = 1
        head.hidden[0].bias.zero_(), head.score[0].bias.zero_()
        head.score[1].weight.fill_(scale)
        keypoints, _ = head(blobs[None, None])
    found = {tuple(point) for point in keypoints.xy[0].round().int().tolist()}
    assert found == {(10, 10), (30, 30)}
