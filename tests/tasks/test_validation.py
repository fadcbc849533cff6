"""Settings are chosen on validation data, which training and test data know nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from tests import test_conformance as conformance
from tuskbench import registry
from tuskbench.data.digit_sources import DigitSource
from tuskbench.data.scenes import Scenes
from tuskbench.data.validation import keep
from tuskbench.plan import make_plan
from tuskbench.spec.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuskbench.contracts import Prediction
    from tuskbench.testing import TaskConformance

CASES = {
    case.name: case
    for case in (
        conformance.TestMnistHard,
        conformance.TestTetrominoes,
        conformance.TestClevr6,
        conformance.TestCelebAWild,
        conformance.TestHuman36M,
    )
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))


def build(case: type[TaskConformance], **settings: Any) -> Any:
    return registry.build("task", {"name": case.name, **case.settings, **settings})


def test_every_built_in_task_can_be_scored_on_validation() -> None:
    tasks = [e.name for e in registry.entries("task") if e.distribution == "tuskbench"]
    assert set(tasks) == set(CASES)
    for name in tasks:
        assert registry.signature("task", name).parameter("evaluate_on") is not None


@pytest.mark.parametrize("name", CASES)
def test_the_oracle_is_perfect_on_validation_and_never_sees_test_images(name: str) -> None:
    case = CASES[name]
    task, seen = build(case, evaluate_on="validation"), []

    def predict(split: str, *, objects: int | None = None) -> Iterator[Prediction]:
        seen.append(split)
        yield case().oracle(task.split(split))

    metrics = task.evaluate(predict)
    assert "validation" in seen
    assert not {"test", "test-more"} & set(seen)
    for metric, value in case.perfect.items():
        if metric != "ari_more":
            assert metrics.values[metric] == pytest.approx(value, abs=1e-4), metric


@pytest.mark.parametrize("name", CASES)
def test_validation_images_are_neither_trained_nor_tested_on(name: str) -> None:
    task = build(CASES[name], evaluate_on="validation")
    images = {part: task.split(part).images for part in ("train", "test", "validation")}
    for part in ("train", "test"):
        for image in images["validation"]:
            assert not (images[part] == image).flatten(1).all(1).any()
    usual = build(CASES[name])
    assert torch.equal(usual.split("test").images, images["test"])
    assert usual.rules() != task.rules()
    assert "scored on validation" in task.rules()


def test_validation_digits_are_those_that_training_does_without() -> None:
    source = DigitSource("digits", None)
    whole, _ = source.digits("train")
    left, _ = source.digits("train", hold_out=True)
    held, classes = source.digits("validation", hold_out=True)
    assert len(left) + len(held) == len(whole)
    assert len(held) == pytest.approx(len(whole) / 5, abs=1)
    assert set(classes.tolist()) == set(range(10))
    known = {tile.tobytes() for tile in left}
    shared = sum(tile.tobytes() in known for tile in held)
    assert shared == 0


def test_people_of_validation_are_not_trained_on() -> None:
    assert keep(("S1", "S5", "S9"), "validation", part=10) == ("S9",)
    assert keep(("S1", "S5", "S9"), "train", part=10) == ("S1", "S5")


@pytest.mark.parametrize("name", ["tetrominoes", "clevr6"])
def test_original_records_are_cut_from_the_end_of_training(name: str) -> None:
    count = 200
    factors = {"shape": np.zeros((count, 4), np.int64)}
    scenes = Scenes(np.zeros((count, 0)), np.zeros((count, 0)), factors)
    settings = {"source": "auto", "train_images": 100, "test_images": 7}
    usual = build(CASES[name], **settings)
    task = build(CASES[name], **settings, evaluate_on="validation")
    trained = usual._records("train", scenes)
    assert np.array_equal(task._records("train", scenes), trained[:90])
    assert np.array_equal(task._records("validation", scenes), trained[90:97])
    assert np.array_equal(task._records("test", scenes), usual._records("test", scenes))


def test_the_split_is_part_of_a_cells_id(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text('title = "x"\nseeds = [0]\n[task.tetrominoes]\nsource = "generated"\n')
    file.write_text(file.read_text() + '[system]\nname = "random-masks"\n')
    ids = set()
    for overrides in ({}, {"task.evaluate_on": "validation"}):
        plan = make_plan(load(file), budget="smoke", out=tmp_path, overrides=overrides)
        ids |= {planned.cell.id for planned in plan.cells}
    assert len(ids) == 2
