"""Property accuracy by hand: the official code's way, and the strict one."""

from __future__ import annotations

import numpy as np
import torch

from tuskbench.metrics.properties import (
    Shown,
    accuracy,
    coverage,
    matched_segments,
    owned_objects,
    purity,
)
from tuskbench.metrics.segmentation import contingency


def masks_of(owner: torch.Tensor, count: int, opacity: float = 1.0) -> torch.Tensor:
    """Return masks [B, K, H, W] that give every pixel's owner `opacity`, and others the rest."""
    hard = torch.nn.functional.one_hot(owner, count).movedim(-1, 1).float()
    rest = (1 - opacity) / (count - 1)
    return hard * (opacity - rest) + rest


def test_a_keypoint_owns_what_fills_most_of_its_pixels() -> None:
    truth = torch.tensor([[[1, 1, 1, 0], [2, 2, 0, 0]]])
    owner = torch.tensor([[[0, 0, 0, 0], [1, 1, 1, 1]]])
    # Keypoint 0 has 3 pixels of object 1 among 4; keypoint 1 has 2 of 4, which is not most.
    assert owned_objects(masks_of(owner, 3), truth, 2).tolist() == [[0, -1, -1]]
    assert owned_objects(masks_of(owner, 3, 0.8), truth, 2).tolist() == [[-1, -1, -1]]


def test_two_keypoints_may_own_one_object() -> None:
    truth, owner = torch.ones(1, 2, 4, dtype=torch.long), torch.tensor([[[0] * 4, [1] * 4]])
    assert owned_objects(masks_of(owner, 2), truth, 3).tolist() == [[0, 0]]


def test_segments_are_matched_one_to_one() -> None:
    truth = torch.tensor([[1, 1, 1, 1, 2, 2, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]])
    found = torch.tensor([[1, 1, 1, 0, 2, 2, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1]])
    assert matched_segments(contingency(truth, found, 2, 3)[:, 1:]).tolist() == [[1, 2], [0, -1]]


def test_a_segment_that_holds_two_objects_goes_to_neither_or_to_one() -> None:
    truth = torch.tensor([[1, 1, 2, 2, 0, 0], [1, 1, 1, 2, 0, 0]])
    found = torch.ones_like(truth)
    matched = matched_segments(contingency(truth, found, 2, 2)[:, 1:])
    assert sorted(matched[0].tolist()) == [-1, 1]
    assert matched[1].tolist() == [1, -1]


def test_background_in_a_segment_costs_it_nothing() -> None:
    truth = torch.tensor([[1, 0, 0, 0, 2, 0, 0, 0]])
    found = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
    assert matched_segments(contingency(truth, found, 2, 2)[:, 1:]).tolist() == [[0, 1]]


def shown(label: list, owned: list, segment: list, colour: list) -> Shown:
    values = np.array(colour)
    factors = {"colour": values}
    return Shown(np.array(label), np.array(owned), np.array(segment), values >= 0, factors)


def test_purity_by_hand() -> None:
    found = shown(
        label=[[0, 1, 1], [0, 1, 2]],
        owned=[[0, 1, -1], [0, 0, 1]],
        segment=[[-1, -1], [-1, -1]],
        colour=[[5, 3], [5, 3]],
    )
    # Prototype 0 meets 5 twice, prototype 1 meets 3 and 5, prototype 2 meets 3.
    assert purity(found, "colour") == 4 / 5


def test_accuracy_counts_every_visible_object() -> None:
    fitted = shown(label=[[0, 1]], owned=[[-1, -1]], segment=[[0, 1, -1]], colour=[[5, 3, -1]])
    found = shown(
        label=[[0, 1], [0, 2]],
        owned=[[-1, -1], [-1, -1]],
        segment=[[0, 1, -1], [0, 1, -1]],
        colour=[[5, 4, 3], [5, 3, -1]],
    )
    # Right: twice colour 5. Wrong: 4 called 3, 3 without a segment, 3 by a prototype never met.
    assert accuracy(found, fitted, "colour") == 2 / 5
    assert coverage(found) == 4 / 5


def test_nothing_shown_is_zero() -> None:
    found = shown(label=[[0]], owned=[[-1]], segment=[[-1]], colour=[[2]])
    assert purity(found, "colour") == accuracy(found, found, "colour") == coverage(found) == 0
