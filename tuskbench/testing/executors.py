"""The contract of executors: every cell ends in a record, or goes on from where it was stopped."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tuskbench import registry
from tuskbench.cell import Cell, Training
from tuskbench.run.executors import make_executor
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Status, Store
from tuskbench.testing.base import ComponentConformance


def toy_cell(seed: int = 0, steps: int = 1) -> Cell:
    """Return a cell of built-in components; one step and all the rest take a second or two."""
    settings = {"source": "digits", "train_images": 4, "test_images": 12, "canvas": 40}
    task = registry.build("task", {"name": "mnist-hard", **settings})
    network = {"name": "unet", "width": 4, "depth": 2}
    head = {"name": "single-heatmap", "keypoints": 9, "window": 5}
    decoder = {"name": "unet-sum", "width": 4, "depth": 2}
    return Cell(
        task="mnist-hard",
        task_settings=settings,
        system={"name": "tusk", "encoder": network, "head": head, "decoder": decoder},
        training=Training(steps=steps, batch_size=2),
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
        settings: of the executor, besides `device` and `jobs`.
        device: `device` of the executor.
        jobs: `jobs` of the executor.
        seconds: longest time that a cell may wait and run.
    """

    kind = "executor"
    device: ClassVar[str] = "cpu"
    jobs: ClassVar[int] = 1
    seconds: ClassVar[float] = 300.0

    def unavailable(self) -> str:
        """Return why the executor cannot run here, or "" where it can."""
        return ""

    def make(self, root: Path) -> Any:
        """Return the executor on a results folder."""
        return make_executor(self.name, root, self.settings, jobs=self.jobs, device=self.device)

    @pytest.fixture
    def executor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return the executor on a new results folder; skip where it cannot run."""
        if self.unavailable():
            pytest.skip(self.unavailable())
        monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))
        made = self.make(tmp_path)
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
        expected = [(good, Status.DONE), (bad, Status.FAILED)]
        futures = executor.submit_all([good, bad], {})
        for (cell, status), future in zip(expected, futures, strict=True):
            record = future.result(timeout=self.seconds)
            assert record.status is status, record.failure
            assert record.id == cell.id
            stored = Store(tmp_path).read(cell.id)
            assert stored is not None
            assert stored.status is status
        assert record.failure["exception"] == "ConfigurationError"
        assert record.failure["phase"] == "build"

    def test_a_stopped_cell_goes_on(self, executor: Any, tmp_path: Path) -> None:
        """`stop` lets a cell checkpoint; nothing starts after it, and a later run goes on."""
        cell, store = toy_cell(steps=_ENDLESS), Store(tmp_path)
        ending = self._training(executor, cell, store)
        executor.stop()
        assert isinstance(ending.result(), Interrupted)
        assert store.read(cell.id) is None
        assert (store.folder(cell.id) / "checkpoint.safetensors").exists()
        late = executor.submit(toy_cell(seed=1))
        assert isinstance(late.exception(self.seconds), Interrupted)
        executor.close()
        before = _steps(store, cell)
        again = self.make(tmp_path)
        ending = self._training(again, cell, store)
        again.stop()
        assert isinstance(ending.result(), Interrupted)
        again.close()
        assert _steps(store, cell)[len(before)] > before[-1], "it began again"

    def test_a_killed_cell_ends_at_once(self, executor: Any, tmp_path: Path) -> None:
        """`kill` ends a cell without a record and leaves it free for others."""
        cell, store = toy_cell(steps=_ENDLESS), Store(tmp_path)
        ending = self._training(executor, cell, store)
        # An executor of this very process has no other way to leave the cell.
        with contextlib.suppress(KeyboardInterrupt):
            executor.stop()
            executor.kill()
        assert isinstance(ending.result(), Interrupted)
        assert store.read(cell.id) is None
        with store.lock(cell.id).acquire(timeout=60):
            pass

    def test_closes_without_a_cell(self, executor: Any) -> None:
        """An executor that never got a cell closes, and closes again."""
        executor.close()

    def _training(self, executor: Any, cell: Cell, store: Store) -> Future[Any]:
        """Submit a cell, wait until it trains, and return what its exception will be."""
        seen = len(_steps(store, cell))
        # Some executors compute in the call.
        with_thread = ThreadPoolExecutor(1)
        ending = with_thread.submit(lambda: executor.submit(cell).exception(self.seconds))
        with_thread.shutdown(wait=False)
        until = time.monotonic() + self.seconds
        while len(_steps(store, cell)) == seen:
            assert not ending.done(), ending.result()
            assert time.monotonic() < until, "the cell does not train"
            time.sleep(0.05)
        return ending


# Steps that no test waits for.
_ENDLESS = 10**6


def _steps(store: Store, cell: Cell) -> list[int]:
    """Return the steps that a cell's log tells of."""
    log = store.folder(cell.id) / "log.jsonl"
    events = map(json.loads, log.read_text().splitlines()) if log.exists() else ()
    return [event["step"] for event in events if "step" in event]
