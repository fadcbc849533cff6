"""Statistics against scipy, closed forms and counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from tuskbench import stats

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(
    lambda values: np.std(values) > 1e-6
)


def test_student_interval_of_textbook_numbers() -> None:
    # t(0.975, 2) = 4.302653; mean 2, standard deviation 1, three values.
    interval = stats.over_seeds([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-5)
    assert interval.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert interval.sentence == "Interval: 95% Student t, n = 3 seeds"


@given(VALUES, st.sampled_from([0.8, 0.95, 0.99]))
def test_student_interval_agrees_with_scipy(values: list[float], level: float) -> None:
    interval = stats.over_seeds(values, level)
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(level)
    assert interval.low == pytest.approx(expected.low, rel=1e-6, abs=1e-6)
    assert interval.high == pytest.approx(expected.high, rel=1e-6, abs=1e-6)


def test_one_seed_has_no_interval_and_says_so() -> None:
    interval = stats.over_seeds([0.5])
    assert (interval.mean, interval.low, interval.high) == (0.5, None, None)
    assert interval.sentence == "No interval: one seed, n = 1 seed"


def test_no_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        stats.over_seeds([])


@pytest.mark.parametrize("continuous", [False, True])
def test_bootstrap_agrees_with_scipy(continuous: bool) -> None:
    generator = np.random.default_rng(3)
    scores = generator.random(300) if continuous else generator.integers(0, 10, 300) / 9
    interval = stats.over_images(scores)
    expected = scipy_stats.bootstrap(
        (scores,), np.mean, method="percentile", n_resamples=9999, rng=0
    ).confidence_interval
    assert interval.low == pytest.approx(expected.low, abs=0.004)
    assert interval.high == pytest.approx(expected.high, abs=0.004)
    assert (interval.n, interval.unit) == (300, "images")


def test_bootstrap_leaves_undefined_images_out() -> None:
    scores = [1.0, 0.0, math.nan, 1.0, 0.0]
    assert stats.over_images(scores) == stats.over_images([1.0, 0.0, 1.0, 0.0])
    assert stats.over_images(scores).n == 4
    with pytest.raises(ValueError, match="at least one scored image"):
        stats.over_images([math.nan])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_bootstrap_stays_within_the_scores(scores: list[float]) -> None:
    interval = stats.over_images(scores)
    assert interval.low is not None
    assert interval.high is not None
    assert min(scores) - 1e-9 <= interval.low <= interval.high <= max(scores) + 1e-9


def test_summary_uses_images_only_for_a_single_seed() -> None:
    scores = np.array([0.0, 1.0] * 50)
    assert stats.summarise([0.5], scores).unit == "images"
    assert stats.summarise([0.5, 0.6], scores).method == "Student t"
    assert stats.summarise([0.5]).low is None


def test_summary_gives_no_interval_to_another_quantity() -> None:
    interval = stats.summarise([0.9], np.array([0.0, 1.0] * 50))
    assert interval.mean == 0.9
    assert interval.low is None
    assert "not a mean over images" in interval.sentence


def test_paired_test_agrees_with_counting() -> None:
    # Eight images, all better: two of the 2^8 sign patterns are as extreme.
    first = np.arange(1, 9, dtype=float)
    test = stats.paired_test(first, np.zeros(8))
    assert test.p == pytest.approx(2 / 2**8)
    assert test.difference.mean == pytest.approx(4.5)
    assert test.n == 8


def test_paired_test_of_equal_scores() -> None:
    test = stats.paired_test([0.1, 0.2, math.nan], [0.1, 0.2, 0.3])
    assert (test.p, test.n, test.difference.mean) == (1.0, 2, 0.0)


def test_paired_test_needs_the_same_images() -> None:
    with pytest.raises(ValueError, match="3 and 2 images"):
        stats.paired_test([1, 2, 3], [1, 2])


def test_rank_groups_what_cannot_be_told_apart() -> None:
    ranking = stats.rank(
        {"low": [0.1, 0.11, 0.12], "high": [0.9, 0.91, 0.92], "also high": [0.89, 0.91, 0.93]}
    )
    assert ranking is not None
    assert [set(group) for group in ranking.groups] == [{"high", "also high"}, {"low"}]
    assert "n = 3 seeds" in ranking.method


def test_rank_turns_round_where_lower_is_better() -> None:
    samples = {"a": [0.1, 0.11, 0.12], "b": [0.9, 0.91, 0.92]}
    ranking = stats.rank(samples, higher_is_better=False)
    assert ranking is not None
    assert ranking.groups == (("a",), ("b",))


def test_too_few_seeds_give_no_rank() -> None:
    assert stats.rank({"a": [0.1, 0.2], "b": [0.8, 0.9]}) is None
    ranking = stats.rank({"a": [1.0] * 3, "b": [0.5] * 3, "c": [0.7]})
    assert ranking is not None
    assert ranking.groups == (("a",), ("b",))
    assert ranking.unranked == ("c",)


def test_holm_correction_can_tie_what_one_test_would_separate() -> None:
    generator = np.random.default_rng(0)
    samples = {f"v{index}": list(generator.normal(0, 1, 3)) for index in range(12)}
    ranking = stats.rank(samples)
    assert ranking is not None
    assert len(ranking.groups) == 1
