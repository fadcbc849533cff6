"""The four systems keep the contract, learn, and run from the shipped spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from tuskbench import registry
from tuskbench.contracts import TaskInfo
from tuskbench.errors import ConfigurationError
from tuskbench.registry.rules import rules
from tuskbench.spec.load import load
from tuskbench.testing import SystemConformance, toy_batch, toy_task

SPEC = Path(__file__).parents[3] / "specs" / "comparison_mnist_hard.toml"
SMALL: dict[str, Any] = {
    "keypoints": 3,
    "patch": 8,
    "width": 8,
    "blocks": 2,
    "classifier_width": 4,
    "classifier_blocks": 1,
    "learning_rate": 1e-3,
    "classifier_learning_rate": 1e-2,
}
SINGLE_MAP = {**SMALL, "softmax_window": 7, "suppression": 5}
SETTINGS = {
    "mist": SINGLE_MAP,
    "soft-topk": SINGLE_MAP,
    "channelwise-weak": SMALL,
    "supervised-cnn": SINGLE_MAP,
}


class TestMist(SystemConformance):
    name = "mist"
    settings: ClassVar[dict[str, Any]] = SINGLE_MAP


class TestSoftTopK(SystemConformance):
    name = "soft-topk"
    settings: ClassVar[dict[str, Any]] = SINGLE_MAP


class TestChannelwiseWeak(SystemConformance):
    name = "channelwise-weak"
    settings: ClassVar[dict[str, Any]] = SMALL


class TestSupervisedCNN(SystemConformance):
    name = "supervised-cnn"
    settings: ClassVar[dict[str, Any]] = SINGLE_MAP


def build(name: str, task: TaskInfo | None = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    return registry.build(
        "system", {"name": name, **SETTINGS[name], **settings}, task or toy_task()
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_supervision_is_declared(name: str) -> None:
    wanted = "boxes and classes" if name == "supervised-cnn" else "class counts"
    assert registry.signature("system", name).supervision == wanted


@pytest.mark.parametrize("name", ["mist", "soft-topk", "channelwise-weak"])
def test_weak_systems_do_not_read_boxes(name: str) -> None:
    batch = toy_batch(toy_task())
    del batch.targets["boxes"]
    # Nor the order of the labels: counts are all they have.
    batch.targets["labels"] = batch.targets["labels"].sort(1).values
    system = build(name)
    system.configure(2)
    losses = system.fit_step(batch, 0)
    assert all(torch.isfinite(torch.as_tensor(value)) for value in losses.values())


@pytest.mark.parametrize("name", SETTINGS)
def test_unknown_number_of_objects(name: str) -> None:
    batch = toy_batch(toy_task())
    batch.targets["labels"][:, 1:] = -1
    batch.targets["boxes"][:, 1:] = 0
    system = build(name)
    system.configure(2)
    losses = system.fit_step(batch, 0)
    assert all(torch.isfinite(torch.as_tensor(value)) for value in losses.values())


def test_supervised_cnn_learns_the_toy_task() -> None:
    batch = toy_batch(toy_task(), 8)
    system = build("supervised-cnn", learning_rate=3e-3).train()
    system.configure(120)
    for step in range(120):
        torch.manual_seed(step)
        system.fit_step(batch, step)
    system.eval()
    found = system.predict(batch.images).keypoints
    distance = torch.cdist(found.xy, batch.targets["boxes"][..., :2])
    assert (distance.amin(1) <= 2).float().mean() > 0.9
    nearest = distance.argmin(-1)
    right = found.label == batch.targets["labels"].gather(1, nearest)
    assert right.float().mean() > 0.8


def test_mist_holds_its_detector_until_it_starts() -> None:
    system = build("mist", detector_start=0.5)
    system.configure(2)
    states = []
    for step in range(2):
        system.fit_step(toy_batch(toy_task()), step)
        states.append(system.detector.last.weight.detach().clone())
    system.fit_step(toy_batch(toy_task()), 1)
    assert torch.equal(states[0], build("mist").detector.last.weight)
    assert not torch.equal(states[0], states[1])


def test_a_sharp_softmax_spreads_young_channels() -> None:
    images = toy_batch(toy_task()).images

    def spread(strength: float) -> float:
        return float(build("channelwise-weak", strength=strength).detect(images)[0].std())

    assert spread(10.0) > 3 * spread(0.1)


def test_every_rule_sets_something() -> None:
    # A rule is ignored where a system lacks the setting, and so would a misspelt one be.
    known = {p.name for name in SETTINGS for p in registry.signature("system", name).parameters}
    for rule in rules("system", "mist"):
        names = {path[1] for path in rule.values if path[0] == "system"}
        assert names <= known, rule.origin


def test_cosine_schedule_ends_low() -> None:
    system = build("supervised-cnn", schedule="cosine")
    optimizers = system.configure(100)
    system.fit_step(toy_batch(toy_task()), 99)
    assert optimizers["detector"].param_groups[0]["lr"] < 1e-5


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [({"patch": 12}, "patch"), ({"blocks": 16}, "blocks"), ({"suppression": 4}, "suppression")],
)
def test_settings_that_cannot_work(settings: dict[str, int], parameter: str) -> None:
    with pytest.raises(ConfigurationError, match=parameter):
        build("mist", **settings)


def test_a_task_without_classes_is_refused() -> None:
    info = toy_task()
    faces = TaskInfo("faces", info.image_size, info.warps)
    with pytest.raises(ConfigurationError, match="classes"):
        build("channelwise-weak", faces)


@pytest.mark.skipif(not SPEC.exists(), reason="the spec is not beside the plugin")
def test_the_shipped_spec_names_what_is_registered() -> None:
    assert load(SPEC).tasks == ["mnist-hard"]
