"""Generated MNIST-Hard images: determinism, geometry, statistics of the original."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from tuskbench.data import counter
from tuskbench.data.generators.digits import (
    Layout,
    choose_tiles,
    generate,
    resampling,
    throw_darts,
)
from tuskbench.errors import ConfigurationError

TILES = np.full((5, 8, 8), 200, np.uint8)
CLASSES = np.arange(5)


def scenes(index, layout: Layout | None = None):
    layout = layout or Layout(40)
    return generate(TILES, CLASSES, layout, 0, "test", np.asarray(index))


def test_every_class_is_drawn_alike_whatever_its_number_of_tiles() -> None:
    labels = np.repeat([3, 0, 7], [50, 5, 1])
    rng = np.random.default_rng(0)
    chosen = choose_tiles(labels, rng.random((3000, 2)), rng.random((3000, 2)))
    shares = np.bincount(labels[chosen].ravel(), minlength=8) / chosen.size
    np.testing.assert_allclose(shares[[0, 3, 7]], 1 / 3, atol=0.03)
    # Every tile of a class is drawn.
    assert set(chosen.ravel()) == set(range(len(labels)))


def test_an_image_does_not_depend_on_its_batch() -> None:
    together = scenes(range(20))
    alone = scenes([13])
    assert torch.equal(together.images[13:14], alone.images)
    assert torch.equal(together.boxes[13:14], alone.boxes)


def test_streams_and_seeds_differ() -> None:
    index = np.arange(4)
    first = counter.uniform(0, "a", index, 3)
    assert not np.any(first == counter.uniform(0, "b", index, 3))
    assert not np.any(first == counter.uniform(1, "a", index, 3))
    assert np.array_equal(first[:, 1:], counter.uniform(0, "a", index, 2, start=1))


def test_numbers_are_uniform() -> None:
    from scipy.stats import kstest

    numbers = counter.uniform(5, "x", np.arange(2000), 5)
    assert kstest(numbers.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(numbers.T)[np.triu_indices(5, 1)]).max() < 0.08


@given(seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_centres_keep_their_distance_and_stay_inside(seed: int) -> None:
    layout = Layout(80)
    centres = throw_darts(layout, seed, "s", np.arange(8))
    for image in centres:
        assert pdist(image).min() >= layout.distance
    assert centres.min() >= layout.margin
    assert centres.max() <= 1 - layout.margin


def test_neighbours_are_as_far_apart_as_in_the_paper() -> None:
    # Dart throwing with radius 17 at 80 px gives a mean nearest distance of 19.8.
    centres = throw_darts(Layout(80), 0, "s", np.arange(300)) * 80
    gaps = np.linalg.norm(centres[:, :, None] - centres[:, None], axis=-1)
    gaps[:, np.arange(9), np.arange(9)] = np.inf
    assert gaps.min(-1).mean() == pytest.approx(19.8, abs=0.4)


def test_impossible_layout_says_so() -> None:
    with pytest.raises(ConfigurationError, match="do not fit"):
        throw_darts(Layout(80, distance=0.5), 0, "s", np.arange(1))


def test_tile_lies_where_its_box_says() -> None:
    made = scenes(range(10), Layout(60, digits=(1, 1), tile=(0.2, 0.25)))
    for image, (x, y, half) in zip(made.images[:, 0].double(), made.boxes[:, 0], strict=True):
        rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")
        assert (image * columns).sum() / image.sum() == pytest.approx(x.item(), abs=0.05)
        assert (image * rows).sum() / image.sum() == pytest.approx(y.item(), abs=0.05)
        # The tile is uniform, so its mass is its area times its level.
        assert image.sum() / 200 == pytest.approx((2 * half.item()) ** 2, rel=0.02)


def test_resampling_keeps_mass_and_place() -> None:
    weights = resampling(torch.tensor(9.3), torch.tensor(7.0), 14, 20)
    torch.testing.assert_close(weights.sum(0), torch.full((14,), 0.5), atol=0.02, rtol=0)
    whole = resampling(torch.tensor(3.5), torch.tensor(8.0), 8, 8)
    torch.testing.assert_close(whole, torch.eye(8))


def test_unknown_count() -> None:
    made = scenes(range(200), Layout(60, digits=(1, 9)))
    number = (made.labels >= 0).sum(1)
    assert set(number.tolist()) == set(range(1, 10))
    assert (made.boxes[made.labels < 0] == 0).all()
