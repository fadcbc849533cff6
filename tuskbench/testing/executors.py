"""The contract of executors: every cell ends in a record, a failed one too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tuskbench import registry
from tuskbench.cell import Cell, Training
from tuskbench.store import Status, Store
from tuskbench.testing.base import ComponentConformance


def toy_cell(seed: int = 0) -> Cell:
    """Return a cell of built-in components that trains for one step in a second or two."""
    settings = {"source": "digits", "train_images": 4, "test_images": 12, "canvas": 40}
    task = registry.build("task", {"name": "mnist-hard", **settings})
    network = {"name": "unet", "width": 4, "depth": 2}
    head = {"name": "single-heatmap", "keypoints": 9, "window": 5}
    decoder = {"name": "unet-sum", "width": 4, "depth": 2}
    return Cell(
        task="mnist-hard",
        task_settings=settings,
        system={"name": "tusk", "encoder": network, "head": head, "decoder": decoder},
        training=Training(steps=1, batch_size=2),
        seed=seed,
        budget="smoke",
        protocol=task.protocol,
        versions={},
        data_fingerprint=task.fingerprint(),
        data_source=task.data_source(),
        variant="toy",
    )


class ExecutorConformance(ComponentConformance):
    """Checks for executors, with cells of a second or two on the CPU.

    Attributes:
        device: `device` of the executor.
        jobs: `jobs` of the executor.
    """

    kind = "executor"
    device: ClassVar[str] = "cpu"
    jobs: ClassVar[int] = 1

    def unavailable(self) -> str:
        """Return why the executor cannot run here, or "" where it can."""
        return ""

    @pytest.fixture
    def executor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return the executor on a new results folder; skip where it cannot run."""
        if self.unavailable():
            pytest.skip(self.unavailable())
        monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
        factory = registry.load(self.kind, self.name)
        made = factory(tmp_path, jobs=self.jobs, device=self.device)
        yield made
        made.close()

    def test_has_slots(self, executor: Any) -> None:
        """It says how many cells it takes at a time, and takes an ordinary one."""
        assert executor.slots >= 1
        executor.check(Training())

    def test_cells_end_in_records(self, executor: Any, tmp_path: Path) -> None:
        """A cell that works and one that fails both have a record, returned and stored."""
        good = toy_cell()
        bad = replace(good, task_settings={**good.task_settings, "fewest": 9, "most": 1})
        for cell, status in ((good, Status.DONE), (bad, Status.FAILED)):
            record = executor.submit(cell).result(timeout=300)
            assert record.status is status, record.failure
            assert record.id == cell.id
            stored = Store(tmp_path).read(cell.id)
            assert stored is not None
            assert stored.status is status
        assert record.failure["exception"] == "ConfigurationError"
        assert record.failure["phase"] == "build"

    def test_closes_without_a_cell(self, executor: Any) -> None:
        """An executor that never got a cell closes, and closes again."""
        executor.close()
