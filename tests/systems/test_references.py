"""Reference points: the contract, known positions, chance, and clusters of clean patches."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tuskbench import registry
from tuskbench.contracts import Batch, TaskInfo
from tuskbench.errors import ConfigurationError, SpecError
from tuskbench.spec.load import load
from tuskbench.systems.patch_kmeans import PatchKMeans
from tuskbench.systems.references import ConstantGrid, RandomPoints
from tuskbench.tasks.mnist_hard import MnistHard
from tuskbench.testing import SystemConformance, toy_task

SPECS = Path(__file__).parents[2] / "specs"


class TestConstantGrid(SystemConformance):
    name = "constant-grid"


class TestRandomPoints(SystemConformance):
    name = "random-points"


class TestPatchKMeans(SystemConformance):
    name = "patch-kmeans"
    settings: ClassVar[dict[str, Any]] = {"keypoints": 3, "prototypes": 4}


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 40, 80, generator=torch.Generator().manual_seed(0))


def test_grid_by_hand() -> None:
    found = ConstantGrid(toy_task(), rows=2, columns=4).predict(images()).keypoints
    expected = [[x, y] for y in (9.5, 29.5) for x in (9.5, 29.5, 49.5, 69.5)]
    assert found.xy[2].tolist() == expected
    assert found.label[0].tolist() == list(range(8))


def test_random_points_are_uniform_and_repeatable() -> None:
    torch.manual_seed(0)
    system = RandomPoints(toy_task(), keypoints=2000)
    found = system.predict(images()).keypoints
    assert torch.equal(found.xy, system.predict(images()).keypoints.xy)
    assert not torch.equal(found.xy[0], found.xy[1])
    torch.testing.assert_close(found.xy.mean((0, 1)), torch.tensor([39.5, 19.5]), atol=1.0, rtol=0)
    shares = torch.bincount(found.label.flatten(), minlength=10) / found.label.numel()
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.02, rtol=0)
    torch.manual_seed(1)
    other = RandomPoints(toy_task(), keypoints=2000).predict(images()).keypoints
    assert not torch.equal(found.xy, other.xy)


def test_clusters_are_fitted_after_the_last_step() -> None:
    """Discs of two brightnesses make two clusters, the discs' own."""
    info = TaskInfo("toy", (40, 40), toy_task().warps, classes=2, objects=2, box_side=10.0)
    y, x = np.mgrid[:40, :40]
    image = np.zeros((40, 40), np.float32)
    image[np.hypot(x - 10, y - 12) <= 5] = 1.0
    image[np.hypot(x - 28, y - 27) <= 5] = 0.5
    batch = Batch(torch.from_numpy(image).expand(2, 3, 40, 40))
    system = PatchKMeans(info, keypoints=2, prototypes=2)
    system.configure(2)
    system.fit_step(batch, 0)
    assert system.prototypes.abs().max() == 0
    system.fit_step(batch, 1)
    found = system.predict(batch.images).keypoints
    assert found.xy[0].tolist() == [[10, 12], [28, 27]]
    assert found.label[0].unique().numel() == 2
    torch.testing.assert_close(system.prototypes[found.label[0]], found.descriptor[0])


def test_patches_beyond_the_capacity_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuskbench.systems.patch_kmeans.CAPACITY", 10)
    system = PatchKMeans(toy_task(), keypoints=4, prototypes=2)
    system.configure(3)
    for step in range(3):
        system.fit_step(Batch(torch.rand(2, 3, 32, 32)), step)
    assert int(system.gathered) == 10


def test_a_task_without_boxes_is_refused() -> None:
    info = toy_task()
    with pytest.raises(ConfigurationError, match="box side"):
        PatchKMeans(TaskInfo("faces", info.image_size, info.warps))


def test_clusters_beat_chance_on_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path))
    task = MnistHard(source="digits", train_images=200, test_images=60)
    values = {}
    for cls in (PatchKMeans, RandomPoints, ConstantGrid):
        torch.manual_seed(0)
        system = cls(task.info())
        system.configure(2)
        train, test = task.split("train"), task.split("test")
        for step in range(2):
            system.fit_step(train.batch(torch.arange(100 * step, 100 * step + 100)), step)
        whole = torch.arange(len(test))
        scored = task.evaluate(
            lambda _, system=system, test=test, whole=whole: [
                system.predict(test.batch(whole).images)
            ]
        )
        values[cls] = scored.values
    assert values[PatchKMeans]["localisation"] > 0.9
    assert values[PatchKMeans]["classification"] > 0.3
    for chance in (RandomPoints, ConstantGrid):
        assert values[chance]["localisation"] < 0.4
        assert values[chance]["both"] < 0.15


def test_nothing_is_trained_for_long() -> None:
    for name in ("constant-grid", "random-points"):
        file = registry.signature("system", name).settings_file
        assert file is not None
        for rule in tomllib.loads(file.read_text())["settings"]:
            assert rule["set"]["training.steps"] == 1


@pytest.mark.parametrize(
    "spec", ["ablation_prototypes", "ablation_clustering", "ablation_components"]
)
def test_the_specs_of_this_task_have_no_error(spec: str) -> None:
    assert load(SPECS / f"{spec}.toml").tasks == ["mnist-hard"]


def test_the_comparison_names_what_its_plugin_would_add() -> None:
    """Without plugins/tuskbench-mist the only problem is that its systems are unknown."""
    plugin = ("mist", "soft-topk", "channelwise-weak", "supervised-cnn")
    known = {entry.name for entry in registry.entries("system")}
    missing = [f"no system is named {name!r}" for name in plugin if name not in known]
    if not missing:
        assert load(SPECS / "comparison_mnist_hard.toml").tasks == ["mnist-hard"]
        return
    with pytest.raises(SpecError) as caught:
        load(SPECS / "comparison_mnist_hard.toml")
    assert [problem.message.partition(";")[0] for problem in caught.value.problems] == missing
