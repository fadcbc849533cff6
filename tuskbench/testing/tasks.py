"""The contract of tasks: fixed data, a named protocol, scores that an oracle gets right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tuskbench import registry
from tuskbench.contracts import Metrics, Predict, Prediction, Split, Task
from tuskbench.testing.base import ComponentConformance, fresh_python
from tuskbench.testing.modules import map_tensors, tensors

# Asks a task everything that planning asks.
_PLAN = """
import json, sys
from tuskbench import registry
task = registry.build("task", json.loads(sys.argv[1]))
print(json.dumps([task.fingerprint(), task.data_source(), repr(task.info()),
                  "torch" in sys.modules]))
"""


def in_batches(prediction: Prediction, size: int) -> Iterator[Prediction]:
    """Yield predictions over a whole split as a system does: `size` images at a time."""
    for start in range(0, len(tensors(prediction)[0]), size):
        yield map_tensors(prediction, itemgetter(slice(start, start + size)))


class TaskConformance(ComponentConformance):
    """Checks for tasks. A test class gives `settings` of few images and an `oracle`.

    Attributes:
        perfect: metric to the value that the oracle gets.
        tolerance: largest difference from that value.
        other_splits: splits besides `test` that images are scored on.
    """

    kind = "task"
    perfect: ClassVar[Mapping[str, float]] = {}
    tolerance: ClassVar[float] = 1e-6
    other_splits: ClassVar[tuple[str, ...]] = ()

    def oracle(self, split: Split) -> Prediction:
        """Return the predictions of a system that knows the targets of `split`."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep generated data out of the user's cache."""
        monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))

    def build(self) -> Task:
        """Return the task."""
        return registry.build(self.kind, self.choice)  # type: ignore[no-any-return]

    def predict(self, task: Task, size: int) -> Predict:
        """Return the oracle as a task is given it, `size` images at a time."""

        def predict(split: str, *, objects: int | None = None) -> Iterator[Prediction]:
            return in_batches(self.oracle(task.split(split)), size)

        return predict

    def test_names_itself_and_its_protocol(self) -> None:
        """The name is the registered one; the protocol ends in a version."""
        task = self.build()
        assert task.name == self.name
        assert task.info().name == self.name
        assert re.search(r"\d$", task.protocol), "a protocol's name ends in its version"

    def test_metrics_are_described(self) -> None:
        """Every metric has its sentence."""
        metrics = self.build().metrics
        assert metrics
        assert all(info.doc for info in metrics.values())

    def test_needs_are_sets_of_words(self) -> None:
        """What it needs of a system can be read from the source too."""
        assert self.signature.needs == self.build().needs

    def test_planning_needs_no_torch(self) -> None:
        """Fingerprint, source and info come without torch, the same in every process."""
        arguments = json.dumps(self.choice)
        first, second = (fresh_python(_PLAN, arguments) for _ in range(2))
        assert first == second
        fingerprint, source, _, imported_torch = first
        assert fingerprint
        assert source
        assert not imported_torch

    def test_splits(self) -> None:
        """Images are bytes of the size that `info` promises; targets go with them."""
        task = self.build()
        for name in ("train", "test"):
            split = task.split(name)
            assert split.images.dtype == torch.uint8
            assert split.images.shape[1] in (1, 3)
            assert split.images.shape[2:] == tuple(task.info().image_size)
            assert len(split) > 0
            for target, value in split.targets.items():
                assert len(value) == len(split), target
            batch = split.batch(torch.arange(min(2, len(split))))
            assert batch.images.shape[1] == 3
            assert 0 <= batch.images.min() <= batch.images.max() <= 1

    def test_splits_differ(self) -> None:
        """Training and test images are not the same."""
        train, test = (self.build().split(name).images for name in ("train", "test"))
        assert train.shape != test.shape or not torch.equal(train, test)

    def test_data_is_the_same_every_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Made again from nothing, every image and target is the same."""
        for name in ("train", "test"):
            first = self.build().split(name)
            monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / f"other-{name}"))
            second = self.build().split(name)
            assert torch.equal(first.images, second.images)
            assert first.targets.keys() == second.targets.keys()
            for target, value in first.targets.items():
                assert torch.equal(value, second.targets[target]), target

    def test_the_oracle_is_perfect(self) -> None:
        """Predictions made of the targets get the values in `perfect`."""
        task = self.build()
        metrics = task.evaluate(self.predict(task, 5))
        assert self.perfect, "say which values the oracle gets"
        for name, value in self.perfect.items():
            assert metrics.values[name] == pytest.approx(value, abs=self.tolerance), name

    def test_scores_are_well_formed(self) -> None:
        """Names are declared, shares are within [0, 1], and scores are one an image."""
        task = self.build()
        metrics: Metrics = task.evaluate(self.predict(task, 5))
        assert set(metrics.values) <= set(task.metrics)
        for name, value in metrics.values.items():
            assert np.isfinite(value), name
            assert not task.metrics[name].percent or value >= 0, name
        shapes = {(len(task.split(split)),) for split in ("test", *self.other_splits)}
        for name, scores in metrics.per_image.items():
            assert name in task.metrics
            assert np.asarray(scores).shape in shapes, name
        assert all(value >= 0 for value in metrics.counts.values())

    def test_scores_do_not_depend_on_the_batches(self) -> None:
        """The same predictions in other batches get the same scores."""
        task = self.build()
        values: list[dict[str, Any]] = [
            task.evaluate(self.predict(task, size)).values for size in (1, 7)
        ]
        assert values[0] == pytest.approx(values[1], nan_ok=True)
