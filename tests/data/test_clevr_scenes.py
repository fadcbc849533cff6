"""The distribution of CLEVR-like scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import chisquare

from tuskbench.data.generators.clevr import COLOURS, MATERIALS, SHAPES, SIZES
from tuskbench.data.generators.clevr.scenes import CAMERA, GROUND_AXES, LAMPS, SceneTable, propose

HALF = np.array([*SIZES.values()])


@pytest.fixture(scope="module")
def scenes() -> SceneTable:
    drawn, placed = propose((3, 10), 0, "test", np.arange(1500))
    return drawn.take(placed)


def test_objects_keep_clear_of_each_other(scenes: SceneTable) -> None:
    for shape, size, position in zip(scenes.shape, scenes.size, scenes.position, strict=True):
        ground, half = position[shape >= 0, :2], HALF[size[shape >= 0]]
        reach = pdist(half[:, None], lambda a, b: a[0] + b[0])
        assert (pdist(ground) - reach).min() >= 0.25
        for axis in GROUND_AXES:
            assert pdist((ground @ axis)[:, None]).min() >= 0.4


def test_objects_stand_on_the_ground_within_reach(scenes: SceneTable) -> None:
    there = scenes.shape >= 0
    assert np.array_equal(scenes.position[there][:, 2], HALF[scenes.size[there]])
    assert np.abs(scenes.position[..., :2]).max() <= 3
    assert not scenes.position[~there].any()


def test_objects_fill_the_first_places(scenes: SceneTable) -> None:
    there = scenes.shape >= 0
    assert (np.diff(there.astype(int), axis=1) <= 0).all()
    for name in ("size", "material", "colour"):
        assert np.array_equal(getattr(scenes, name) >= 0, there)


@pytest.mark.parametrize(
    ("name", "choices"),
    [("shape", SHAPES), ("size", SIZES), ("material", MATERIALS), ("colour", COLOURS)],
)
def test_factors_are_uniform(name: str, choices: tuple) -> None:
    codes = getattr(propose((10, 10), 1, "test", np.arange(1000))[0], name)
    assert chisquare(np.bincount(codes.ravel(), minlength=len(choices))).pvalue > 0.01


def test_numbers_of_objects_are_uniform() -> None:
    number = (propose((3, 6), 2, "test", np.arange(1000))[0].shape >= 0).sum(1)
    assert set(number) == {3, 4, 5, 6}
    assert chisquare(np.bincount(number)[3:]).pvalue > 0.01


def test_camera_and_lamps_jitter_within_their_ranges(scenes: SceneTable) -> None:
    assert 0.49 < np.abs(scenes.camera - CAMERA).max() <= 0.5
    assert 0.99 < np.abs(scenes.lamps - LAMPS).max() <= 1


def test_another_attempt_draws_other_objects_under_the_same_camera() -> None:
    index = np.arange(50)
    (first, _), (second, _) = (propose((3, 6), 0, "test", index, attempt) for attempt in (0, 1))
    assert np.array_equal(first.camera, second.camera)
    assert np.array_equal(first.lamps, second.lamps)
    assert np.array_equal(first.shape >= 0, second.shape >= 0)
    assert not (first.position[:, 0, 0] == second.position[:, 0, 0]).any()


def test_scenes_are_taken_and_put(scenes: SceneTable) -> None:
    copy = replace(scenes, shape=scenes.shape.copy()).take(np.arange(4))
    copy.put(np.array([0, 2]), scenes.take(np.array([7, 9])))
    assert np.array_equal(copy.position[[0, 2]], scenes.position[[7, 9]])
    assert np.array_equal(copy.position[[1, 3]], scenes.position[[1, 3]])
