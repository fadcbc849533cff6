"""The smallest score against trying every score there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuskbench.metrics.threshold import best_threshold


def f1(score, matched, objects, threshold) -> float:
    kept = score >= threshold
    return 2 * (matched & kept).sum() / max(kept.sum() + objects, 1)


@given(seed=st.integers(0, 10_000), ties=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_other_score_is_better(seed: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    score = random.random(40)
    score = score.round(1) if ties else score
    matched = random.random(40) < score
    objects = int(matched.sum()) + 3
    found = f1(score, matched, objects, best_threshold(score, matched, objects))
    assert found == pytest.approx(max(f1(score, matched, objects, one) for one in score))


def test_all_good_or_nothing_there_drops_nothing() -> None:
    assert best_threshold(np.array([0.2, 0.9]), np.array([True, True]), 2) == 0
    assert best_threshold(np.zeros(0), np.zeros(0, bool), 0) == 0


def test_it_lies_between_good_and_bad() -> None:
    score, matched = np.array([0.8, 0.3, 0.6, 0.2]), np.array([True, False, True, False])
    assert best_threshold(score, matched, 2) == pytest.approx(0.45)
