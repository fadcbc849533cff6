"""Overlap and matching against hand-made boxes and brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tuskbench.metrics.boxes import match_greedy, match_hungarian, square_iou


@pytest.mark.parametrize(
    ("centre", "side", "other", "other_side", "expected"),
    [
        ((5, 5), 4, (5, 5), 4, 1),
        ((5, 5), 2, (5, 5), 4, 4 / 16),
        ((5, 5), 4, (7, 5), 4, 8 / 24),
        ((5, 5), 4, (9, 5), 4, 0),
        ((5, 5), 20, (5, 5), 16, 256 / 400),
    ],
)
def test_overlap_by_hand(centre, side, other, other_side, expected) -> None:
    iou = square_iou(np.array([[centre]]), side, np.array([[other]]), np.array([[other_side]]))
    assert iou.item() == pytest.approx(expected)


def test_no_object_overlaps_nothing() -> None:
    assert square_iou(np.zeros((1, 1, 2)), 4.0, np.zeros((1, 1, 2)), np.zeros((1, 1))).item() == 0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_hungarian_equals_brute_force(seed: int) -> None:
    iou = np.random.default_rng(seed).random((1, 4, 4)) ** 0.7

    def value(order: tuple[int, ...]) -> float:
        pairs = [iou[0, k, g] for g, k in enumerate(order) if iou[0, k, g] >= 0.5]
        return len(pairs) * 100 + sum(pairs)

    match = match_hungarian(iou)[0]
    found = [iou[0, k, g] for g, k in enumerate(match) if k >= 0]
    assert all(overlap >= 0.5 for overlap in found)
    assert len({k for k in match if k >= 0}) == len(found)
    best = max(map(value, permutations(range(4))))
    assert len(found) * 100 + sum(found) == pytest.approx(best)


@pytest.mark.parametrize(("predictions", "objects"), [(9, 9), (5, 9), (12, 7)])
@pytest.mark.parametrize("spread", [1.0, 4.0, 8.0])
def test_matching_equals_a_loop_over_images(predictions: int, objects: int, spread: float) -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(10, 40, (300, objects, 2))
    chosen = random.integers(0, objects, (300, predictions))
    xy = np.take_along_axis(truth, chosen[..., None], 1) + random.normal(
        0, spread, (300, predictions, 2)
    )
    sides = random.uniform(16, 24, (300, objects)) * (random.random((300, objects)) < 0.9)
    overlaps = square_iou(xy, 20.0, truth, sides)
    hungarian, greedy = match_hungarian(overlaps), match_greedy(overlaps)
    for iou, ours, in_order in zip(overlaps, hungarian, greedy, strict=True):
        rows, columns = linear_sum_assignment(np.where(iou >= 0.5, 100 + iou, 0), maximize=True)
        wanted = iou[rows, columns][iou[rows, columns] >= 0.5]
        found = iou[ours[ours >= 0], np.flatnonzero(ours >= 0)]
        # Boxes inside a larger one tie, so that several assignments may be the best.
        assert len(found) == len(wanted) == len(set(ours[ours >= 0]))
        assert found.sum() == pytest.approx(wanted.sum())
        left = iou.copy()
        for column, taken in enumerate(in_order):
            best = left[:, column].argmax()
            assert taken == (best if left[best, column] > 0.5 else -1)
            if taken >= 0:
                left[taken] = -1


def test_greedy_takes_objects_in_order_and_consumes() -> None:
    iou = np.array([[[0.9, 0.8], [0.5, 0.6]]])
    assert match_greedy(iou).tolist() == [[0, 1]]
    iou = np.array([[[0.6, 0.9], [0.5, 0.5]]])
    # The first object takes the second's best; 0.5 itself is not enough for the rest.
    assert match_greedy(iou).tolist() == [[0, -1]]
    assert match_hungarian(iou).tolist() == [[1, 0]]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_greedy_never_matches_more_than_hungarian(seed: int) -> None:
    iou = np.random.default_rng(seed).random((3, 5, 4))
    greedy, optimal = match_greedy(iou, 0.6), match_hungarian(iou, 0.6)
    assert ((greedy >= 0).sum(1) <= (optimal >= 0).sum(1)).all()
