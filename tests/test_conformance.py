"""Every built-in component keeps its contract, as the kit that plugin authors use has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch
import torch.nn.functional as F

from tuskbench import registry
from tuskbench.contracts import Keypoints, Prediction
from tuskbench.testing import (
    CONFORMANCE,
    ComponentConformance,
    ExecutorConformance,
    SystemConformance,
    TaskConformance,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuskbench.contracts import Split

# Small sizes where the defaults are slow or need pretrained weights.
SETTINGS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("encoder", "unet"): {"width": 4, "depth": 3},
    ("encoder", "timm"): {"width": 4, "levels": 2},
    ("head", "single-heatmap"): {"keypoints": 4, "window": 5},
    ("head", "channelwise"): {"keypoints": 4},
    ("decoder", "unet-sum"): {"width": 4, "depth": 3},
    ("decoder", "unet-alpha"): {"width": 4, "depth": 3},
    ("reconstruction", "perceptual"): {"weights": "random", "size": 32},
    ("system", "tusk"): {
        "encoder": {"name": "unet", "width": 4, "depth": 3},
        "head": {"name": "single-heatmap", "keypoints": 3, "window": 5},
        "decoder": {"name": "unet-alpha", "width": 4, "depth": 3},
        "regularizer": {"name": "sliced-wasserstein", "prototypes": 4},
        "centred": True,
    },
}


class TestMnistHard(TaskConformance):
    """An oracle detects every digit and calls it by its class."""

    name = "mnist-hard"
    settings: ClassVar[dict[str, Any]] = {
        "source": "digits",
        "train_images": 20,
        "test_images": 30,
    }
    perfect: ClassVar[dict[str, float]] = dict.fromkeys(
        ("localisation", "classification", "both", "reverse", "majority"), 1.0
    )

    def oracle(self, split: Split) -> Prediction:
        labels, boxes = split.targets["labels"], split.targets["boxes"]
        score = (labels >= 0).float()
        label = labels.clamp_min(0)
        return Prediction(Keypoints(boxes[..., :2], score, label, F.one_hot(label, 10).float()))


class TestCelebAWild(TaskConformance):
    """An oracle detects every landmark, each as a prototype of its own."""

    name = "celeba-wild"
    settings: ClassVar[dict[str, Any]] = {
        "source": "generated",
        "canvas": 32,
        "train_images": 12,
        "labelled_images": 60,
        "test_images": 16,
        "several_images": 4,
        "ridge": 0.0,
    }
    perfect: ClassVar[dict[str, float]] = {
        "error": 0.0,
        **{f"covered_{faces}": 1.0 for faces in (1, 2, 3, 4)},
    }
    tolerance = 1e-4
    other_splits = ("several-2", "several-3", "several-4")

    def oracle(self, split: Split) -> Prediction:
        xy = split.targets["landmarks"].flatten(1, -2)
        label = (torch.arange(xy.shape[1]) % 5).expand(len(xy), -1)
        return Prediction(Keypoints(xy, torch.ones(label.shape), label))


class DiscoveryConformance(TaskConformance):
    """An oracle's masks are the true ones, and a prototype stands for all an object's values."""

    perfect: ClassVar[dict[str, float]] = dict.fromkeys(
        ("ari", "ari_all", "ari_more", "best_iou", "coverage", "shape", "colour"), 1.0
    )

    def oracle(self, split: Split) -> Prediction:
        objects = split.targets["shape"].shape[1]
        masks = F.one_hot(split.targets["masks"].long(), objects + 1).movedim(-1, 1).float()
        label = sum(
            value.clamp_min(0) * 100**place
            for place, (name, value) in enumerate(sorted(split.targets.items()))
            if name != "masks"
        )
        # The background is a keypoint that stands for nothing.
        label = F.pad(label, (1, 0), value=10**6)
        return Prediction(Keypoints(torch.zeros(*label.shape, 2), label * 0.0, label), masks)


class TestTetrominoes(DiscoveryConformance):
    name = "tetrominoes"
    settings: ClassVar[dict[str, Any]] = {
        "source": "generated",
        "canvas": 40,
        "train_images": 20,
        "test_images": 10,
    }


class TestClevr6(DiscoveryConformance):
    name = "clevr6"
    settings: ClassVar[dict[str, Any]] = {
        "source": "generated",
        "canvas": 48,
        "shading": "flat",
        "train_images": 12,
        "test_images": 10,
    }
    perfect: ClassVar[dict[str, float]] = {**DiscoveryConformance.perfect, "size": 1.0}


class TestHuman36M(TaskConformance):
    """An oracle names every joint, so that the regressor has only to copy."""

    name = "h36m"
    settings: ClassVar[dict[str, Any]] = {
        "source": "generated",
        "canvas": 32,
        "train_images": 60,
        "test_images": 20,
        "ridge": 0.0,
    }
    perfect: ClassVar[dict[str, float]] = {"error": 0.0}

    def oracle(self, split: Split) -> Prediction:
        xy = split.targets["landmarks"]
        label = torch.arange(xy.shape[1]).expand(len(xy), -1)
        return Prediction(Keypoints(xy, torch.ones(label.shape), label))


class TestSlurmElsewhere(ExecutorConformance):
    """What needs no cluster; the rest is in tests/run/slurm."""

    name = "slurm"

    def unavailable(self) -> str:
        return "starts daemons: run tox -e slurm"


class TestRayElsewhere(ExecutorConformance):
    """What needs no cluster; the rest is in tests/run/test_ray.py."""

    name = "ray"

    def unavailable(self) -> str:
        return "starts a cluster: run tox -e ray"


def _add_cases() -> None:
    """Make a test class of every built-in component that has none above."""
    written = {(case.kind, case.name) for case in globals().values() if _is_case(case)}
    for entry in registry.entries():
        key = (entry.kind, entry.name)
        # Only a person can write a task's oracle.
        if entry.distribution != "tuskbench" or key in written or entry.kind == "task":
            continue
        title = f"Test_{entry.kind}_{entry.name}".replace("-", "_")
        members = {"name": entry.name, "settings": SETTINGS.get(key, {})}
        globals()[title] = type(title, (CONFORMANCE[entry.kind],), members)


def _is_case(value: object) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, ComponentConformance)
        and "name" in vars(value)
    )


_add_cases()


def test_every_built_in_component_has_a_case() -> None:
    tested = {(case.kind, case.name) for case in globals().values() if _is_case(case)}
    registered = {
        (entry.kind, entry.name)
        for entry in registry.entries()
        if entry.distribution == "tuskbench"
    }
    assert registered <= tested, "write a TaskConformance for the task that is missing"
    assert {kind for kind, _ in tested} == set(registry.KINDS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
class TestTuskOnGpu(SystemConformance):
    """The composed system keeps its contract on a GPU too."""

    name = "tusk"
    settings = SETTINGS["system", "tusk"]
    device = "cuda"
    tolerance = 1e-2
    training_tolerance = 1e-2
