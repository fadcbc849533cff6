"""Warm workers: forked from a process that has imported torch, and as independent as others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.processes import lives
from tuskbench.run.executors.local import LocalExecutor
from tuskbench.run.executors.warm import AVAILABLE, _own_modules
from tuskbench.run.interrupt import Interrupted
from tuskbench.store import Status, Store
from tuskbench.testing.executors import toy_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuskbench.cell import Cell

    MakeCell = Callable[..., Cell]

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this system cannot fork")


@pytest.fixture
def executor(tmp_path: Path, registered: None) -> Iterator[LocalExecutor]:
    made = LocalExecutor(tmp_path, jobs=2, device="cpu")
    yield made
    made.kill()
    made.close()


def test_only_modules_of_this_package_are_imported_ahead(make_cell: MakeCell) -> None:
    assert _own_modules(make_cell()) == []
    versions = {"system tusk": "tuskbench 1", "encoder unet": "tuskbench 1", "task x": "other 1"}
    cell = toy_cell()
    object.__setattr__(cell, "versions", versions)
    assert _own_modules(cell) == ["tuskbench.encoders.unet", "tuskbench.systems.tusk"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
def test_the_process_that_forks_has_one_thread(
    executor: LocalExecutor, make_cell: MakeCell
) -> None:
    assert executor.submit(make_cell()).result(120).status is Status.DONE
    assert executor._zygote is not None
    zygote = executor._zygote._process.pid
    assert len(list(Path(f"/proc/{zygote}/task").iterdir())) == 1
    assert executor.submit(make_cell(seed=1)).result(120).status is Status.DONE
    assert executor._zygote._process.pid == zygote


def test_a_zygote_that_is_killed_is_replaced(
    executor: LocalExecutor, make_cell: MakeCell, tmp_path: Path
) -> None:
    slow = make_cell(training={"steps": 10_000}, delay=0.01)
    future = executor.submit(slow)
    _wait_for_steps(tmp_path, slow)
    assert executor._zygote is not None
    executor._zygote._process.kill()
    failure = future.result(30).failure
    assert failure is not None
    assert failure["exception"] == "SIGKILL"
    assert executor.submit(make_cell()).result(120).status is Status.DONE


def test_a_zygote_that_does_not_start_costs_only_time(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuskbench.run.bootstrap.SERVE", "--nothing-of-that-name")
    executor = LocalExecutor(tmp_path, jobs=1, device="cpu")
    assert executor.submit(make_cell()).result(120).status is Status.DONE
    executor.close()


def test_a_killed_worker_takes_its_own_processes_along(
    executor: LocalExecutor, make_cell: MakeCell, tmp_path: Path
) -> None:
    cell = make_cell(training={"steps": 10_000}, delay=0.01)
    future = executor.submit(cell)
    _wait_for_steps(tmp_path, cell)
    (worker,) = executor._workers
    pid = worker.pid
    assert os.getpgid(pid) == pid
    executor.kill()
    assert isinstance(future.exception(20), Interrupted)
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


def test_workers_of_a_killed_launcher_checkpoint_and_end(
    make_cell: MakeCell, tmp_path: Path
) -> None:
    cell = make_cell(training={"steps": 10_000}, delay=0.01)
    Store(tmp_path).write_cell(cell)
    code = (
        "import pathlib, sys, time\n"
        "from tuskbench.run.executors.local import LocalExecutor\n"
        "from tuskbench.store import Store\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "executor = LocalExecutor(root, jobs=1, device='cpu')\n"
        "executor.submit(Store(root).read_cell(sys.argv[2]))\n"
        "while not executor._workers: time.sleep(0.05)\n"
        "print(*[w.pid for w in executor._workers], executor._zygote._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    launcher = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), cell.id], stdout=subprocess.PIPE
    )
    assert launcher.stdout is not None
    pids = list(map(int, launcher.stdout.readline().split()))
    _wait_for_steps(tmp_path, cell)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    until = time.monotonic() + 30
    while any(map(lives, pids)):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (Store(tmp_path).folder(cell.id) / "checkpoint.safetensors").exists()


def _wait_for_steps(root: Path, cell: Cell) -> None:
    log = Store(root).folder(cell.id) / "log.jsonl"
    until = time.monotonic() + 120
    while not log.exists() or '"step"' not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
