"""A cell whose task or system breaks its contract fails in a sentence, instead of with numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.fakes import FakeSystem, FakeTask
from tuskbench import registry
from tuskbench.cell import Cell
from tuskbench.contracts import Batch, Keypoints, MetricInfo, Metrics
from tuskbench.errors import ContractError
from tuskbench.run.evaluation import undefined_scores
from tuskbench.run.inspection import Inspector
from tuskbench.run.worker import run_cell
from tuskbench.store import Status
from tuskbench.testing.toys import toy_batch, toy_task

MakeCell = Callable[..., Cell]

BREACHES = {
    "int64": ("evaluate", "system fake-system: keypoints.xy is torch.int64"),
    "outside": ("evaluate", "positions lie inside the image, 6 pixels wide and 6 high"),
    "above one": ("evaluate", "keypoints.score runs from 1.5 to 1.5"),
    "unsorted": ("evaluate", "keypoints come by descending score"),
    "labels": ("evaluate", "keypoints.label runs from -1 to -1"),
    "masks": ("evaluate", "masks sum to 0.5 to 0.5"),
    "absent": ("evaluate", "predicts no keypoints"),
    "targets": ("train", "reads the target 'xy', against its contract: with supervision 'none'"),
}
BROKEN = {
    "floats": ("data", "task fake-task: split 'train' images is torch.float32"),
    "undeclared": ("evaluate", "task fake-task: evaluate returns the metric 'speed'"),
    "nan": ("evaluate", "task fake-task: the metric 'distance' is nan"),
}


def check(cell: Cell, root: Path, phase: str, sentence: str) -> None:
    record = run_cell(cell, root, "cpu")
    assert record.status is Status.FAILED
    assert record.failure is not None
    assert record.failure["exception"] == "ContractError"
    assert record.failure["phase"] == phase
    assert sentence in record.failure["message"]
    assert record.failure["traceback_file"] is None


@pytest.mark.parametrize("breach", BREACHES)
def test_a_system_that_breaks_its_contract_fails(
    make_cell: MakeCell, tmp_path: Path, breach: str
) -> None:
    check(make_cell(breach=breach), tmp_path, *BREACHES[breach])


@pytest.mark.parametrize("broken", BROKEN)
def test_a_task_that_breaks_its_contract_fails(
    make_cell: MakeCell, tmp_path: Path, broken: str
) -> None:
    check(make_cell(task={"broken": broken}), tmp_path, *BROKEN[broken])


def tusk(**parts: dict) -> tuple[nn.Module, Inspector]:
    small = {"width": 4, "depth": 2}
    choice = {
        "name": "tusk",
        "encoder": {"name": "unet", **small},
        "head": {"name": "single-heatmap", "keypoints": 3, "window": 5},
        "decoder": {"name": "unet-alpha", **small},
        "regularizer": {"name": "sliced-wasserstein", "prototypes": 4},
        **parts,
    }
    info = toy_task()
    system = registry.build("system", choice, info).eval()
    cell = Cell.__new__(Cell)
    object.__setattr__(cell, "system", choice)
    object.__setattr__(cell, "task", "toy")
    return system, Inspector(cell, FakeTask(), info, system)


def far(module: nn.Module, inputs: tuple, output: tuple) -> tuple:
    keypoints, heatmap = output
    return Keypoints(keypoints.xy + 100, keypoints.score, None, keypoints.descriptor), heatmap


@pytest.mark.parametrize(
    ("part", "change", "sentence"),
    [
        ("encoder", lambda m, i, o: o[..., 1:], "encoder unet: features has shape"),
        ("head", far, "head single-heatmap: keypoints.xy holds"),
        ("decoder", lambda m, i, o: o[0], "decoder unet-alpha: returns a Tensor"),
    ],
)
def test_the_component_at_fault_is_named(part: str, change: Callable, sentence: str) -> None:
    system, inspector = tusk(decoder={"name": "unet-sum", "width": 4, "depth": 2})
    if part == "decoder":
        system, inspector = tusk()
        system.decoder.register_forward_hook(change)
        with pytest.raises(ContractError, match=sentence), inspector.parts():
            system._decode(system._encode(toy_batch(toy_task()).images)[2])
        return
    getattr(system, part).register_forward_hook(change)
    with pytest.raises(ContractError, match=sentence), inspector.parts():
        system.predict(toy_batch(toy_task()).images)


def test_labels_beyond_the_prototypes_name_the_regularizer() -> None:
    system, inspector = tusk()
    system.regularizer.assign = lambda d: torch.full(d.shape[:-1], 4)
    sentence = "regularizer sliced-wasserstein: label runs from 4 to 4.*labels are 0 to 3"
    with pytest.raises(ContractError, match=sentence), inspector.parts():
        system.predict(toy_batch(toy_task()).images)


def test_a_sound_system_passes_and_is_left_as_it_was() -> None:
    system, inspector = tusk()
    images = toy_batch(toy_task()).images
    with inspector.parts():
        inspector.prediction(system.predict(images), images)
    assert "assign" not in vars(system.regularizer)
    assert not system.head._forward_hooks


def test_targets_reach_only_systems_that_ask_for_them() -> None:
    batch = toy_batch(toy_task())
    for supervision, targets in (("none", 0), ("images", 0), ("class counts", 2)):
        system, inspector = tusk()
        system.supervision = supervision
        assert len(inspector.visible(batch).targets) == targets
    assert isinstance(batch, Batch)
    assert FakeSystem.supervision == "supervised"


def test_images_without_a_score_are_said() -> None:
    declared = {
        "error": MetricInfo("an error", undefined="where the eyes have no distance"),
        "blind": MetricInfo("an error", undefined="where the eyes have no distance"),
        "whole": MetricInfo("all there"),
    }
    scores = np.array([1.0, np.nan, 3.0, np.nan])
    found = {"error": scores, "blind": scores, "whole": np.ones(4)}
    assert undefined_scores(Metrics({}, found), declared) == [
        "error, blind: 2 of 4 images have no score, where the eyes have no distance; "
        "the mean is over the other 2"
    ]
    none = {"error": np.full(3, np.nan)}
    assert undefined_scores(Metrics({}, none), declared) == [
        "error: 3 of 3 images have no score, where the eyes have no distance"
    ]
