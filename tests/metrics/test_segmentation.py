"""Segmentation scores against scikit-learn, hand-made tables and chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from tuskbench.metrics.segmentation import adjusted_rand_index, best_overlap, contingency


def labels(shape: tuple[int, ...], high: int, seed: int) -> torch.Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


@given(
    seed=st.integers(0, 2**30),
    objects=st.integers(1, 8),
    segments=st.integers(1, 9),
    pixels=st.integers(2, 400),
)
@settings(max_examples=60, deadline=None)
def test_foreground_index_is_that_of_scikit_learn(
    seed: int, objects: int, segments: int, pixels: int
) -> None:
    truth = labels((5, pixels), objects + 1, seed)
    found = labels((5, pixels), segments, seed + 1)
    # Some images follow the truth closely, as a trained system does.
    found[::2] = torch.where(labels((3, pixels), 10, seed) > 1, truth[::2] % segments, found[::2])
    table = contingency(truth, found, objects, segments)
    ours, everything = adjusted_rand_index(table[:, 1:]), adjusted_rand_index(table)
    for image in range(5):
        kept = truth[image] > 0
        if kept.sum() > 1:
            theirs = adjusted_rand_score(truth[image][kept].numpy(), found[image][kept].numpy())
            assert float(ours[image]) == pytest.approx(theirs, abs=1e-12)
        else:
            assert ours[image].isnan()
        theirs = adjusted_rand_score(truth[image].numpy(), found[image].numpy())
        assert float(everything[image]) == pytest.approx(theirs, abs=1e-12)


def test_index_at_the_size_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.repeat(rng.integers(0, 7, (3, 14, 14)), 8, 1), 8, 2)
    found = np.where(rng.random(truth.shape) < 0.9, truth, rng.integers(0, 7, truth.shape))
    table = contingency(torch.from_numpy(truth), torch.from_numpy(found), 6, 7)
    for image, ours in enumerate(adjusted_rand_index(table[:, 1:]).tolist()):
        kept = truth[image] > 0
        theirs = adjusted_rand_score(truth[image][kept], found[image][kept])
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_one_object_and_too_few_pixels() -> None:
    truth = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    found = torch.tensor([[2, 2, 2, 0], [2, 1, 2, 0], [1, 0, 0, 0], [0, 1, 2, 2]])
    table = contingency(truth, found, 1, 3)
    scores = adjusted_rand_index(table[:, 1:])
    assert scores[:2].tolist() == [1, 0]
    assert scores[2:].isnan().all()
    assert best_overlap(table)[3].isnan()


def test_small_integers_count_as_large_ones() -> None:
    truth, found = labels((2, 30, 30), 11, 0), labels((2, 30, 30), 11, 1)
    small = contingency(truth.to(torch.uint8), found.to(torch.uint8), 10, 11)
    assert torch.equal(small, contingency(truth, found, 10, 11))
    assert small.sum() == truth.numel()


def test_overlap_by_hand() -> None:
    truth = torch.tensor([[0, 0, 1, 1, 1, 1, 2, 2]])
    found = torch.tensor([[0, 1, 1, 1, 1, 0, 2, 2]])
    # Object 1: 3 pixels of 4 + 4 - 3; object 2: all.
    assert best_overlap(contingency(truth, found, 4, 3)).tolist() == [(3 / 5 + 1) / 2]


def test_chance_is_zero() -> None:
    table = contingency(labels((40, 2000), 5, 0), labels((40, 2000), 5, 1), 4, 5)
    assert adjusted_rand_index(table[:, 1:]).mean().abs() < 1e-3
