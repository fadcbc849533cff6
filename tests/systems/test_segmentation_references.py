"""References for masks: the contract, chance, clusters of clean colours, the shipped spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from tuskbench import registry
from tuskbench.contracts import TaskInfo
from tuskbench.errors import SpecError
from tuskbench.metrics.segmentation import adjusted_rand_index, contingency
from tuskbench.spec.load import load
from tuskbench.systems.segmentation_references import ColourKMeans, RandomMasks
from tuskbench.testing import SystemConformance, toy_task

SPEC = Path(__file__).parents[2] / "specs" / "comparison_object_discovery.toml"


class TestRandomMasks(SystemConformance):
    name = "random-masks"


class TestColourKMeans(SystemConformance):
    name = "colour-kmeans"
    settings: ClassVar[dict[str, Any]] = {"segments": 5}


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 24, 40, generator=torch.Generator().manual_seed(0))


def test_random_masks_are_cells_of_points() -> None:
    torch.manual_seed(0)
    system = RandomMasks(toy_task(), segments=5)
    found = system.predict(images())
    assert found.masks is not None
    assert found.masks.shape == (3, 5, 24, 40)
    assert torch.equal(found.masks, system.predict(images()).masks)
    assert torch.equal(found.masks[2], system.predict(images()[2:]).masks[0])
    assert not torch.equal(found.masks[0], found.masks[1])


def test_random_masks_are_worth_nothing() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(200, 3, 16, 16)
    cells = RandomMasks(toy_task(), segments=4).predict(pictures).masks.argmax(1)
    noise = torch.randint(1, 4, cells.shape)
    assert adjusted_rand_index(contingency(noise, cells, 3, 4)[:, 1:]).mean().abs() < 0.01


def test_clean_colours_are_told_apart() -> None:
    task = TaskInfo("toy", (32, 32), toy_task().warps, objects=3)
    labels = torch.arange(32)[:, None].expand(32, 32) // 8
    colours = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    noise = 0.05 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pictures = (colours[labels].permute(2, 0, 1) + noise).clamp(0, 1)
    found = ColourKMeans(task).predict(pictures)
    table = contingency(labels.expand(2, -1, -1), found.masks.argmax(1), 3, 4)
    assert adjusted_rand_index(table).tolist() == [1, 1]
    torch.testing.assert_close(found.reconstruction, pictures, atol=0.05, rtol=0)


def test_clusters_are_as_tight_as_those_of_scikit_learn() -> None:
    picture = images(1) ** 3
    pixels = picture.flatten(2)[0].T.numpy()
    found = ColourKMeans(toy_task(), segments=6, iterations=50).predict(picture)
    spread = float((found.reconstruction - picture).square().sum())
    best = KMeans(6, n_init=10, random_state=0).fit(pixels).inertia_
    assert best * 0.999 <= spread < 1.2 * best


def test_an_image_of_one_colour() -> None:
    found = ColourKMeans(toy_task()).predict(torch.full((1, 3, 8, 8), 0.5))
    assert np.isfinite(found.masks.numpy()).all()
    assert (found.reconstruction == 0.5).all()


def test_the_comparison_names_what_its_plugin_would_add() -> None:
    """Without plugins/tuskbench-slots the only problem is that its systems are unknown."""
    plugin = ("iodine", "monet", "slot-attention")
    known = {entry.name for entry in registry.entries("system")}
    missing = [f"no system is named {name!r}" for name in plugin if name not in known]
    if not missing:
        assert load(SPEC).tasks == ["clevr6", "tetrominoes"]
        return
    with pytest.raises(SpecError) as caught:
        load(SPEC)
    assert [problem.message.partition(";")[0] for problem in caught.value.problems] == missing
