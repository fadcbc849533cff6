"""Lifting moves positions towards objects; selection finds the known peaks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tuskbench_mist.heatmap import point_map
from tuskbench_mist.lifting import lift
from tuskbench_mist.losses import class_shares, histogram_loss
from tuskbench_mist.single_map import peaks_only

from tuskbench import registry
from tuskbench.contracts import TaskInfo
from tuskbench.ops.patches import sample_patches
from tuskbench.testing import toy_task

SIZE = (32, 32)


def square(x: int, y: int) -> torch.Tensor:
    image = torch.zeros(1, 3, *SIZE)
    image[..., y - 3 : y + 4, x - 3 : x + 4] = 1
    return image


def test_lifting_follows_a_known_gradient() -> None:
    goal = torch.tensor([[[20.0, 5.0]]])
    moved = lift(
        torch.tensor([[[10.0, 9.0]]]), lambda xy: (xy - goal).square().sum((1, 2)), 1, 0.25
    )
    torch.testing.assert_close(moved, torch.tensor([[[15.0, 7.0]]]))
    assert not moved.requires_grad


def test_positions_may_leave_the_image() -> None:
    moved = lift(torch.tensor([[[10.0, 9.0]]]), lambda xy: xy.sum((1, 2)), 3, 100.0)
    assert torch.equal(moved, torch.tensor([[[-290.0, -291.0]]]))
    # The detector is still asked for the nearest pixel.
    assert point_map(moved, SIZE)[0, 0, 0] == 1
    halves = torch.tensor([[[2.5, 3.5]]])
    assert point_map(halves, SIZE)[0, 4, 3] == 1


def test_lifting_moves_boxes_towards_a_digit() -> None:
    """A classifier that calls ink class 1 pulls a box that sees a corner onto the object."""
    image = square(16, 14)
    shares = class_shares(torch.tensor([[1]]), 2)

    def loss(xy: torch.Tensor) -> torch.Tensor:
        ink = sample_patches(image, xy, 8.0, 8).mean((-3, -2, -1))
        logits = torch.stack([torch.full_like(ink, 0.7), ink], -1) * 8
        return histogram_loss(logits.softmax(-1), shares)

    start = torch.tensor([[[20.0, 18.0]]])
    moved = lift(start, loss, 20, 20.0)
    goal = torch.tensor([16.0, 14.0])
    before, after = ((xy - goal).norm().item() for xy in (start, moved))
    assert after < 0.35 * before


def test_patches_reach_from_edge_to_edge_of_their_box(monkeypatch: pytest.MonkeyPatch) -> None:
    system: Any = registry.build("system", {"name": "mist", "keypoints": 1, "patch": 8}, toy_task())
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(system.classifier, "forward", seen.append)
    ramp = torch.arange(32.0).expand(1, 3, 32, 32)
    system.classify(ramp, torch.tensor([[[15.0, 16.0]]]))
    expected = 15 + system.side * torch.linspace(-0.5, 0.5, 8)
    torch.testing.assert_close(seen[0][0, 0, 0, 3], expected)


def test_lifting_leaves_weights_without_gradient() -> None:
    weight = torch.ones(2, requires_grad=True)
    lift(torch.rand(1, 3, 2) * 30, lambda xy: (xy * weight).sum((1, 2)), 1, 1.0)
    assert weight.grad is None


@pytest.mark.parametrize("name", ["mist", "soft-topk", "supervised-cnn"])
def test_the_highest_peaks_are_found(name: str) -> None:
    """An oracle map with three peaks, one of them beside a higher neighbour."""
    system: Any = registry.build("system", {"name": name, "keypoints": 3, "patch": 8}, toy_task())
    heatmap = torch.full((1, *SIZE), 0.01)
    truth = {(5, 6): 0.9, (20, 8): 0.8, (9, 25): 0.7, (6, 7): 0.85}
    for (x, y), value in truth.items():
        heatmap[0, y, x] = value
    xy, score = system.peaks(heatmap)
    assert xy[0].tolist() == [[5, 6], [20, 8], [9, 25]]
    torch.testing.assert_close(score, torch.tensor([[0.9, 0.8, 0.7]]))
    assert peaks_only(heatmap, 5)[0, 7, 6] == 0


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_equal_scores_leave_one_peak_a_window(levels: int) -> None:
    generator = torch.Generator().manual_seed(levels)
    heatmap = torch.randint(levels, (2, *SIZE), generator=generator).float() + 0.5
    kept = peaks_only(heatmap, 5)
    assert torch.equal(kept[kept > 0], heatmap[kept > 0])
    for image in kept:
        places = image.nonzero()
        assert len(places) >= 1
        gaps = (places[:, None] - places[None]).abs().amax(-1).fill_diagonal_(99)
        assert gaps.min() > 2


def test_soft_membership_prefers_the_highest_peaks() -> None:
    task: TaskInfo = toy_task()
    system: Any = registry.build("system", {"name": "soft-topk", "keypoints": 2}, task)
    heatmap = torch.full((1, *SIZE), 0.01)
    for x, value in ((5, 0.9), (15, 0.6), (25, 0.55)):
        heatmap[0, 10, x] = value
    heatmap.requires_grad_()
    xy, member = system.members(heatmap)
    assert xy[0, :, 0].tolist() == [5, 15]
    assert 1 > member[0, 0] > member[0, 1] > 0.5
    # More of the second winner means less of the peak that was left out.
    member[0, 1].backward()
    assert heatmap.grad[0, 10, 15] > 0
    assert heatmap.grad[0, 10, 25] < 0
