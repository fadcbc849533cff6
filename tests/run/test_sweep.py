"""Driving cells: order, outcomes, interrupts and a disk that fills up."""

from __future__ import annotations

import io
import json
import os
import signal
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tuskbench.errors import ConfigurationError, StoreError, WeightsMissingError
from tuskbench.plan import PlannedCell
from tuskbench.run.executors.contract import Executor
from tuskbench.run.executors.inline import InlineExecutor
from tuskbench.run.interrupt import Interrupted
from tuskbench.run.preflight import Preflight, preflight
from tuskbench.run.progress import Progress
from tuskbench.run.sweep import STOPPING, sweep, to_run
from tuskbench.store import Record, Status, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tuskbench.cell import Cell, Training

    MakeCell = Callable[..., Cell]


class Scripted(Executor):
    """An executor of invented outcomes; a cell's seed says which."""

    slots = 2

    def __init__(self, outcomes: dict[int, Any]) -> None:
        self.outcomes, self.submitted, self.calls = outcomes, [], []
        self.open: list[Future[Record]] = []

    def check(self, training: Training) -> None:
        pass

    def submit(self, cell: Cell) -> Future[Record]:
        self.submitted.append(cell.seed)
        future: Future[Record] = Future()
        outcome = self.outcomes.get(cell.seed, Status.DONE)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        elif isinstance(outcome, Status):
            future.set_result(Record(cell.id, outcome))
        else:
            self.open.append(future)
            outcome()
        return future

    def stop(self) -> None:
        self.calls.append("stop")
        self._interrupt_all()

    def kill(self) -> None:
        self.calls.append("kill")
        self._interrupt_all()

    def _interrupt_all(self) -> None:
        while self.open:
            self.open.pop().set_exception(Interrupted())

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(3, Store(tmp_path), Console(file=io.StringIO()))


def _text(progress: Progress) -> str:
    return progress._console.file.getvalue()


def test_a_failed_cell_does_not_stop_the_others(make_cell: MakeCell, progress: Progress) -> None:
    executor = Scripted({1: Status.FAILED})
    outcome = sweep([make_cell(seed) for seed in range(3)], executor, progress)
    assert executor.submitted == [0, 1, 2]
    assert (len(outcome.records), outcome.failed, outcome.interrupted) == (3, 1, False)
    assert executor.calls == ["close"]


def test_an_interrupt_stops_in_good_order(make_cell: MakeCell, progress: Progress) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    executor = Scripted({1: interrupt})
    outcome = sweep([make_cell(seed) for seed in range(4)], executor, progress)
    assert outcome.interrupted
    assert executor.calls[0] == "stop"
    assert 3 not in executor.submitted
    assert STOPPING in _text(progress)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_kills(make_cell: MakeCell, progress: Progress) -> None:
    class Stubborn(Scripted):
        def stop(self) -> None:
            self.calls.append("stop")
            os.kill(os.getpid(), signal.SIGINT)

    executor = Stubborn({0: lambda: os.kill(os.getpid(), signal.SIGINT)})
    assert sweep([make_cell()], executor, progress).interrupted
    assert executor.calls == ["stop", "kill", "close"]


def test_a_full_disk_stops_the_sweep(make_cell: MakeCell, progress: Progress) -> None:
    executor = Scripted({0: StoreError("results", "no space")})
    with pytest.raises(StoreError, match="no space"):
        sweep([make_cell(seed) for seed in range(5)], executor, progress)
    assert executor.submitted == [0, 1]
    assert executor.calls == ["stop", "close"]


def test_cells_that_wait_are_not_shown_as_running(
    make_cell: MakeCell, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Queue(Scripted):
        slots, queues = 100, True

        def submit_all(
            self, cells: Sequence[Cell], seconds: Mapping[str, float]
        ) -> list[Future[Record]]:
            self.calls.append((len(cells), dict(seconds)))
            self.futures = super().submit_all(cells, seconds)
            return self.futures

    started: list[int] = []

    def show(cell: Cell) -> None:
        started.append(cell.seed)
        executor.futures[1].set_result(Record("", Status.DONE))

    def start() -> None:
        executor.open[-1].set_running_or_notify_cancel()

    executor = Queue({1: start})
    monkeypatch.setattr(progress, "started", show)
    cells = [make_cell(seed) for seed in range(3)]
    outcome = sweep(cells, executor, progress, {cells[0].id: 2.0})
    assert started == [1]
    assert len(outcome.records) == 3
    assert executor.calls == [(3, {cells[0].id: 2.0}), "close"]


def test_a_log_gets_a_line_a_cell(make_cell: MakeCell, tmp_path: Path, progress: Progress) -> None:
    cells = [make_cell(), make_cell(accident="crash"), make_cell(seed=1)]
    sweep(cells, InlineExecutor(tmp_path, device="cpu"), progress)
    lines = _text(progress).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("[1/3] done fake-task, fake, seed 0: distance ")
    assert lines[1].endswith("seed 0: in train: RuntimeError: the system fell over")


def test_a_terminal_sees_bars(make_cell: MakeCell, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    cell, store = make_cell(), Store(tmp_path)
    store.folder(cell.id).mkdir(parents=True)
    with Progress(1, store, console) as progress:
        progress.started(cell)
        event = {"step": 5, "total": 12, "losses": {"square": 0.25}, "seconds": 1.0}
        (store.folder(cell.id) / "log.jsonl").write_text(json.dumps(event) + '\n{"ste')
        progress._bars.refresh()
        progress.finished(cell, Record(cell.id, Status.DONE, {"distance": 1.5}))
    shown = console.file.getvalue()
    assert "5/12" in shown
    assert "square 0.25" in shown
    assert "[1/1] done" in shown


def test_the_longest_go_first_and_each_id_once(make_cell: MakeCell, tmp_path: Path) -> None:
    cells = [make_cell(seed) for seed in range(5)]
    planned = [
        PlannedCell(cells[0], "new", estimate_seconds=1.0),
        PlannedCell(cells[1], "stale", estimate_seconds=9.0),
        PlannedCell(cells[2], "skipped"),
        PlannedCell(cells[3], "failed"),
        PlannedCell(cells[4], "cached"),
        PlannedCell(cells[0], "new", estimate_seconds=1.0),
    ]
    store, warnings = Store(tmp_path), []
    store.write(cells[4], Record(cells[4].id, Status.DONE))
    assert [cell.seed for cell in to_run(planned, store, warnings.append)] == [3, 1, 0]
    path = store.folder(cells[4].id) / "record.json"
    path.write_text(path.read_text().replace("done", "gone"))
    assert 4 in [cell.seed for cell in to_run(planned, store, warnings.append)]
    assert "computed again" in warnings[0]


def test_preflight_finds_what_every_worker_would(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = InlineExecutor(tmp_path, device="cpu")
    preflight([make_cell(), make_cell(seed=1)], executor)
    with pytest.raises(ConfigurationError, match="even number"):
        preflight([make_cell(width=3)], executor)
    with pytest.raises(ConfigurationError, match="executor local"):
        preflight([make_cell(training={"devices": 2})], executor)
    with pytest.raises(ConfigurationError, match="a multiple of"):
        preflight([make_cell(training={"devices": 3})], Scripted({}))

    def missing(*arguments: object) -> None:
        raise WeightsMissingError("resnet18", "no network", "set a folder")

    monkeypatch.setattr("tuskbench.registry.build", missing)
    with pytest.raises(WeightsMissingError):
        Preflight().cell(make_cell())


def test_inline_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="executor local"):
        InlineExecutor(tmp_path, jobs=2, device="cpu")
    with pytest.raises(ConfigurationError, match="cuda:N"):
        InlineExecutor(tmp_path, device="tpu")
